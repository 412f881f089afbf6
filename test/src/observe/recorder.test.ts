import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { Code } from '../../../src/call.ts';
import { Recorder } from '../../../src/observe/recorder.ts';
import { CallStory } from '../../../src/observe/story.ts';
import { FakeClock } from '../../support/fake-clock.ts';

setFlagsFromString('--expose-gc');
const gc: () => void = runInNewContext('gc');

function heapMb(): number {
  gc();
  return process.memoryUsage().heapUsed / 2 ** 20;
}

describe('recorder', () => {
  test('a hundred thousand method names and peers, all refused, take no more memory than the first thousand', () => {
    const clock = new FakeClock();
    const recorder = new Recorder({ clock });
    let calls = 0;
    const run = (from: number, count: number): void => {
      for (let i = from; i < from + count; i++) {
        for (const side of ['client', 'server'] as const) {
          const story = new CallStory(side, `/a.B/Method${i}`, '');
          story.startedMs = clock.nowMs();
          story.refused = true;
          story.reason = 'client.mesh/closed';
          story.code = Code.UNAVAILABLE;
          const entry = recorder.ledger[side](story.path);
          entry.began();
          recorder.peers.count(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}:${i % 65_536}`, 1, clock.nowMs());
          recorder.ended(story, entry);
          calls++;
        }
        if (i % 100 === 0) clock.advance(10);
      }
    };
    run(0, 5_000);
    const before = heapMb();
    run(5_000, 95_000);
    expect(heapMb() - before).toBeLessThan(2);
    expect(recorder.ledger.entries.length).toBe(2 * 1001);
    expect(recorder.ledger.views().reduce((sum, { refused }) => sum + refused, 0)).toBe(calls);
    expect(recorder.peers.views().length).toBe(65);
    expect(recorder.events.since(0).length).toBe(1000);
    // What nobody calls any more lets its minute go.
    const full = heapMb();
    clock.advance(120_000);
    recorder.ledger.views();
    expect(full - heapMb()).toBeGreaterThan(1);
  });

  test('the clock is read once at the end, and not at all if somebody has read it for the call', () => {
    let reads = 0;
    class Counting extends FakeClock {
      override nowMs(): number {
        reads++;
        return super.nowMs();
      }
    }
    const recorder = new Recorder({ clock: new Counting() });
    const entry = recorder.ledger.client('/a.B/C');
    const end = (endedMs: number): number => {
      const story = new CallStory('client', '/a.B/C', '');
      Object.assign(story, { startedMs: 1_000_000, code: Code.OK, endedMs });
      reads = 0;
      entry.began();
      recorder.ended(story, entry);
      return reads;
    };
    expect([end(0), end(1_000_010)]).toEqual([1, 0]);
    expect(entry.durationSumMs).toBe(10);
  });

  test('metadata is noted by name only, binary values as base64', () => {
    const recorder = new Recorder({ clock: new FakeClock(), shownMetadata: ['x-a', 'x-b-bin', 'x-none'] });
    const story = new CallStory('client', '/a.B/C', '');
    const values: Record<string, (string | Buffer)[]> = { 'x-a': ['1', '2'], 'x-b-bin': [Buffer.from([1, 2])], secret: ['s'] };
    recorder.noteMetadata(story, { get: (key) => values[key] ?? [] });
    expect(story.shown).toEqual({ 'x-a': ['1', '2'], 'x-b-bin': ['AQI='] });
    const bare = new CallStory('client', '/a.B/C', '');
    recorder.noteMetadata(bare, { get: () => [] });
    expect(bare.shown).toBeUndefined();
  });
});
