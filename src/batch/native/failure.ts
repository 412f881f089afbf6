/**
 * What becomes of the calls of a batch that has failed as a whole.
 *
 * Every method here is marked as harmless to repeat (compile.ts refuses others), so going alone is always safe. It is not
 * always wise: where an endpoint is dead, overloaded or late, n calls in place of one make it worse, and retry decides for
 * each call under its budget.
 *
 * @packageDocumentation
 */
import { Code } from '../../call.ts';
import type { OnBatchError } from './plan.ts';

/** A batch's end. */
export interface BatchEnd {
  readonly code: number;
  /** The batch, or its reply, was over a limit of size. */
  readonly tooLarge: boolean;
  /** No server has seen it, or the one that has never ran it: retry may send each call again, whatever its method. */
  readonly unprocessed: boolean;
}

/** `alone`: each call goes out by itself. `halves`: two batches. `fail`: each call ends as the batch did. */
export type Remedy = 'alone' | 'halves' | 'fail';

/** Codes with which a server says that it, or this caller, has no such method: that is no verdict about the calls. */
export function isRefusal(code: number): boolean {
  return code === Code.UNIMPLEMENTED || code === Code.PERMISSION_DENIED || code === Code.UNAUTHENTICATED;
}

const OF_THE_ENDPOINT: ReadonlySet<number> = new Set([Code.UNAVAILABLE, Code.CANCELLED, Code.DEADLINE_EXCEEDED, Code.RESOURCE_EXHAUSTED]);

/** The remedy for calls that have no result yet. */
export function remedyFor({ code, tooLarge, unprocessed }: BatchEnd, onBatchError: OnBatchError): Remedy {
  if (tooLarge) return 'halves';
  if (unprocessed) return 'fail';
  if (isRefusal(code)) return 'alone';
  if (OF_THE_ENDPOINT.has(code)) return 'fail';
  if (onBatchError === 'retry_singles') return 'alone';
  return onBatchError === 'bisect' ? 'halves' : 'fail';
}
