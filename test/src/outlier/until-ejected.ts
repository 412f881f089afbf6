import { setTimeout as sleep } from 'node:timers/promises';

/** When an ejection was seen. */
export interface Seen {
  /** On `performance.now()`. */
  readonly atMs: number;
  /** The longest time, until then, in which this process did not get to look: a busy machine. */
  readonly stoodStillMs: number;
}

/** Looks each few ms until `isEjected`. @throws after 10 s. */
export async function untilEjected(isEjected: () => boolean): Promise<Seen> {
  const startedMs = performance.now();
  let lastMs = startedMs;
  let stoodStillMs = 0;
  while (!isEjected()) {
    await sleep(5);
    const nowMs = performance.now();
    stoodStillMs = Math.max(stoodStillMs, nowMs - lastMs - 5);
    lastMs = nowMs;
    if (nowMs - startedMs > 10_000) throw new Error('not ejected in 10 s');
  }
  return { atMs: performance.now(), stoodStillMs };
}
