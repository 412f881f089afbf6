/**
 * Server pushback: the trailer with which a server says when, or that it must not, be asked again (gRFC A6).
 *
 * @packageDocumentation
 */

/** Metadata key of the pushback. */
export const PUSHBACK_KEY = 'grpc-retry-pushback-ms';

/** Metadata key that tells the server how many attempts were made before this one; absent on the first. */
export const PREVIOUS_ATTEMPTS_KEY = 'grpc-previous-rpc-attempts';

/** What the server said: nothing, "in so many ms", or "not again". */
export type Pushback = { readonly kind: 'none' } | { readonly kind: 'delay'; readonly delayMs: number } | { readonly kind: 'stop' };

const NONE: Pushback = Object.freeze({ kind: 'none' });
const STOP: Pushback = Object.freeze({ kind: 'stop' });
const MAX_INT32 = 2 ** 31 - 1;
/** "ASCII-encoded signed 32-bit integer with no unnecessary leading zeros"; a negative one means stop, as all else does. */
const WHOLE_NUMBER = /^(?:0|[1-9]\d{0,9})$/;

/** Reads the values of {@link PUSHBACK_KEY}. Anything but one whole number of ms that fits 32 bits means "not again" (cases R27-R29). */
export function parsePushback(values: readonly string[]): Pushback {
  if (values.length === 0) return NONE;
  const [value] = values;
  if (values.length > 1 || value === undefined || !WHOLE_NUMBER.test(value)) return STOP;
  const delayMs = Number(value);
  return delayMs > MAX_INT32 ? STOP : { kind: 'delay', delayMs };
}
