/**
 * The power of two choices: of two random endpoints, the one that costs less.
 *
 * @packageDocumentation
 */
import type { Random } from '../random.ts';

/** Something that can be chosen. */
export interface Candidate {
  readonly address: string;
  /** Lower is better. */
  cost(nowMs: number): number;
}

/**
 * Chooses from `ready`: two different random candidates, the lower cost wins, a tie goes to either. Candidates in `avoid` are
 * left out while there is another (case R43). Allocates nothing. Undefined when `ready` is empty.
 */
export function pickOfTwo<T extends Candidate>(
  ready: readonly T[],
  avoid: ReadonlySet<string> | undefined,
  random: Random,
  nowMs: number,
): T | undefined {
  if (avoid !== undefined && avoid.size > 0) {
    const allowed = countAllowed(ready, avoid);
    if (allowed > 0 && allowed < ready.length) return pickAllowed(ready, avoid, allowed, random, nowMs);
  }
  const size = ready.length;
  if (size < 2) return ready[0];
  const first = Math.floor(random() * size);
  const second = otherThan(first, size, random);
  return cheaper(ready[first], ready[second], nowMs);
}

/** The cheapest that fits; candidates in `avoid` only when no other does. Looks at all of them. */
export function leastOf<T extends Candidate>(
  ready: readonly T[],
  avoid: ReadonlySet<string> | undefined,
  fits: (candidate: T) => boolean,
  nowMs: number,
): T | undefined {
  let least: T | undefined;
  let leastAvoided: T | undefined;
  for (const candidate of ready) {
    if (!fits(candidate)) continue;
    if (avoid?.has(candidate.address) === true) leastAvoided = cheaper(leastAvoided, candidate, nowMs);
    else least = cheaper(least, candidate, nowMs);
  }
  return least ?? leastAvoided;
}

function pickAllowed<T extends Candidate>(
  ready: readonly T[],
  avoid: ReadonlySet<string>,
  allowed: number,
  random: Random,
  nowMs: number,
): T | undefined {
  if (allowed === 1) return nthAllowed(ready, avoid, 0);
  const first = Math.floor(random() * allowed);
  const second = otherThan(first, allowed, random);
  return cheaper(nthAllowed(ready, avoid, first), nthAllowed(ready, avoid, second), nowMs);
}

/** A random index below `size` (at least 2) that is not `taken`. */
function otherThan(taken: number, size: number, random: Random): number {
  const index = Math.floor(random() * (size - 1));
  return index < taken ? index : index + 1;
}

function cheaper<T extends Candidate>(one: T | undefined, other: T | undefined, nowMs: number): T | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  // The order of the two is random already, so a tie is too.
  return one.cost(nowMs) <= other.cost(nowMs) ? one : other;
}

function countAllowed(ready: readonly Candidate[], avoid: ReadonlySet<string>): number {
  let allowed = 0;
  for (const candidate of ready) if (!avoid.has(candidate.address)) allowed++;
  return allowed;
}

function nthAllowed<T extends Candidate>(ready: readonly T[], avoid: ReadonlySet<string>, n: number): T | undefined {
  let left = n;
  for (const candidate of ready) {
    if (!avoid.has(candidate.address) && left-- === 0) return candidate;
  }
  return undefined;
}
