import { describe, expect, test } from 'vitest';
import { Code } from '../../../src/call.ts';
import { callView } from '../../../src/observe/call-view.ts';
import { CallStory } from '../../../src/observe/story.ts';
import { type TapFilter, Taps } from '../../../src/observe/taps.ts';
import type { CallView } from '../../../src/observe/views.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function ended(path = '/a.B/C', code: number = Code.OK, reason?: string, target = 'dns:///x:1'): CallStory {
  const story = new CallStory('client', path, target);
  story.code = code;
  story.reason = reason;
  return story;
}

class Rig {
  readonly clock = new FakeClock();
  readonly taps = new Taps(this.clock);
  built = 0;
  offer(story: CallStory, durationMs = 1): void {
    this.taps.offer(story, durationMs, () => {
      this.built++;
      return callView(story, 0, durationMs);
    });
  }
}

describe('taps', () => {
  test('nothing is on, and nothing is built, while nobody listens', () => {
    const rig = new Rig();
    expect(rig.taps.on).toBe(false);
    rig.offer(ended());
    expect(rig.built).toBe(0);
    const stop = rig.taps.subscribe({}, () => {});
    expect(rig.taps.on).toBe(true);
    stop();
    expect(rig.taps.on).toBe(false);
    expect(rig.clock.pending).toBe(0);
  });

  test.each<[TapFilter, boolean]>([
    [{}, true],
    [{ side: 'client' }, true],
    [{ side: 'server' }, false],
    [{ method: 'a.B/C' }, true],
    [{ method: '/a.B/C' }, true],
    [{ method: 'a.B/*' }, true],
    [{ method: 'a.B/D' }, false],
    [{ method: 'a.Bee/*' }, false],
    [{ status: 'UNAVAILABLE' }, true],
    [{ status: 'unavailable' }, true],
    [{ status: 'OK' }, false],
    [{ status: 'failed' }, true],
    [{ slowMs: 10 }, true],
    [{ slowMs: 10.1 }, false],
    [{ reason: 'client.bulkhead/queue-full' }, true],
    [{ reason: 'client.bulkhead' }, true],
    [{ reason: 'server' }, false],
    [{ target: 'dns:///x:1' }, true],
    [{ target: 'x:1' }, false],
    [{ method: 'a.B/C', status: 'OK' }, false],
  ])('filter %j: %s', (filter, fits) => {
    const rig = new Rig();
    const seen: CallView[] = [];
    rig.taps.subscribe(filter, (call) => void seen.push(call));
    rig.offer(ended('/a.B/C', Code.UNAVAILABLE, 'client.bulkhead/queue-full'), 10);
    rig.clock.endTurn();
    expect(seen.length).toBe(fits ? 1 : 0);
    expect(rig.built).toBe(fits ? 1 : 0);
  });

  test.each<[TapFilter, string]>([
    [{ method: 'C' }, 'filter.method: expected pkg.Service/Method or pkg.Service/*, got "C"'],
    [{ status: 'BROKEN' }, 'filter.status: expected the name of a status code, or failed, got "BROKEN"'],
    [{ slowMs: -1 }, 'filter.slowMs: expected a number of milliseconds, 0 or more, got -1'],
    [{ slowMs: Number.NaN }, 'filter.slowMs: expected a number of milliseconds, 0 or more, got NaN'],
    [{ side: 'both' as never }, 'filter.side: expected client or server, got "both"'],
  ])('refuses %j', (filter, message) => {
    expect(() => new Rig().taps.subscribe(filter, () => {})).toThrow(message);
  });

  test('a call is built once for all who listen, and given at the end of the turn', () => {
    const rig = new Rig();
    const seen: string[] = [];
    for (const name of ['a', 'b']) rig.taps.subscribe({}, ({ method }) => void seen.push(`${name} ${method}`));
    rig.offer(ended());
    expect(seen).toEqual([]);
    rig.clock.endTurn();
    expect(seen).toEqual(['a a.B/C', 'b a.B/C']);
    expect(rig.built).toBe(1);
  });

  test('a slow listener loses what is beyond its queue, hears how much that was, and goes on', async () => {
    const rig = new Rig();
    const heard: string[] = [];
    let taken = Promise.withResolvers<void>();
    const listener = ({ method }: CallView): Promise<void> => {
      heard.push(method);
      return taken.promise;
    };
    rig.taps.subscribe({}, listener, { maxWaiting: 3, onLost: (calls) => heard.push(`lost ${calls}`) });
    rig.offer(ended('/a.B/0'));
    rig.clock.endTurn();
    for (let i = 1; i <= 5; i++) rig.offer(ended(`/a.B/${i}`));
    expect(heard).toEqual(['a.B/0']);
    for (let i = 0; i < 4; i++) {
      const before = taken;
      taken = Promise.withResolvers<void>();
      before.resolve();
      await new Promise(setImmediate);
    }
    expect(heard).toEqual(['a.B/0', 'lost 2', 'a.B/1', 'a.B/2', 'a.B/3']);
    taken.resolve();
    await new Promise(setImmediate);
    rig.offer(ended('/a.B/6'));
    rig.clock.endTurn();
    expect(heard.at(-1)).toBe('a.B/6');
  });

  test('who unsubscribes hears nothing more, not even what waits', () => {
    const rig = new Rig();
    const seen: CallView[] = [];
    const stop = rig.taps.subscribe({}, (call) => void seen.push(call));
    rig.offer(ended());
    stop();
    rig.clock.endTurn();
    expect(seen).toEqual([]);
  });

  test('a listener that throws, or rejects, hears of the next call all the same', async () => {
    const rig = new Rig();
    let heard = 0;
    rig.taps.subscribe({}, () => {
      heard++;
      throw new Error('mine');
    });
    rig.taps.subscribe({}, async () => {
      heard++;
      throw new Error('mine too');
    });
    rig.offer(ended());
    rig.clock.endTurn();
    expect(() => rig.clock.endTurn()).toThrow('mine');
    await new Promise(setImmediate);
    expect(() => rig.clock.endTurn()).toThrow('mine too');
    rig.offer(ended());
    rig.clock.endTurn();
    expect(heard).toBe(4);
  });
});

describe('view of a call', () => {
  test('has the facts, no more than eight endpoints, and times to a thousandth', () => {
    const story = ended('/a.B/C', Code.UNAVAILABLE, 'client.mesh/closed');
    for (let i = 0; i < 12; i++) story.began({ picked: i === 3 ? '' : `10.0.0.${i}:1` });
    story.hedges = 2;
    story.waited(10, 12.34567);
    story.ride = 'tunnel';
    expect(callView(story, 1_700_000_000_000.4, 1.23456)).toEqual({
      side: 'client',
      method: 'a.B/C',
      target: 'dns:///x:1',
      startedAtMs: 1_700_000_000_000,
      durationMs: 1.235,
      status: 'UNAVAILABLE',
      reason: 'client.mesh/closed',
      attempts: 12,
      hedges: 2,
      endpoints: ['10.0.0.0:1', '10.0.0.1:1', '10.0.0.2:1', '10.0.0.4:1', '10.0.0.5:1', '10.0.0.6:1', '10.0.0.7:1'],
      queuedMs: 2.346,
      ride: 'tunnel',
    });
  });
});
