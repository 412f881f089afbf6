/**
 * A closed loop: N callers, each of which calls again as soon as it has its answer. The measured slice lies in the
 * middle of the loop, so that neither the first burst nor the last answers count.
 *
 * @packageDocumentation
 */
import { performance } from 'node:perf_hooks';
import { type Call, TEXT } from './echo.ts';
import { quantile } from './stats.ts';

/** How a loop runs. */
export interface LoopPlan {
  readonly callers: number;
  /** Unmeasured time first. */
  readonly warmMs: number;
  readonly sliceMs: number;
}

/** What a loop saw. All but the failures are those of the slice. */
export interface LoopResult {
  readonly calls: number;
  readonly elapsedMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Failed calls of the whole loop. */
  readonly failed: number;
  readonly firstError: string | undefined;
}

/** Latencies kept of one slice; further calls are counted but not ranked. */
const MAX_LATENCIES = 1 << 20;
const latencies = new Float64Array(MAX_LATENCIES);

/** Runs a loop, and waits for the calls still out at its end. `onSlice` hears when the slice begins and when it ends. */
export function closedLoop(call: Call, plan: LoopPlan, onSlice: (edge: 'begin' | 'end') => void): Promise<LoopResult> {
  return new Promise((resolve) => {
    let phase: 'warm' | 'slice' | 'over' = 'warm';
    let edgeMs = performance.now() + plan.warmMs;
    let beganMs = 0;
    let elapsedMs = 0;
    let calls = 0;
    let failed = 0;
    let firstError: string | undefined;
    let out = plan.callers;
    let nextId = 0;

    const finish = (): void => {
      const ranked = latencies.subarray(0, Math.min(calls, MAX_LATENCIES)).sort();
      resolve({ calls, elapsedMs, p50Ms: quantile(ranked, 0.5), p99Ms: quantile(ranked, 0.99), failed, firstError });
    };
    const count = (startMs: number, nowMs: number): void => {
      if (phase === 'slice') {
        if (calls < MAX_LATENCIES) latencies[calls] = nowMs - startMs;
        calls++;
      }
      if (nowMs < edgeMs || phase === 'over') return;
      if (phase === 'warm') {
        phase = 'slice';
        beganMs = nowMs;
        edgeMs = nowMs + plan.sliceMs;
        onSlice('begin');
      } else {
        phase = 'over';
        elapsedMs = nowMs - beganMs;
        onSlice('end');
      }
    };
    const next = (): void => {
      const startMs = performance.now();
      const id = nextId++ >>> 0;
      call({ id, text: TEXT }, (error, answer) => {
        if (error !== null || answer?.id !== id) {
          failed++;
          firstError ??= error?.message ?? `asked for ${id}, got ${answer?.id}`;
        }
        count(startMs, performance.now());
        // A caller whose call failed calls no more: a dead server must not spin the loop.
        if (phase !== 'over' && error === null) next();
        else if (--out === 0) finish();
      });
    };
    for (let i = 0; i < plan.callers; i++) next();
  });
}
