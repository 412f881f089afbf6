/**
 * The limit of a try, and answers that the app does not want: on a fake clock, with a lower half that the test plays.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { Metadata } from '@grpc/grpc-js';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { placed } from '../../interceptors/pipeline.ts';
import { retryClient } from '../../interceptors/retry.ts';
import type { EndpointBook, EndpointLoad } from '../../src/balance/book.ts';
import { Endpoints } from '../../src/balance/endpoints.ts';
import { resolveBalanceOptions } from '../../src/balance/options.ts';
import { Code } from '../../src/call.ts';
import type { Door as CallDoor } from '../../src/grpc/client-call.ts';
import { attemptOf } from '../../src/grpc/lb-policy.ts';
import type { RetryOnResponse } from '../../src/grpc/retry-settings.ts';
import { seededRandom } from '../../src/random.ts';
import { RetryBudgets } from '../../src/retry/budgets.ts';
import { MethodLatencies } from '../../src/retry/latencies.ts';
import type { RetryBudgetOptions, RetryOptions } from '../../src/retry/options.ts';
import { resolveRetryOptions } from '../../src/retry/options.ts';
import { Ear, type LowerCall, Rig, succeed } from '../doors/rig.ts';
import { FakeClock } from '../support/fake-clock.ts';

const PREVIOUS = 'grpc-previous-rpc-attempts';

let rig: Rig;
let door: CallDoor | undefined;
let latencies: MethodLatencies;
let timedOut: string[];
let warnings: string[];

interface Use {
  readonly retry?: RetryOptions;
  readonly budget?: RetryBudgetOptions;
  readonly idempotent?: boolean;
  /** Addresses of ready endpoints; none: the balancing is not ours. */
  readonly endpoints?: readonly string[];
  readonly retryOnResponse?: RetryOnResponse;
}

function use({ retry = {}, budget = {}, idempotent = true, endpoints, retryOnResponse }: Use = {}): Rig {
  timedOut = [];
  warnings = [];
  const book =
    endpoints === undefined
      ? undefined
      : ({
          endpoints: endpoints.map((address) => ({ address, ready: true }) as unknown as EndpointLoad),
          attached: true,
          pick: () => undefined,
          timedOut: (address: string) => void timedOut.push(address),
        } as EndpointBook);
  rig = new Rig('channel', {
    ...(book === undefined ? {} : { book }),
    behaviour: (clock) => {
      latencies = new MethodLatencies(clock);
      const intercept = retryClient({
        clock,
        random: seededRandom(1),
        rules: () => ({ retry: resolveRetryOptions(retry, 'retry'), idempotent }),
        budgets: new RetryBudgets(budget, clock),
        latencies,
        warn: (line) => void warnings.push(line),
        retryOnResponse,
      });
      return placed('retry', (info, next) => {
        door = info.door;
        return intercept(info, next);
      });
    },
  });
  let place = 0;
  // What the picker would write.
  rig.onLower = (lower) => {
    lower.onStart = () => {
      const context = lower.metadata === undefined ? undefined : attemptOf(lower.metadata);
      if (context === undefined || endpoints === undefined) return;
      context.picked = endpoints.find((address) => context.avoid?.has(address) !== true) ?? endpoints[place++ % endpoints.length] ?? '';
      context.started = true;
    };
  };
  return rig;
}

/** Lets the method be known to answer in `ms`. */
function learn(ms: number, samples = 100): void {
  for (let i = 0; i < samples; i++) latencies.of('/loop.Echo/Say').record(ms, rig.clock.nowMs());
}
const at = (index: number): LowerCall => {
  const lower = rig.lowers[index];
  if (lower === undefined) throw new Error(`no attempt ${index}`);
  return lower;
};
const headers = (): unknown[] => rig.lowers.map((lower) => lower.metadata?.get(PREVIOUS)[0]);
const cancelled = (lower: LowerCall): boolean => lower.log.some((line) => line.startsWith('cancel'));
const code = (ear: Ear): number | undefined => ear.status?.code;

afterEach(() => {
  rig.clock.advance(60_000); // the timer of tries lapses, and is not set again
  expect(rig.clock.pending).toBe(0);
  expect(door?.keptBytes ?? 0).toBe(0);
});

describe('the limit of a try', () => {
  test('R23: a silent attempt is joined by another at perTryTimeout; ABORTED, OK: headers absent, 1, 2', () => {
    const { clock } = use({ retry: { perTryTimeoutMs: 200, retryableCodes: ['ABORTED'] } });
    const { ear } = rig.unary();
    clock.advance(199);
    expect(rig.lowers).toHaveLength(1);
    clock.advance(1);
    expect(rig.lowers).toHaveLength(2);
    at(1).end(Code.ABORTED);
    clock.advance(30);
    expect(headers()).toEqual([undefined, '1', '2']);
    succeed(at(2));
    expect(ear.log).toEqual(['metadata', 'message', 'status']);
    expect(code(ear)).toBe(Code.OK);
    expect(cancelled(at(0))).toBe(true);
  });

  test("R24: the last try has the whole rest of the call's time: when both are silent the call ends by its own deadline", () => {
    const { clock } = use({ retry: { perTryTimeoutMs: 200, maxAttempts: 2 } });
    const { ear } = rig.unary(clock.nowMs() + 1000);
    clock.advance(999);
    expect(rig.lowers).toHaveLength(2);
    expect(clock.pending).toBe(0);
    expect(rig.lowers.some(cancelled)).toBe(false);
    clock.advance(1);
    for (const lower of rig.lowers) lower.end(Code.DEADLINE_EXCEEDED); // as the channel does
    expect(code(ear)).toBe(Code.DEADLINE_EXCEEDED);
    expect(ear.log).toEqual(['status']);
  });

  test('the slow attempt may still answer first: the call succeeds with it, and the younger one is given up', () => {
    const { clock } = use({ retry: { perTryTimeoutMs: 200 } });
    const { call, ear } = rig.unary();
    clock.advance(200);
    succeed(at(0));
    expect(ear.log).toEqual(['metadata', 'message', 'status']);
    expect(cancelled(at(1))).toBe(true);
    succeed(at(1)); // it was too late to cancel it
    expect(ear.log).toHaveLength(3);
    call.cancelWithStatus(Code.CANCELLED, 'after the end');
    expect(cancelled(at(0))).toBe(false);
  });

  test('when the younger one fails for good the slow one still counts; the failure is told only if that fails too', () => {
    const { clock } = use({ retry: { perTryTimeoutMs: 200, maxAttempts: 2 } });
    const first = rig.unary();
    clock.advance(200);
    at(1).end(Code.UNAVAILABLE, 'younger');
    expect(first.ear.log).toEqual([]);
    succeed(at(0));
    expect(code(first.ear)).toBe(Code.OK);
    const second = rig.unary();
    clock.advance(200);
    at(3).end(Code.UNAVAILABLE, 'younger');
    at(2).end(Code.UNAVAILABLE, 'older');
    expect(second.ear.status?.details).toBe('younger');
  });

  test("the service's own word ends the call at once, whichever attempt brings it", () => {
    const { clock } = use({ retry: { perTryTimeoutMs: 200 } });
    for (const place of [0, 1]) {
      const { ear } = rig.unary();
      const from = rig.lowers.length - 1;
      clock.advance(200);
      at(from + place).end(Code.NOT_FOUND, 'no such thing');
      expect(ear.status?.details).toBe('no such thing');
      expect(cancelled(at(from + 1 - place))).toBe(true);
    }
  });

  test('a slow attempt that fails while a younger one runs, or a backoff does, changes nothing', () => {
    const { clock } = use({ retry: { perTryTimeoutMs: 200, initialBackoffMs: 100 } });
    const { ear } = rig.unary();
    clock.advance(200);
    at(1).end(Code.UNAVAILABLE);
    at(0).end(Code.UNAVAILABLE);
    expect(ear.log).toEqual([]);
    clock.advance(120);
    expect(rig.lowers).toHaveLength(3);
    succeed(at(2));
    expect(code(ear)).toBe(Code.OK);
  });

  test('a slow attempt that answers during a backoff ends it', () => {
    const { clock } = use({ retry: { perTryTimeoutMs: 200, initialBackoffMs: 100 } });
    const { ear } = rig.unary();
    clock.advance(200);
    at(1).end(Code.UNAVAILABLE);
    succeed(at(0));
    expect(code(ear)).toBe(Code.OK);
    clock.advance(1000);
    expect(rig.lowers).toHaveLength(2);
  });

  test("R20: a cancel reaches the newest attempt, whose status is the call's, and then the slow ones", () => {
    const { clock } = use({ retry: { perTryTimeoutMs: 200 } });
    const { call, ear } = rig.unary();
    clock.advance(200);
    call.cancelWithStatus(Code.CANCELLED, 'enough');
    at(1).end(Code.CANCELLED, 'enough');
    expect(ear.status?.details).toBe('enough');
    expect(rig.lowers.map(cancelled)).toEqual([true, true]);
    clock.advance(1000);
    expect(rig.lowers).toHaveLength(2);
  });

  test('where the budget refuses, the running try goes on and may answer; it is asked again later', () => {
    const { clock } = use({ retry: { perTryTimeoutMs: 200 }, budget: { ratio: 0, minPerSecond: 0 } });
    const { ear } = rig.unary();
    clock.advance(1000);
    expect(rig.lowers).toHaveLength(1);
    expect(cancelled(at(0))).toBe(false);
    succeed(at(0));
    expect(code(ear)).toBe(Code.OK);
  });

  test('each further try is paid from the budget', () => {
    const { clock } = use({ retry: { perTryTimeoutMs: 200, maxAttempts: 5 }, budget: { ratio: 0, minPerSecond: 0.2 } });
    rig.unary();
    clock.advance(5000);
    expect(rig.lowers).toHaveLength(3);
    succeed(at(1));
  });

  test('B1: when a whole service falls silent, a hundred attempts join its calls and no more, whatever the budget has', () => {
    const { clock } = use({ retry: { perTryTimeoutMs: 200 }, budget: { minPerSecond: 1000 } });
    for (let i = 0; i < 300; i++) {
      rig.unary();
      clock.advance(10);
    }
    clock.advance(5000);
    expect(rig.lowers).toHaveLength(400);
    for (const lower of [...rig.lowers]) succeed(lower);
  });

  test('R42: an unmarked method has no such limit', () => {
    const { clock } = use({ retry: { perTryTimeoutMs: 200 }, idempotent: false });
    rig.unary();
    clock.advance(10_000);
    expect(rig.lowers).toHaveLength(1);
    succeed(at(0));
  });

  test('nor has a stream, nor a call that is not to be sent again', () => {
    const { clock } = use({ retry: { perTryTimeoutMs: 200 } });
    const stream = rig.make('serverStream');
    stream.start(new Metadata(), { onReceiveMetadata() {}, onReceiveMessage() {}, onReceiveStatus() {} });
    rig.unary(undefined, { retry: false });
    clock.advance(10_000);
    expect(rig.lowers).toHaveLength(2);
    for (const lower of rig.lowers) succeed(lower);
  });

  test('R41: a limit at or past the deadline is none', () => {
    const { clock } = use({ retry: { perTryTimeoutMs: 200 } });
    rig.unary(clock.nowMs() + 200);
    expect(clock.pending).toBe(0);
    succeed(at(0));
  });

  test('the time of an attempt that has no connection yet begins later', () => {
    const { clock } = use({ retry: { perTryTimeoutMs: 200 }, endpoints: ['a', 'b'] });
    const picks = rig.onLower;
    rig.onLower = undefined;
    rig.unary();
    rig.onLower = picks;
    clock.advance(500);
    expect(rig.lowers).toHaveLength(1);
    const context = attemptOf(at(0).metadata ?? new Metadata());
    if (context !== undefined) Object.assign(context, { started: true, picked: 'a' });
    clock.advance(200);
    expect(rig.lowers).toHaveLength(2);
    succeed(at(1));
  });

  test('R43: the joining attempt goes elsewhere, and the book hears of the slow endpoint', () => {
    const { clock } = use({ retry: { perTryTimeoutMs: 200 }, endpoints: ['a', 'b', 'c'] });
    rig.unary();
    clock.advance(400);
    expect(rig.lowers.map(({ metadata }) => attemptOf(metadata ?? new Metadata())?.picked)).toEqual(['a', 'b', 'c']);
    expect(timedOut).toEqual(['a', 'b']);
    succeed(at(2));
  });
});

test('R43: with 2 to 5 replicas no attempt goes where one has been while another is ready (law)', () => {
  const schedule = fc.record({
    replicas: fc.integer({ min: 2, max: 5 }),
    attempts: fc.integer({ min: 2, max: 5 }),
    slow: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
    seed: fc.nat(),
  });
  fc.assert(
    fc.property(schedule, ({ replicas, attempts, slow, seed }) => {
      const names = Array.from({ length: replicas }, (_, i) => `r${i}`);
      const { clock } = use({
        retry: { perTryTimeoutMs: 50, maxAttempts: attempts, initialBackoffMs: 1, maxBackoffMs: 1 },
        endpoints: names,
      });
      const book = new Endpoints(resolveBalanceOptions(undefined, 'balance'), new FakeClock(), seededRandom(seed));
      book.update(names);
      for (const name of names) book.setReady(name, true);
      rig.onLower = (lower) => {
        lower.onStart = () => {
          const context = lower.metadata === undefined ? undefined : attemptOf(lower.metadata);
          const picked = book.pick(context?.avoid);
          if (context !== undefined) Object.assign(context, { picked: picked?.address, started: true });
        };
      };
      const { ear } = rig.unary();
      for (let i = 0; i < attempts; i++) {
        const newest = rig.last;
        if (slow[i] !== true) newest.end(Code.UNAVAILABLE);
        clock.advance(60);
      }
      const picked = rig.lowers.map(({ metadata }) => attemptOf(metadata ?? new Metadata())?.picked ?? '');
      expect(picked).toHaveLength(attempts);
      expect(new Set(picked).size).toBe(Math.min(attempts, replicas));
      expect(new Set(picked.slice(0, replicas)).size).toBe(Math.min(attempts, replicas));
      for (const lower of rig.lowers) lower.end(Code.UNAVAILABLE);
      expect(ear.log).toEqual(['status']);
    }),
    { numRuns: 200 },
  );
});

test('law: whatever happens in whatever order, the app hears one answer and one status, and nothing is left', async () => {
  const event = fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 300 }) }) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('end' as const),
        which: fc.nat(4),
        code: fc.constantFrom(Code.OK, Code.OK, Code.UNAVAILABLE, Code.UNAVAILABLE, Code.NOT_FOUND, Code.INTERNAL, Code.CANCELLED),
        part: fc.constantFrom('', 'headers', 'headers and message'),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const) }) },
  );
  const calls = fc.record({
    events: fc.array(event, { maxLength: 15 }),
    perTryTimeoutMs: fc.constantFrom(0, 40, 150),
    maxAttempts: fc.integer({ min: 1, max: 5 }),
    idempotent: fc.boolean(),
    deadlineMs: fc.constantFrom(100, 700, Number.POSITIVE_INFINITY),
    rich: fc.boolean(),
    unwanted: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(calls, async ({ events, perTryTimeoutMs, maxAttempts, idempotent, deadlineMs, rich, unwanted }) => {
      let asked = 0;
      const { clock, lowers } = use({
        retry: { perTryTimeoutMs, maxAttempts, initialBackoffMs: 30 },
        idempotent,
        budget: rich ? {} : { ratio: 0, minPerSecond: 0.1 },
        retryOnResponse: () => unwanted && asked++ % 2 === 0,
      });
      const over = new Set<LowerCall>();
      const untilMs = clock.nowMs() + deadlineMs;
      rig.onLower = (lower) => {
        // The channel below ends what is cancelled, as grpc-js does, and what is late.
        lower.onCancel = (code, details) => end(lower, code, details);
        if (untilMs < Number.POSITIVE_INFINITY) clock.setTimer(() => end(lower, Code.DEADLINE_EXCEEDED, 'late'), untilMs - clock.nowMs());
      };
      const end = (lower: LowerCall, code: number, details: string): void => {
        if (over.has(lower)) return;
        over.add(lower);
        lower.end(code, details);
      };
      const { call, ear } = rig.unary(untilMs);
      for (const happens of events) {
        if (happens.kind === 'pass') clock.advance(happens.ms);
        else if (happens.kind === 'cancel') call.cancelWithStatus(Code.CANCELLED, 'enough');
        else {
          const lower = lowers[happens.which];
          if (lower === undefined || over.has(lower)) continue;
          if (happens.part !== '' || happens.code === Code.OK) lower.listener?.onReceiveMetadata(new Metadata());
          if (happens.part === 'headers and message' || happens.code === Code.OK) lower.listener?.onReceiveMessage(Buffer.from('x'));
          end(lower, happens.code, 'told');
        }
      }
      if (ear.status === undefined) call.cancelWithStatus(Code.CANCELLED, 'at last');
      clock.advance(60_000);
      await turn(); // what ends without a lower half ends in a turn of its own
      expect(ear.log.filter((what) => what === 'status')).toHaveLength(1);
      expect(ear.log.at(-1)).toBe('status');
      expect(['', 'metadata', 'metadata message', 'message']).toContain(ear.log.slice(0, -1).join(' '));
      if (ear.status?.code === Code.OK) expect(ear.log).toEqual(['metadata', 'message', 'status']);
      expect(lowers.length).toBeLessThanOrEqual(Math.min(maxAttempts, 5));
      expect(lowers.every((lower) => over.has(lower))).toBe(true);
      expect(clock.pending).toBe(0);
      expect(door?.keptBytes ?? 0).toBe(0);
    }),
    { numRuns: 1500 },
  );
});

describe('the limit of a try, learned', () => {
  test('three times the p99 of the method, once a hundred answers are known', () => {
    const { clock } = use({ endpoints: ['a', 'b'] });
    for (let i = 0; i < 99; i++) learn(20, 1);
    rig.unary();
    expect(clock.pending).toBe(0);
    clock.advance(20);
    succeed(at(0)); // the hundredth
    rig.unary();
    clock.advance(59);
    expect(rig.lowers).toHaveLength(2);
    clock.advance(4); // the window is exact within 3.2 %
    expect(rig.lowers).toHaveLength(3);
    succeed(at(2));
  });

  test('half of the time left while nothing is known: a silent replica takes no whole deadline from a client that has just begun', () => {
    const { clock } = use({ endpoints: ['a', 'b'] });
    rig.unary(clock.nowMs() + 1_000);
    clock.advance(499);
    expect(rig.lowers).toHaveLength(1);
    clock.advance(1);
    expect(rig.lowers).toHaveLength(2);
    succeed(at(1));
  });

  test('but not below 100 ms then, and none without a deadline', () => {
    const { clock } = use({ endpoints: ['a', 'b'] });
    rig.unary(clock.nowMs() + 150);
    rig.unary();
    clock.advance(99);
    expect(rig.lowers).toHaveLength(2);
    clock.advance(1);
    expect(rig.lowers).toHaveLength(3);
    clock.advance(60_000);
    expect(rig.lowers).toHaveLength(3);
    for (const lower of rig.lowers) succeed(lower);
  });

  test('not below 10 ms', () => {
    const { clock } = use({ endpoints: ['a', 'b'] });
    learn(0.5);
    rig.unary();
    clock.advance(9);
    expect(rig.lowers).toHaveLength(1);
    clock.advance(1);
    expect(rig.lowers).toHaveLength(2);
    succeed(at(1));
  });

  test('0 switches it off', () => {
    const { clock } = use({ retry: { perTryTimeoutMs: 0 }, endpoints: ['a', 'b'] });
    learn(1);
    rig.unary();
    expect(clock.pending).toBe(0);
    succeed(at(0));
  });

  test.for([
    ['there is no other endpoint', ['a']],
    ['nobody knows the endpoints', undefined],
  ] as const)('where %s nothing is added', ([, endpoints]) => {
    const { clock } = use(endpoints === undefined ? {} : { endpoints });
    learn(1);
    rig.unary();
    if (endpoints === undefined) expect(clock.pending).toBe(0);
    clock.advance(5000);
    expect(rig.lowers).toHaveLength(1);
    succeed(at(0));
  });

  test('only answers with OK are learned from, each with the time of its own attempt', () => {
    const { clock } = use({ endpoints: ['a', 'b'], retry: { initialBackoffMs: 500 } });
    rig.unary();
    clock.advance(40);
    at(0).end(Code.UNAVAILABLE);
    clock.advance(600);
    at(1).end(Code.INVALID_ARGUMENT);
    expect(latencies.of('/loop.Echo/Say').count(clock.nowMs())).toBe(0);
    rig.unary();
    at(2).end(Code.UNAVAILABLE);
    clock.advance(600);
    const startedMs = clock.nowMs();
    clock.advance(8);
    succeed(at(3));
    const known = latencies.of('/loop.Echo/Say');
    expect(known.count(clock.nowMs())).toBe(1);
    learn(1, 99);
    expect(known.quantile(1, clock.nowMs())).toBeLessThan(clock.nowMs() - startedMs + 600);
  });

  test('windows are bounded: of more methods than there is room for nothing is learned', () => {
    use();
    for (let i = 0; i < 1000; i++) latencies.of(`/s/M${i}`);
    const late = latencies.of('/s/late');
    for (let i = 0; i < 1000; i++) late.record(5, rig.clock.nowMs());
    expect(late.quantile(0.99, rig.clock.nowMs())).toBeUndefined();
    expect(latencies.of('/s/later')).toBe(late);
    expect(latencies.of('/s/M1')).not.toBe(late);
  });
});

describe('answers that the app does not want', () => {
  const stale: RetryOnResponse = (_method, response) => String(response) !== 'fresh';
  const answer = (lower: LowerCall, text: string): void => {
    lower.listener?.onReceiveMetadata(new Metadata());
    lower.listener?.onReceiveMessage(Buffer.from(text));
    lower.end(Code.OK);
  };

  test('are asked for again; the app hears the good one only', () => {
    const { clock } = use({ retryOnResponse: stale });
    const { ear } = rig.unary();
    answer(at(0), 'stale');
    expect(ear.log).toEqual([]);
    clock.advance(30);
    answer(at(1), 'fresh');
    expect(ear.log).toEqual(['metadata', 'message', 'status']);
    expect(headers()).toEqual([undefined, '1']);
  });

  test('the last one is delivered as it is', () => {
    const { clock } = use({ retryOnResponse: stale, retry: { maxAttempts: 2 } });
    const { ear } = rig.unary();
    answer(at(0), 'stale');
    clock.advance(30);
    answer(at(1), 'stale too');
    expect(ear.log).toEqual(['metadata', 'message', 'status']);
    expect(code(ear)).toBe(Code.OK);
  });

  test('without a budget the first one is the answer', () => {
    use({ retryOnResponse: stale, budget: { ratio: 0, minPerSecond: 0 } });
    const { ear } = rig.unary();
    answer(at(0), 'stale');
    expect(code(ear)).toBe(Code.OK);
  });

  test('R42: of an unmarked method nobody is asked', () => {
    use({ retryOnResponse: stale, idempotent: false });
    const { ear } = rig.unary();
    answer(at(0), 'stale');
    expect(code(ear)).toBe(Code.OK);
  });

  test('a predicate that throws says nothing, and is told of once', () => {
    use({
      retryOnResponse: () => {
        throw new RangeError('mine');
      },
    });
    for (let i = 0; i < 3; i++) {
      const { ear } = rig.unary();
      answer(rig.last, 'stale');
      expect(code(ear)).toBe(Code.OK);
    }
    expect(warnings).toEqual(['retryOnResponse threw RangeError at an answer of /loop.Echo/Say; it counts as false']);
  });

  test('one from a slow attempt ends nothing', () => {
    const { clock } = use({ retryOnResponse: stale, retry: { perTryTimeoutMs: 200 } });
    const { ear } = rig.unary();
    clock.advance(200);
    answer(at(0), 'stale');
    expect(ear.log).toEqual([]);
    answer(at(1), 'fresh');
    expect(code(ear)).toBe(Code.OK);
  });
});

describe('what is kept of a call', () => {
  const kept = (): number => door?.keptBytes ?? 0;

  test('R16 R17 R18: over all calls of a client 16 MiB; a call that would go beyond is committed, and all is let go at the end', () => {
    use({ retry: { retryableCodes: ['ABORTED'], initialBackoffMs: 1 } });
    const stream = (): Ear => {
      const call = rig.make('clientStream');
      const ear: Ear = new Ear();
      call.start(new Metadata(), ear);
      call.sendMessageWithContext({}, Buffer.alloc(1 << 20));
      return ear;
    };
    const ears = Array.from({ length: 16 }, stream);
    expect(kept()).toBe(16 << 20);
    const late = stream();
    expect(kept()).toBe(16 << 20);
    rig.last.end(Code.ABORTED);
    expect(code(late)).toBe(Code.ABORTED);
    at(0).end(Code.ABORTED);
    rig.clock.advance(2);
    succeed(rig.last);
    expect(ears.map(code).filter((found) => found === Code.OK)).toHaveLength(1);
    expect(kept()).toBe(15 << 20);
    for (const lower of rig.lowers.slice(1, 16)) lower.end(Code.INVALID_ARGUMENT);
    expect(kept()).toBe(0);
  });

  test.for(['cancelled after the first attempt started', 'cancelled in a backoff', 'failed', 'answered', 'committed'])(
    'R21 R22 R34: nothing is kept of a call that was %s',
    (how) => {
      const { clock } = use({ retry: { retryableCodes: ['ABORTED'] } });
      const call = rig.make('clientStream');
      call.start(new Metadata(), new Ear());
      for (let i = 0; i < 2; i++) call.sendMessageWithContext({}, Buffer.alloc(100));
      expect(kept()).toBe(200);
      if (how === 'cancelled in a backoff') at(0).end(Code.ABORTED);
      if (how.startsWith('cancelled')) call.cancelWithStatus(Code.CANCELLED, 'enough');
      if (how === 'failed') at(0).end(Code.INTERNAL);
      else if (how === 'answered') succeed(at(0));
      else if (how === 'committed') at(0).listener?.onReceiveMetadata(new Metadata());
      else if (how !== 'cancelled in a backoff') at(0).end(Code.CANCELLED);
      expect(kept()).toBe(0);
      expect(clock.pending).toBe(0);
      call.sendMessageWithContext({}, Buffer.alloc(100));
      expect(kept()).toBe(0);
      if (how === 'committed') at(0).end(Code.OK);
    },
  );
});
