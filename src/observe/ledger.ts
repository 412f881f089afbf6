/**
 * The ledger: what became of all calls, by side and method. Bounded: methods beyond the cap share `_OTHER`.
 *
 * Counts are since the start; the live window of a method (its last minute) is let go when nobody has called it for that long.
 *
 * @packageDocumentation
 */
import { Code, codeName } from '../call.ts';
import type { Clock } from '../clock.ts';
import { LiveWindow } from './live-window.ts';
import { MethodTable } from './method-table.ts';
import { DURATION_BOUNDARIES } from './names.ts';
import type { CallStory } from './story.ts';
import type { HistoryView, LatencyView, MethodView, Side } from './views.ts';

/** Methods of one side. */
const MAX_METHODS = 1_000;
const BOUNDARIES_MS: readonly number[] = DURATION_BOUNDARIES.map((seconds) => seconds * 1000);
const CODES = Object.keys(Code).length;

const NO_LATENCY: LatencyView = { p50: 0, p95: 0, p99: 0 };
const NO_RATES = { callsPerSecond: 0, attemptsPerSecond: 0, success: 1, attemptSuccess: 1 };
const NO_POINTS: readonly number[] = Object.freeze(Array<number>(60).fill(0));
const NO_HISTORY: HistoryView = { calls: NO_POINTS, failed: NO_POINTS, attempts: NO_POINTS, p99Ms: NO_POINTS };

/** One method on one side. */
export class MethodLedger {
  readonly side: Side;
  /** `pkg.Service/Method`, or `_OTHER`. */
  readonly method: string;
  calls = 0;
  active = 0;
  failed = 0;
  refused = 0;
  attempts = 0;
  retries = 0;
  hedges = 0;
  durationSumMs = 0;
  /** Calls by code; one place more for numbers that are none. */
  readonly #byCode = new Float64Array(CODES + 1);
  /** Calls of at most each of `DURATION_BOUNDARIES` and longer than the one before; one place more for longer ones. */
  readonly #durations = new Float64Array(BOUNDARIES_MS.length + 1);
  #live: LiveWindow | undefined = undefined;

  constructor(side: Side, method: string) {
    this.side = side;
    this.method = method;
  }

  /** A call begins. */
  began(): void {
    this.calls++;
    this.active++;
  }
  /** One that has begun never came to be: it threw at the call site. */
  unbegun(): void {
    this.calls--;
    this.active--;
  }
  /** A call has ended, as its story says. */
  ended(story: CallStory, durationMs: number, nowMs: number): void {
    const { code = Code.UNKNOWN, attempts } = story;
    const failed = code !== Code.OK;
    this.active--;
    if (failed) this.failed++;
    if (story.refused) this.refused++;
    this.attempts += attempts;
    this.retries += story.retries;
    this.hedges += story.hedges;
    const at = code >= 0 && code < CODES ? code : CODES;
    this.#byCode[at] = (this.#byCode[at] ?? 0) + 1;
    this.durationSumMs += durationMs;
    let bucket = 0;
    while (durationMs > (BOUNDARIES_MS[bucket] ?? Number.POSITIVE_INFINITY)) bucket++;
    this.#durations[bucket] = (this.#durations[bucket] ?? 0) + 1;
    this.#live ??= new LiveWindow(nowMs);
    this.#live.add(nowMs, durationMs, failed, attempts, failed || attempts === 0 || story.answeredBy !== undefined ? 0 : 1);
  }

  /**
   * Calls that took at most each of `DURATION_BOUNDARIES`, then all: cumulative, as Prometheus wants them.
   */
  buckets(): readonly number[] {
    let sum = 0;
    return Array.from(this.#durations, (count) => {
      sum += count;
      return sum;
    });
  }

  view(nowMs: number): MethodView {
    if (this.#live?.idle(nowMs) === true) this.#live = undefined;
    const live = this.#live;
    const { side, method, calls, active, failed, refused, attempts, retries, hedges, durationSumMs } = this;
    return {
      ...{ side, method, calls, active, failed, refused, attempts, retries, hedges },
      byStatus: this.#byStatus(),
      ...(live?.rates(nowMs) ?? NO_RATES),
      latencyMs: live?.latency(nowMs) ?? NO_LATENCY,
      history: live?.history(nowMs) ?? NO_HISTORY,
      durationCounts: this.buckets(),
      durationSumMs,
    };
  }

  #byStatus(): Record<string, number> {
    const named: Record<string, number> = {};
    for (const [code, count] of this.#byCode.entries()) if (count > 0) named[code === CODES ? 'other' : codeName(code)] = count;
    return named;
  }
}

/** All methods of both sides. */
export class Ledger {
  readonly #clock: Clock;
  readonly #entries: MethodLedger[] = [];
  readonly #client: MethodTable<MethodLedger>;
  readonly #server: MethodTable<MethodLedger>;

  /** @param maxMethods - Of each side. Whole number >= 1. @defaultValue 1000 */
  constructor(clock: Clock, maxMethods: number = MAX_METHODS) {
    this.#clock = clock;
    const table = (side: Side): MethodTable<MethodLedger> =>
      new MethodTable(maxMethods, (method) => {
        const entry = new MethodLedger(side, method);
        this.#entries.push(entry);
        return entry;
      });
    this.#client = table('client');
    this.#server = table('server');
  }

  /** @param path - `/pkg.Service/Method`. */
  client(path: string): MethodLedger {
    return this.#client.get(path);
  }
  /** @param path - `/pkg.Service/Method`. */
  server(path: string): MethodLedger {
    return this.#server.get(path);
  }

  /** Methods there are now, the `_OTHER`s included. */
  get entries(): readonly MethodLedger[] {
    return this.#entries;
  }

  /** Every method, the busiest first. */
  views(): readonly MethodView[] {
    const nowMs = this.#clock.nowMs();
    return this.#entries.map((entry) => entry.view(nowMs)).sort((a, b) => b.callsPerSecond - a.callsPerSecond || b.calls - a.calls);
  }
}
