import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Gather, type GatherShared, gatherShared, type Run } from '../../../src/batch/gather.ts';
import { type GatherOptions, resolveGatherOptions } from '../../../src/batch/gather-options.ts';
import { ConfigError, UsageError } from '../../../src/errors.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { LoggingCall } from './gathered.ts';

let clock: FakeClock;
let log: string[];
let shared: GatherShared;
let runs: Run<LoggingCall>[];

beforeEach(() => {
  clock = new FakeClock();
  log = [];
  shared = gatherShared(clock);
  runs = [];
});
afterEach(() => {
  expect(clock.pending).toBe(0);
  expect(shared.counts).toMatchObject({ waiting: 0, running: 0 });
});

function gatherOf(options: GatherOptions = {}): Gather<LoggingCall> {
  return new Gather<LoggingCall>(resolveGatherOptions(options), shared, (run) => runs.push(run));
}
function calls(gather: Gather<LoggingCall>, ...ids: readonly string[]): LoggingCall[] {
  return ids.map((id) => {
    const call = new LoggingCall(id, log);
    gather.add(call);
    return call;
  });
}
function callIn(gather: Gather<LoggingCall>, id: string, inMs: number): LoggingCall {
  const call = new LoggingCall(id, log, clock.nowMs() + inMs);
  gather.add(call);
  return call;
}
function end(gather: Gather<LoggingCall>, index: number): void {
  const run = runs[index];
  if (run !== undefined) gather.ended(run, (call, at) => log.push(`${call.id} result ${at}`));
  clock.endTurn();
}
const members = (): string[] => runs.map((run) => run.items.map(({ id }) => id).join(''));

describe('Gather', () => {
  test('makes one run of what comes in one turn, and hands each its own result by its place', () => {
    const gather = gatherOf();
    calls(gather, 'a', 'b', 'c');
    expect(runs).toHaveLength(0);
    clock.endTurn();
    expect(members()).toEqual(['abc']);
    end(gather, 0);
    expect(log).toEqual(['a result 0', 'b result 1', 'c result 2']);
    expect(gather.idle).toBe(true);
    expect(shared.counts).toMatchObject({ runs: 1, items: 3, flushes: { tick: 1 } });
  });

  test('keeps to maxItems and maxConcurrent, and the next run takes what has gathered meanwhile', () => {
    const gather = gatherOf({ maxItems: 2, maxConcurrent: 1 });
    calls(gather, 'a', 'b', 'c', 'd', 'e');
    clock.endTurn();
    expect(members()).toEqual(['ab']);
    calls(gather, 'f');
    clock.endTurn();
    expect([gather.running, gather.waiting]).toEqual([1, 4]);
    for (let index = 0; index < 3; index++) end(gather, index);
    expect(members()).toEqual(['ab', 'cd', 'ef']);
    expect(log).toHaveLength(6);
  });

  test('keeps the order of arrival over any number of waiting calls, and never runs more at a time', () => {
    const gather = gatherOf({ maxItems: 4, maxConcurrent: 2 });
    calls(gather, ...Array.from({ length: 100 }, (_, n) => `${n},`));
    clock.endTurn();
    for (let index = 0; index < runs.length; index++) {
      expect(gather.running).toBeLessThanOrEqual(2);
      clock.advance(20);
      clock.endTurn();
      end(gather, index);
    }
    expect(members().join('')).toBe(Array.from({ length: 100 }, (_, n) => `${n},`).join(''));
    expect(runs).toHaveLength(25);
  });

  test('K16: refuses what comes when maxWaiting calls wait', () => {
    const gather = gatherOf({ maxConcurrent: 1, maxWaiting: 2 });
    calls(gather, 'a');
    clock.endTurn();
    calls(gather, 'b', 'c', 'd');
    expect(log).toEqual(['d refused']);
    expect(shared.counts.left['queue-full']).toBe(1);
    end(gather, 0);
    end(gather, 1);
    expect(members()).toEqual(['a', 'bc']);
  });

  test('K8: an item that is out of time leaves before the run, and one in a run while it goes on', () => {
    const gather = gatherOf({ maxConcurrent: 1 });
    callIn(gather, 'a', 50);
    calls(gather, 'b');
    clock.endTurn();
    callIn(gather, 'c', 20);
    calls(gather, 'd');
    clock.advance(20);
    expect(log).toEqual(['c expired waiting']);
    clock.advance(30);
    expect(log).toEqual(['c expired waiting', 'a expired running']);
    end(gather, 0);
    end(gather, 1);
    expect(members()).toEqual(['ab', 'd']);
    expect(log.slice(2)).toEqual(['b result 1', 'd result 0']);
  });

  test('D6: an item whose time is over does not run, though its timer is late, and one that comes late is not taken', () => {
    clock.setTimer = () => () => undefined;
    const gather = gatherOf();
    callIn(gather, 'a', 10);
    callIn(gather, 'b', 100);
    clock.advance(10);
    clock.endTurn();
    callIn(gather, 'c', 0);
    expect(members()).toEqual(['b']);
    expect(log).toEqual(['a expired waiting', 'c expired waiting']);
    end(gather, 0);
  });

  test('K7: who leaves hears nothing; when all have left the run is told, and stays busy until it ends', () => {
    const gather = gatherOf({ maxConcurrent: 1 });
    const [a, b] = calls(gather, 'a', 'b');
    clock.endTurn();
    const [c] = calls(gather, 'c');
    let abandoned = 0;
    const run = runs[0];
    if (run !== undefined) run.onAbandoned = () => abandoned++;
    for (const call of [c, a]) if (call !== undefined) gather.leave(call);
    expect(abandoned).toBe(0);
    for (const call of [b, b]) if (call !== undefined) gather.leave(call);
    expect(abandoned).toBe(1);
    expect(gather.running).toBe(1);
    end(gather, 0);
    expect(log).toEqual([]);
    expect(shared.counts.left.cancelled).toBe(3);
    expect(gather.idle).toBe(true);
  });

  test('a sequential caller does not wait for the end of the turn', () => {
    const gather = gatherOf();
    for (let n = 0; n < 8; n++) {
      calls(gather, `${n}`);
      clock.endTurn();
      end(gather, n);
    }
    calls(gather, 'next');
    expect(members().at(-1)).toBe('next');
    end(gather, 8);
    expect(gather.idle).toBe(true);
  });

  test('K20: one that throws when it hears its result keeps no other from its own', () => {
    const gather = gatherOf();
    calls(gather, 'a', 'b');
    clock.endTurn();
    const run = runs[0] as Run<LoggingCall>;
    gather.ended(run, ({ id }) => {
      if (id === 'a') throw new Error('boom');
      log.push(id);
    });
    expect(log).toEqual(['b']);
    expect(() => clock.endTurn()).toThrow('boom');
  });

  test('runs that end inside their start do not nest', () => {
    let depth = 0;
    const gather: Gather<LoggingCall> = new Gather<LoggingCall>(resolveGatherOptions({ maxItems: 2, maxConcurrent: 1 }), shared, (run) => {
      expect(++depth).toBe(1);
      gather.ended(run, ({ id }) => log.push(id));
      depth--;
    });
    calls(gather, ...Array.from({ length: 5000 }, (_, n) => `${n}`));
    while (clock.pending > 0) clock.endTurn();
    expect(log).toHaveLength(5000);
  });

  test('takes an item once', () => {
    const gather = gatherOf();
    const [a] = calls(gather, 'a');
    expect(() => a !== undefined && gather.add(a)).toThrow(UsageError);
    clock.endTurn();
    end(gather, 0);
  });
});

describe('options of a batch handler', () => {
  test.each([
    [{ maxItems: 1 }, 'batchHandler.maxItems: expected a whole number >= 2 and <= 1024, got 1'],
    [{ maxConcurrent: '4' }, 'batchHandler.maxConcurrent: expected a whole number >= 1 and <= 1024, got "4"; did you mean 4?'],
    [{ maxWait: 4 }, 'batchHandler.maxWait: unknown option; did you mean maxWaiting?'],
  ])('%j is refused with path, value and rule', (options, problem) => {
    expect(() => resolveGatherOptions(options)).toThrow(
      new ConfigError(problem.slice(0, problem.indexOf(':')), problem.slice(problem.indexOf(':') + 2)),
    );
  });

  test('the flush rules are those of coalescing', () => {
    expect(resolveGatherOptions({ flush: 'window', lingerMs: 5 }).flush).toMatchObject({ flush: 'window', lingerMs: 5, maxItems: 128 });
    expect(() => resolveGatherOptions({ flush: 'windows' })).toThrow('batchHandler.flush: expected one of');
  });
});
