/**
 * The invariant file of the bulkhead: it and a plain list must agree on every event, whatever happens in whatever order.
 */
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { Bulkhead } from '../../src/bulkhead/bulkhead.ts';
import { LoggingWaiter } from '../src/bulkhead/waiter.ts';
import { FakeClock } from '../support/fake-clock.ts';

// Thousands of runs: a busy CI machine needs longer than for other tests.
vi.setConfig({ testTimeout: 120_000 });

const RUNS = 10_000;
const QUEUE_TIMEOUT_MS = 40;

type Turn = 'hold' | 'end' | 'throw';
const TURNS: readonly Turn[] = ['hold', 'hold', 'end', 'throw'];

interface Waiting {
  readonly waiter: LoggingWaiter;
  readonly untilMs: number;
  readonly turn: Turn;
}

/** The obvious bulkhead: an array, no timers. */
class Model {
  readonly log: string[] = [];
  list: Waiting[] = [];
  inUse = 0;
  slots: number;
  queue: number;
  constructor(slots: number, queue: number) {
    this.slots = slots;
    this.queue = queue;
  }
  acquire(waiting: Waiting): 'granted' | 'queued' | 'full' {
    if (this.inUse < this.slots && this.list.length === 0) {
      this.inUse++;
      return 'granted';
    }
    if (this.list.length >= this.queue) return 'full';
    this.list.push(waiting);
    return 'queued';
  }
  fill(): void {
    while (this.inUse < this.slots) {
      const next = this.list.shift();
      if (next === undefined) return;
      this.log.push(`${next.waiter.id} granted`);
      if (next.turn !== 'end') this.inUse++;
    }
  }
  expire(nowMs: number): void {
    const due = this.list.filter(({ untilMs }) => untilMs <= nowMs);
    this.list = this.list.filter(({ untilMs }) => untilMs > nowMs);
    for (const { waiter } of due.sort((a, b) => a.untilMs - b.untilMs)) this.log.push(`${waiter.id} timeout`);
  }
}

/** One number is one action with its arguments: short to generate, and it shrinks to 0. */
const actions = fc.array(fc.nat(0xffff), { maxLength: 200, size: 'max' });

function play(slots: number, queue: number, timeout: boolean, codes: readonly number[]): void {
  const clock = new FakeClock();
  const log: string[] = [];
  const bulkhead = new Bulkhead({ slots, queue, ...(timeout ? { queueTimeoutMs: QUEUE_TIMEOUT_MS } : {}) }, clock);
  const model = new Model(slots, queue);
  let overhang = 0;
  let made = 0;
  for (const code of codes) {
    const argument = code >> 4;
    const kind = code & 15;
    if (kind < 6) acquire(argument);
    else if (kind < 9) release();
    else if (kind < 11) cancel(argument);
    else if (kind < 14) advance(argument % 60);
    else resize(argument % 5, (argument >> 3) % 6);
    check();
  }
  // Quiescence: everybody goes home.
  for (const { waiter } of model.list) bulkhead.cancel(waiter);
  while (bulkhead.inUse > 0) bulkhead.release();
  endTurn();
  if (bulkhead.waiting !== 0 || clock.pending !== 0) throw new Error(`left over: ${bulkhead.waiting} waiting, ${clock.pending} timers`);

  function acquire(argument: number): void {
    const turn = TURNS[argument & 3] ?? 'hold';
    const inMs = (argument >> 2) % 4 === 0 ? Number.POSITIVE_INFINITY : ((argument >> 4) % 90) - 2;
    const waiter = new LoggingWaiter(`${++made}`, log, clock.nowMs() + inMs, () => {
      if (turn === 'end') bulkhead.release();
      if (turn === 'throw') throw new Error('listener');
    });
    const untilMs = clock.nowMs() + Math.min(inMs, timeout ? QUEUE_TIMEOUT_MS : Number.POSITIVE_INFINITY);
    const expected = model.acquire({ waiter, untilMs, turn });
    const got = bulkhead.acquire(waiter);
    if (got !== expected) throw new Error(`acquire ${made}: ${got}, expected ${expected}`);
    // One that is late already leaves on the next timer turn; let it, so that grants and timeouts can't race in the model.
    if (got === 'queued' && inMs <= 0) advance(0);
  }
  function release(): void {
    if (model.inUse === 0) {
      expect(() => bulkhead.release()).toThrow('released twice');
      return;
    }
    model.inUse--;
    model.fill();
    bulkhead.release();
  }
  function cancel(argument: number): void {
    if (model.list.length === 0) return;
    const [gone] = model.list.splice(argument % model.list.length, 1);
    if (gone !== undefined) bulkhead.cancel(gone.waiter);
  }
  function advance(ms: number): void {
    clock.advance(ms);
    model.expire(clock.nowMs());
  }
  function resize(newSlots: number, newQueue: number): void {
    overhang = Math.max(overhang, bulkhead.inUse);
    model.slots = newSlots;
    model.queue = newQueue;
    model.fill();
    bulkhead.resize(newSlots, newQueue);
  }
  function endTurn(): void {
    try {
      clock.endTurn();
    } catch (error) {
      expect(error).toHaveProperty('message', 'listener');
    }
  }
  function check(): void {
    endTurn();
    if (log.join() !== model.log.join()) throw new Error(`events ${log.join()}, expected ${model.log.join()}`);
    log.length = 0;
    model.log.length = 0;
    const { inUse, waiting } = bulkhead;
    if (inUse !== model.inUse || waiting !== model.list.length) throw new Error(`in use ${inUse}, waiting ${waiting}`);
    if (inUse <= model.slots) overhang = 0;
    if (inUse < 0 || inUse > Math.max(model.slots, overhang)) throw new Error(`${inUse} in use of ${model.slots}`);
    if (waiting > 0 && inUse < model.slots) throw new Error('a waiter beside a free slot');
    const timers = model.list.some(({ untilMs }) => untilMs !== Number.POSITIVE_INFINITY) ? 1 : 0;
    if (clock.pending !== timers) throw new Error(`${clock.pending} timers, expected ${timers}`);
  }
}

describe('law: Bulkhead', () => {
  test(`agrees with a list on every event, ${RUNS} runs of up to 200 actions`, () => {
    fc.assert(fc.property(fc.nat(4), fc.nat(6), fc.boolean(), actions, play), { numRuns: RUNS });
  });

  test('settles every waiter at most once, and ends empty, though granted calls release, queue and cancel from inside', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 }), actions, (slots, codes) => {
        const clock = new FakeClock();
        const bulkhead = new Bulkhead({ slots, queue: 20, queueTimeoutMs: QUEUE_TIMEOUT_MS }, clock);
        const log: string[] = [];
        const asked: LoggingWaiter[] = [];
        let permits = 0;
        let depth = 0;
        const take = (code: number): void => {
          const waiter = new LoggingWaiter(`${asked.length}`, log, clock.nowMs() + 1 + (code % 50), () => {
            permits++;
            expect(++depth).toBe(1);
            if (code & 1) give();
            if (code & 2 && asked.length < 400) take(code >> 2);
            const other = asked[code % asked.length];
            if (code & 4 && other !== undefined) bulkhead.cancel(other);
            depth--;
          });
          asked.push(waiter);
          if (bulkhead.acquire(waiter) === 'granted') permits++;
        };
        const give = (): void => {
          if (permits === 0) return;
          permits--;
          bulkhead.release();
        };
        for (const code of codes) {
          if (code % 3 === 0) give();
          else if (code % 11 === 1) clock.advance(code % 20);
          else take(code >> 2);
          expect(bulkhead.inUse).toBe(permits);
          expect(permits).toBeLessThanOrEqual(slots);
        }
        while (permits > 0) give();
        expect({ inUse: bulkhead.inUse, waiting: bulkhead.waiting, pending: clock.pending }).toEqual({ inUse: 0, waiting: 0, pending: 0 });
        const settled = log.map((line) => line.split(' ')[0]);
        expect(new Set(settled).size).toBe(settled.length);
      }),
      { numRuns: 1000 },
    );
  });
});
