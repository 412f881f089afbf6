/**
 * The only reader of chance. Engines take a `Random`, so that every test can be replayed from its seed.
 *
 * @packageDocumentation
 */

/** Uniform in [0, 1), like `Math.random`. */
export type Random = () => number;

/** The process's own generator. */
export const systemRandom: Random = () => Math.random();

/** A generator that repeats itself for the same seed (mulberry32: 32 bits of state, passes gjrand). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
