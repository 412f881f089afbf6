import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Code } from '../../../src/call.ts';
import { SoftStage } from './soft-stage.ts';

const NONE = { burst: 0, perSecond: 0 };

describe('a call that is given up softly', () => {
  test('within the budget its stream is reset', async () => {
    const stage = new SoftStage({ burst: 1, perSecond: 0 });
    const { call, ear, raw } = stage.call();
    raw.goOut();
    call.cancelWithStatus(Code.CANCELLED, 'bye');
    await turn();
    expect(raw.log).toEqual(['cancel 1']);
    expect(ear.log).toEqual(['status']);
    expect(ear.status).toMatchObject({ code: Code.CANCELLED, details: 'bye' });
    expect(stage.resets.counts).toEqual({ granted: 1, withheld: 0, left: 0 });
  });

  test('beyond it the caller is told as soon, and the stream is left to finish', async () => {
    const stage = new SoftStage(NONE);
    const { call, ear, raw } = stage.call();
    raw.goOut();
    call.cancelWithStatus(Code.CANCELLED, 'bye');
    await turn();
    expect(ear.status).toMatchObject({ code: Code.CANCELLED, details: 'bye' });
    expect(raw.log).not.toContain('cancel 1');
    expect(stage.resets.counts).toEqual({ granted: 0, withheld: 1, left: 1 });
    raw.answer();
    await turn();
    expect(ear.log).toEqual(['status']);
    expect(stage.resets.counts.left).toBe(0);
    expect(stage.clock.pending).toBe(0);
  });

  test('what comes for it is read, lest it fill the window of its connection', () => {
    const { call, raw } = new SoftStage(NONE).call();
    raw.goOut();
    call.cancelWithStatus(Code.CANCELLED, 'bye');
    expect(raw.log).toEqual(['read']);
    for (let i = 0; i < 3; i++) raw.listener?.onReceiveMessage(Buffer.from('x'));
    expect(raw.log).toEqual(['read', 'read', 'read', 'read']);
  });

  test('its request is never closed: a handler would take half of it for the whole', async () => {
    const { call, raw } = new SoftStage(NONE).call();
    raw.goOut();
    call.sendMessageWithContext({}, Buffer.from('1'));
    call.cancelWithStatus(Code.CANCELLED, 'bye');
    let taken = false;
    call.sendMessageWithContext({ callback: () => (taken = true) }, Buffer.from('2'));
    call.halfClose();
    await turn();
    expect(raw.log).toEqual(['message', 'read']);
    expect(taken).toBe(true);
  });

  test('one that does not finish is reset when the budget has room again', async () => {
    const stage = new SoftStage({ burst: 1, perSecond: 1 });
    stage.resets.tryReset('a:1');
    const { call, raw } = stage.call();
    raw.goOut();
    call.cancelWithStatus(Code.CANCELLED, 'bye');
    stage.clock.advance(1000);
    await turn();
    expect(raw.log).toEqual(['read', 'cancel 1']);
    expect(stage.resets.counts.left).toBe(0);
    expect(stage.clock.pending).toBe(0);
  });

  test('before its stream is open it costs nothing', async () => {
    const stage = new SoftStage(NONE);
    const { call, ear, raw } = stage.call();
    call.cancelWithStatus(Code.CANCELLED, 'bye');
    await turn();
    expect(raw.log).toEqual(['cancel 1']);
    expect(raw.context.over).toBe(true);
    expect(ear.log).toEqual(['status']);
    expect(stage.resets.counts).toEqual({ granted: 0, withheld: 0, left: 0 });
  });

  test('a lost connection gives its endpoint a fresh budget', () => {
    const stage = new SoftStage({ burst: 1, perSecond: 0 });
    stage.resets.tryReset('a:1');
    stage.lose('a:1');
    expect(stage.resets.tryReset('a:1')).toBe(true);
  });

  test('a channel that is closed resets what is left, and what is given up later', async () => {
    const stage = new SoftStage(NONE);
    const first = stage.call();
    const second = stage.call();
    for (const { raw } of [first, second]) raw.goOut();
    first.call.cancelWithStatus(Code.CANCELLED, 'bye');
    stage.close();
    second.call.cancelWithStatus(Code.CANCELLED, 'bye');
    await turn();
    expect(first.raw.log).toEqual(['read', 'cancel 1']);
    expect(second.raw.log).toEqual(['cancel 1']);
    expect(stage.clock.pending).toBe(0);
  });
});

describe('the deadline of a soft call', () => {
  test.each([
    { leftMs: 0.5, details: 'Call cancelled', code: Code.DEADLINE_EXCEEDED, what: 'reset at the deadline, as by a grpc-go server (D1)' },
    { leftMs: 20, details: 'Call cancelled', code: Code.CANCELLED, what: 'reset long before it' },
    { leftMs: 0.5, details: 'Cancelled on client', code: Code.CANCELLED, what: 'cancelled by its caller at the deadline' },
  ])('$what: the status is $code', async ({ leftMs, details, code }) => {
    const stage = new SoftStage();
    const { ear, raw } = stage.call(100);
    raw.goOut();
    stage.clock.advance(100 - leftMs);
    raw.end(Code.CANCELLED, details);
    await turn();
    expect(ear.log).toEqual(['status']);
    expect(ear.status?.code).toBe(code);
    expect(stage.clock.pending).toBe(0);
  });

  test('is kept here: grpc-js is told none, the picker what is left', () => {
    const { raw } = new SoftStage().call(700);
    expect(raw.deadline).toBe(Number.POSITIVE_INFINITY);
    expect(raw.context.timed?.leftMs()).toBe(700);
  });

  test('is left to grpc-js where no picker of ours is at work', () => {
    const stage = new SoftStage();
    stage.attached = false;
    const { raw } = stage.call(700);
    expect(raw.deadline).toBe(stage.clock.wallMs() + 700);
    expect(raw.context.timed).toBeUndefined();
    expect(stage.clock.pending).toBe(0);
  });

  test('ends the caller at its moment, and no stream that the server ends itself is reset', async () => {
    const stage = new SoftStage();
    const { ear, raw } = stage.call(700);
    raw.goOut();
    stage.clock.advance(699);
    await turn();
    expect(ear.log).toEqual([]);
    stage.clock.advance(1);
    await turn();
    expect(ear.status).toMatchObject({ code: Code.DEADLINE_EXCEEDED, details: 'Deadline exceeded after 0.700s,remote_addr=a:1' });
    expect(stage.timedOut).toEqual(['a:1']);
    expect(raw.context.timedOut).toBe(true);
    raw.end(Code.DEADLINE_EXCEEDED);
    await turn();
    stage.clock.advance(10_000);
    expect(raw.log).toEqual(['read']);
    expect(ear.log).toEqual(['status']);
    expect(stage.resets.counts).toEqual({ granted: 0, withheld: 0, left: 0 });
    expect(stage.clock.pending).toBe(0);
  });

  test('a stream that its server leaves open after it is reset a moment later', async () => {
    const stage = new SoftStage();
    const { raw } = stage.call(700);
    raw.goOut();
    stage.clock.advance(1199);
    expect(raw.log).toEqual(['read']);
    stage.clock.advance(1);
    await turn();
    expect(raw.log).toEqual(['read', 'cancel 1']);
    expect(stage.resets.counts).toEqual({ granted: 1, withheld: 0, left: 0 });
    expect(stage.clock.pending).toBe(0);
  });

  test.for([{ streaming: true }, { counted: true }])('says nothing about the endpoint of %o', async (wishes) => {
    const stage = new SoftStage();
    const { raw } = stage.call(700, wishes);
    raw.goOut();
    stage.clock.advance(700);
    await turn();
    expect(stage.timedOut).toEqual([]);
    raw.end(Code.DEADLINE_EXCEEDED);
    await turn();
    expect(stage.clock.pending).toBe(0);
  });

  test('before the stream is open, it never opens', async () => {
    const stage = new SoftStage();
    const { ear, raw } = stage.call(700);
    stage.clock.advance(700);
    await turn();
    expect(raw.log).toEqual(['cancel 4']);
    expect(raw.context.over).toBe(true);
    expect(ear.status).toMatchObject({ code: Code.DEADLINE_EXCEEDED, details: 'Deadline exceeded after 0.700s,Waiting for LB pick' });
    expect(stage.clock.pending).toBe(0);
  });

  test('an answer in time leaves no timer', async () => {
    const stage = new SoftStage();
    const { ear, raw } = stage.call(700);
    raw.goOut();
    raw.answer();
    await turn();
    expect(ear.log).toEqual(['metadata', 'message', 'status']);
    expect(stage.clock.pending).toBe(0);
  });

  test('D8: a jump of the wall clock moves it not', async () => {
    const stage = new SoftStage();
    const { ear, raw } = stage.call(700);
    raw.goOut();
    stage.clock.wallOffsetMs += 3_600_000;
    expect(raw.context.timed?.leftMs()).toBe(700);
    stage.clock.wallOffsetMs -= 7_200_000;
    stage.clock.advance(700);
    await turn();
    expect(ear.status?.code).toBe(Code.DEADLINE_EXCEEDED);
  });

  test('D7: one beyond 2^31 ms does not fire at once', async () => {
    const stage = new SoftStage();
    const { ear, raw } = stage.call(2 ** 31 + 5);
    raw.goOut();
    stage.clock.advance(2 ** 31 + 4);
    await turn();
    expect(ear.log).toEqual([]);
    stage.clock.advance(1);
    await turn();
    expect(ear.log).toEqual(['status']);
    raw.end(Code.OK);
  });
});
