/**
 * The policy in force of one server: decides, counts, audits, and follows its file.
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import { ConfigError } from '../errors.ts';
import { type Audit, type AuditLogger, auditLine, auditOf, rfc3339 } from './audit.ts';
import { type AuthorizationRequest, Authorizer, UNMATCHED, type Verdict } from './authorizer.ts';
import { parseStrictJson } from './json.ts';
import { type AuthorizationPolicy, type AuthorizationRule, parseAuthorizationPolicy } from './policy.ts';
import { type FileReader, WatchedFile } from './policy-file.ts';

/** Where a policy stands: given as it is, or in a file that is read again. */
export type PolicySource =
  | { readonly policy: AuthorizationPolicy | string; readonly file?: never }
  | { readonly policy?: never; readonly file: string; readonly refreshMs: number };

/** What a guard works with. */
export interface GuardSettings {
  readonly clock: Clock;
  readonly warn: (line: string) => void;
  /** By name; `stdout_logger` is there unless given. */
  readonly auditLoggers?: Readonly<Record<string, AuditLogger>>;
  /** False: nobody will say whether a connection without client certificate is TLS, so no policy may ask. */
  readonly knowsTls: boolean;
  readonly reader?: FileReader;
  /** Told that another policy of the file is in force. */
  readonly onReloaded?: (() => void) | undefined;
}

/** Counts of one guard since it was made. */
export interface AuthorizationStats {
  readonly allowed: number;
  readonly denied: number;
  /** Denied calls by deny rule, of the policy in force. */
  readonly deniedBy: Readonly<Record<string, number>>;
  /** Denied calls that no rule matched. */
  readonly unmatched: number;
  /** Changes of the file that were taken, and readings that failed: the policy before stays in force. */
  readonly reloads: number;
  readonly failedReloads: number;
}

interface Loaded {
  readonly authorizer: Authorizer;
  readonly audit: Audit | undefined;
  readonly deniedBy: Map<string, number>;
}

/** Says who passes. */
export class AuthorizationGuard {
  readonly #settings: GuardSettings;
  readonly #loggers: Readonly<Record<string, AuditLogger>>;
  readonly #file: WatchedFile<Loaded> | undefined;
  readonly #fixed: Loaded | undefined;
  #allowed = 0;
  #denied = 0;
  #unmatched = 0;
  #unjudged = false;

  /** @throws ConfigError when the policy is wrong or its file can't be read. */
  constructor(source: PolicySource, settings: GuardSettings) {
    this.#settings = settings;
    const { clock } = settings;
    const stdout: AuditLogger = (event) => process.stdout.write(`${auditLine(event, rfc3339(clock.wallMs()))}\n`);
    this.#loggers = { stdout_logger: stdout, ...settings.auditLoggers };
    if (source.file === undefined) {
      const { policy } = source;
      this.#fixed = this.#load(typeof policy === 'string' ? parseStrictJson(policy, 'policy') : policy, 'policy');
      return;
    }
    const { file, refreshMs } = source;
    this.#file = new WatchedFile({
      path: file,
      refreshMs,
      parse: (text) => this.#load(parseStrictJson(text, file), file),
      clock,
      onReloaded: settings.onReloaded,
      warn: (line) => settings.warn(`authorization policy not reloaded, ${line}`),
      ...(settings.reader === undefined ? {} : { reader: settings.reader }),
    });
  }

  /** True when the policy allows the request. Counts and audits it. */
  admits(request: AuthorizationRequest): boolean {
    const { authorizer, audit, deniedBy } = this.#loaded;
    const { allowed, rule } = this.#decide(authorizer, request);
    if (allowed) this.#allowed++;
    else {
      this.#denied++;
      if (rule === undefined) this.#unmatched++;
      else deniedBy.set(rule, (deniedBy.get(rule) ?? 0) + 1);
    }
    if (audit?.wants(allowed)) {
      audit.log({
        fullMethodName: request.path,
        principal: spiffeId(request),
        policyName: authorizer.policy.name,
        matchedRule: rule === undefined ? '' : `${authorizer.policy.name}_${rule}`,
        authorized: allowed,
      });
    }
    return allowed;
  }

  /** What can't be read, as a certificate that breaks our rules, is nobody's permission. */
  #decide(authorizer: Authorizer, request: AuthorizationRequest): Verdict {
    try {
      return authorizer.decide(request);
    } catch (error) {
      if (!this.#unjudged) this.#settings.warn(`authorization: a request could not be judged, and is denied: ${nameOf(error)}`);
      this.#unjudged = true;
      return UNMATCHED;
    }
  }

  /** Follows the file no more. The policy stays in force. */
  stop(): void {
    this.#file?.stop();
  }

  stats(): AuthorizationStats {
    return {
      allowed: this.#allowed,
      denied: this.#denied,
      deniedBy: Object.fromEntries(this.#loaded.deniedBy),
      unmatched: this.#unmatched,
      reloads: this.#file?.reloads ?? 0,
      failedReloads: this.#file?.failedReloads ?? 0,
    };
  }

  get #loaded(): Loaded {
    const loaded = this.#fixed ?? this.#file?.value;
    if (loaded === undefined) throw new Error('a guard has a policy or a file');
    return loaded;
  }

  #load(document: unknown, path: string): Loaded {
    const policy = parseAuthorizationPolicy(document, path);
    if (!this.#settings.knowsTls) refuseEmptyPrincipal(policy, path);
    const audit = auditOf(policy, this.#loggers, this.#settings.warn, path);
    return { authorizer: new Authorizer(policy), audit, deniedBy: new Map() };
  }
}

const nameOf = (error: unknown): string => (error instanceof Error ? error.name : typeof error);

function spiffeId(request: AuthorizationRequest): string {
  try {
    return request.principals()?.find((name) => name.startsWith('spiffe://')) ?? '';
  } catch {
    return ''; // the verdict has told
  }
}

function refuseEmptyPrincipal(policy: AuthorizationPolicy, path: string): void {
  const check = (rules: readonly AuthorizationRule[] | undefined, key: string): void => {
    for (const [i, { source }] of (rules ?? []).entries()) {
      const at = source?.principals?.indexOf('') ?? -1;
      if (at < 0) continue;
      throw new ConfigError(
        `${path}.${key}[${i}].source.principals[${at}]`,
        'expected a name, got "", which is about TLS without a client certificate: an interceptor alone can\'t tell that from plaintext; say tls: true or tls: false beside the policy',
      );
    }
  };
  check(policy.deny_rules, 'deny_rules');
  check(policy.allow_rules, 'allow_rules');
}
