/**
 * How many calls there were, and how they ended.
 *
 * @packageDocumentation
 */
import { Code, codeName } from './call.ts';

/** Numbers of one side. */
export interface CallCounts {
  /** Calls begun. */
  calls: number;
  /** Calls that have begun and not ended. */
  active: number;
  /** Calls ended other than OK. */
  failed: number;
  /** Attempts begun, the first of each call included. */
  attempts: number;
  /** Calls ended, by status code. */
  readonly byCode: Record<string, number>;
  /** Calls that we refused ourselves, by reason (`inmesh-reason`). */
  readonly refused: Record<string, number>;
}

/** Nothing counted yet. */
export function noCounts(): CallCounts {
  return { calls: 0, active: 0, failed: 0, attempts: 0, byCode: {}, refused: {} };
}

/** Numbers of the server's side. */
export interface ServerCounts extends CallCounts {
  /** Calls that no handler ran for, because their deadline was over: on arrival, or while they waited here. */
  late: number;
  /** Calls that were late on arrival and served all the same (`server.lateRejectFraction`). */
  lateServed: number;
}

/** Nothing counted yet, on the server's side. */
export function noServerCounts(): ServerCounts {
  return { ...noCounts(), late: 0, lateServed: 0 };
}

/** A call has ended. `reason`: why we refused it, if we did. */
export function countEnd(counts: CallCounts, code: number, reason: string | undefined): void {
  const name = codeName(code);
  counts.byCode[name] = (counts.byCode[name] ?? 0) + 1;
  if (code !== Code.OK) counts.failed++;
  if (reason !== undefined) counts.refused[reason] = (counts.refused[reason] ?? 0) + 1;
}
