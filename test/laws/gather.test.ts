/**
 * The invariant file of batch handlers' queues: whatever comes, leaves, runs out of time or ends in whatever order, every call is
 * over exactly once, in the order in which it came, and nothing is left behind.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Gather, gatherShared, type Run } from '../../src/batch/gather.ts';
import { resolveGatherOptions } from '../../src/batch/gather-options.ts';
import { LoggingCall } from '../src/batch/gathered.ts';
import { FakeClock } from '../support/fake-clock.ts';

const actions = fc.array(fc.nat(0xffff), { maxLength: 300, size: 'max' });

function play(maxItems: number, maxConcurrent: number, maxWaiting: number, codes: readonly number[]): void {
  const clock = new FakeClock();
  const log: string[] = [];
  const shared = gatherShared(clock);
  const busy: Run<LoggingCall>[] = [];
  const all: LoggingCall[] = [];
  const left = new Set<string>();
  let lastStarted = -1;
  let runs = 0;
  const gather = new Gather<LoggingCall>(resolveGatherOptions({ maxItems, maxConcurrent, maxWaiting }), shared, (run) => {
    runs++;
    if (run.items.length === 0 || run.items.length > maxItems) throw new Error(`a run of ${run.items.length}`);
    for (const { id, deadlineMs } of run.items) {
      if (Number(id) <= lastStarted) throw new Error(`${id} after ${lastStarted}`);
      lastStarted = Number(id);
      if (deadlineMs <= clock.nowMs()) throw new Error(`${id} started late`);
      if (left.has(id) || log.some((line) => line.startsWith(`${id} `))) throw new Error(`${id} runs, but was over`);
    }
    busy.push(run);
  });
  const end = (pick: number): void => {
    const [run] = busy.splice(pick % Math.max(1, busy.length), 1);
    if (run !== undefined) gather.ended(run, ({ id }, index) => log.push(`${id} result ${run.items[index]?.id}`));
  };
  for (const code of codes) {
    const argument = code >> 3;
    switch (code & 7) {
      case 0:
      case 1:
      case 2: {
        const inMs = argument % 3 === 0 ? Number.POSITIVE_INFINITY : (argument % 60) - 1;
        const call = new LoggingCall(`${all.length}`, log, clock.nowMs() + inMs);
        all.push(call);
        gather.add(call);
        break;
      }
      case 3:
        clock.endTurn();
        break;
      case 4:
        clock.advance(argument % 40);
        break;
      case 5: {
        const call = all[argument % Math.max(1, all.length)];
        if (call?.gather === undefined) break;
        gather.leave(call);
        left.add(call.id);
        break;
      }
      default:
        end(argument);
    }
    if (gather.running !== busy.length || gather.running > maxConcurrent) throw new Error(`${gather.running} running of ${maxConcurrent}`);
    if (gather.waiting > maxWaiting) throw new Error(`${gather.waiting} waiting of ${maxWaiting}`);
  }
  // Work is conserved: while runs end, everything that waits gets its turn.
  for (let round = 0; !gather.idle || clock.pending > 0; round++) {
    if (round > 2 * all.length + 20)
      throw new Error(`stuck: ${gather.waiting} waiting, ${gather.running} running, ${clock.pending} timers`);
    clock.endTurn();
    end(0);
  }
  for (const { id } of all) {
    const heard = log.filter((line) => line.startsWith(`${id} `));
    if (heard.length !== (left.has(id) ? 0 : 1)) throw new Error(`${id} heard ${heard.join(', ')}, left: ${left.has(id)}`);
    if (heard[0]?.includes('result') === true && heard[0] !== `${id} result ${id}`) throw new Error(`${heard[0]}`);
  }
  const { counts } = shared;
  const gone = Object.values(counts.left).reduce((sum, one) => sum + one, 0);
  const results = log.filter((line) => line.includes('result')).length;
  expect({ runs: counts.runs, waiting: counts.waiting, running: counts.running }).toEqual({ runs, waiting: 0, running: 0 });
  expect(gone + results).toBe(all.length);
}

describe('law: Gather', () => {
  test('ends every call exactly once, in order, within its limits, and leaves nothing', () => {
    fc.assert(fc.property(fc.integer({ min: 2, max: 5 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 60 }), actions, play), {
      numRuns: 3000,
    });
  }, 60_000);
});
