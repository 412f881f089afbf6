import { describe, expect, test } from 'vitest';
import { EventLog } from '../../../src/observe/event-log.ts';
import type { EventView } from '../../../src/observe/views.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const ejected = { kind: 'endpoint.ejected', subject: '10.0.0.1:1', reason: 'silence', text: 'is ejected', level: 'warn' } as const;

describe('event log', () => {
  test('gives events after a number, the oldest first', () => {
    const clock = new FakeClock();
    const log = new EventLog(clock);
    for (const subject of ['a', 'b', 'c']) log.add({ kind: 'endpoint.added', subject, text: 'is new' });
    expect(log.since(0).map(({ seq, subject }) => [seq, subject])).toEqual([
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ]);
    expect(log.since(2).map(({ subject }) => subject)).toEqual(['c']);
    expect(log.since(3)).toEqual([]);
    expect(log.since(99)).toEqual([]);
    expect(log.last(2).map(({ subject }) => subject)).toEqual(['b', 'c']);
    expect(log.last(1)[0]).toEqual({
      seq: 3,
      atMs: clock.wallMs(),
      kind: 'endpoint.added',
      level: 'info',
      subject: 'c',
      text: 'is new',
      times: 1,
    });
  });

  test('the same within a second is one event that happened several times; after that it is another', () => {
    const clock = new FakeClock();
    const log = new EventLog(clock);
    log.add(ejected);
    clock.advance(999);
    log.add(ejected);
    log.add({ ...ejected, reason: 'failures' });
    log.add({ ...ejected, subject: '10.0.0.2:1' });
    expect(log.since(0).map(({ times }) => times)).toEqual([2, 1, 1]);
    clock.advance(1);
    log.add(ejected);
    expect(log.since(0).map(({ times }) => times)).toEqual([2, 1, 1, 1]);
  });

  test('without a reason it is the text that tells one from another', () => {
    const log = new EventLog(new FakeClock());
    for (const text of ['a', 'b', 'b']) log.add({ kind: 'mesh.said', subject: 'mesh', text });
    expect(log.since(0).map(({ text, times }) => [text, times])).toEqual([
      ['a', 1],
      ['b', 2],
    ]);
  });

  test('keeps the last ones, and a gap in the numbers shows what is forgotten', () => {
    const clock = new FakeClock();
    const log = new EventLog(clock, 10);
    for (let i = 1; i <= 25; i++) log.add({ kind: 'endpoint.added', subject: `${i}`, text: '' });
    expect(log.since(0).map(({ seq }) => seq)).toEqual([16, 17, 18, 19, 20, 21, 22, 23, 24, 25]);
    expect(log.since(20).map(({ subject }) => subject)).toEqual(['21', '22', '23', '24', '25']);
    // What has left the ring is not counted into any more.
    log.add({ kind: 'endpoint.added', subject: '1', text: '' });
    expect(log.last(1)).toMatchObject([{ seq: 26, subject: '1', times: 1 }]);
  });

  test('a listener hears of each new event once, until it unsubscribes', () => {
    const log = new EventLog(new FakeClock());
    const heard: EventView[] = [];
    const stop = log.subscribe((event) => heard.push(event));
    log.add(ejected);
    log.add(ejected);
    stop();
    log.add({ ...ejected, subject: 'b' });
    expect(heard).toMatchObject([{ seq: 1, times: 1 }]);
  });

  test('a listener that throws breaks neither who tells nor who else listens, and its error surfaces on its own', () => {
    const clock = new FakeClock();
    const log = new EventLog(clock);
    const heard: number[] = [];
    log.subscribe(() => {
      throw new Error('mine');
    });
    log.subscribe(({ seq }) => heard.push(seq));
    log.add(ejected);
    log.add({ ...ejected, subject: 'b' });
    expect(heard).toEqual([1, 2]);
    expect(() => clock.endTurn()).toThrow('mine');
    expect(clock.pending).toBe(0);
  });
});
