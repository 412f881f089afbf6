/**
 * What a retried call is told, once per mesh.
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import type { DeadlineQueue } from '../deadline/deadline-queue.ts';
import type { Random } from '../random.ts';
import type { Budget } from '../retry/budget.ts';
import type { NoRetryReason } from '../retry/decide.ts';
import type { MethodLatencies } from '../retry/latencies.ts';
import type { RetryRules } from '../retry/options.ts';
import type { CallInfo } from './client-call.ts';
import type { Attempt } from './retry-attempt.ts';
import type { BufferLimits } from './retry-buffer.ts';

/** What policy says of retrying one method. */
export interface MethodRetry {
  readonly retry: RetryRules;
  readonly idempotent: boolean;
}

/** True: the answer is no good, ask again. `response` is what the door has: an object in an interceptor, bytes in a channel. */
export type RetryOnResponse = (method: string, response: unknown) => boolean;

/** Told to every {@link RetryCall}. */
export interface RetrySettings {
  readonly clock: Clock;
  readonly random: Random;
  readonly rules: (info: CallInfo) => MethodRetry;
  readonly budget: (method: string) => Budget;
  readonly latencies: MethodLatencies;
  /** Tries that have a limit of their own. */
  readonly tries: DeadlineQueue<Attempt>;
  readonly limits: BufferLimits;
  /** Never throws. */
  readonly retryOnResponse: RetryOnResponse | undefined;
  /** Told when a failed call is not sent again. */
  readonly onGivenUp: (info: CallInfo, why: NoRetryReason, code: number) => void;
  /** Told when a call is sent again. */
  readonly onRetry: (info: CallInfo) => void;
}
