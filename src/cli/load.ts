/**
 * Closed-loop load on one unary method: each caller sends its next call when the last one is answered.
 *
 * @packageDocumentation
 */
import { codeName } from '../call.ts';
import type { Clock } from '../clock.ts';
import { Histogram } from '../math/histogram.ts';

/** One call: resolves with its status code, never rejects. */
export type SendOne = () => Promise<number>;

/** What came of it. */
export interface LoadResult {
  readonly calls: number;
  readonly failed: number;
  readonly seconds: number;
  readonly callsPerSecond: number;
  readonly latencyMs: { readonly p50: number; readonly p90: number; readonly p99: number; readonly max: number };
  readonly byStatus: Readonly<Record<string, number>>;
}

/** Runs `callers` at a time for `forMs`, or until the signal. Calls that are out then are waited for. */
export async function runLoad(send: SendOne, callers: number, forMs: number, clock: Clock, signal: AbortSignal): Promise<LoadResult> {
  const latencies = new Histogram(); // in us
  const byStatus: Record<string, number> = {};
  const startedMs = clock.nowMs();
  let slowestMs = 0;
  let calls = 0;
  let isOver = false;
  const cancel = clock.setTimer(() => {
    isOver = true;
  }, forMs);
  const caller = async (): Promise<void> => {
    while (!isOver && !signal.aborted) {
      const sentMs = clock.nowMs();
      const code = await send();
      const tookMs = clock.nowMs() - sentMs;
      latencies.record(tookMs * 1000);
      slowestMs = Math.max(slowestMs, tookMs);
      const name = codeName(code);
      byStatus[name] = (byStatus[name] ?? 0) + 1;
      calls++;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  cancel();
  const seconds = (clock.nowMs() - startedMs) / 1000;
  const at = (percentile: number): number => latencies.percentile(percentile) / 1000;
  return {
    calls,
    failed: calls - (byStatus['OK'] ?? 0),
    seconds,
    callsPerSecond: calls / seconds,
    latencyMs: { p50: at(50), p90: at(90), p99: at(99), max: slowestMs },
    byStatus,
  };
}
