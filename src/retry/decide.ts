/**
 * Whether a call is sent once more.
 *
 * Idempotency: what provably never ran may be re-sent whatever the method; what may have run, only if the method is marked.
 * The budget is asked last, so that nothing is taken out for a retry that does not happen.
 * Source: gRFC A6; idempotency rule and budget are ours.
 *
 * @packageDocumentation
 */
import { Code } from '../call.ts';
import type { Random } from '../random.ts';
import { backoffMs } from './backoff.ts';
import type { RetryRules } from './options.ts';
import { parsePushback } from './pushback.ts';

/** The part of a {@link RetryBudget} that a decision needs. */
export interface Withdrawable {
  tryWithdraw(carried?: boolean): boolean;
}

/** All that a decision depends on. */
export interface EndedAttempt {
  readonly rules: RetryRules;
  /** Number of the attempt that has ended, from 1. */
  readonly attempt: number;
  readonly code: number;
  /** Values of the pushback trailer. */
  readonly pushback: readonly string[];
  /** Running the method twice does no harm. */
  readonly idempotent: boolean;
  /** The server provably never ran this attempt's handler. */
  readonly unprocessed: boolean;
  /** The app has seen a part of the answer, or its messages are no longer kept. */
  readonly committed: boolean;
  /** On the same scale as `nowMs`; Infinity: none. */
  readonly deadlineMs: number;
  readonly nowMs: number;
  readonly budget: Withdrawable;
  /** It was lost with a carrier that it shared with other calls. @defaultValue false */
  readonly carried?: boolean;
  readonly random: Random;
  /** Backoffs since the start or since the last pushback delay: `backoffs` of the decision before; 0 at first. */
  readonly backoffs: number;
  /** False: switched off for this call or method. @defaultValue true */
  readonly enabled?: boolean;
}

/** Why a call is not sent again. `not-idempotent`: everything but the mark speaks for it, so the caller may say so. */
export type NoRetryReason = 'ok' | 'committed' | 'code' | 'attempts' | 'not-idempotent' | 'pushback' | 'budget' | 'deadline' | 'disabled';

/** Yes, after `delayMs`, with `backoffs` to be handed to the next decision; or no, and why. */
export type RetryDecision =
  | { readonly retry: true; readonly delayMs: number; readonly backoffs: number }
  | { readonly retry: false; readonly why: NoRetryReason };

function no(why: NoRetryReason): RetryDecision {
  return Object.freeze({ retry: false, why });
}

// Made once: most calls end in one of these.
const OK = no('ok');
const COMMITTED = no('committed');
const CODE = no('code');
const ATTEMPTS = no('attempts');
const NOT_IDEMPOTENT = no('not-idempotent');
const PUSHBACK = no('pushback');
const BUDGET = no('budget');
const DEADLINE = no('deadline');
const DISABLED = no('disabled');

/** Decides on the next attempt. Changes nothing but the budget, and that only when the answer is yes. */
export function decideRetry(ended: EndedAttempt): RetryDecision {
  const { rules, code } = ended;
  if (code === Code.OK) return OK;
  if (ended.enabled === false || rules.maxAttempts <= 1) return DISABLED;
  if (ended.committed) return COMMITTED;
  if (!isRetryableCode(ended)) return CODE;
  if (ended.attempt >= rules.maxAttempts) return ATTEMPTS;
  const pushback = parsePushback(ended.pushback);
  if (pushback.kind === 'stop') return PUSHBACK;
  const backoffs = pushback.kind === 'delay' ? 0 : ended.backoffs + 1;
  const delayMs = pushback.kind === 'delay' ? pushback.delayMs : backoffMs(rules, backoffs, ended.random);
  // An attempt that starts at its deadline can't succeed: say so now, not after waiting (R41).
  if (ended.nowMs + delayMs >= ended.deadlineMs) return DEADLINE;
  if (!ended.unprocessed && !ended.idempotent) return NOT_IDEMPOTENT;
  if (!ended.budget.tryWithdraw(ended.carried)) return BUDGET;
  return { retry: true, delayMs, backoffs };
}

function isRetryableCode({ rules, code, unprocessed }: EndedAttempt): boolean {
  return rules.retryableCodes.has(code) || (unprocessed && (code === Code.UNAVAILABLE || code === Code.RESOURCE_EXHAUSTED));
}
