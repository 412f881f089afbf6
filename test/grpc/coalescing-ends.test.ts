/**
 * Cancellation and deadlines of calls that travel together: each has its own (K7, K8).
 */
import type { ClientUnaryCall } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { doors, Gate, type Handlers } from '../support/loopback.ts';
import { pair } from './pair.ts';

describe.each(doors)('at door %s', (door) => {
  describe('cancellation (K7)', () => {
    /** Handlers that wait, and tell who came and who was cancelled. */
    function waiting() {
      const gate = new Gate();
      const came: string[] = [];
      const cancelled: string[] = [];
      const say: Handlers['say'] = async (call, callback) => {
        came.push(call.request.text);
        call.on('cancelled', () => cancelled.push(call.request.text));
        await gate.opened;
        callback(null, { text: call.request.text });
      };
      return { gate, came, cancelled, handlers: { say } };
    }

    test('in the queue: it never leaves', async () => {
      const { gate, came, handlers } = waiting();
      await using all = await pair(door, handlers);
      const outcomes = ['a', 'b', 'c'].map((text) =>
        all.client.say(text, { onCall: (call) => (text === 'b' ? call.cancel() : undefined) }),
      );
      expect(await outcomes[1]).toMatchObject({ code: 'CANCELLED', details: 'Cancelled on client', text: undefined });
      gate.open();
      expect((await Promise.all(outcomes)).map(({ code }) => code)).toEqual(['OK', 'CANCELLED', 'OK']);
      expect(came).toEqual(['a', 'c']);
      expect(all.mesh.stats().coalesce).toMatchObject({ carriers: 1, items: 2 });
    });

    test('when sent: it ends at once, and its siblings have their answers', async () => {
      const { gate, came, handlers } = waiting();
      await using all = await pair(door, handlers);
      const calls: ClientUnaryCall[] = [];
      const outcomes = ['a', 'b', 'c'].map((text) => all.client.say(text, { onCall: (call) => calls.push(call) }));
      await expect.poll(() => came).toEqual(['a', 'b', 'c']);
      calls[1]?.cancel();
      expect((await outcomes[1])?.code).toBe('CANCELLED');
      gate.open();
      expect((await Promise.all(outcomes)).map(({ code }) => code)).toEqual(['OK', 'CANCELLED', 'OK']);
    });

    test('of the last one: the batch is cancelled, and every handler hears of it', async () => {
      const { gate, came, cancelled, handlers } = waiting();
      await using all = await pair(door, handlers);
      const calls: ClientUnaryCall[] = [];
      const outcomes = ['a', 'b'].map((text) => all.client.say(text, { onCall: (call) => calls.push(call) }));
      await expect.poll(() => came).toEqual(['a', 'b']);
      for (const call of calls) call.cancel();
      expect((await Promise.all(outcomes)).map(({ code }) => code)).toEqual(['CANCELLED', 'CANCELLED']);
      await expect.poll(() => cancelled.toSorted()).toEqual(['a', 'b']);
      gate.open();
    });

    test('when answered: nothing', async () => {
      await using all = await pair(door);
      const calls: ClientUnaryCall[] = [];
      const outcomes = await Promise.all(['a', 'b'].map((text) => all.client.say(text, { onCall: (call) => calls.push(call) })));
      for (const call of calls) call.cancel();
      expect(outcomes.map(({ code }) => code)).toEqual(['OK', 'OK']);
    });
  });

  test('deadlines of 50 ms and 5 s in one batch are each kept, on both sides (K8)', async () => {
    const gate = new Gate();
    const left = new Map<string, number>();
    const cancelled: string[] = [];
    await using all = await pair(door, {
      say: async (call, callback) => {
        left.set(call.request.text, Number(call.getDeadline()) - Date.now());
        call.on('cancelled', () => cancelled.push(call.request.text));
        await gate.opened;
        callback(null, { text: call.request.text });
      },
    });
    const short = all.client.say('short', { deadline: Date.now() + 50 });
    const long = all.client.say('long', { deadline: Date.now() + 5_000 });
    const without = all.client.say('without');
    expect((await short).code).toBe('DEADLINE_EXCEEDED');
    await expect.poll(() => cancelled).toEqual(['short']);
    gate.open();
    expect([(await long).code, (await without).code]).toEqual(['OK', 'OK']);
    expect(left.get('short')).toBeLessThanOrEqual(51);
    expect(left.get('long')).toBeGreaterThan(4_000);
    expect(left.get('long')).toBeLessThanOrEqual(5_001);
    expect(left.get('without')).toBe(Number.POSITIVE_INFINITY);
    expect(all.mesh.stats().coalesce).toMatchObject({ carriers: 1, items: 3 });
  });
});
