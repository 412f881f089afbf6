/**
 * A server of so many slots behind adaptive limits, asked at random times by clients that do not wait for ever.
 *
 * Arrivals are Poisson, the server's queue is plain FIFO without an end, what a client no longer waits for is done all the same
 * unless `dropLate`. The limits are the engines as they are, on virtual time.
 *
 * @packageDocumentation
 */
import type { Ticket, Waiter } from '../../src/bulkhead/bulkhead.ts';
import type { Outcome } from '../../src/call.ts';
import type { AdaptiveLimiter, LimitSample } from '../../src/limit/limiter.ts';
import { type Random, seededRandom } from '../../src/random.ts';
import { VirtualTime } from './virtual-time.ts';

/** One second of a run. */
export interface Second {
  offered: number;
  /** Answered in time. */
  good: number;
  refused: number;
  late: number;
  /** Bounds of the first limit within the second. */
  least: number;
  most: number;
  /** Sum of the first limit over the arrivals. */
  sum: number;
}

/** What a run showed. */
export interface Run {
  readonly seconds: readonly Second[];
  /** Latencies of good calls in ms, with the second in which they ended. */
  readonly latencies: readonly { readonly second: number; readonly ms: number }[];
  /** Good calls by client, and all of its calls. */
  readonly byClient: readonly number[];
  readonly offeredByClient: readonly number[];
}

export interface ModelOptions {
  readonly seconds: number;
  readonly seed?: number;
  readonly clients?: number;
  /** Calls a second, of all clients, at a time in ms. */
  readonly rate: (atMs: number) => number;
  /** Slots of the server at a time. */
  readonly slots: (atMs: number) => number;
  /** How long one call works. */
  readonly serviceMs: (atMs: number, random: Random) => number;
  /** Default 200. */
  readonly timeoutMs?: number;
  /** The server throws away what its client no longer waits for. Default false. */
  readonly dropLate?: boolean;
  /** Name of the partition of a client's calls. Default: none. */
  readonly partition?: (client: number) => string | undefined;
  /** The limits that a client's calls pass, first to last. Asked once for each client. */
  readonly limits: (client: number, time: VirtualTime, random: Random) => readonly AdaptiveLimiter[];
}

/** A limit that a call has passed. */
class Passage implements Waiter, LimitSample {
  readonly deadlineMs: number;
  readonly limiter: AdaptiveLimiter;
  startedMs = 0;
  inflight = 0;
  ticket: Ticket | undefined = undefined;
  readonly partition: string | undefined;
  readonly #next: () => void;
  readonly #refused: () => void;

  constructor(limiter: AdaptiveLimiter, partition: string | undefined, deadlineMs: number, next: () => void, refused: () => void) {
    this.limiter = limiter;
    this.partition = partition;
    this.deadlineMs = deadlineMs;
    this.#next = next;
    this.#refused = refused;
  }
  granted(): void {
    this.limiter.begin(this);
    this.#next();
  }
  refused(): void {
    this.#refused();
  }
}

interface Job {
  readonly expiresMs: number;
  readonly done: () => void;
}

/** Runs the model. The same seed gives the same run. */
export function runQueueModel(options: ModelOptions): Run {
  const { seconds: length, rate, slots, serviceMs, timeoutMs = 200, dropLate = false, clients = 1 } = options;
  const time = new VirtualTime();
  const random = seededRandom(options.seed ?? 7);
  const chains = Array.from({ length: clients }, (_, client) => options.limits(client, time, random));
  const seconds = Array.from(
    { length },
    (): Second => ({ offered: 0, good: 0, refused: 0, late: 0, least: Number.POSITIVE_INFINITY, most: 0, sum: 0 }),
  );
  const latencies: { second: number; ms: number }[] = [];
  const byClient = new Array<number>(clients).fill(0);
  const offeredByClient = new Array<number>(clients).fill(0);
  const now = (): Second | undefined => seconds[Math.floor(time.nowMs() / 1000)];

  let queue: Job[] = [];
  let head = 0;
  let busy = 0;
  const serve = (): void => {
    while (busy < slots(time.nowMs()) && head < queue.length) {
      const job = queue[head++];
      if (head > 10_000) {
        queue = queue.slice(head);
        head = 0;
      }
      if (job === undefined || (dropLate && job.expiresMs <= time.nowMs())) continue;
      busy++;
      time.setTimer(
        () => {
          busy--;
          job.done();
          serve();
        },
        serviceMs(time.nowMs(), random),
      );
    }
  };

  const call = (client: number): void => {
    const startMs = time.nowMs();
    const expiresMs = startMs + timeoutMs;
    const chain = chains[client] ?? [];
    const passed: Passage[] = [];
    let open = true;
    const end = (outcome: Outcome, what: 'good' | 'refused' | 'late'): void => {
      if (!open) return;
      open = false;
      cancelTimer();
      for (const passage of passed.toReversed()) {
        passage.limiter.learn(passage, outcome);
        passage.limiter.bulkhead.release(passage);
      }
      const second = now();
      if (second === undefined) return;
      second[what]++;
      if (what !== 'good') return;
      byClient[client] = (byClient[client] ?? 0) + 1;
      latencies.push({ second: Math.floor(time.nowMs() / 1000), ms: time.nowMs() - startMs });
    };
    const cancelTimer = time.setTimer(() => {
      for (const passage of pending) passage.limiter.bulkhead.cancel(passage);
      end('dropped', 'late');
    }, timeoutMs);
    const pending = new Set<Passage>();
    const pass = (depth: number): void => {
      const limiter = chain[depth];
      if (limiter === undefined) {
        queue.push({ expiresMs, done: () => end('success', 'good') });
        serve();
        return;
      }
      const passage: Passage = new Passage(
        limiter,
        options.partition?.(client),
        expiresMs,
        () => {
          pending.delete(passage);
          passed.push(passage);
          pass(depth + 1);
        },
        () => end('dropped', 'refused'),
      );
      pending.add(passage);
      const answer = limiter.bulkhead.acquire(passage);
      if (answer === 'granted') passage.granted();
      else if (answer === 'full') end('dropped', 'refused');
    };
    pass(0);
  };

  const arrive = (): void => {
    const second = now();
    if (second === undefined) return;
    second.offered++;
    const client = Math.floor(random() * clients);
    offeredByClient[client] = (offeredByClient[client] ?? 0) + 1;
    call(client);
    const limit = chains[0]?.[0]?.stats().limit ?? 0;
    second.least = Math.min(second.least, limit);
    second.most = Math.max(second.most, limit);
    second.sum += limit;
    next();
  };
  const next = (): void => {
    const perMs = rate(time.nowMs()) / 1000;
    // No traffic: look again a little later.
    if (perMs <= 0) time.setTimer(next, 10);
    else time.setTimer(arrive, -Math.log(1 - random()) / perMs);
  };
  next();
  time.run(length * 1000);
  return { seconds, latencies, byClient, offeredByClient };
}

/** Good calls a second in the seconds from `from` to before `to`. */
export function goodput({ seconds }: Run, from: number, to: number = seconds.length): number {
  return seconds.slice(from, to).reduce((sum, { good }) => sum + good, 0) / (to - from);
}

/** A quantile of the good calls' latency from a second on, in ms. */
export function latency({ latencies }: Run, q: number, from: number): number {
  const sorted = latencies.flatMap(({ second, ms }) => (second >= from ? [ms] : [])).sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

/** Where a limit was. */
export interface Band {
  readonly least: number;
  readonly mean: number;
  readonly most: number;
}

/** The first limit from a second on, as arrivals saw it. */
export function limitBand({ seconds }: Run, from: number, to: number = seconds.length): Band {
  const part = seconds.slice(from, to);
  const arrivals = part.reduce((sum, { offered }) => sum + offered, 0);
  return {
    least: Math.min(...part.map(({ least }) => least)),
    mean: part.reduce((total, { sum }) => total + sum, 0) / arrivals,
    most: Math.max(...part.map(({ most }) => most)),
  };
}
