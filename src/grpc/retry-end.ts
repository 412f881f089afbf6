/**
 * What the end of an attempt says to whoever decides on the next.
 *
 * @packageDocumentation
 */
import type { StatusObject } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import type { Clock } from '../clock.ts';
import { currentScope } from '../deadline/call-scope.ts';
import { REASON_KEY } from '../errors.ts';
import type { EndedAttempt } from '../retry/decide.ts';
import type { RetryRules } from '../retry/options.ts';
import { PUSHBACK_KEY } from '../retry/pushback.ts';
import { RETRY_AFTER_KEY, STATUS_DETAILS_KEY, serverWaitMs } from '../retry/wait.ts';
import type { AttemptContext, CallInfo } from './client-call.ts';
import { lostWithCarrier, retryCodeOf } from './lost-connection.ts';
import { isUnprocessed } from './refuse.ts';

/** The part of a decision's facts that an attempt's end brings. */
export type AttemptEnd = Pick<EndedAttempt, 'code' | 'pushback' | 'unprocessed'> &
  Partial<Pick<EndedAttempt, 'carried' | 'waitMs' | 'overload' | 'unwanted' | 'expired'>>;

/** A try that takes longer than a try may, and has not ended. */
export const TOO_SLOW: AttemptEnd = { code: Code.DEADLINE_EXCEEDED, pushback: [], unprocessed: false, expired: true };

/** That refusal is the tunnel's: the same server takes the call in another way. */
const TUNNEL_FULL = 'server.tunnel/window';

/** Reads a status, and what became of the attempt before it. */
export function endOf(status: StatusObject, context: AttemptContext, { door }: CallInfo, rules: RetryRules, clock: Clock): AttemptEnd {
  const { metadata } = status;
  // With our own picker a stream that was never opened was never seen by any server.
  const neverSent = door.book?.attached === true && !context.started;
  const unprocessed = neverSent || isUnprocessed(status);
  return {
    // A policy that names the status's own code means just that.
    code: rules.retryableCodes.has(status.code) ? status.code : retryCodeOf(status),
    pushback: metadata.get(PUSHBACK_KEY) as string[],
    unprocessed,
    overload: unprocessed && status.code === Code.RESOURCE_EXHAUSTED && metadata.get(REASON_KEY)[0] !== TUNNEL_FULL,
    carried: lostWithCarrier(status),
    waitMs: () =>
      serverWaitMs({
        statusDetails: metadata.get(STATUS_DETAILS_KEY),
        retryAfter: metadata.get(RETRY_AFTER_KEY),
        wallMs: clock.wallMs(),
      }),
  };
}

/** The call is made while serving one that is itself a retry. */
export function isForRetry({ scope }: CallInfo): boolean {
  return scope.runInAsyncScope(() => (currentScope.getStore()?.attempt ?? 0) > 0);
}
