/**
 * What a call and an attempt are, whatever carries them. No transport in here.
 *
 * @packageDocumentation
 */

/** The four kinds of gRPC method. */
export type MethodKind = 'unary' | 'clientStream' | 'serverStream' | 'bidi';

/** gRPC status codes by name. */
export const Code = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

/** Name of a gRPC status code, e.g. `UNAVAILABLE`. */
export type CodeName = keyof typeof Code;

const NAMES: readonly string[] = Object.keys(Code);

/** The name of a code; a number outside the gRPC range is given back as text. */
export function codeName(code: number): string {
  return NAMES[code] ?? String(code);
}

/** The code of a name (any case), or undefined. */
export function codeOf(name: string): number | undefined {
  const upper = name.toUpperCase();
  return Object.hasOwn(Code, upper) ? Code[upper as CodeName] : undefined;
}

/**
 * What an outcome teaches a limiter, breaker or balancer: `success` the endpoint did its work; `dropped` it did not
 * (overload, dead, late); `ignored` says nothing about it (the client cancelled, or made a mistake of its own).
 * Source: Netflix concurrency-limits `Limiter.Listener`.
 */
export type Outcome = 'success' | 'dropped' | 'ignored';

/** The outcome that a status code stands for (case O26). */
export function outcomeOf(code: number): Outcome {
  switch (code) {
    case Code.UNAVAILABLE:
    case Code.DEADLINE_EXCEEDED:
    case Code.RESOURCE_EXHAUSTED:
    case Code.INTERNAL:
    case Code.UNKNOWN:
    case Code.DATA_LOSS:
      return 'dropped';
    case Code.CANCELLED:
      return 'ignored';
    default:
      return 'success';
  }
}

/** Dropped by a server that sheds load, and is well otherwise. */
export function isBusy(code: number): boolean {
  return code === Code.RESOURCE_EXHAUSTED;
}

/** `/pkg.Service/Method` split in two: `pkg.Service`, `Method`. */
export function splitMethod(path: string): { readonly service: string; readonly method: string } {
  const slash = path.lastIndexOf('/');
  const from = path.startsWith('/') ? 1 : 0;
  return slash < from ? { service: '', method: path.slice(from) } : { service: path.slice(from, slash), method: path.slice(slash + 1) };
}

/** How much a call matters, from the last to be shed to the first (Google SRE, chapter 21). */
export type Priority = 'critical' | 'default' | 'sheddable';

/** All priorities, the one that matters most first. */
export const PRIORITIES: readonly Priority[] = ['critical', 'default', 'sheddable'];

/** Per-call wishes, given as `CallOptions.inmesh`. They win over every policy. */
export interface InmeshCallOptions {
  /** `false`: this call is never sent a second time by inmesh. Default: the method's policy. */
  readonly retry?: false;
  /** `never`: this call goes out alone. Default: the method's policy. */
  readonly coalesce?: 'never';
  /** `never`: this call is neither answered from the cache nor by another call that asks the same. Default: the method's policy. */
  readonly cache?: 'never';
  /** `true`: running this call twice does no harm, so it may be re-sent after it may have been processed. */
  readonly idempotent?: boolean;
  /** How much this call matters where there is not room for all. Default: that of the call being served here, else `default`. */
  readonly priority?: Priority;
  /** Whom this call is for: 1 to 128 printable ASCII characters. Default: that of the call being served here, else nobody. */
  readonly tenant?: string;
}
