/**
 * Hedging and the tail: calls of which few are slow by chance, sent a second time by our engine as it is.
 *
 * Answers take 10 ms in the middle (log-normal, as real ones); one of a hundred takes twenty times as long, wherever it goes.
 * No queues: what is asked is what hedging does to a tail, and what it costs. Source: Dean, Barroso, "The Tail at Scale".
 *
 * @packageDocumentation
 */
import { Code } from '../../src/call.ts';
import { type HedgeOptions, MIN_LEARNED_MS, resolveHedgeOptions } from '../../src/hedge/options.ts';
import { HedgePlan } from '../../src/hedge/plan.ts';
import { type Random, seededRandom } from '../../src/random.ts';
import { RetryBudget } from '../../src/retry/budget.ts';
import { arrivals, latencyOf } from './metastable.ts';
import { VirtualTime } from './virtual-time.ts';

export interface TailOptions {
  readonly seconds?: number;
  readonly perSecond?: number;
  /** From its half on everything takes so many times as long. @defaultValue 1 */
  readonly slowdown?: number;
  /** Undefined: no hedging. */
  readonly hedge?: HedgeOptions;
  readonly seed?: number;
}

export interface TailRun {
  /** In ms, in order. */
  readonly latencies: readonly number[];
  readonly calls: number;
  readonly attempts: number;
}

const MIDDLE_MS = 10;
const SIGMA = 0.25;
const SLOW_SHARE = 0.01;
const SLOW_TIMES = 20;

/** What callers of the second half saw, and sent; the first is there to learn from. */
export function runTail({ seconds = 60, perSecond = 500, slowdown = 1, hedge, seed = 7 }: TailOptions): TailRun {
  const time = new VirtualTime();
  const random = seededRandom(seed);
  const learned = latencyOf(time);
  const budget = new RetryBudget({}, time);
  const rules = hedge === undefined ? undefined : resolveHedgeOptions(hedge, 'hedge');
  const halfMs = (seconds * 1000) / 2;
  const run = { latencies: [] as number[], calls: 0, attempts: 0 };
  arrivals(
    time,
    seededRandom(seed + 1),
    () => perSecond / 1000,
    2 * halfMs,
    () => {
      const startMs = time.nowMs();
      const counts = startMs >= halfMs;
      if (counts) run.calls++;
      budget.deposit();
      const q = rules === undefined ? undefined : (rules.delayMs ?? learned.quantile(rules.percentile, startMs));
      const plan = new HedgePlan({
        maxAttempts: rules?.maxAttempts ?? 1,
        delayMs: q === undefined ? undefined : Math.max(MIN_LEARNED_MS, q),
        nonFatalCodes: rules?.nonFatalCodes ?? new Set(),
        deadlineMs: Number.POSITIVE_INFINITY,
        budget,
      });
      let over = false;
      const attempt = (): void => {
        if (counts) run.attempts++;
        const sentMs = time.nowMs();
        time.setTimer(
          () => {
            // A loser that answers is known too: without it only fast answers would ever be learned.
            learned.record(time.nowMs() - sentMs, time.nowMs());
            if (over) return;
            budget.succeeded();
            over = plan.ended({ code: Code.OK, pushback: [], unprocessed: false }, time.nowMs()) === 'end';
            if (counts) run.latencies.push(time.nowMs() - startMs);
          },
          answerMs(random) * (counts ? slowdown : 1),
        );
      };
      const look = (): void => {
        if (plan.nextAtMs === Number.POSITIVE_INFINITY) return;
        time.at(plan.nextAtMs, () => {
          if (over || plan.due(time.nowMs()) !== 'start') return;
          attempt();
          look();
        });
      };
      plan.start(startMs);
      attempt();
      look();
    },
  );
  time.run(2 * halfMs + 60_000);
  run.latencies.sort((a, b) => a - b);
  return run;
}

function answerMs(random: Random): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return MIDDLE_MS * Math.exp(SIGMA * normal) * (random() < SLOW_SHARE ? SLOW_TIMES : 1);
}

export function quantile({ latencies }: TailRun, q: number): number {
  return latencies[Math.min(latencies.length - 1, Math.floor(q * latencies.length))] ?? 0;
}
