import { afterEach, describe, expect, test } from 'vitest';
import { seededRandom } from '../../../src/random.ts';
import { FakeTask, PoolRig } from './rig.ts';

const rigs: PoolRig[] = [];
const up = (rules?: ConstructorParameters<typeof PoolRig>[0]): PoolRig => {
  const rig = PoolRig.up(rules);
  rigs.push(rig);
  return rig;
};
const cold = (rules?: ConstructorParameters<typeof PoolRig>[0]): PoolRig => {
  const rig = new PoolRig(rules);
  rigs.push(rig);
  rig.pool.start();
  rig.said();
  return rig;
};
afterEach(() => {
  for (const rig of rigs.splice(0)) {
    rig.pool.end();
    for (let seat = 0; seat < rig.pool.stats().threads; seat++) rig.down(seat);
    rig.clock.endTurn();
    expect(rig.clock.pending).toBe(0);
    expect(rig.pool.stats()).toMatchObject({ waiting: 0, up: 0 });
  }
});

describe('a pool of threads: who gets what', () => {
  test('calls of one turn go out at its end, one message for each thread, the least loaded first', () => {
    const rig = up();
    const [a] = rig.submit('a', 'b', 'c');
    expect(rig.said()).toEqual([]);
    expect(rig.turn()).toEqual(['post 0: a c', 'post 1: b']);
    rig.done(a);
    rig.submit('d');
    expect(rig.turn()).toEqual(['post 0: d']);
    expect(rig.pool.stats()).toMatchObject({ inFlight: [2, 1], waiting: 0, done: 1 });
  });

  test('a thread never has more than inFlight calls; the next goes when one is done', () => {
    const rig = up({ threads: 1, inFlight: 2 });
    rig.submit('a', 'b', 'c', 'd');
    expect(rig.turn()).toEqual(['post 0: a b']);
    rig.done(rig.at(0)[1]);
    expect(rig.turn()).toEqual(['post 0: c']);
  });

  test('what neither a thread nor the queue has room for is refused at once, and may run elsewhere (W1)', () => {
    const rig = up({ threads: 1, inFlight: 1, queue: 2 });
    const tasks = rig.submit('a', 'b', 'c', 'd');
    expect(tasks.map(({ ends }) => ends)).toEqual([[], [], [], ['server.workers/queue-full']]);
    expect(rig.turn()).toEqual(['post 0: a']);
    expect(rig.submit('e')[0]?.ends).toEqual(['server.workers/queue-full']);
    expect(rig.pool.stats().refused).toBe(2);
  });

  test('a queue of none still lets calls through to threads that are free', () => {
    const rig = up({ threads: 1, inFlight: 1, queue: 0 });
    const tasks = rig.submit('a', 'b');
    expect(tasks.map(({ ends }) => ends.length)).toEqual([0, 1]);
    expect(rig.turn()).toEqual(['post 0: a']);
  });

  test('connections take turns: one call does not stand behind the 64 of a batch', () => {
    const rig = up({ threads: 1, inFlight: 4 });
    for (let i = 0; i < 64; i++) rig.submitOne(new FakeTask(`batch${i}`, 'batch'));
    rig.submitOne(new FakeTask('single', 'other'));
    expect(rig.turn()).toEqual(['post 0: batch0 single batch1 batch2']);
  });

  test('calls of one connection keep their order', () => {
    const rig = up({ threads: 1, inFlight: 1 });
    const [, b] = rig.submit('a', 'b', 'c', 'd');
    rig.turn();
    if (b !== undefined) rig.pool.cancel(b);
    rig.done(rig.at(0)[0]);
    expect(rig.turn()).toEqual(['post 0: c']);
  });

  test('calls wait for threads that start for the first time', () => {
    const rig = cold({ threads: 1 });
    const [a] = rig.submit('a');
    expect(rig.turn()).toEqual([]);
    rig.pool.up(0);
    expect(rig.turn()).toEqual(['post 0: a']);
    expect(a?.ends).toEqual([]);
  });
});

describe('a pool of threads: time and cancellation', () => {
  test('a call whose time is over in the queue never reaches a thread (D6)', () => {
    const rig = up({ threads: 1, inFlight: 1 });
    rig.submit('a');
    rig.turn();
    const late = rig.submitOne(new FakeTask('late', 'one', rig.clock.nowMs() + 10));
    rig.submit('b');
    rig.turn();
    rig.clock.advance(10);
    rig.done(rig.at(0)[0]);
    expect(rig.turn()).toEqual(['post 0: b']);
    expect(late.ends).toEqual(['server.workers/deadline-in-queue']);
  });

  test('a cancelled call leaves the queue and hears nothing', () => {
    const rig = up({ threads: 1, inFlight: 1 });
    const [, b] = rig.submit('a', 'b');
    rig.turn();
    if (b !== undefined) rig.pool.cancel(b);
    expect(rig.pool.stats().waiting).toBe(0);
    expect(rig.said()).toEqual([]);
    rig.done(rig.at(0)[0]);
    expect(rig.turn()).toEqual([]);
    expect(b?.ends).toEqual([]);
  });

  test('a cancelled call in a thread keeps its place there until the thread says that it knows', () => {
    const rig = up({ threads: 1, inFlight: 1 });
    const [a] = rig.submit('a', 'b');
    rig.turn();
    if (a === undefined) throw new Error('none');
    rig.pool.cancel(a);
    rig.pool.cancel(a);
    expect(rig.said()).toEqual(['cancel 0: a']);
    expect(rig.turn()).toEqual([]);
    rig.done(a);
    rig.pool.heard(0);
    expect(rig.turn()).toEqual(['post 0: b']);
    rig.clock.advance(1000);
    expect(rig.said()).toEqual([]);
  });

  test('a thread that stays silent about a cancellation is ended; its other calls may have run (K4)', () => {
    const rig = up({ threads: 1, inFlight: 3, stallMs: 1000 });
    const [a, b] = rig.submit('a', 'b');
    rig.turn();
    if (a === undefined) throw new Error('none');
    rig.pool.cancel(a);
    rig.said();
    rig.clock.advance(999);
    expect(rig.said()).toEqual([]);
    rig.clock.advance(1);
    expect(rig.said()).toEqual(['stop 0']);
    rig.submit('c');
    expect(rig.turn()).toEqual([]);
    rig.down(0);
    expect(b?.ends).toEqual(['server.workers/stalled ambiguous']);
    expect(rig.said()).toEqual(['start 0']);
    rig.pool.up(0);
    expect(rig.turn()).toEqual(['post 0: c']);
  });

  test('an old message is no excuse for ever: the watch begins anew', () => {
    const rig = up({ threads: 1, inFlight: 2, stallMs: 1000 });
    const [a] = rig.submit('a', 'b');
    rig.turn();
    if (a === undefined) throw new Error('none');
    rig.pool.cancel(a);
    rig.clock.advance(500);
    rig.done(rig.at(0)[1]);
    rig.pool.heard(0);
    rig.said();
    rig.clock.advance(999);
    expect(rig.said()).toEqual([]);
    rig.clock.advance(1);
    expect(rig.said()).toEqual(['stop 0']);
  });
});

describe('a pool of threads: deaths', () => {
  test('a crash takes along the calls it had and no other; those that wait go elsewhere (K18)', () => {
    const rig = up({ threads: 2, inFlight: 1 });
    const [a, b, c] = rig.submit('a', 'b', 'c');
    rig.turn();
    rig.down(0);
    expect(a?.ends).toEqual(['server.workers/crashed ambiguous']);
    expect(rig.said()).toEqual(['start 0']);
    rig.done(b);
    expect(rig.turn()).toEqual(['post 1: c']);
    expect(c?.ends).toEqual([]);
    expect(rig.pool.stats()).toMatchObject({ crashes: 1, lost: 1, up: 1 });
  });

  test('a thread that crashes again and again is replaced within a second each time', () => {
    const rig = up({ threads: 1 });
    const waits: number[] = [];
    for (let i = 0; i < 20; i++) {
      rig.down(0);
      const from = rig.clock.nowMs();
      while (!rig.said().includes('start 0') && rig.clock.nowMs() - from < 5000) rig.clock.advance(1);
      waits.push(rig.clock.nowMs() - from);
      rig.pool.up(0);
      rig.turn();
    }
    expect(waits[0]).toBe(0);
    expect(waits[1]).toBeGreaterThan(0);
    expect(Math.max(...waits)).toBeLessThanOrEqual(500);
    expect(waits.at(-1)).toBeGreaterThan(300);
  });

  test('a crash after ten sound seconds is a first one', () => {
    const rig = up({ threads: 1 });
    for (let i = 0; i < 3; i++) {
      rig.clock.advance(10_000);
      rig.down(0);
      expect(rig.said()).toEqual(['start 0']);
      rig.pool.up(0);
      rig.turn();
    }
  });

  test('when no thread starts, calls are refused with the reason, and starts are tried ever more seldom', () => {
    const rig = cold({ threads: 2 });
    const [a] = rig.submit('a');
    rig.turn();
    rig.down(0);
    expect(a?.ends).toEqual([]);
    rig.down(1);
    expect(a?.ends).toEqual(['server.workers/not-started']);
    expect(rig.submit('b')[0]?.ends).toEqual(['server.workers/not-started']);
    const starts: number[] = [];
    for (let i = 0; i < 12; i++) {
      const from = rig.clock.nowMs();
      while (!rig.said().includes('start 0') && rig.clock.nowMs() - from < 60_000) rig.clock.advance(10);
      starts.push(rig.clock.nowMs() - from);
      rig.down(0);
    }
    expect(starts[0]).toBeLessThanOrEqual(100);
    expect(starts.at(-1)).toBeGreaterThan(20_000);
    expect(starts.at(-1)).toBeLessThanOrEqual(30_000);
    rig.pool.up(1); // it was started for the second time long ago
    const [c] = rig.submit('c');
    expect(rig.turn()).toEqual(['post 1: c']);
    expect(c?.ends).toEqual([]);
  });

  test('the answer of a call that was lost with its thread changes nothing', () => {
    const rig = up({ threads: 1 });
    const [a] = rig.submit('a');
    rig.turn();
    rig.down(0);
    rig.pool.up(0);
    if (a !== undefined) rig.pool.done(a);
    expect(rig.pool.stats()).toMatchObject({ done: 0, lost: 1, inFlight: [0] });
    rig.turn();
  });
});

describe('a pool of threads: its end', () => {
  test('closing refuses newcomers and waits for all that are here', () => {
    const rig = up({ threads: 1, inFlight: 1 });
    rig.submit('a', 'b');
    rig.turn();
    let idle = 0;
    rig.pool.close(() => idle++);
    expect(rig.submit('c')[0]?.ends).toEqual(['server.workers/closed']);
    rig.done(rig.at(0)[0]);
    expect(idle).toBe(0);
    rig.turn();
    rig.done(rig.at(0)[0]);
    expect(idle).toBe(1);
  });

  test('the end cuts off what still runs and refuses what waits', () => {
    const rig = up({ threads: 1, inFlight: 1 });
    const [a, b] = rig.submit('a', 'b');
    rig.turn();
    rig.pool.close(() => undefined);
    rig.pool.end();
    expect(b?.ends).toEqual(['server.workers/closed']);
    expect(rig.said()).toEqual(['stop 0']);
    rig.down(0);
    expect(a?.ends).toEqual(['server.workers/closed ambiguous']);
    expect(rig.said()).toEqual([]);
  });
});

describe('a pool of threads: laws', () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])('every call ends exactly once, whatever happens (seed %i)', (seed) => {
    const random = seededRandom(seed);
    const rules = { threads: 1 + Math.floor(random() * 3), inFlight: 1 + Math.floor(random() * 3), queue: 5, stallMs: 50 };
    const rig = cold(rules);
    const pick = (n: number): number => Math.floor(random() * n);
    const all: FakeTask[] = [];
    const cancelled = new Set<FakeTask>();
    const step = (): void => {
      const seat = pick(rules.threads);
      const mine = rig.at(seat);
      const some = mine[pick(mine.length)];
      switch (pick(8)) {
        case 0:
        case 1: {
          const deadlineMs = random() < 0.3 ? rig.clock.nowMs() + pick(30) : Number.POSITIVE_INFINITY;
          all.push(rig.submitOne(new FakeTask(String(all.length), String(pick(4)), deadlineMs)));
          break;
        }
        case 2: {
          const task = all[pick(all.length)];
          if (task === undefined || task.ends.length > 0 || cancelled.has(task)) break;
          cancelled.add(task);
          rig.pool.cancel(task);
          break;
        }
        case 3:
          rig.pool.up(seat);
          break;
        case 4:
          if (random() < 0.3) rig.down(seat);
          break;
        case 5:
          rig.clock.advance(pick(40));
          break;
        default:
          if (some !== undefined) {
            rig.done(some);
            rig.pool.heard(seat);
          }
          rig.clock.endTurn();
      }
      for (const line of rig.said()) if (line.startsWith('stop')) rig.down(Number(line.slice(5)));
      for (const now of rig.pool.stats().inFlight) expect(now).toBeLessThanOrEqual(rules.inFlight);
    };
    for (let i = 0; i < 3000; i++) step();
    rig.pool.end();
    for (let seat = 0; seat < rules.threads; seat++) rig.down(seat);
    expect(all.length).toBeGreaterThan(300);
    for (const task of all) {
      // A cancelled one that waited hears nothing; one in a thread is only let go there.
      if (cancelled.has(task)) expect(task.ends.length).toBeLessThanOrEqual(1);
      else expect(task.ends).toHaveLength(1);
    }
    const { done, refused, lost } = rig.pool.stats();
    expect(done + refused + lost).toBe(all.reduce((sum, task) => sum + task.ends.length, 0));
  });
});
