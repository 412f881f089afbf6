/**
 * Clients that send again, each in its own way: the usual loop around a call, and our engines as they are.
 *
 * @packageDocumentation
 */
import { Code } from '../../src/call.ts';
import type { QuantileWindow } from '../../src/math/quantile-window.ts';
import type { Random } from '../../src/random.ts';
import { RetryBudget } from '../../src/retry/budget.ts';
import { decideRetry } from '../../src/retry/decide.ts';
import { type RetryBudgetOptions, resolveRetryOptions } from '../../src/retry/options.ts';
import { tryTimeoutMs } from '../../src/retry/try-timeout.ts';
import type { Job, Verdict } from './station.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What a client stands on. */
export interface Ground {
  readonly time: VirtualTime;
  readonly random: Random;
  /** Brings an attempt to some server, to another than these if there is one; which it was. */
  send(job: Job, tried?: ReadonlySet<number>): number;
}

/** Makes one call; `done` hears once whether it went well. */
export type Caller = (done: (ok: boolean) => void) => void;

export interface LoopOptions {
  /** The time of each attempt in ms. */
  readonly timeoutMs: number;
  /** Attempts in all. */
  readonly attempts: number;
  /** Doubles from 50 ms, with full jitter; else at once. */
  readonly backoff?: boolean;
}

/** `for (let i = 0; i < attempts; i++) try { return await call({ deadline }) } catch {}`. */
export function loop({ time, random, send }: Ground, { timeoutMs, attempts, backoff = false }: LoopOptions): Caller {
  return (done) => {
    const attempt = (n: number): void => {
      let open = true;
      const end = (ok: boolean): void => {
        if (!open) return;
        open = false;
        cancel();
        if (ok || n === attempts) done(ok);
        else time.setTimer(() => attempt(n + 1), backoff ? 50 * 2 ** n * random() : 0);
      };
      const cancel = time.setTimer(() => end(false), timeoutMs);
      send({ expiresMs: time.nowMs() + timeoutMs, done: (verdict) => end(verdict === 'ok') });
    };
    attempt(1);
  };
}

export interface MeshOptions {
  /** The time of a call with all its attempts, in ms. */
  readonly timeoutMs: number;
  /** Default: what a mesh does by default. */
  readonly budget?: RetryBudgetOptions;
  /** How fast answers come, where the time of a try is learned from it; hears of each good one. */
  readonly latency?: QuantileWindow;
}

const CODES: Readonly<Record<Verdict, number>> = {
  ok: Code.OK,
  late: Code.DEADLINE_EXCEEDED,
  full: Code.RESOURCE_EXHAUSTED,
  down: Code.UNAVAILABLE,
};

/** Our retries and their budget, for an idempotent method. A try that is given up stays with its server, as in the worst case. */
export function mesh({ time, random, send }: Ground, options: MeshOptions): Caller {
  const rules = resolveRetryOptions({}, 'retry');
  const budget = new RetryBudget(options.budget ?? {}, time);
  return (done) => {
    const startMs = time.nowMs();
    const deadlineMs = startMs + options.timeoutMs;
    let open = true;
    let current = 0;
    let backoffs = 0;
    const tried = new Set<number>();
    const end = (ok: boolean): void => {
      open = false;
      cancel();
      if (ok) budget.succeeded();
      done(ok);
    };
    const cancel = time.setTimer(() => {
      if (open) end(false);
    }, options.timeoutMs);
    const decide = (attempt: number, code: number, expired = false): ReturnType<typeof decideRetry> =>
      decideRetry({
        rules,
        expired,
        attempt,
        code,
        pushback: [],
        idempotent: true,
        unprocessed: code === Code.UNAVAILABLE || code === Code.RESOURCE_EXHAUSTED,
        committed: false,
        deadlineMs,
        nowMs: time.nowMs(),
        budget,
        random,
        backoffs,
      });
    const attempt = (): void => {
      const n = ++current;
      const sentMs = time.nowMs();
      const tryMs =
        options.latency === undefined ? Number.POSITIVE_INFINITY : tryTimeoutMs(undefined, options.latency, sentMs, deadlineMs - sentMs);
      if (n < rules.maxAttempts && sentMs + tryMs < deadlineMs) {
        time.setTimer(() => {
          if (!open || n !== current) return;
          // Asked before the try is given up: without budget it goes on.
          if (decide(n, Code.DEADLINE_EXCEEDED, true).retry) attempt();
        }, tryMs);
      }
      const job: Job = {
        expiresMs: deadlineMs,
        done: (verdict) => {
          if (!open || n !== current) return;
          const code = CODES[verdict];
          if (code === Code.OK) options.latency?.record(time.nowMs() - sentMs, time.nowMs());
          const decision = decide(n, code);
          if (!decision.retry) {
            end(code === Code.OK);
            return;
          }
          backoffs = decision.backoffs;
          time.setTimer(() => {
            if (open) attempt();
          }, decision.delayMs);
        },
      };
      tried.add(send(job, tried));
    };
    budget.deposit();
    attempt();
  };
}
