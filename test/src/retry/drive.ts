import { Code } from '../../../src/call.ts';
import type { NoRetryReason, Withdrawable } from '../../../src/retry/decide.ts';
import { decideRetry } from '../../../src/retry/decide.ts';
import type { RetryOptions } from '../../../src/retry/options.ts';
import { resolveRetryOptions } from '../../../src/retry/options.ts';

/** How one attempt ends. */
export interface Answer {
  readonly code: number;
  readonly pushback?: readonly string[];
  readonly committed?: boolean;
  readonly unprocessed?: boolean;
  /** What the server asks for besides pushback. */
  readonly waitMs?: number;
  readonly overload?: boolean;
}

/** What came of a call. */
export interface Played {
  readonly attempts: number;
  readonly code: number;
  readonly waitsMs: readonly number[];
  readonly why: NoRetryReason;
}

/** What is true of the call. Default: idempotent, no deadline, a budget without bottom, no jitter. */
export interface CallFacts {
  readonly idempotent?: boolean;
  readonly enabled?: boolean;
  readonly deadlineMs?: number;
  readonly budget?: Withdrawable;
  readonly random?: () => number;
  readonly chained?: boolean;
  readonly hasOther?: boolean;
}

/** A budget without bottom that counts. */
export class CountingBudget implements Withdrawable {
  withdrawn = 0;
  tryWithdraw(): boolean {
    this.withdrawn++;
    return true;
  }
}

/** Plays a call in virtual time from 0: attempts take none, the last answer repeats. */
export function play(options: RetryOptions, answers: readonly Answer[], call: CallFacts = {}): Played {
  const rules = resolveRetryOptions(options, 'retry');
  const budget = call.budget ?? new CountingBudget();
  const waitsMs: number[] = [];
  let nowMs = 0;
  let backoffs = 0;
  for (let attempt = 1; ; attempt++) {
    const answer = answers[Math.min(attempt, answers.length) - 1] ?? { code: Code.OK };
    const decision = decideRetry({
      rules,
      attempt,
      code: answer.code,
      pushback: answer.pushback ?? [],
      idempotent: call.idempotent ?? true,
      unprocessed: answer.unprocessed ?? false,
      committed: answer.committed ?? false,
      deadlineMs: call.deadlineMs ?? Number.POSITIVE_INFINITY,
      nowMs,
      budget,
      random: call.random ?? (() => 0.5),
      backoffs,
      enabled: call.enabled ?? true,
      waitMs: () => answer.waitMs,
      overload: answer.overload ?? false,
      isChained: () => call.chained ?? false,
      hasOther: () => call.hasOther ?? true,
    });
    if (!decision.retry) return { attempts: attempt, code: answer.code, waitsMs, why: decision.why };
    waitsMs.push(decision.delayMs);
    nowMs += decision.delayMs;
    backoffs = decision.backoffs;
  }
}
