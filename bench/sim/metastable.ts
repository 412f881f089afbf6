/**
 * Metastable failure: a service that a short fault pushes into a state in which its own clients keep it.
 *
 * Three replicas of two slots and 10 ms a job (200 jobs a second each), asked for 80 % of that. At 10 s something happens; what then?
 * Bands and scenario: Bronson et al., "Metastable Failures in Distributed Systems" (HotOS'21), Huang et al. (OSDI'22).
 *
 * @packageDocumentation
 */
import type { QuantileWindow } from '../../src/math/quantile-window.ts';
import { type Random, seededRandom } from '../../src/random.ts';
import { MethodLatencies } from '../../src/retry/latencies.ts';
import { type Caller, type Ground, loop, mesh } from './callers.ts';
import { Station } from './station.ts';
import { VirtualTime } from './virtual-time.ts';

/** The client's way. `mesh`: ours as it is by default, with the time of one try learned; `budget`: the same without it. */
export type Way = 'none' | 'loop 3' | 'loop 4 + backoff' | 'budget' | 'mesh';
/** What happens at {@link FAULT_MS}: all stand still; three times the calls; one of them dies; all take five times as long. */
export type Trigger = 'stall' | 'spike' | 'replica' | 'cold';

export interface Scenario {
  readonly way: Way;
  readonly trigger?: Trigger;
  /** The server refuses what is late, as ours does. */
  readonly dropLate: boolean;
  readonly seed?: number;
  /** Jobs inside each server at most; 0: any number. */
  readonly limit?: number;
}

/** One second. */
export interface Second {
  calls: number;
  good: number;
  attempts: number;
}

export const FAULT_MS = 10_000;
const SLOTS = 2;
const SERVICE_MS = 10;
const REPLICAS = 3;
/** Jobs a second that all of them can do. */
export const CAPACITY: number = (REPLICAS * SLOTS * 1000) / SERVICE_MS;
const OFFERED = 0.8;
const TIMEOUT_MS = 200;
const SECONDS = 60;

/** How long the trigger lasts. */
export const LASTS_MS: Readonly<Record<Trigger, number>> = { stall: 2_000, spike: 5_000, replica: 5_000, cold: 5_000 };

/** Runs a minute; what its seconds were like. A call counts in the second in which it was made, an attempt in that in which it was sent. */
export function runMetastable({ way, trigger = 'stall', dropLate, seed = 7, limit = 0 }: Scenario): readonly Second[] {
  const time = new VirtualTime();
  const random = seededRandom(seed);
  const options = { slots: SLOTS, serviceMs: () => SERVICE_MS, dropLate, ...(limit > 0 ? { limit } : {}) };
  const stations = Array.from({ length: REPLICAS }, () => new Station(time, options));
  const seconds: Second[] = Array.from({ length: SECONDS }, () => ({ calls: 0, good: 0, attempts: 0 }));
  const second = (): Second => seconds[Math.min(SECONDS - 1, Math.floor(time.nowMs() / 1000))] as Second;
  const ground: Ground = {
    time,
    random,
    send: (job, tried) => {
      second().attempts++;
      const up = [...stations.keys()].filter((index) => stations[index]?.down === false);
      const fresh = up.filter((index) => tried?.has(index) !== true);
      const from = fresh.length > 0 ? fresh : up;
      const picked = from[Math.floor(random() * from.length)] ?? -1;
      const station = stations[picked];
      if (station === undefined) job.done('down');
      else station.offer(job);
      return picked;
    },
  };
  const call = callerOf(way, ground);
  const lasts = LASTS_MS[trigger];
  const perMs = (atMs: number): number => {
    const factor = trigger === 'spike' && atMs >= FAULT_MS && atMs < FAULT_MS + lasts ? 3 : 1;
    return (OFFERED * factor * CAPACITY) / 1000;
  };
  // Chance of their own: the same calls come, whatever is made of them.
  const chance = seededRandom(seed + 1);
  arrivals(time, chance, perMs, SECONDS * 1000, () => {
    const made = second();
    made.calls++;
    call((ok) => {
      if (ok) made.good++;
    });
  });
  time.at(FAULT_MS, () => strike(time, stations, trigger, lasts));
  time.run(SECONDS * 1000 + 5_000);
  return seconds;
}

/** Poisson arrivals at a rate that may change. */
export function arrivals(time: VirtualTime, random: Random, perMs: (atMs: number) => number, untilMs: number, arrive: () => void): void {
  const next = (): void => {
    const atMs = time.nowMs() - Math.log(1 - random()) / perMs(time.nowMs());
    if (atMs >= untilMs) return;
    time.at(atMs, () => {
      arrive();
      next();
    });
  };
  next();
}

function callerOf(way: Way, ground: Ground): Caller {
  switch (way) {
    case 'none':
      return loop(ground, { timeoutMs: TIMEOUT_MS, attempts: 1 });
    case 'loop 3':
      return loop(ground, { timeoutMs: TIMEOUT_MS, attempts: 3 });
    case 'loop 4 + backoff':
      return loop(ground, { timeoutMs: TIMEOUT_MS, attempts: 4, backoff: true });
    case 'budget':
      return mesh(ground, { timeoutMs: TIMEOUT_MS });
    case 'mesh':
      return mesh(ground, { timeoutMs: TIMEOUT_MS, latency: latencyOf(ground.time) });
  }
}

/** What a mesh knows of one method's latency. */
export function latencyOf(time: VirtualTime): QuantileWindow {
  return new MethodLatencies(time).of('/sim.Service/Method');
}

function strike(time: VirtualTime, stations: readonly Station[], trigger: Trigger, lastsMs: number): void {
  const [first] = stations;
  if (trigger === 'stall') for (const station of stations) station.stall(lastsMs);
  if (trigger === 'replica') first?.kill();
  if (trigger === 'cold') for (const station of stations) station.slowness = 5;
  time.setTimer(() => {
    first?.revive();
    for (const station of stations) station.slowness = 1;
  }, lastsMs);
}

/** Share of the calls of these seconds that went well. */
export function goodput(seconds: readonly Second[], from: number, to: number): number {
  const part = seconds.slice(from, to);
  return part.reduce((sum, { good }) => sum + good, 0) / part.reduce((sum, { calls }) => sum + calls, 0);
}

/** Attempts a call, in these seconds. */
export function amplification(seconds: readonly Second[], from: number, to: number): number {
  const part = seconds.slice(from, to);
  return part.reduce((sum, { attempts }) => sum + attempts, 0) / part.reduce((sum, { calls }) => sum + calls, 0);
}

/** Seconds from the end of the trigger to the first from which on at least 95 % of the calls of each second go well; Infinity: never. */
export function recoversIn(seconds: readonly Second[], trigger: Trigger): number {
  const end = (FAULT_MS + LASTS_MS[trigger]) / 1000;
  const last = seconds.findLastIndex(({ good, calls }) => good < 0.95 * calls);
  return last === seconds.length - 1 ? Number.POSITIVE_INFINITY : Math.max(0, last + 1 - end);
}
