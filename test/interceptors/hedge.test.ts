import { setImmediate as turn } from 'node:timers/promises';
import { Metadata } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { Code } from '../../src/call.ts';
import { succeed } from '../doors/rig.ts';
import { doors } from '../support/loopback.ts';
import { endsClean, failure, header, isCancelled, lowerAt, PUSHBACK, rig, startsOf, texts, timed, use } from './hedge-rig.ts';

endsClean();

describe.for(doors)('hedging behind %s', (door) => {
  test('H1: without an answer attempts begin every 500 ms, four in all, each says how many were before it', () => {
    const { clock, lowers } = use(door);
    const startMs = timed();
    const { call } = rig.unary();
    clock.advance(60_000);
    expect(startsOf(startMs)).toEqual([0, 500, 1000, 1500]);
    expect(lowers.map(header)).toEqual([undefined, '1', '2', '3']);
    expect(lowers.map(texts)).toEqual([['hello'], ['hello'], ['hello'], ['hello']]);
    expect(lowers.map((lower) => lower.log.at(-1))).toEqual(['half', 'half', 'half', 'half']);
    expect(rig.counts).toMatchObject({ hedges: 3, retries: 0 });
    expect(rig.counts.client.attempts).toBe(4);
    call.cancelWithStatus(Code.CANCELLED, 'enough');
  });

  test('H2: a delay of 0 sends all at once', () => {
    const { lowers } = use(door, { maxAttempts: 3, hedgingDelay: '0s' });
    const { ear } = rig.unary();
    expect(lowers.map(texts)).toEqual([['hello'], ['hello'], ['hello']]);
    succeed(lowerAt(1));
    expect(ear.log).toEqual(['metadata', 'message', 'status']);
  });

  test('H3: the first OK is the answer, once; what the others still say is heard by nobody', () => {
    const { clock, lowers } = use(door);
    const { ear } = rig.unary();
    clock.advance(1000);
    expect(lowers).toHaveLength(3);
    succeed(lowerAt(1));
    expect(ear.log).toEqual(['metadata', 'message', 'status']);
    expect(ear.status?.code).toBe(Code.OK);
    expect(isCancelled(lowerAt(2))).toBe(true);
    succeed(lowerAt(0));
    expect(ear.log).toHaveLength(3);
    clock.advance(60_000);
    expect(lowers).toHaveLength(3);
  });

  test('H3: an answer is given when it is whole: one that breaks off after its headers loses nothing', () => {
    const { clock } = use(door);
    const { ear } = rig.unary();
    lowerAt(0).listener?.onReceiveMetadata(new Metadata());
    lowerAt(0).end(Code.UNAVAILABLE);
    expect(ear.log).toEqual([]);
    clock.advance(1);
    succeed(lowerAt(1));
    expect(ear.log).toEqual(['metadata', 'message', 'status']);
    expect(ear.status?.code).toBe(Code.OK);
  });

  test('H3: a message alone is no answer either: its status may still fail', () => {
    const { clock } = use(door);
    const { ear } = rig.unary();
    lowerAt(0).listener?.onReceiveMetadata(new Metadata());
    lowerAt(0).listener?.onReceiveMessage(Buffer.from('half'));
    lowerAt(0).end(Code.UNAVAILABLE);
    expect(ear.log).toEqual([]);
    clock.advance(1);
    succeed(lowerAt(1));
    expect(ear.log).toEqual(['metadata', 'message', 'status']);
  });

  test('H4: after a failure that is not fatal the next begins at once, and the delay counts from there', () => {
    const { clock } = use(door);
    const startMs = timed();
    const { call } = rig.unary();
    clock.advance(100);
    lowerAt(0).end(Code.UNAVAILABLE);
    clock.advance(2000);
    expect(startsOf(startMs)).toEqual([0, 100, 600, 1100]);
    call.cancelWithStatus(Code.CANCELLED, 'enough');
  });

  test('H5: a fatal status ends the call with it', () => {
    const { clock, lowers } = use(door);
    const { ear } = rig.unary();
    clock.advance(1000);
    lowerAt(1).end(Code.INVALID_ARGUMENT, 'yours');
    expect(ear.log).toEqual(failure(door));
    expect(ear.status).toMatchObject({ code: Code.INVALID_ARGUMENT, details: 'yours' });
    clock.advance(60_000);
    expect(lowers).toHaveLength(3);
    expect(isCancelled(lowerAt(0)) && isCancelled(lowerAt(2))).toBe(true);
  });

  test('H6: when all have failed the call ends with the last status, without another round', () => {
    const { clock, lowers } = use(door);
    const { ear } = rig.unary();
    for (let i = 0; i < 4; i++) rig.last.end(Code.UNAVAILABLE, `attempt ${i}`);
    expect(ear.status).toMatchObject({ code: Code.UNAVAILABLE, details: 'attempt 3' });
    clock.advance(60_000);
    expect(lowers).toHaveLength(4);
  });

  test('H7: a pushback puts the next one off, and the delay counts from there', () => {
    const { clock } = use(door);
    const startMs = timed();
    const { call } = rig.unary();
    clock.advance(100);
    lowerAt(0).end(Code.UNAVAILABLE, '', { [PUSHBACK]: '1000' });
    clock.advance(3000);
    expect(startsOf(startMs)).toEqual([0, 1100, 1600, 2100]);
    call.cancelWithStatus(Code.CANCELLED, 'enough');
  });

  test.for(['-1', 'xxx', '1e3'])('H8: a pushback of "%s" stops hedges, and the original lives on and wins (M2)', (value) => {
    const { clock, lowers } = use(door);
    const { ear } = rig.unary();
    clock.advance(500);
    lowerAt(1).end(Code.UNAVAILABLE, 'not again', { [PUSHBACK]: value });
    clock.advance(5000);
    expect(lowers).toHaveLength(2);
    expect(ear.log).toEqual([]);
    succeed(lowerAt(0));
    expect(ear.status?.code).toBe(Code.OK);
  });

  test('H9: without budget the original is sent, and no hedge (M3)', () => {
    const { clock, lowers } = use(door, { maxAttempts: 4, hedgingDelay: '0.5s' }, { retryBudget: { ratio: 0, minPerSecond: 0 } });
    for (let i = 0; i < 500; i++) {
      const { ear } = rig.unary();
      clock.advance(600);
      rig.last.end(Code.UNAVAILABLE);
      expect(ear.status?.code).toBe(Code.UNAVAILABLE);
    }
    expect(lowers).toHaveLength(500);
  });

  test('H9: 500 failing calls with a throttle make few more attempts than calls, and none while it is closed', () => {
    const { lowers } = use(door, { maxAttempts: 4, hedgingDelay: '0s' }, { retryBudget: { throttle: { maxTokens: 10, tokenRatio: 0.1 } } });
    rig.onLower = (lower) => {
      lower.onStart = () => void rig.clock.setTimer(() => lower.end(Code.UNAVAILABLE), 1);
    };
    for (let i = 0; i < 500; i++) {
      rig.unary();
      rig.clock.advance(2);
    }
    expect(lowers.length).toBeLessThanOrEqual(500 + 10);
  });

  test('H10: without budget a failure of the original is the answer, at once', () => {
    const { clock } = use(door, { maxAttempts: 4, hedgingDelay: '0.5s' }, { retryBudget: { ratio: 0, minPerSecond: 0 } });
    const { ear } = rig.unary(clock.nowMs() + 60_000);
    lowerAt(0).end(Code.UNAVAILABLE, 'away', { [PUSHBACK]: '1000' });
    expect(ear.status?.details).toBe('away');
  });

  test('H11: ten attempts count as five', () => {
    const { lowers } = use(door, { maxAttempts: 10, hedgingDelay: '0s' });
    const { call } = rig.unary();
    expect(lowers).toHaveLength(5);
    call.cancelWithStatus(Code.CANCELLED, 'enough');
  });

  test.for([499, 500, 501, 999, 1000, 1001, 1499, 1500, 1501])(
    'H12: nothing begins at a deadline of %d ms or after it, no timer stays',
    (deadlineMs) => {
      const { clock, lowers } = use(door);
      const { ear } = rig.unary(clock.nowMs() + deadlineMs);
      clock.advance(deadlineMs);
      const attempts = Math.ceil(deadlineMs / 500);
      expect(lowers).toHaveLength(attempts);
      expect(clock.pending).toBe(0);
      for (const lower of lowers) lower.end(Code.DEADLINE_EXCEEDED, 'late');
      expect(ear.log).toEqual(failure(door));
      clock.advance(60_000);
      expect(lowers).toHaveLength(attempts);
    },
  );

  test.for([0, 499, 500, 501, 1000, 1500, 1501])(
    'H13: a cancel at %d ms ends all attempts and the call, and nothing begins after it',
    async (cancelMs) => {
      const { clock, lowers } = use(door);
      const { call, ear } = rig.unary();
      clock.advance(cancelMs);
      call.cancelWithStatus(Code.CANCELLED, 'Cancelled on client');
      expect(lowers.every(isCancelled)).toBe(true);
      expect(clock.pending).toBe(0);
      await turn();
      expect(ear.log).toEqual(failure(door));
      expect(ear.status).toMatchObject({ code: Code.CANCELLED, details: 'Cancelled on client' });
      const begun = lowers.length;
      clock.advance(60_000);
      expect(lowers).toHaveLength(begun);
      expect(begun).toBe(Math.min(4, Math.floor(cancelMs / 500) + 1));
    },
  );
});
