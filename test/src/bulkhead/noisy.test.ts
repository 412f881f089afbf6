/**
 * A noisy tenant beside a quiet one, on virtual time.
 */
import { describe, expect, test } from 'vitest';
import { VirtualTime } from '../../../bench/sim/virtual-time.ts';
import { Bulkhead, type Ticket, type Waiter } from '../../../src/bulkhead/bulkhead.ts';
import type { BulkheadOptions } from '../../../src/bulkhead/options.ts';
import { seededRandom } from '../../../src/random.ts';

const SLOTS = 20;
/** What the callee does at a time: a quarter more, for what is owed is given over the slots until what is lent is back. */
const CALLEE = 25;
const WORK_MS = 10;

interface Outcome {
  readonly p99: number;
  readonly answered: number;
  readonly offered: number;
}

/** Ten seconds of two tenants, in calls a second; what is too much for the callee waits there. */
function run(options: BulkheadOptions, rates: Readonly<Record<string, number>>): Readonly<Record<string, Outcome>> {
  const time = new VirtualTime();
  const random = seededRandom(3);
  const bulkhead = new Bulkhead(options, time);
  const queue: (() => void)[] = [];
  let busy = 0;
  const work = (): void => {
    while (busy < CALLEE) {
      const done = queue.shift();
      if (done === undefined) return;
      busy++;
      time.setTimer(() => {
        busy--;
        done();
        work();
      }, WORK_MS);
    }
  };
  const outcomes: Record<string, Outcome> = {};
  const finish: (() => void)[] = [];
  for (const [partition, rate] of Object.entries(rates)) {
    const latencies: number[] = [];
    let offered = 0;
    const call = (): void => {
      offered++;
      const startedMs = time.nowMs();
      const begin = (): void => {
        queue.push(() => {
          bulkhead.release(waiter);
          latencies.push(time.nowMs() - startedMs);
        });
        work();
      };
      const waiter: Waiter = {
        deadlineMs: startedMs + 100,
        partition,
        ticket: undefined as Ticket | undefined,
        granted: begin,
        refused: () => {},
      };
      if (bulkhead.acquire(waiter) === 'granted') begin();
    };
    const arrive = (): void => {
      if (time.nowMs() > 10_000) return;
      call();
      time.setTimer(arrive, (-Math.log(1 - random()) / rate) * 1000);
    };
    arrive();
    finish.push(() => {
      latencies.sort((a, b) => a - b);
      outcomes[partition] = { p99: latencies[Math.floor(latencies.length * 0.99)] ?? Number.NaN, answered: latencies.length, offered };
    });
  }
  time.run(11_000);
  for (const fn of finish) fn();
  return outcomes;
}

const CAPACITY = (SLOTS * 1000) / WORK_MS;
const QUIET = 0.1 * CAPACITY;
const NOISE = 100 * QUIET;
const shares: BulkheadOptions = { slots: SLOTS, queue: 20, by: 'tenant', partitions: { quiet: 0.5, noisy: 0.5 } };

describe('Bulkhead beside a noisy tenant', () => {
  test('W4: without partitions the quiet tenant is drowned (the trap is real)', () => {
    const { quiet } = run({ slots: SLOTS, queue: 20 }, { quiet: QUIET, noisy: NOISE });
    expect((quiet?.answered ?? 0) / (quiet?.offered ?? 1)).toBeLessThan(0.3);
  });

  test('W4: at 100 times its load, a noisy tenant costs the quiet one no call, and 10 % of its p99 at most', () => {
    const { quiet: alone } = run(shares, { quiet: QUIET });
    const { quiet, noisy } = run(shares, { quiet: QUIET, noisy: NOISE });
    expect(quiet?.answered).toBe(quiet?.offered);
    expect(quiet?.p99).toBeLessThanOrEqual(1.1 * (alone?.p99 ?? 0));
    expect((noisy?.answered ?? 0) / 10 / CAPACITY).toBeGreaterThan(0.85); // what the quiet one leaves is lent
  });
});
