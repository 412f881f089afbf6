/**
 * Authorization on its own, as a grpc-js server interceptor.
 *
 * @packageDocumentation
 */
import type { ServerInterceptor } from '@grpc/grpc-js';
import type { AuditLogger } from '../../src/auth/audit.ts';
import { AuthorizationGuard, type AuthorizationStats, type PolicySource } from '../../src/auth/guard.ts';
import type { AuthorizationPolicy } from '../../src/auth/policy.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import { ConfigError } from '../../src/errors.ts';
import { asServerInterceptor } from '../../src/grpc/server-door.ts';
import { checkedNumber, checkedObject } from '../../src/input/checks.ts';
import { show } from '../../src/input/show.ts';
import { authorizationServer } from '../authorization.ts';

/** Options of {@link authorizationServerInterceptor}: a `policy` or a `file`, one of them. */
export interface AuthorizationOptions {
  /** The policy, as an object or as JSON text. */
  readonly policy?: AuthorizationPolicy | string;
  /** Path of a JSON file with the policy. */
  readonly file?: string;
  /** Time between readings of the file, in ms, > 0. Default 60,000. */
  readonly refreshMs?: number;
  /**
   * Whether the server's ports are TLS. An interceptor can't see that of a client without certificate, so it must be said
   * where the policy has the principal `""`. Default: not known; a client certificate is seen either way.
   */
  readonly tls?: boolean;
  /** Audit loggers that policies may name (gRFC A59), besides `stdout_logger`. */
  readonly auditLoggers?: Readonly<Record<string, AuditLogger>>;
  /** Takes a line when the file could not be reloaded. Default `process.emitWarning`. */
  readonly warn?: (line: string) => void;
  /** Default: the real clock. */
  readonly clock?: Clock;
}

/** A server interceptor that guards. */
export interface AuthorizationServerInterceptor extends ServerInterceptor {
  /** Reads the file no more; the policy stays in force. */
  stop(): void;
  /** Decisions and reloads so far. */
  stats(): AuthorizationStats;
}

const KNOWN = ['policy', 'file', 'refreshMs', 'tls', 'auditLoggers', 'warn', 'clock'];

/** One of two; which, is the caller's affair. @throws ConfigError */
function sourceOf({ policy, file }: AuthorizationOptions, refreshMs: number): PolicySource {
  if ((policy === undefined) === (file === undefined)) {
    throw new ConfigError('authorization', `expected a policy or a file, got ${policy === undefined ? 'neither' : 'both'}`);
  }
  if (policy !== undefined) return { policy };
  if (typeof file !== 'string' || file === '')
    throw new ConfigError('authorization.file', `expected the path of a file, got ${show(file)}`);
  return { file, refreshMs };
}

/**
 * Lets calls pass that a policy of gRFC A43 allows, and ends the others with PERMISSION_DENIED.
 *
 * @throws ConfigError on a bad option, on a bad policy, and on a file that can't be read.
 */
export function authorizationServerInterceptor(options: AuthorizationOptions): AuthorizationServerInterceptor {
  const given = checkedObject(options, KNOWN, 'authorization');
  const refreshMs = checkedNumber(given['refreshMs'], 60_000, { min: 0, above: true, ms: true }, 'authorization.refreshMs');
  const { tls, clock = systemClock, warn = warnProcess, auditLoggers = {} } = options;
  if (tls !== undefined && typeof tls !== 'boolean') throw new ConfigError('authorization.tls', `expected true or false, got ${show(tls)}`);
  const source = sourceOf(options, refreshMs);
  const guard = new AuthorizationGuard(source, { clock, warn, auditLoggers, knowsTls: tls !== undefined });
  const interceptor = asServerInterceptor(authorizationServer({ guard, isTls: () => tls }));
  return Object.assign(interceptor, { stop: () => guard.stop(), stats: () => guard.stats() });
}

function warnProcess(line: string): void {
  process.emitWarning(line, 'InmeshWarning');
}
