import { afterEach, describe, expect, test } from 'vitest';
import { type FakeTask, PoolRig } from './rig.ts';

const rigs: PoolRig[] = [];
const up = (rules?: ConstructorParameters<typeof PoolRig>[0]): PoolRig => {
  const rig = PoolRig.up(rules);
  rigs.push(rig);
  return rig;
};
afterEach(() => {
  for (const rig of rigs.splice(0)) {
    rig.pool.end();
    for (let seat = 0; seat < rig.pool.stats().threads; seat++) rig.down(seat);
    rig.clock.endTurn();
    expect(rig.clock.pending).toBe(0);
  }
});

/** The seat that has a call of this name. */
const seatOf = (rig: PoolRig, name: string): number => {
  const seat = [0, 1].find((index) => rig.at(index).some((task) => task.name === name));
  if (seat === undefined) throw new Error(`${name} is in no thread`);
  return seat;
};
/** Its thread dies, and the next one comes up. */
const kill = (rig: PoolRig, name: string): void => {
  const seat = seatOf(rig, name);
  rig.down(seat);
  rig.clock.advance(1000);
  rig.pool.up(seat);
  rig.turn();
};
const end = (task: FakeTask | undefined): string | undefined => task?.ends.at(-1);

describe('a pool of threads: calls that kill them (K4)', () => {
  test('a request that has killed three threads is refused, and no server is asked again', () => {
    const rig = up({ threads: 2 });
    for (let i = 0; i < 3; i++) {
      const [poison] = rig.submit('poison');
      rig.turn();
      kill(rig, 'poison');
      expect(end(poison)).toBe('server.workers/crashed ambiguous');
    }
    const [kept, other] = rig.submit('poison', 'other');
    rig.turn();
    expect(end(kept)).toBe('server.workers/quarantined ambiguous');
    expect(end(other)).toBeUndefined();
    expect(rig.pool.stats()).toMatchObject({ quarantined: 1, crashes: 3 });
  });

  test('who was in a thread that died runs alone next time, and is free again when it comes back', () => {
    const rig = up({ threads: 2, inFlight: 4 });
    rig.submit('a', 'poison', 'b', 'c');
    rig.turn();
    expect(seatOf(rig, 'poison')).toBe(seatOf(rig, 'c'));
    kill(rig, 'poison');
    for (const task of [...rig.at(0), ...rig.at(1)]) rig.done(task);
    rig.said();

    const [poison, innocent, other] = rig.submit('poison', 'c', 'other');
    rig.turn();
    expect(rig.at(seatOf(rig, 'poison'))).toEqual([poison]);
    expect(rig.at(seatOf(rig, 'c'))).toEqual([innocent]);
    rig.done(innocent);
    rig.turn();
    expect(rig.at(seatOf(rig, 'other'))).toEqual([other]);
    const [again] = rig.submit('c');
    rig.turn();
    expect(rig.at(seatOf(rig, 'c'))).toEqual([other, again]);
  });

  test('calls of one request that die together are one suspicion', () => {
    const rig = up({ threads: 1, inFlight: 8 });
    const [health] = rig.submit('health', 'health', 'health', 'health', 'poison');
    rig.turn();
    kill(rig, 'poison');
    expect(end(health)).toBe('server.workers/crashed ambiguous');
    const [again] = rig.submit('health');
    rig.turn();
    expect(rig.at(0)).toEqual([again]);
    expect(rig.pool.stats().quarantined).toBe(0);
  });

  test('suspects are not starved: while one waits, a thread is left to run empty', () => {
    const rig = up({ threads: 2, inFlight: 2 });
    rig.submit('poison');
    rig.turn();
    kill(rig, 'poison');
    rig.submit('a', 'b', 'c', 'd');
    rig.turn();
    const [suspect] = rig.submit('poison');
    rig.submit('e', 'f', 'g', 'h');
    rig.turn();
    for (let i = 0; i < 2; i++) {
      rig.done(rig.at(1)[0]);
      rig.turn();
    }
    expect(rig.at(1)).toEqual([suspect]);
    rig.done(rig.at(0)[0]);
    rig.turn();
    expect(rig.at(0).map(({ name }) => name)).toEqual(['c', 'e']);
  });

  test('is let in again after quarantineMs', () => {
    const rig = up({ threads: 2, quarantineMs: 5000, quarantineAfter: 2 });
    for (let i = 0; i < 2; i++) {
      rig.submit('poison');
      rig.turn();
      kill(rig, 'poison');
    }
    expect(end(rig.submit('poison')[0])).toBe('server.workers/quarantined ambiguous');
    rig.clock.advance(5000);
    const [poison] = rig.submit('poison');
    rig.turn();
    expect(end(poison)).toBeUndefined();
  });

  test('with Infinity nothing is remembered', () => {
    const rig = up({ threads: 1, quarantineAfter: Number.POSITIVE_INFINITY });
    for (let i = 0; i < 5; i++) {
      rig.submit('poison');
      rig.turn();
      kill(rig, 'poison');
    }
    expect(rig.pool.stats()).toMatchObject({ quarantined: 0, crashes: 5 });
  });

  test('a thousand requests are remembered, and no more', () => {
    const rig = up({ threads: 1, quarantineAfter: 2 });
    for (let i = 0; i < 2; i++) {
      rig.submit('poison');
      rig.turn();
      kill(rig, 'poison');
    }
    for (let i = 0; i < 1000; i++) {
      rig.submit(`one-off ${i}`);
      rig.turn();
      kill(rig, `one-off ${i}`);
    }
    const [forgotten] = rig.submit('poison');
    rig.turn();
    expect(end(forgotten)).toBeUndefined();
  });
});
