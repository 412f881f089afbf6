/**
 * Audit of authorization decisions: gRFC A59.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../errors.ts';
import { nearest } from '../input/nearest.ts';
import { quote } from '../input/show.ts';
import type { AuthorizationPolicy } from './policy.ts';

/** One decision. */
export interface AuditEvent {
  /** `/pkg.Service/Method`. */
  readonly fullMethodName: string;
  /** The SPIFFE id in the client's certificate, else empty. */
  readonly principal: string;
  /** Name of the policy. */
  readonly policyName: string;
  /** Name of policy and rule, as `authz_admins`; empty: none matched. */
  readonly matchedRule: string;
  readonly authorized: boolean;
}

/**
 * Is told of decisions, before the call goes on. What it throws is warned of, and changes nothing.
 *
 * @param config - What the policy says for this logger.
 */
export type AuditLogger = (event: AuditEvent, config: Readonly<Record<string, unknown>>) => void;

/** Tells the loggers of one policy. */
export interface Audit {
  /** Which decisions they want to hear. */
  wants(allowed: boolean): boolean;
  log(event: AuditEvent): void;
}

/**
 * The loggers that a policy names; undefined when nothing is audited.
 *
 * @param warn - Told of a logger that throws, once for each policy.
 * @throws ConfigError when there is no logger of a name, unless the policy says that it is optional.
 */
export function auditOf(
  { audit_logging_options: options }: AuthorizationPolicy,
  loggers: Readonly<Record<string, AuditLogger>>,
  warn: (line: string) => void,
  path: string,
): Audit | undefined {
  const used: (readonly [AuditLogger, Readonly<Record<string, unknown>>])[] = [];
  for (const [i, { name, config = {}, is_optional }] of (options?.audit_loggers ?? []).entries()) {
    const logger = Object.hasOwn(loggers, name) ? loggers[name] : undefined;
    if (logger !== undefined) used.push([logger, config]);
    else if (!is_optional) throw unknownLogger(name, Object.keys(loggers), `${path}.audit_logging_options.audit_loggers[${i}].name`);
  }
  const { audit_condition: condition = 'NONE' } = options ?? {};
  if (used.length === 0 || condition === 'NONE') return undefined;
  let said = false;
  return {
    wants: (allowed) => condition === 'ON_DENY_AND_ALLOW' || condition === (allowed ? 'ON_ALLOW' : 'ON_DENY'),
    log: (event) => {
      for (const [logger, config] of used) {
        try {
          logger(event, config);
        } catch {
          if (!said) warn('authorization: an audit logger has thrown; its events may be missing');
          said = true;
        }
      }
    },
  };
}

function unknownLogger(name: string, known: readonly string[], path: string): ConfigError {
  const meant = nearest(name, known);
  const hint = meant === undefined ? `known are ${known.join(', ')}` : `did you mean "${meant}"?`;
  return new ConfigError(path, `expected the name of an audit logger, got ${quote(name)}; ${hint}`);
}

/** The line of A59's `stdout_logger`. @param time - As RFC 3339 writes it. */
export function auditLine({ fullMethodName, principal, policyName, matchedRule, authorized }: AuditEvent, time: string): string {
  const entry = { rpc_method: fullMethodName, principal, policy_name: policyName, matched_rule: matchedRule, authorized, timestamp: time };
  return JSON.stringify({ grpc_audit_log: entry });
}

const PARTS = new Intl.DateTimeFormat('en-US', {
  ...{ timeZone: 'UTC', hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit' },
  ...{ hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 },
});

/** A wall-clock time in ms as RFC 3339 writes it, e.g. `2026-01-02T15:04:05.999Z`. */
export function rfc3339(wallMs: number): string {
  const { year, month, day, hour, minute, second, fractionalSecond } = Object.fromEntries(
    PARTS.formatToParts(wallMs).map(({ type, value }) => [type, value]),
  );
  return `${year}-${month}-${day}T${hour}:${minute}:${second}.${fractionalSecond}Z`;
}
