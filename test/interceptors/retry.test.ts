import { setImmediate as turn } from 'node:timers/promises';
import { Metadata } from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from 'vitest';
import { Code, type MethodKind } from '../../src/call.ts';
import { CallScope, currentScope } from '../../src/deadline/call-scope.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { Ear, type LowerCall, Rig, type RigOptions, succeed } from '../doors/rig.ts';
import { type Door, doors } from '../support/loopback.ts';

const marked: Policy = {
  defaults: {
    idempotent: true,
    retryPolicy: { maxAttempts: 3, initialBackoff: '1s', maxBackoff: '10s', backoffMultiplier: 2, retryableStatusCodes: ['ABORTED'] },
  },
};
const PREVIOUS = 'grpc-previous-rpc-attempts';

let rig: Rig;
function use(door: Door, options: RigOptions = { policy: marked }): Rig {
  rig = new Rig(door, options);
  return rig;
}
afterEach(() => {
  expect(rig.clock.pending).toBe(0);
  expect(rig.counts.client.active).toBe(0);
});

/** A stream of the app's, started, nothing sent. */
function start(
  door: Door,
  kind: MethodKind,
  deadlineMs?: number,
): { call: ReturnType<Rig['make']>; ear: Ear; write(text: string): () => number } {
  const call = rig.make(kind, deadlineMs);
  const ear = new Ear();
  call.start(new Metadata(), ear);
  if (door === 'channel') call.startRead();
  const write = (text: string): (() => number) => {
    let told = 0;
    call.sendMessageWithContext({ callback: () => void told++ }, door === 'channel' ? Buffer.from(text) : { text });
    return () => told;
  };
  return { call, ear, write };
}
const textOf = (message: unknown): string => (Buffer.isBuffer(message) ? message.toString() : (message as { text: string }).text);
const texts = (lower: LowerCall): string[] => lower.messages.map(textOf);
const header = (lower: LowerCall): unknown => lower.metadata?.get(PREVIOUS)[0];

describe.for(doors)('retry behind %s', (door) => {
  test('R1: ABORTED, then OK: the app hears OK, and each attempt says how many were before it', () => {
    const { clock, lowers } = use(door);
    const { ear } = rig.unary();
    rig.last.end(Code.ABORTED);
    clock.advance(1200);
    expect(lowers).toHaveLength(2);
    succeed(rig.last);
    expect(ear.log).toEqual(['metadata', 'message', 'status']);
    expect(lowers.map(header)).toEqual([undefined, '1']);
    expect(lowers.map(texts)).toEqual([['hello'], ['hello']]);
    expect(rig.last.log.filter((line) => line !== 'read')).toEqual(['start', 'message', 'half']);
  });

  test('R5: the last of maxAttempts is final, with its own status', () => {
    const { clock, lowers } = use(door);
    const { ear } = rig.unary();
    for (let i = 0; i < 3; i++) {
      rig.last.end(Code.ABORTED, `attempt ${i}`);
      clock.advance(5000);
    }
    expect(lowers).toHaveLength(3);
    expect(ear.status).toMatchObject({ code: Code.ABORTED, details: 'attempt 2' });
  });

  test('R7: so it is when nobody has asked for the answer yet', () => {
    use(door);
    const call = rig.make('unary');
    const ear = new Ear();
    call.start(new Metadata(), ear);
    rig.last.end(Code.INVALID_ARGUMENT, 'yours');
    expect(ear.status?.details).toBe('yours');
    call.startRead();
    expect(rig.lowers).toHaveLength(1);
  });

  test('R6: a status that policy does not name is final', () => {
    use(door);
    const { ear } = rig.unary();
    rig.last.end(Code.INVALID_ARGUMENT, 'yours');
    expect(ear.status?.details).toBe('yours');
  });

  test('R8: CallOptions.inmesh.retry false is one attempt', () => {
    use(door);
    const { ear } = rig.unary(undefined, { retry: false });
    rig.last.end(Code.ABORTED);
    expect(ear.status?.code).toBe(Code.ABORTED);
  });

  test('R10: a pushback of 2000 ms beats the backoff of 1 s, and the next backoff starts anew', () => {
    const { clock, lowers } = use(door);
    const { ear } = rig.unary();
    rig.last.end(Code.ABORTED, '', { 'grpc-retry-pushback-ms': '2000' });
    clock.advance(1999);
    expect(lowers).toHaveLength(1);
    clock.advance(1);
    expect(lowers).toHaveLength(2);
    rig.last.end(Code.ABORTED);
    clock.advance(799);
    expect(lowers).toHaveLength(2);
    clock.advance(401); // 1 s give or take 20 %, not 2 s
    expect(lowers).toHaveLength(3);
    succeed(rig.last);
    expect(ear.status?.code).toBe(Code.OK);
  });

  test.for([
    ['R11', '-1'],
    ['R28', 'xxx'],
    ['R29', ''],
    ['R29', '1e3'],
    ['R29', '+5'],
    ['R29', '007'],
    ['R29', '2147483648'],
  ])('%s: a pushback of "%s" means stop, and the error surfaces', ([, pushback = '']) => {
    const { clock, lowers } = use(door);
    const { ear } = rig.unary();
    rig.last.end(Code.ABORTED);
    clock.advance(1200);
    rig.last.end(Code.ABORTED, 'stop', { 'grpc-retry-pushback-ms': pushback });
    expect(ear.status).toMatchObject({ code: Code.ABORTED, details: 'stop' });
    expect(lowers).toHaveLength(2);
  });

  test.for(['R12 headers', 'R13 a message'])('%s commit an unmarked call: a later refusal surfaces', (what) => {
    use(door, { policy: {} });
    const { ear } = rig.unary();
    if (what.startsWith('R12')) rig.last.listener?.onReceiveMetadata(new Metadata());
    else rig.last.listener?.onReceiveMessage(Buffer.from('x'));
    rig.last.end(Code.UNAVAILABLE, 'late', { 'inmesh-unprocessed': '1' });
    expect(ear.status).toMatchObject({ code: Code.UNAVAILABLE, details: 'late' });
    expect(rig.lowers).toHaveLength(1);
  });

  test('R12 R13: a marked unary call is judged by its trailers; the app hears one whole answer', () => {
    const { clock } = use(door);
    const { ear } = rig.unary();
    rig.last.listener?.onReceiveMetadata(new Metadata());
    rig.last.listener?.onReceiveMessage(Buffer.from('half'));
    rig.last.end(Code.ABORTED);
    expect(ear.log).toEqual([]);
    clock.advance(1200);
    expect(rig.lowers).toHaveLength(2);
    succeed(rig.last);
    expect(ear.log).toEqual(['metadata', 'message', 'status']);
  });

  test('R12 R13: what came with the last failure reaches the app', () => {
    use(door);
    const { ear } = rig.unary();
    rig.last.listener?.onReceiveMetadata(new Metadata());
    rig.last.end(Code.INVALID_ARGUMENT);
    expect(ear.log.filter((what) => what !== 'null')).toEqual(['metadata', 'status']);
  });

  test('R14: each attempt is asked for the answer as often as the app asked', () => {
    use(door);
    const { ear } = rig.unary();
    const reads = (lower: LowerCall): number => lower.log.filter((line) => line === 'read').length;
    const [first] = rig.lowers;
    rig.last.end(Code.ABORTED);
    rig.clock.advance(1200);
    expect(reads(rig.last)).toBe(first === undefined ? -1 : reads(first));
    succeed(rig.last);
    expect(ear.status?.code).toBe(Code.OK);
  });

  test('R19: a cancel during the backoff ends the call at once; no timer stays, and no second attempt comes', async () => {
    const { clock, lowers } = use(door);
    const { call, ear } = rig.unary();
    rig.last.end(Code.ABORTED);
    call.cancelWithStatus(Code.CANCELLED, 'Cancelled on client');
    expect(clock.pending).toBe(0);
    await turn();
    expect(ear.status).toMatchObject({ code: Code.CANCELLED, details: 'Cancelled on client' });
    clock.advance(60_000);
    expect(lowers).toHaveLength(1);
  });

  test('R19: a deadline can not fall into a backoff: what would wait past it fails at once', () => {
    const { clock } = use(door);
    const { ear } = rig.unary(clock.nowMs() + 1300);
    rig.last.end(Code.ABORTED);
    clock.advance(1299);
    expect(rig.lowers).toHaveLength(2);
    rig.last.end(Code.DEADLINE_EXCEEDED, 'over');
    expect(ear.status).toMatchObject({ code: Code.DEADLINE_EXCEEDED, details: 'over' });
  });

  test('R20: the deadline during the second attempt is the end', () => {
    const { clock } = use(door);
    const { ear } = rig.unary(clock.nowMs() + 2000);
    rig.last.end(Code.ABORTED);
    clock.advance(1200);
    rig.last.end(Code.DEADLINE_EXCEEDED);
    expect(ear.status?.code).toBe(Code.DEADLINE_EXCEEDED);
  });

  test('R20: a cancel during the second attempt reaches it', () => {
    const { clock } = use(door);
    const { call, ear } = rig.unary();
    rig.last.end(Code.ABORTED);
    clock.advance(1200);
    call.cancelWithStatus(Code.CANCELLED, 'enough');
    expect(rig.last.log.at(-1)).toBe('cancel 1');
    rig.last.end(Code.CANCELLED, 'enough');
    expect(ear.status?.code).toBe(Code.CANCELLED);
  });

  test('R41: with less time left than the backoff the call fails now, not after waiting', () => {
    const { clock } = use(door);
    const { ear } = rig.unary(clock.nowMs() + 500);
    rig.last.end(Code.ABORTED, 'now');
    expect(ear.status?.details).toBe('now');
  });

  test('R42: an unmarked method is not sent again for a code that its handler may have given', () => {
    use(door, { policy: { defaults: { retryPolicy: { retryableStatusCodes: ['ABORTED', 'UNAVAILABLE'] } } } });
    const { ear } = rig.unary();
    rig.last.end(Code.ABORTED);
    expect(ear.status?.code).toBe(Code.ABORTED);
  });

  test('R42: CallOptions.inmesh.idempotent marks one call', () => {
    const { clock } = use(door, { policy: {} });
    const { ear } = rig.unary(undefined, { idempotent: true });
    rig.last.end(Code.UNAVAILABLE);
    clock.advance(100);
    expect(rig.lowers).toHaveLength(2);
    succeed(rig.last);
    expect(ear.status?.code).toBe(Code.OK);
  });

  test('R42: CallOptions.inmesh.idempotent false unmarks one call', () => {
    use(door);
    const { ear } = rig.unary(undefined, { idempotent: false });
    rig.last.end(Code.ABORTED);
    expect(ear.status?.code).toBe(Code.ABORTED);
  });

  test('R42: an unmarked method is sent again when the server says that it never ran; the trailer never reaches the app', () => {
    const { clock } = use(door, { policy: {} });
    const { ear } = rig.unary();
    for (let i = 0; i < 3; i++) {
      rig.last.end(Code.RESOURCE_EXHAUSTED, 'full', { 'inmesh-unprocessed': '1', 'inmesh-reason': 'server.bulkhead/queue-full' });
      clock.advance(400);
    }
    expect(rig.lowers).toHaveLength(3);
    expect(ear.status?.metadata.getMap()).toEqual({ 'inmesh-reason': 'server.bulkhead/queue-full' });
  });

  test('what to write into the policy is said once per method', () => {
    use(door, { policy: {} });
    for (let i = 0; i < 3; i++) {
      rig.unary();
      rig.last.end(Code.UNAVAILABLE);
    }
    expect(rig.warnings).toHaveLength(1);
    expect(rig.warnings[0]).toContain('methods: { "loop.Echo/Say": { idempotent: true } }');
  });

  test('B1: at 100 % failure N calls make at most N (1 + ratio) attempts and the floor', () => {
    const { clock, lowers } = use(door, { policy: { ...marked, retryBudget: { ratio: 0.2, minPerSecond: 1, ttl: '10s' } } });
    rig.onLower = (lower) => {
      lower.onStart = () => void clock.setTimer(() => lower.end(Code.ABORTED), 1);
    };
    const calls = 2000;
    for (let i = 0; i < calls; i++) {
      rig.unary();
      clock.advance(5);
    }
    clock.advance(60_000);
    const seconds = (calls * 5) / 1000;
    expect(lowers.length).toBeLessThanOrEqual(calls * 1.2 + 1 * (seconds + 10) + 1);
    expect(lowers.length).toBeGreaterThan(calls * 1.15);
  });

  test('R9 R31: behind a throttle of gRFC A6 a call whose failure leaves half of the tokens fails at once, and waits for nothing', () => {
    const { clock } = use(door, { policy: { ...marked, retryBudget: { throttle: { maxTokens: 2, tokenRatio: 1 } } } });
    const { ear } = rig.unary();
    rig.last.end(Code.ABORTED, 'throttled');
    expect(ear.status?.details).toBe('throttled');
    expect(clock.pending).toBe(0);
    rig.unary();
    succeed(rig.last); // one token back
    rig.unary();
    rig.last.end(Code.ABORTED); // and gone
    clock.advance(5000);
    expect(rig.lowers).toHaveLength(3);
  });

  test('R33: what the app does to its metadata after the start changes no attempt', () => {
    const { clock } = use(door);
    const call = rig.make('unary');
    const metadata = new Metadata();
    metadata.set('k', 'as started');
    call.start(metadata, new Ear());
    metadata.set('k', 'changed');
    metadata.add('l', 'new');
    rig.last.end(Code.ABORTED);
    clock.advance(1200);
    for (const lower of rig.lowers) expect(lower.metadata?.getMap()).toMatchObject({ k: 'as started' });
    expect(rig.last.metadata?.get('l')).toEqual([]);
    expect(metadata.get(PREVIOUS)).toEqual([]);
    rig.last.end(Code.OK);
  });

  test('R34: an attempt that failed on this side before it was sent is one of those that policy allows', () => {
    const { clock } = use(door, { policy: { defaults: { retryPolicy: { maxAttempts: 2 } } } });
    const { ear } = rig.unary();
    for (let i = 0; i < 3; i++) {
      rig.last.end(Code.UNAVAILABLE, 'not sent', { 'inmesh-unprocessed': '1' });
      clock.advance(1000);
    }
    expect(rig.lowers).toHaveLength(2);
    expect(ear.log.filter((what) => what !== 'null')).toEqual(['status']);
  });

  test('B1: of 10,000 calls that all fail there are at most N x 1.2 attempts and the floor, with the defaults', () => {
    const { clock, lowers } = use(door, { policy: { defaults: { idempotent: true } } });
    rig.onLower = (lower) => {
      lower.onStart = () => void clock.setTimer(() => lower.end(Code.UNAVAILABLE), 1);
    };
    for (let i = 0; i < 10_000; i++) {
      rig.unary();
      clock.advance(1);
    }
    clock.advance(60_000);
    expect(lowers.length).toBeLessThanOrEqual(10_000 * 1.2 + 10 * (10 + 10) + 1);
    expect(lowers.length).toBeGreaterThan(10_000 * 1.2);
  });

  test('B4: a call made for one that is itself a retry is not sent again, unless it never ran', () => {
    const { clock } = use(door);
    const serving = new CallScope(Number.POSITIVE_INFINITY, { priority: undefined, tenant: undefined, attempt: 1 });
    const { ear } = currentScope.run(serving, () => rig.unary());
    rig.last.end(Code.ABORTED);
    expect(ear.status?.code).toBe(Code.ABORTED);
    expect(rig.warnings).toEqual([]);
    const second = currentScope.run(serving, () => rig.unary());
    rig.last.end(Code.UNAVAILABLE, '', { 'inmesh-unprocessed': '1' });
    clock.advance(1200);
    succeed(rig.last);
    expect(second.ear.status?.code).toBe(Code.OK);
    expect(rig.lowers).toHaveLength(3);
  });

  test('B4: unless policy says chainStop: false, or the call being served is a first attempt', () => {
    const { clock } = use(door, { policy: { defaults: { idempotent: true, retryPolicy: { chainStop: false } } } });
    const traits = { priority: undefined, tenant: undefined };
    currentScope.run(new CallScope(Number.POSITIVE_INFINITY, { ...traits, attempt: 1 }), () => rig.unary());
    rig.last.end(Code.UNAVAILABLE);
    clock.advance(100);
    expect(rig.lowers).toHaveLength(2);
    succeed(rig.last);
    use(door, { policy: { defaults: { idempotent: true } } });
    currentScope.run(new CallScope(Number.POSITIVE_INFINITY, { ...traits, attempt: 0 }), () => rig.unary());
    rig.last.end(Code.UNAVAILABLE);
    rig.clock.advance(100);
    expect(rig.lowers).toHaveLength(2);
    succeed(rig.last);
  });

  test('RetryInfo says when to come back; pushback would stand above it', () => {
    const { clock } = use(door);
    const { ear } = rig.unary();
    const metadata = new Metadata();
    // google.rpc.Status { details: Any { RetryInfo { retry_delay: 3s } } }
    const info = Buffer.concat([
      Buffer.from([0x0a, 0x28]),
      Buffer.from('type.googleapis.com/google.rpc.RetryInfo'),
      Buffer.from([0x12, 4, 0x0a, 2, 8, 3]),
    ]);
    metadata.set('grpc-status-details-bin', Buffer.concat([Buffer.from([0x1a, info.length]), info]));
    rig.last.listener?.onReceiveStatus({ code: Code.ABORTED, details: '', metadata });
    clock.advance(2999);
    expect(rig.lowers).toHaveLength(1);
    clock.advance(601);
    expect(rig.lowers).toHaveLength(2);
    rig.last.end(Code.ABORTED, '', { 'retry-after': '5' });
    clock.advance(4999);
    expect(rig.lowers).toHaveLength(2);
    clock.advance(1001);
    expect(rig.lowers).toHaveLength(3);
    succeed(rig.last);
    expect(ear.status?.code).toBe(Code.OK);
  });

  test('B4: one budget for the whole service, whatever the method', () => {
    const { clock, lowers } = use(door, { policy: { ...marked, retryBudget: { ratio: 0, minPerSecond: 0.1, ttl: '10s' } } });
    for (let i = 0; i < 5; i++) {
      rig.unary();
      rig.last.end(Code.ABORTED);
    }
    clock.advance(1200);
    expect(lowers).toHaveLength(6);
    rig.last.end(Code.ABORTED);
  });
});

describe.for(doors)('retry of streams behind %s', (door) => {
  test('R2: messages are played again in order, one at a time, then the end', () => {
    const { clock } = use(door);
    const { call, ear, write } = start(door, 'clientStream');
    for (const text of ['a', 'b', 'c']) write(text);
    call.halfClose();
    rig.last.end(Code.ABORTED);
    clock.advance(1200);
    // grpc-js's own calls keep one message; the next must wait until it is taken.
    expect(texts(rig.last)).toEqual(['a']);
    rig.last.contexts[0]?.callback?.();
    expect(texts(rig.last)).toEqual(['a', 'b']);
    rig.last.contexts[1]?.callback?.();
    expect(texts(rig.last)).toEqual(['a', 'b', 'c']);
    expect(rig.last.log.at(-1)).toBe('half');
    succeed(rig.last);
    expect(ear.status?.code).toBe(Code.OK);
  });

  test('R3: after the commit the stream goes on as before', () => {
    const { clock } = use(door);
    const { call, ear, write } = start(door, 'bidi');
    write('a');
    rig.last.end(Code.ABORTED);
    clock.advance(1200);
    rig.last.listener?.onReceiveMetadata(new Metadata());
    rig.last.contexts[0]?.callback?.();
    write('b');
    call.halfClose();
    expect(texts(rig.last)).toEqual(['a', 'b']);
    expect(rig.last.log.at(-1)).toBe('half');
    rig.last.end(Code.ABORTED);
    expect(ear.log).toEqual(['metadata', 'status']);
  });

  test('R4: headers in the middle of the replay commit; what is left of it is still sent, before what the app sends next', () => {
    const { clock } = use(door);
    const { call, ear, write } = start(door, 'bidi');
    for (const text of ['a', 'b', 'c']) write(text);
    rig.last.end(Code.ABORTED);
    clock.advance(1200);
    rig.last.listener?.onReceiveMetadata(new Metadata());
    write('d');
    call.halfClose();
    for (let i = 0; i < 4; i++) rig.last.contexts[i]?.callback?.();
    expect(texts(rig.last)).toEqual(['a', 'b', 'c', 'd']);
    expect(rig.last.log.filter((line) => line === 'half')).toHaveLength(1);
    rig.last.end(Code.OK);
    expect(ear.status?.code).toBe(Code.OK);
  });

  test('R4: an answer in the middle of the replay is the answer; the rest is not sent', () => {
    const { clock } = use(door);
    const { ear, write } = start(door, 'clientStream');
    for (const text of ['a', 'b', 'c']) write(text);
    rig.last.end(Code.ABORTED);
    clock.advance(1200);
    succeed(rig.last);
    expect(ear.status?.code).toBe(Code.OK);
    expect(texts(rig.last)).toEqual(['a']);
  });

  test('a write is told once that it was taken, though its first attempt died without a word', () => {
    const { clock } = use(door);
    const { ear, write } = start(door, 'clientStream');
    const told = write('a');
    rig.last.end(Code.ABORTED); // never took it
    clock.advance(1200);
    expect(told()).toBe(0);
    rig.last.contexts[0]?.callback?.();
    expect(told()).toBe(1);
    rig.last.end(Code.ABORTED);
    clock.advance(3000);
    rig.last.contexts[0]?.callback?.();
    expect(told()).toBe(1);
    succeed(rig.last);
    expect(ear.status?.code).toBe(Code.OK);
  });

  test('what is written during the backoff goes with the next attempts', () => {
    const { clock } = use(door);
    const { call, write } = start(door, 'clientStream');
    rig.last.end(Code.ABORTED);
    const told = write('a');
    call.halfClose();
    for (let i = 0; i < 2; i++) {
      clock.advance(5000);
      expect(texts(rig.last)).toEqual(['a']);
      rig.last.contexts[0]?.callback?.();
      expect(told()).toBe(1);
      rig.last.end(Code.ABORTED);
    }
  });

  test.for(['R12 headers', 'R13 a message'])('%s commit a stream: a later ABORTED surfaces', (what) => {
    use(door);
    const { ear } = start(door, 'serverStream');
    if (what.startsWith('R12')) rig.last.listener?.onReceiveMetadata(new Metadata());
    else rig.last.listener?.onReceiveMessage(Buffer.from('x'));
    rig.last.end(Code.ABORTED);
    expect(ear.status?.code).toBe(Code.ABORTED);
    expect(rig.lowers).toHaveLength(1);
  });

  test('R16 R17: a call that outgrew the buffer of 1 MiB is committed', () => {
    use(door);
    const { ear, write } = start(door, 'clientStream');
    const large = 'x'.repeat(1024);
    for (let i = 0; i < 1024; i++) write(large);
    write('one more');
    expect(rig.last.messages).toHaveLength(1025);
    rig.last.end(Code.ABORTED);
    expect(ear.status?.code).toBe(Code.ABORTED);
  });

  test('R18: a call that outgrows the buffer during the backoff makes one more attempt, with everything, and is committed', () => {
    const { clock } = use(door);
    const { call, ear, write } = start(door, 'clientStream');
    const large = 'x'.repeat(1024);
    for (let i = 0; i < 1024; i++) write(large);
    rig.last.end(Code.ABORTED);
    write('one more');
    call.halfClose();
    clock.advance(1200);
    for (let i = 0; i < 1025; i++) rig.last.contexts[i]?.callback?.();
    expect(rig.last.messages).toHaveLength(1025);
    expect(texts(rig.last).at(-1)).toBe('one more');
    rig.last.end(Code.ABORTED);
    expect(ear.status?.code).toBe(Code.ABORTED);
    expect(rig.lowers).toHaveLength(2);
  });
});
