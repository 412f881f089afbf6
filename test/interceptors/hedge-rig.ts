/**
 * Hedged calls on a fake clock, at both doors, with lower halves that the test plays.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { Metadata } from '@grpc/grpc-js';
import { afterEach, expect } from 'vitest';
import { hedgeClient } from '../../interceptors/hedge.ts';
import { placed } from '../../interceptors/pipeline.ts';
import type { EndpointBook } from '../../src/balance/book.ts';
import type { InmeshCallOptions, MethodKind } from '../../src/call.ts';
import type { Clock } from '../../src/clock.ts';
import type { PlacedBehaviour } from '../../src/grpc/interceptor-door.ts';
import { attemptOf } from '../../src/grpc/lb-policy.ts';
import { resolveHedgeOptions } from '../../src/hedge/options.ts';
import type { HedgingPolicy, Policy } from '../../src/policy/policy.gen.ts';
import { RetryBudgets } from '../../src/retry/budgets.ts';
import { MethodLatencies } from '../../src/retry/latencies.ts';
import { Ear, type LowerCall, Rig } from '../doors/rig.ts';
import type { FakeClock } from '../support/fake-clock.ts';
import type { Door } from '../support/loopback.ts';

const PREVIOUS = 'grpc-previous-rpc-attempts';
export const PUSHBACK = 'grpc-retry-pushback-ms';

/** The rig of the test that runs. */
export let rig: Rig;
/** Calls are cancelled as grpc-js does it: their status comes at once. Each is on a stream to an endpoint of its own. */
export function use(door: Door, hedgingPolicy: HedgingPolicy = { maxAttempts: 4, hedgingDelay: '0.5s' }, more: Policy = {}): Rig {
  rig = new Rig(door, { policy: { defaults: { idempotent: true, hedgingPolicy }, ...more } });
  rig.onLower = (lower, index) => {
    lower.onStart = () => {
      const attempt = lower.metadata && attemptOf(lower.metadata);
      if (attempt === undefined) return;
      attempt.picked = `10.0.0.${index}:1`;
      attempt.started = true;
    };
    lower.onCancel = (code, details) => lower.end(code, details);
  };
  return rig;
}
/** Hedging by itself, at once unless said otherwise, with a reset budget of the test's. Its timers may come late. */
export function alone(door: Door, resets: { tryReset(address: string): boolean }, book?: EndpointBook, delayMs = 0, lateMs = 0): void {
  const { onLower } = use(door);
  const behaviour = (fake: FakeClock): PlacedBehaviour => {
    const clock: Clock = {
      nowMs: () => fake.nowMs(),
      wallMs: () => fake.wallMs(),
      setTimer: (fn, ms) => fake.setTimer(fn, ms + lateMs),
      endOfTurn: (fn) => fake.endOfTurn(fn),
    };
    const hook = hedgeClient({
      clock,
      rules: () => ({ hedge: resolveHedgeOptions({ delayMs }, 'hedge'), idempotent: true, retry: { chainStop: true } }),
      budgets: new RetryBudgets({}, clock),
      latencies: new MethodLatencies(clock),
      resets,
    });
    return placed('retry', (info, next) => hook(info, next) ?? next(info));
  };
  rig = new Rig(door, { behaviour, ...(book === undefined ? {} : { book }) });
  rig.onLower = onLower;
}
/** After each test: what is out at the end of a test ends within the second that losers are left for. */
export function endsClean(): void {
  afterEach(async () => {
    rig.clock.advance(120_000);
    await turn();
    expect(rig.clock.pending).toBe(0);
    expect(rig.counts.client.active).toBe(0);
  });
}

export const startsOf = (startMs: number): number[] => rig.lowers.map((lower) => (lower as Timed).startedMs - startMs);
type Timed = LowerCall & { startedMs: number };
/** Writes down when attempts begin. */
export function timed(): number {
  const before = rig.onLower;
  rig.onLower = (lower, index) => {
    (lower as Timed).startedMs = rig.clock.nowMs();
    before?.(lower, index);
  };
  return rig.clock.nowMs();
}
/** What a failed call says: at the interceptor door an empty answer comes first, as grpc-js has it. */
export const failure = (door: Door): string[] => (door === 'channel' ? ['status'] : ['null', 'status']);
export const header = (lower: LowerCall): unknown => lower.metadata?.get(PREVIOUS)[0];
export const isCancelled = (lower: LowerCall): boolean => lower.log.some((line) => line.startsWith('cancel'));
const textOf = (message: unknown): string => (Buffer.isBuffer(message) ? message.toString() : (message as { text: string }).text);
export const texts = (lower: LowerCall | undefined): string[] => lower?.messages.map(textOf) ?? [];
export const lowerAt = (index: number): LowerCall => {
  const lower = rig.lowers[index];
  if (lower === undefined) throw new Error(`there is no attempt ${index}`);
  return lower;
};

export function start(
  door: Door,
  kind: MethodKind,
  options?: InmeshCallOptions,
): { call: ReturnType<Rig['make']>; ear: Ear; write(text: string): () => number } {
  const call = rig.make(kind, undefined, options);
  const ear = new Ear();
  call.start(new Metadata(), ear);
  call.startRead();
  const write = (text: string): (() => number) => {
    let told = 0;
    call.sendMessageWithContext({ callback: () => void told++ }, door === 'channel' ? Buffer.from(text) : { text });
    return () => told;
  };
  return { call, ear, write };
}
