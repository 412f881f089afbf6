import { Metadata } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import type { EndpointBook } from '../../src/balance/book.ts';
import { Code, type InmeshCallOptions } from '../../src/call.ts';
import { CallScope, currentScope } from '../../src/deadline/call-scope.ts';
import { attemptOf } from '../../src/grpc/lb-policy.ts';
import { succeed } from '../doors/rig.ts';
import { doors } from '../support/loopback.ts';
import { alone, endsClean, isCancelled, lowerAt, rig, use } from './hedge-rig.ts';

endsClean();

describe.for(doors)('hedging, where to and when, behind %s', (door) => {
  test('H14: an attempt avoids every endpoint that others were sent to, those of the same moment too', () => {
    const { clock } = use(door, { maxAttempts: 3, hedgingDelay: '0.5s' });
    const avoided = (index: number): string[] => {
      const { metadata } = lowerAt(index);
      return [...((metadata && attemptOf(metadata)?.avoid) ?? [])].filter((address) => address !== `10.0.0.${index}:1`);
    };
    const { call } = rig.unary();
    clock.advance(500);
    lowerAt(1).end(Code.UNAVAILABLE);
    expect(avoided(1)).toEqual(['10.0.0.0:1', '10.0.0.2:1']);
    expect(avoided(2)).toEqual(['10.0.0.0:1', '10.0.0.1:1']);
    call.cancelWithStatus(Code.CANCELLED, 'enough');
    use(door, { maxAttempts: 3, hedgingDelay: '0s' });
    const second = rig.unary();
    expect(avoided(0)).toEqual(['10.0.0.1:1', '10.0.0.2:1']);
    expect(avoided(2)).toEqual(['10.0.0.0:1', '10.0.0.1:1']);
    second.call.cancelWithStatus(Code.CANCELLED, 'enough');
  });

  test('H16: a learned delay is the p95 of the method; while it is unknown there is no hedge', () => {
    const { clock, lowers } = use(door, {});
    const answer = (ms: number): void => {
      const { ear } = rig.unary();
      clock.advance(ms);
      succeed(rig.last);
      expect(ear.status?.code).toBe(Code.OK);
    };
    for (let i = 0; i < 100; i++) answer(i % 10 === 0 ? 40 : 20);
    expect(lowers).toHaveLength(100);
    rig.unary();
    clock.advance(39);
    expect(lowers).toHaveLength(101);
    clock.advance(3);
    expect(lowers).toHaveLength(102);
    succeed(rig.last);
  });

  test('H16: the learned delay is never below 1 ms', () => {
    const { clock, lowers } = use(door, {});
    for (let i = 0; i < 100; i++) {
      rig.unary();
      succeed(rig.last);
    }
    rig.unary();
    clock.advance(0.9);
    expect(lowers).toHaveLength(101);
    clock.advance(0.2);
    expect(lowers).toHaveLength(102);
    succeed(rig.last);
  });

  test('H16: calls that are rescued by their hedge do not shorten the delay', () => {
    const { clock, lowers } = use(door, { percentile: 0.85 });
    // Nine of ten take 10 to 18 ms, one takes 100. If only winners counted, 17 ms would soon be the p85, then 16, and so on.
    const hedgesOf = (calls: number): number => {
      const before = lowers.length;
      for (let i = 0; i < calls; i++) {
        const original = rig.lowers.length;
        rig.unary();
        clock.advance(i % 10 === 9 ? 30 : 10 + (i % 10));
        const hedged = lowers.length > original + 1;
        succeed(rig.last);
        clock.advance(70);
        if (hedged) succeed(lowerAt(original)); // late, to nobody
      }
      return lowers.length - before - calls;
    };
    hedgesOf(1000);
    expect(hedgesOf(1000)).toBe(100);
  });

  test('H16: after a pause of this process answers that lie about unread are read before anything is hedged', () => {
    alone(door, { tryReset: () => true }, undefined, 500, 20);
    const { ear } = rig.unary();
    rig.clock.advance(520);
    expect(rig.lowers).toHaveLength(1);
    succeed(lowerAt(0));
    rig.clock.endTurn();
    expect(ear.status?.code).toBe(Code.OK);
    expect(rig.lowers).toHaveLength(1);
    rig.unary();
    rig.clock.advance(520);
    rig.clock.endTurn();
    expect(rig.lowers).toHaveLength(3);
    succeed(rig.last);
  });

  test('H18: of two losers the one that was overtaken may finish, for its answer teaches; the younger is reset', () => {
    const { clock } = use(door);
    rig.unary();
    clock.advance(1000);
    succeed(lowerAt(1));
    expect(isCancelled(lowerAt(0))).toBe(false);
    expect(isCancelled(lowerAt(2))).toBe(true);
    succeed(lowerAt(0));
    expect(clock.pending).toBe(0);
    expect(isCancelled(lowerAt(0))).toBe(false);
  });

  test('H18: one that was overtaken and stays silent is reset after a second, or as long again as it has taken', () => {
    const { clock } = use(door, { maxAttempts: 2, hedgingDelay: '3s' });
    rig.unary();
    clock.advance(3000);
    succeed(lowerAt(1));
    clock.advance(2999);
    expect(isCancelled(lowerAt(0))).toBe(false);
    clock.advance(2);
    expect(isCancelled(lowerAt(0))).toBe(true);
    expect(clock.pending).toBe(0);
  });

  test('H18: a reset that is not granted is asked for again each second, and not when the loser has ended', () => {
    const asked: string[] = [];
    let granted = false;
    const resets = {
      tryReset: (address: string): boolean => {
        asked.push(address);
        return granted;
      },
    };
    alone(door, resets);
    rig.unary();
    rig.unary();
    for (const index of [0, 2]) succeed(lowerAt(index));
    expect(asked).toEqual(['10.0.0.1:1', '10.0.0.3:1']);
    expect(rig.lowers.some(isCancelled)).toBe(false);
    succeed(lowerAt(3));
    granted = true;
    rig.clock.advance(999);
    expect(isCancelled(lowerAt(1))).toBe(false);
    rig.clock.advance(1);
    expect(isCancelled(lowerAt(1))).toBe(true);
    expect(asked).toEqual(['10.0.0.1:1', '10.0.0.3:1', '10.0.0.1:1']);
    expect(rig.clock.pending).toBe(0);
  });

  test('H18: where the balancing is ours nobody is asked here, for the channel asks itself; an endpoint hears that it was slow', () => {
    const slow: string[] = [];
    const book: EndpointBook = { endpoints: [], attached: true, pick: () => undefined, timedOut: (address) => void slow.push(address) };
    let asked = 0;
    const resets = {
      tryReset: (): boolean => {
        asked++;
        return true;
      },
    };
    alone(door, resets, book);
    rig.unary();
    succeed(lowerAt(1));
    rig.clock.advance(1000);
    expect(isCancelled(lowerAt(0))).toBe(true);
    // At the interceptor door the rig has no book: the balancing is another's.
    expect([slow, asked]).toEqual(door === 'channel' ? [['10.0.0.0:1'], 0] : [[], 1]);
  });

  test.for<[InmeshCallOptions, string]>([
    [{ idempotent: false }, 'idempotent false'],
    [{ retry: false }, 'retry false'],
  ])('H19: a call with %j is not hedged', ([options]) => {
    const { clock, lowers } = use(door);
    rig.unary(undefined, options);
    clock.advance(10_000);
    expect(lowers).toHaveLength(1);
    succeed(rig.last);
  });

  test('H19: a method below the defaults that is not marked is retried, never hedged', () => {
    const { clock, lowers } = use(door, { hedgingDelay: '0.5s' }, { services: { 'loop.Echo': { idempotent: false } } });
    rig.unary();
    clock.advance(10_000);
    expect(lowers).toHaveLength(1);
    succeed(rig.last);
  });

  test('H20: headers, trailers and peer are those of the winner alone', () => {
    const { clock } = use(door);
    const { call, ear } = rig.unary();
    const heard: unknown[] = [];
    ear.onReceiveMetadata = (metadata) => void heard.push(metadata.get('from'));
    clock.advance(500);
    for (const index of [0, 1]) {
      const headers = new Metadata();
      headers.set('from', `attempt ${index}`);
      lowerAt(index).listener?.onReceiveMetadata(headers);
      lowerAt(index).getPeer = () => `10.0.0.${index}:1`;
    }
    lowerAt(0).listener?.onReceiveMessage(Buffer.from('hello'));
    lowerAt(0).end(Code.OK, '', { end: 'attempt 0' });
    expect(heard).toEqual([['attempt 0']]);
    expect(ear.status?.metadata.getMap()).toEqual({ end: 'attempt 0' });
    expect(call.getPeer()).toBe('10.0.0.0:1');
  });

  test('R39: where retry and hedging come from different layers, hedging holds', () => {
    const { clock, lowers } = use(door, { hedgingDelay: '0.5s' }, { services: { 'loop.Echo': { retryPolicy: { maxAttempts: 5 } } } });
    rig.unary();
    clock.advance(10_000);
    expect(lowers).toHaveLength(2);
    succeed(rig.last);
  });

  test('B4: hedges draw on the budget that retries of the service have', () => {
    const { clock, lowers } = use(door, { hedgingDelay: '0.5s' }, { retryBudget: { ratio: 0, minPerSecond: 0.3, ttl: '10s' } });
    for (let i = 0; i < 10; i++) {
      rig.unary();
      clock.advance(500);
      succeed(rig.last);
    }
    expect(lowers).toHaveLength(13);
  });

  test('B4: what a call that is itself a retry asks for is not hedged', () => {
    const { clock, lowers } = use(door);
    const scope = new CallScope(Number.POSITIVE_INFINITY, { priority: undefined, tenant: undefined, attempt: 1 });
    currentScope.run(scope, () => rig.unary());
    clock.advance(10_000);
    expect(lowers).toHaveLength(1);
    succeed(rig.last);
  });
});
