/**
 * Three replicas with a long tail in virtual time, and a client that hedges with our engines as they are.
 */
import { Metadata } from '@grpc/grpc-js';
import { VirtualTime } from '../../../bench/sim/virtual-time.ts';
import { hedgeClient } from '../../../interceptors/hedge.ts';
import { Code } from '../../../src/call.ts';
import type { AuthContext, CallInfo, CallListener, ClientCall } from '../../../src/grpc/client-call.ts';
import { attemptOf } from '../../../src/grpc/lb-policy.ts';
import { plainStatus } from '../../../src/grpc/refuse.ts';
import { type HedgeOptions, resolveHedgeOptions } from '../../../src/hedge/options.ts';
import { type Random, seededRandom } from '../../../src/random.ts';
import { RetryBudgets } from '../../../src/retry/budgets.ts';
import { MethodLatencies } from '../../../src/retry/latencies.ts';
import type { RetryBudgetOptions } from '../../../src/retry/options.ts';
import { callInfo } from '../observe/rig.ts';

const REPLICAS = ['a:1', 'b:1', 'c:1'];

export interface Scenario {
  /** Undefined: the plain call. */
  readonly hedge?: HedgeOptions;
  readonly budget?: RetryBudgetOptions;
  readonly callsPerSecond?: number;
  readonly seconds: number;
  /** How much slower than usual everything is then. */
  readonly slowdown?: (atMs: number) => number;
  readonly seed?: number;
}

export interface Outcome {
  readonly calls: number;
  /** Attempts besides the first of each call, by second. */
  readonly extra: readonly number[];
  /** How long calls took, sorted, in ms. */
  readonly tookMs: readonly number[];
  readonly ended: number;
}

/** A normal draw (Box and Muller). */
const normal = (random: Random): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** One attempt at a replica: takes the time it takes, unless it is cancelled. */
class Job implements ClientCall {
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #ms: number;
  #cancel: (() => void) | undefined;
  #listener: CallListener | undefined;

  constructor(time: VirtualTime, random: Random, ms: number) {
    this.#time = time;
    this.#random = random;
    this.#ms = ms;
  }
  start(metadata: Metadata, listener: CallListener): void {
    this.#listener = listener;
    const attempt = attemptOf(metadata);
    if (attempt !== undefined) {
      const allowed = REPLICAS.filter((address) => attempt.avoid?.has(address) !== true);
      attempt.picked = allowed[Math.floor(this.#random() * allowed.length)] ?? '';
      attempt.started = true;
    }
    this.#cancel = this.#time.setTimer(() => {
      this.#cancel = undefined;
      listener.onReceiveMetadata(new Metadata());
      listener.onReceiveMessage('answer');
      listener.onReceiveStatus(plainStatus(Code.OK, ''));
    }, this.#ms);
  }
  cancelWithStatus(code: number, details: string): void {
    if (this.#cancel === undefined) return;
    this.#cancel();
    this.#cancel = undefined;
    this.#listener?.onReceiveStatus(plainStatus(code, details));
  }
  sendMessageWithContext(): void {}
  startRead(): void {}
  halfClose(): void {}
  getPeer(): string {
    return '';
  }
  getAuthContext(): AuthContext | null {
    return null;
  }
}

/** Poisson arrivals; 10 ms give or take, one attempt in a hundred 20 times slower, whatever its replica. */
export function runTail({ hedge, budget = {}, callsPerSecond = 200, seconds, slowdown = () => 1, seed = 7 }: Scenario): Outcome {
  const time = new VirtualTime();
  const random = seededRandom(seed);
  const extra = Array<number>(seconds + 60).fill(0);
  const rules = hedge && resolveHedgeOptions(hedge, 'hedge');
  const hook = hedgeClient({
    clock: time,
    rules: () => ({ hedge: rules, idempotent: true, retry: { chainStop: true } }),
    budgets: new RetryBudgets(budget, time),
    latencies: new MethodLatencies(time),
    onHedge: () => {
      const second = Math.floor(time.nowMs() / 1000);
      extra[second] = (extra[second] ?? 0) + 1;
    },
  });
  const next = (): ClientCall => {
    const usual = 10 * Math.exp(0.25 * normal(random)) * slowdown(time.nowMs());
    return new Job(time, random, random() < 0.01 ? 20 * usual : usual);
  };
  const tookMs: number[] = [];
  const info: CallInfo = callInfo();
  let calls = 0;
  let ended = 0;
  const arrive = (): void => {
    if (time.nowMs() >= seconds * 1000) return;
    calls++;
    const startMs = time.nowMs();
    const call = hook(info, next) ?? next();
    call.start(new Metadata(), {
      onReceiveMetadata: () => {},
      onReceiveMessage: () => {},
      onReceiveStatus: () => {
        ended++;
        tookMs.push(time.nowMs() - startMs);
      },
    });
    call.sendMessageWithContext({}, 'question');
    call.halfClose();
    time.setTimer(arrive, (-Math.log(1 - random()) * 1000) / callsPerSecond);
  };
  time.at(0, arrive);
  time.run((seconds + 50) * 1000);
  return { calls, extra, tookMs: tookMs.sort((a, b) => a - b), ended };
}

/** The value that a share `q` of sorted values does not exceed. */
export function quantileOf(sorted: readonly number[], q: number): number {
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
}
