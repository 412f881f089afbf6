/**
 * Timeouts as gRPC writes them: the header `grpc-timeout`, one to eight digits and a unit.
 *
 * @packageDocumentation
 */

/** Metadata key of a call's time left. */
export const TIMEOUT_KEY = 'grpc-timeout';

/** From the finest that we write. */
const UNITS: readonly (readonly [unit: string, ms: number])[] = [
  ['m', 1],
  ['S', 1000],
  ['M', 60_000],
  ['H', 3_600_000],
];
/** Eight digits. */
const MOST = 1e8;
const LONGEST = '99999999H';

/** A timeout in ms (>= 0) in the finest unit that has room for it, rounded up: the call's own end tells the client, not this. */
export function timeoutText(timeoutMs: number): string {
  for (const [unit, ms] of UNITS) {
    const amount = Math.ceil(timeoutMs / ms);
    if (amount < MOST) return `${amount}${unit}`;
  }
  return LONGEST;
}
