/**
 * Statuses that we raise ourselves, and errors in what we are given.
 *
 * @packageDocumentation
 */
import { Code } from './call.ts';

/** Metadata key that names who refused a call and why, e.g. `client.bulkhead/queue-full`. */
export const REASON_KEY = 'inmesh-reason';

/** Metadata key set when the server provably never ran the call's handler: a retry is safe whatever the method. */
export const UNPROCESSED_KEY = 'inmesh-unprocessed';

/** Metadata key set when a call may have been processed although it failed (its carrier broke after it was sent). */
export const AMBIGUOUS_KEY = 'inmesh-ambiguous';

/**
 * Brand of a status raised on this side. A registered symbol, so that two copies of inmesh know each other's, and a
 * property, so that it survives interceptors that copy the status.
 */
export const LOCAL: unique symbol = Symbol.for('inmesh.local');

/** What a refusal looks like before the bridge gives it the transport's form. */
export interface Refusal {
  readonly code: number;
  readonly details: string;
  /** Who refused and why: `<side>.<behaviour>/<reason>`. Travels as `inmesh-reason`. */
  readonly reason: string;
  /** True when no handler can have run: the call may be sent again whatever its method. */
  readonly unprocessed: boolean;
}

/** A refusal before anything was sent or run. */
export function refusal(code: number, reason: string, details: string): Refusal {
  return { code, details: `inmesh: ${details}`, reason, unprocessed: true };
}

/** A call whose time is over, seen on this side. */
export function late(reason: string, details: string): Refusal {
  return refusal(Code.DEADLINE_EXCEEDED, reason, details);
}

/** A fault in what the user handed us, found at registration or load. `path` says where, e.g. `policy.methods["a.B/C"].timeout`. */
export class ConfigError extends TypeError {
  override readonly name = 'ConfigError';
  readonly code = 'INMESH_CONFIG';
  /** Where in the input, in JavaScript notation. */
  readonly path: string;
  constructor(path: string, problem: string) {
    super(`${path}: ${problem}`);
    this.path = path;
  }
}

/** Wrong use of the API, found at registration or on the first call. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly code = 'INMESH_USAGE';
}
