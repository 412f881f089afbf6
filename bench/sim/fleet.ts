/**
 * Fifty clients of one server, which dies for five seconds: do they come back one by one, or as a herd?
 *
 * Each client makes 20 calls a second, has a budget of its own, and connects again as grpc-js does.
 *
 * @packageDocumentation
 */
import { type Random, seededRandom } from '../../src/random.ts';
import { mesh } from './callers.ts';
import { arrivals, latencyOf } from './metastable.ts';
import { Station } from './station.ts';
import { VirtualTime } from './virtual-time.ts';

const CLIENTS = 50;
const EACH_PER_MS = 0.02;
const DIES_MS = 20_000;
const BACK_MS = 25_000;
const END_MS = 60_000;
/** gRPC's connection backoff: 1 s, times 1.6, give or take a fifth. */
const RECONNECT = { firstMs: 1_000, growth: 1.6, jitter: 0.2 } as const;

export interface FleetRun {
  /** Attempts that reached the server, by second. */
  readonly attempts: readonly number[];
  /** Connections made again, by tenth of a second. */
  readonly connects: readonly number[];
  /** Calls and those that went well, by second of their start. */
  readonly calls: readonly number[];
  readonly good: readonly number[];
}

/** What the server sees of it. */
export function runFleet(seed = 7): FleetRun {
  const time = new VirtualTime();
  const random = seededRandom(seed);
  const station = new Station(time, { slots: 15, serviceMs: () => 10, dropLate: true });
  const zeros = (length: number): number[] => Array<number>(length).fill(0);
  const seconds = END_MS / 1000 + 2;
  const run = { attempts: zeros(seconds), connects: zeros(10 * seconds), calls: zeros(seconds), good: zeros(seconds) };
  const count = (bins: number[], binMs = 1000): void => {
    const bin = Math.floor(time.nowMs() / binMs);
    bins[bin] = (bins[bin] ?? 0) + 1;
  };
  for (let i = 0; i < CLIENTS; i++) {
    let connected = true;
    const call = mesh(
      {
        time,
        random,
        send: (job) => {
          if (connected) {
            count(run.attempts);
            station.offer(job);
          } else job.done('down');
          return 0;
        },
      },
      { timeoutMs: 500, latency: latencyOf(time) },
    );
    time.at(DIES_MS, () => {
      connected = false;
      reconnect(time, random, station, () => {
        connected = true;
        count(run.connects, 100);
      });
    });
    const perMs = (): number => EACH_PER_MS;
    arrivals(time, random, perMs, END_MS, () => {
      const second = Math.floor(time.nowMs() / 1000);
      count(run.calls);
      call((ok) => {
        if (ok) run.good[second] = (run.good[second] ?? 0) + 1;
      });
    });
  }
  time.at(DIES_MS, () => station.kill());
  time.at(BACK_MS, () => station.revive());
  time.run(END_MS + 1_000);
  return run;
}

function reconnect(time: VirtualTime, random: Random, station: Station, connected: () => void): void {
  const attempt = (n: number): void => {
    const middleMs = RECONNECT.firstMs * RECONNECT.growth ** n;
    const delayMs = middleMs * (1 + RECONNECT.jitter * (2 * random() - 1));
    time.setTimer(() => (station.down ? attempt(n + 1) : connected()), delayMs);
  };
  attempt(0);
}

/** The highest bin over the mean of all, from `from` on. */
export function peak(bins: readonly number[], from: number, to: number): number {
  const part = bins.slice(from, to);
  return Math.max(...part) / (part.reduce((sum, n) => sum + n, 0) / part.length);
}
