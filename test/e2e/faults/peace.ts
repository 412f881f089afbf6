/** A busy machine judges nobody: what breaks while this process itself got no time to run is tried again, aloud. */

/** A process that stands still for so long is no witness. */
const BUSY_MS = 100;
const LOOK_MS = 10;
const TRIES = 3;

/** How late this process's own timers come; the function tells the worst and ends it. */
export function watchLag(): () => number {
  let worstMs = 0;
  let lastMs = performance.now();
  const timer = setInterval(() => {
    const nowMs = performance.now();
    worstMs = Math.max(worstMs, nowMs - lastMs - LOOK_MS);
    lastMs = nowMs;
  }, LOOK_MS);
  return () => {
    clearInterval(timer);
    return worstMs;
  };
}

/** Tries until nothing broke or nothing else is to blame; the last try's outcome. */
export async function inPeace<T>(what: string, attempt: () => Promise<T>, isKept: (outcome: T) => boolean): Promise<T> {
  for (let left = TRIES - 1; ; left--) {
    const lag = watchLag();
    const outcome = await attempt();
    const lagMs = lag();
    if (isKept(outcome) || lagMs < BUSY_MS || left === 0) return outcome;
    console.warn(`${what}: this process stood still for ${Math.round(lagMs)} ms: played again`);
  }
}
