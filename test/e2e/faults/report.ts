/** What a fault did to the calls: the figures of one run. */
import type { Ended } from '../coalescing/load.ts';

/** A call that took longer is slow. */
const SLOW_MS = 200;
const BIN_MS = 250;

export interface Run {
  readonly calls: readonly Ended[];
  /** When the fault began, on `performance.now`. */
  readonly faultMs: number;
  /** Attempts that the client sent; undefined: it does not count them. */
  readonly attempts: number | undefined;
  /** By id, the replicas that ran it. */
  readonly ranOn: ReadonlyMap<string, readonly number[]>;
  readonly replicas: number;
}

export interface Report {
  readonly calls: number;
  /** Calls that failed, by code. */
  readonly errors: Readonly<Record<string, number>>;
  readonly failed: number;
  /** Calls of more than 200 ms, failed ones included. */
  readonly slow: number;
  /** From the fault to the start of the first and of the last call that failed; undefined: none did. */
  readonly firstErrorMs: number | undefined;
  readonly lastErrorMs: number | undefined;
  /** From the fault to the end of the last quarter of a second in which fewer than 99 % of the calls ended well. */
  readonly goodAgainMs: number;
  /** Attempts for each call: by the client's own count, else by what the replicas ran. */
  readonly attemptsPerCall: number;
  /** Of what was run for calls made after the fault, in %, by replica. */
  readonly shares: readonly number[];
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** What the table shows of a kind of caller: of several runs the worst of each figure. */
export interface Row extends Report {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  /** Until the struck replica was left alone. */
  readonly ejectedMs: number | undefined;
  /** Limits that it did not keep, in words. */
  readonly broken: readonly string[];
}

export function report({ calls, faultMs, attempts, ranOn, replicas }: Run): Report {
  const bad = calls.filter(({ code }) => code !== 'OK');
  const errors: Record<string, number> = {};
  for (const { code } of bad) errors[code] = (errors[code] ?? 0) + 1;
  const badTimes = bad.map(({ atMs }) => atMs - faultMs).filter((ms) => ms >= 0);
  const times = calls.map(({ tookMs }) => tookMs).sort((a, b) => a - b);
  const ran = calls.reduce((sum, { id }) => sum + (ranOn.get(id)?.length ?? 0), 0);
  return {
    calls: calls.length,
    errors,
    failed: bad.length,
    slow: times.filter((ms) => ms > SLOW_MS).length,
    firstErrorMs: badTimes.length === 0 ? undefined : Math.min(...badTimes),
    lastErrorMs: badTimes.length === 0 ? undefined : Math.max(...badTimes),
    goodAgainMs: goodAgain(calls, faultMs),
    attemptsPerCall: (attempts ?? ran) / Math.max(1, calls.length),
    shares: sharesOf(
      calls.filter(({ atMs }) => atMs >= faultMs),
      ranOn,
      replicas,
    ),
    p50Ms: times[Math.floor(times.length * 0.5)] ?? 0,
    p99Ms: times[Math.floor(times.length * 0.99)] ?? 0,
  };
}

/** Shares of the replicas in what was run for these calls, in %. */
export function sharesOf(calls: readonly Ended[], ranOn: Run['ranOn'], replicas: number): readonly number[] {
  const counts = Array<number>(replicas).fill(0);
  for (const { id } of calls) for (const replica of ranOn.get(id) ?? []) counts[replica] = (counts[replica] ?? 0) + 1;
  const sum = counts.reduce((all, count) => all + count, 0);
  return counts.map((count) => (sum === 0 ? 0 : (100 * count) / sum));
}

function goodAgain(calls: readonly Ended[], faultMs: number): number {
  const bins = new Map<number, { all: number; good: number }>();
  for (const { atMs, code } of calls) {
    const index = Math.floor((atMs - faultMs) / BIN_MS);
    if (index < 0) continue;
    const bin = bins.get(index) ?? { all: 0, good: 0 };
    bin.all++;
    if (code === 'OK') bin.good++;
    bins.set(index, bin);
  }
  const short = [...bins].filter(([, { all, good }]) => good < 0.99 * all).map(([index]) => index);
  return short.length === 0 ? 0 : (Math.max(...short) + 1) * BIN_MS;
}

/** Of several runs the worst of each figure. */
export function worst(reports: readonly Report[]): Report {
  const [first] = reports;
  if (first === undefined) throw new RangeError('no run');
  return reports.slice(1).reduce((a, b) => {
    const max = (x: number | undefined, y: number | undefined): number | undefined => (x === undefined ? y : Math.max(x, y ?? x));
    const min = (x: number | undefined, y: number | undefined): number | undefined => (x === undefined ? y : Math.min(x, y ?? x));
    const worse = b.failed > a.failed ? b : a;
    return {
      ...worse,
      slow: Math.max(a.slow, b.slow),
      firstErrorMs: min(a.firstErrorMs, b.firstErrorMs),
      lastErrorMs: max(a.lastErrorMs, b.lastErrorMs),
      goodAgainMs: Math.max(a.goodAgainMs, b.goodAgainMs),
      attemptsPerCall: Math.max(a.attemptsPerCall, b.attemptsPerCall),
      p50Ms: Math.max(a.p50Ms, b.p50Ms),
      p99Ms: Math.max(a.p99Ms, b.p99Ms),
    };
  }, first);
}
