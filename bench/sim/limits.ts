/**
 * Adaptive limits against a server of four slots and 10 ms a call, or of a hundred slots and a latency that varies.
 *
 * @packageDocumentation
 */
import { AdaptiveLimiter } from '../../src/limit/limiter.ts';
import { type AdaptiveLimitOptions, createAlgorithm, resolveLimitOptions } from '../../src/limit/options.ts';
import type { Random } from '../../src/random.ts';
import { goodput, latency, limitBand, type ModelOptions, type Run, runQueueModel } from './queue-model.ts';

/** Calls a second that four slots of 10 ms can do. */
export const CAPACITY = 400;

type Limits = ModelOptions['limits'];

/** A limit for each client. */
export function adaptive(options: AdaptiveLimitOptions): Limits {
  return (_client, time, random) => {
    const rules = resolveLimitOptions(options, 'limit');
    return [new AdaptiveLimiter(rules, createAlgorithm(rules, random), time)];
  };
}

/** A number that stays. */
export function fixed(limit: number): Limits {
  return adaptive({ algorithm: 'aimd', initial: limit, min: limit, max: limit });
}

/** Four slots of 10 ms, asked for `load` times what they can do. */
export function fourSlots(load: number, limits: Limits, more: Partial<ModelOptions> = {}): Run {
  return runQueueModel({ seconds: 20, rate: () => load * CAPACITY, slots: () => 4, serviceMs: () => 10, limits, ...more });
}

/** Log-normal: half of the calls take `median` or less, one in a hundred five times as long. */
export function varying(median: number): (atMs: number, random: Random) => number {
  return (_atMs, random) => median * Math.exp(0.7 * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()));
}

/** Calls a second that a hundred slots with {@link varying} 20 ms can do: the mean of a log-normal is exp(sigma^2 / 2) medians. */
export const LARGE_CAPACITY: number = (100 * 1000) / (20 * Math.exp(0.7 ** 2 / 2));

/** A hundred slots whose latency varies, asked for `load` times what they can do. */
export function hundredSlots(load: number, limits: Limits): Run {
  const rate = (): number => load * LARGE_CAPACITY;
  return runQueueModel({ seconds: 10, rate, slots: () => 100, serviceMs: varying(20), timeoutMs: 1000, limits });
}

/** One in ten calls is twenty times as long. */
export const BIMODAL_CAPACITY: number = CAPACITY / (0.9 + 0.1 * 20);
export function bimodal(load: number, limits: Limits): Run {
  const serviceMs = (_atMs: number, random: Random): number => (random() < 0.1 ? 200 : 10);
  return fourSlots(load, limits, { seconds: 30, rate: () => load * BIMODAL_CAPACITY, serviceMs, timeoutMs: 1000 });
}

/** Sixteen slots of 20 ms at 0.7 of their load; everything stands still for 80 ms in every 200, which is reckoned in. */
export const STALLING_CAPACITY: number = ((16 * 1000) / 20) * 0.6;
export function stalling(limits: Limits): Run {
  const serviceMs = (atMs: number): number => 20 + Math.max(0, 80 - (atMs % 200));
  const rate = (): number => 0.7 * STALLING_CAPACITY;
  return runQueueModel({ seconds: 10, rate, slots: () => 16, serviceMs, timeoutMs: 500, limits });
}

/** A limit that all clients share, as that of a server. */
export function shared(options: AdaptiveLimitOptions): Limits {
  let one: readonly AdaptiveLimiter[] | undefined;
  return (...about) => {
    one ??= adaptive(options)(...about);
    return one;
  };
}

/** Five times what four slots can do; a tenth of it, half of their capacity, is critical. What share of that is answered in time. */
export function criticalShare(limits: Limits): { readonly critical: number; readonly run: Run } {
  const run = fourSlots(5, limits, { clients: 10, partition: (client) => (client === 0 ? 'critical' : 'default') });
  return { critical: (run.byClient[0] ?? 0) / (run.offeredByClient[0] ?? 1), run };
}

/** A run in a line: share of the capacity that was good, latency, where the limit was. */
export function describeRun(run: Run, capacity: number, from: number): string {
  const { least, mean, most } = limitBand(run, from);
  const good = Math.round((100 * goodput(run, from)) / capacity);
  return `${good} % good, p50 ${latency(run, 0.5, from).toFixed(0)} ms, p99 ${latency(run, 0.99, from).toFixed(0)} ms, limit ${least}-${mean.toFixed(0)}-${most}`;
}
