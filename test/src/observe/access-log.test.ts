import { describe, expect, test } from 'vitest';
import { AccessLog } from '../../../src/observe/access-log.ts';
import { callView } from '../../../src/observe/call-view.ts';
import { CallStory } from '../../../src/observe/story.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const view = (): ReturnType<typeof callView> => {
  const story = new CallStory('server', '/a.B/C', '');
  story.code = 0;
  return callView(story, 1_700_000_000_123, 4);
};

describe('access log', () => {
  test('a line is JSON with the time first', () => {
    const lines: string[] = [];
    new AccessLog({ mode: 'all', perSecond: 10 }, new FakeClock(), (line) => lines.push(line)).add(view);
    expect(lines).toEqual([
      '{"time":"2023-11-14T22:13:20.123Z","side":"server","method":"a.B/C","target":"","durationMs":4,"status":"OK","attempts":0,"hedges":0,"endpoints":[],"queuedMs":0,"ride":"plain"}',
    ]);
  });

  test.each([
    ['off', false, false],
    ['failed', false, true],
    ['all', true, true],
  ] as const)('%s', (mode, good, bad) => {
    const log = new AccessLog({ mode, perSecond: 10 }, new FakeClock(), () => {});
    expect([log.wants(false), log.wants(true)]).toEqual([good, bad]);
  });

  test('so many lines a second, and the next second says how many were left out', () => {
    const clock = new FakeClock();
    const lines: string[] = [];
    let built = 0;
    const log = new AccessLog({ mode: 'all', perSecond: 2 }, clock, (line) => lines.push(line));
    const counted = (): ReturnType<typeof callView> => {
      built++;
      return view();
    };
    for (let i = 0; i < 5; i++) log.add(counted);
    expect([lines.length, built]).toEqual([2, 2]);
    clock.advance(1000);
    log.add(counted);
    expect(lines.map((line): unknown => JSON.parse(line))).toMatchObject([{}, {}, { leftOut: 3 }, { method: 'a.B/C' }]);
    clock.advance(1000);
    log.add(counted);
    expect(lines.length).toBe(5);
  });
});
