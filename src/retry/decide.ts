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
import { MAX_WAIT_MS, stretched } from './wait.ts';

/** The part of a {@link Budget} that a decision needs. */
export interface Withdrawable {
  failed?(): void;
  /** Default: `tryWithdraw`. */
  tryJoin?(): boolean;
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
  /** The attempt has not ended, but took longer than a try may: another one would start at once. @defaultValue false */
  readonly expired?: boolean;
  /** An answer that the app does not want, whatever its code. @defaultValue false */
  readonly unwanted?: boolean;
  /** How long the server asks to be left alone, in ms; pushback stands above it. Only asked where it matters. */
  readonly waitMs?: () => number | undefined;
  /** The server refused it because it has too much to do. @defaultValue false */
  readonly overload?: boolean;
  /** There is an endpoint that the call has not tried. Only asked where it matters. */
  readonly hasOther?: () => boolean;
  /** The call is made for one that is itself a retry. Only asked where it matters. */
  readonly isChained?: () => boolean;
}

/**
 * Why a call is not sent again. `not-idempotent`: everything but the mark speaks for it, so the caller may say so. `chain`:
 * it may have run, and is made for a call that is itself a retry. `nowhere`: the only endpoint there is has refused it.
 */
export type NoRetryReason =
  | 'ok'
  | 'committed'
  | 'code'
  | 'attempts'
  | 'not-idempotent'
  | 'chain'
  | 'pushback'
  | 'budget'
  | 'deadline'
  | 'disabled'
  | 'nowhere';

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
const CHAIN = no('chain');
const PUSHBACK = no('pushback');
const BUDGET = no('budget');
const DEADLINE = no('deadline');
const DISABLED = no('disabled');
const NOWHERE = no('nowhere');

/** With less time left an attempt can't succeed. */
const MIN_USEFUL_MS = 1;

/** Decides on the next attempt. Changes nothing but the budget: it hears of every failure, and pays when the answer is yes. */
export function decideRetry(ended: EndedAttempt): RetryDecision {
  const { rules, code, budget, expired = false } = ended;
  if (code === Code.OK && ended.unwanted !== true) return OK;
  if (ended.enabled === false || rules.maxAttempts <= 1) return DISABLED;
  const pushback = parsePushback(ended.pushback);
  const worth = expired || ended.unwanted === true || isRetryableCode(ended);
  // Whatever else forbids a retry: the service has failed (R32). A try that is only slow has not.
  if (!expired && (worth || pushback.kind === 'stop')) budget.failed?.();
  if (ended.committed) return COMMITTED;
  if (!worth) return CODE;
  if (ended.attempt >= rules.maxAttempts) return ATTEMPTS;
  if (pushback.kind === 'stop') return PUSHBACK;
  const next = expired ? { delayMs: 0, backoffs: ended.backoffs } : wait(ended, pushback.kind === 'delay' ? pushback.delayMs : undefined);
  if (next === undefined) return PUSHBACK;
  // Overload is no matter of luck (R25): not the same endpoint again, unless it has said when.
  if (ended.overload === true && next.backoffs > 0 && ended.hasOther?.() === false) return NOWHERE;
  // An attempt that starts at its deadline can't succeed: say so now, not after waiting (R41).
  if (ended.nowMs + next.delayMs + MIN_USEFUL_MS > ended.deadlineMs) return DEADLINE;
  if (!ended.unprocessed && !ended.idempotent) return NOT_IDEMPOTENT;
  if (!ended.unprocessed && ended.isChained?.() === true) return CHAIN;
  const paid = expired && budget.tryJoin !== undefined ? budget.tryJoin() : budget.tryWithdraw(ended.carried);
  if (!paid) return BUDGET;
  return { retry: true, ...next };
}

/** The next wait: pushback, then the server's other word, then our own backoff, which a word of the server starts anew. */
function wait(ended: EndedAttempt, pushbackMs: number | undefined): { delayMs: number; backoffs: number } | undefined {
  if (pushbackMs !== undefined) return { delayMs: pushbackMs, backoffs: 0 };
  const toldMs = ended.waitMs?.();
  if (toldMs !== undefined) return toldMs > MAX_WAIT_MS ? undefined : { delayMs: stretched(toldMs, ended.random), backoffs: 0 };
  const backoffs = ended.backoffs + 1;
  return { delayMs: backoffMs(ended.rules, backoffs, ended.random), backoffs };
}

function isRetryableCode({ rules, code, unprocessed }: EndedAttempt): boolean {
  return rules.retryableCodes.has(code) || (unprocessed && (code === Code.UNAVAILABLE || code === Code.RESOURCE_EXHAUSTED));
}
