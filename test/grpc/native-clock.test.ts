/**
 * Native batches on a fake clock, with a lower half that the test plays: queues, deadlines, cancellation, denial, spans.
 */
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import { Metadata } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { nativeBatchClient } from '../../interceptors/native-batch.ts';
import type { NativePlan } from '../../src/batch/native/plan.ts';
import { resolveCoalesceOptions } from '../../src/batch/options.ts';
import { Code } from '../../src/call.ts';
import { attemptContext, type CallInfo, type ClientCall, type ClientInterceptor, type Door } from '../../src/grpc/client-call.ts';
import { NOBODY } from '../../src/grpc/detached.ts';
import { type NativeCounts, noNativeCounts } from '../../src/grpc/native-batcher.ts';
import type { StartCarrierSpan } from '../../src/observe/carrier-span.ts';
import { Ear, LowerCall } from '../doors/rig.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { definitionOf, planOf } from '../support/native-engine.ts';

const METHOD = '/library.v1.Library/GetBook';
const unary = definitionOf('GetBook');
const via = definitionOf('BatchGetBooks');

let clock: FakeClock;
let counts: NativeCounts;
let intercept: ClientInterceptor;
let door: Door;
/** Calls below, with the infos they were opened with. */
let lowers: { readonly info: CallInfo; readonly call: LowerCall }[];
let onOpen: (() => void) | undefined;
const next = (info: CallInfo): ClientCall => {
  onOpen?.();
  const call = new LowerCall(info.deadlineMs);
  lowers.push({ info, call });
  return call;
};
const spans: string[] = [];
const warnings: string[] = [];
const carrierSpan: StartCarrierSpan = (path, _target, items) => {
  spans.push(`${path} ${items.length}`);
  return {
    inject: (metadata) => {
      spans.push('inject');
      return metadata;
    },
    end: (code) => spans.push(`end ${code}`),
  };
};

function build(change: Partial<NativePlan> = {}): void {
  intercept = nativeBatchClient({
    plans: new Map([[METHOD, { ...planOf('GetBook'), ...change }]]),
    options: resolveCoalesceOptions({}),
    clock,
    random: () => 0,
    carrierSpan,
    counts,
    warn: (line) => warnings.push(line),
  });
}
beforeEach(() => {
  clock = new FakeClock();
  counts = noNativeCounts();
  door = { kind: 'channel', target: 'dns:x', channel: { open: next }, book: undefined };
  lowers = [];
  spans.length = 0;
  warnings.length = 0;
  onOpen = undefined;
  build();
});
afterEach(() => {
  expect(clock.pending).toBe(0);
});

interface Called {
  readonly call: ClientCall;
  readonly ear: Ear;
  readonly info: CallInfo;
}
function start(name: string, part: Partial<CallInfo> = {}): Called {
  const info: CallInfo = {
    method: METHOD,
    kind: 'unary',
    deadlineMs: Number.POSITIVE_INFINITY,
    host: undefined,
    credentials: undefined,
    parent: undefined,
    propagateFlags: undefined,
    options: undefined,
    definition: undefined,
    door,
    attempt: attemptContext(),
    stage: -1,
    bottom: next,
    scope: NOBODY,
    ...part,
  };
  const call = intercept(info, next);
  const ear = new Ear();
  call.start(new Metadata(), ear);
  call.sendMessageWithContext({}, unary.requestSerialize({ name }));
  call.halfClose();
  return { call, ear, info };
}
/** Answers a batch. */
function answer(lower: LowerCall, names: readonly string[]): void {
  lower.listener?.onReceiveMetadata(new Metadata());
  lower.listener?.onReceiveMessage(via.responseSerialize({ books: names.map((name) => ({ name })) }));
  lower.end(Code.OK);
}
const turn = async (): Promise<void> => {
  clock.endTurn();
  await new Promise((resolve) => process.nextTick(resolve));
};

describe('a native batch', () => {
  test("goes at the end of the turn, unary, with the longest deadline, in nobody's context", async () => {
    const calls = [start('a', { deadlineMs: 100 }), start('b', { deadlineMs: 900 })];
    expect(lowers).toHaveLength(0);
    await turn();
    expect(lowers).toHaveLength(1);
    const [{ info, call } = { info: undefined, call: new LowerCall(0) }] = lowers;
    expect(info).toMatchObject({
      method: '/library.v1.Library/BatchGetBooks',
      kind: 'unary',
      deadlineMs: 900,
      parent: undefined,
      scope: NOBODY,
    });
    expect(via.requestDeserialize(call.messages[0] as Buffer)).toMatchObject({ names: ['a', 'b'] });
    expect(call.log).toEqual(['start', 'read', 'message', 'half']);
    answer(call, ['a', 'b']);
    for (const { ear } of calls) expect(ear.log).toEqual(['metadata', 'message', 'status']);
    expect(spans).toEqual(['/library.v1.Library/BatchGetBooks 2', 'inject', 'end 0']);
  });

  test('tells the attempt of each call where it went', async () => {
    const calls = [start('a'), start('b')];
    await turn();
    const [batch] = lowers;
    if (batch?.info.attempt !== undefined) batch.info.attempt.picked = '10.0.0.1:1';
    answer(batch?.call ?? new LowerCall(0), ['a', 'b']);
    for (const { info } of calls) expect(info.attempt).toMatchObject({ started: true, picked: '10.0.0.1:1' });
  });

  test('a call that is cancelled or late in the queue never goes out (K7, K8)', async () => {
    const late = start('late', { deadlineMs: clock.nowMs() + 5 });
    const cancelled = start('cancelled');
    const calls = [start('a'), start('b')];
    cancelled.call.cancelWithStatus(Code.CANCELLED, 'by the app');
    late.call.cancelWithStatus(Code.CANCELLED, 'by the app too');
    await turn();
    expect(via.requestDeserialize(lowers[0]?.call.messages[0] as Buffer)).toMatchObject({ names: ['a', 'b'] });
    expect([cancelled, late].map(({ ear }) => ear.status?.code)).toEqual([1, 1]);
    answer(lowers[0]?.call ?? new LowerCall(0), ['a', 'b']);
    for (const { ear } of calls) expect(ear.log.filter((word) => word === 'status')).toHaveLength(1);
  });

  test('a call whose time is over ends then, once, and its late answer is dropped', async () => {
    const calls = [start('a', { deadlineMs: clock.nowMs() + 50 }), start('b')];
    await turn();
    clock.advance(50);
    expect(calls[0]?.ear.status).toMatchObject({ code: Code.DEADLINE_EXCEEDED });
    expect(calls[0]?.ear.status?.metadata.get('inmesh-reason')).toEqual(['client.native/deadline']);
    expect(calls[1]?.ear.status).toBeUndefined();
    answer(lowers[0]?.call ?? new LowerCall(0), ['a', 'b']);
    expect(calls.map(({ ear }) => ear.log.filter((word) => word === 'status').length)).toEqual([1, 1]);
  });

  test('the last one to leave cancels the batch (K7)', async () => {
    const calls = [start('a'), start('b')];
    await turn();
    calls[0]?.call.cancelWithStatus(Code.CANCELLED, '');
    expect(lowers[0]?.call.log).not.toContain('cancel 1');
    calls[1]?.call.cancelWithStatus(Code.CANCELLED, '');
    expect(lowers[0]?.call.log).toContain('cancel 1');
    lowers[0]?.call.end(Code.CANCELLED);
    await turn();
    expect(calls.map(({ ear }) => ear.log)).toEqual([['status'], ['status']]);
  });

  test('a server without the method is asked again after ten minutes', async () => {
    const round = async (): Promise<void> => {
      const before = lowers.length;
      for (const name of ['a', 'b']) start(name);
      await turn();
      for (const { info, call } of lowers.slice(before)) if (info.method !== METHOD) call.end(Code.UNIMPLEMENTED);
      for (const { info, call } of lowers.slice(before)) if (info.method === METHOD) call.end(Code.OK);
    };
    await round();
    await round();
    expect(counts).toMatchObject({ batches: 1, plain: { fallback: 2, denied: 2 } });
    clock.advance(600_000);
    await round();
    expect(counts).toMatchObject({ batches: 2, plain: { fallback: 4, denied: 2 } });
  });

  test.each([
    ['fares better alone', Code.OK, 1],
    ['fails alone too', Code.NOT_FOUND, 2],
  ])('a batch method that fails while each of its calls %s is left alone for a minute, or not', async (_how, code, batches) => {
    for (let i = 0; i < 2; i++) {
      const before = lowers.length;
      for (const name of ['a', 'b']) start(name);
      await turn();
      lowers[before]?.call.end(lowers[before]?.info.method === METHOD ? Code.OK : Code.INTERNAL);
      for (const [j, { call }] of lowers.slice(before + 1).entries()) call.end(j === 0 ? code : Code.OK);
    }
    expect(counts.batches).toBe(batches);
    clock.advance(60_000);
    for (const name of ['a', 'b']) start(name);
    await turn();
    expect(counts.batches).toBe(batches + 1);
    answer(lowers.at(-1)?.call ?? new LowerCall(0), ['a', 'b']);
  });

  test('what was never sent, or never run, is told as it is: retry may send it again', async () => {
    door = { ...door, book: { attached: true } as unknown as NonNullable<Door['book']> };
    const calls = [start('a'), start('b')];
    await turn();
    lowers[0]?.call.end(Code.UNAVAILABLE, 'no connection');
    for (const { ear, info } of calls) {
      expect(ear.status).toMatchObject({ code: Code.UNAVAILABLE, details: 'no connection' });
      expect(ear.status?.metadata.get('inmesh-ambiguous')).toEqual([]);
      expect(info.attempt?.started).toBe(false);
    }
  });

  test('a call that goes alone does so in the context in which it was made', async () => {
    const store = new AsyncLocalStorage<string>();
    const opened: (string | undefined)[] = [];
    onOpen = () => opened.push(store.getStore());
    for (const name of ['a', 'b']) store.run(name, () => start(name, { scope: new AsyncResource('call') }));
    await turn();
    lowers[0]?.call.end(Code.UNIMPLEMENTED);
    expect(opened).toEqual([undefined, 'a', 'b']);
    for (const { call } of lowers.slice(1)) call.end(Code.OK);
  });

  test('a batch that is full goes at once, and not in the context of the call that filled it (Q8)', () => {
    build({ maxItems: 2 });
    const store = new AsyncLocalStorage<string>();
    const opened: (string | undefined)[] = [];
    onOpen = () => opened.push(store.getStore());
    for (const name of ['a', 'b']) store.run(name, () => start(name));
    expect(opened).toEqual([undefined]);
    answer(lowers[0]?.call ?? new LowerCall(0), ['a', 'b']);
    clock.endTurn();
  });

  test.each([
    ['without mesh.options()', { channel: undefined }],
    ['other interceptors below', { kind: 'interceptors', foreignBelow: true }],
  ] as const)('a client that can not merge says so once: %s', (words, part) => {
    door = { ...door, ...part };
    for (const name of ['a', 'b']) start(name);
    expect(warnings).toEqual([expect.stringContaining(words)]);
    expect(counts.plain.door).toBe(2);
  });

  test('a retry with endpoints to avoid, a pin, or a stream goes as it is', async () => {
    start('a', { attempt: attemptContext({ avoid: new Set(['x']) }) });
    start('b', { attempt: attemptContext({ pin: 'x' }) });
    start('c', { kind: 'bidi' });
    await turn();
    expect(lowers.map(({ info }) => info.method)).toEqual([METHOD, METHOD, METHOD]);
    expect(counts.plain.retry).toBe(2);
  });

  test('a hundred thousand cancelled calls leave nothing behind (K21)', async () => {
    for (let i = 0; i < 1_000; i++) {
      const calls = Array.from({ length: 100 }, (_, j) => start(`${i}-${j}`, { deadlineMs: clock.nowMs() + 60_000 }));
      for (const { call } of calls) call.cancelWithStatus(Code.CANCELLED, '');
      clock.endTurn();
    }
    expect(lowers).toHaveLength(0);
    expect(clock.pending).toBe(0);
  });
});
