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
/** Who calls; the last one has no partition. */
const NAMES = ['a', 'b', 'x'];
/** Partitions: none, one, two. */
const SPLITS: readonly Readonly<Record<string, number>>[] = [{}, { a: 0.5 }, { a: 0.4, b: 0.3 }];

interface Waiting {
  readonly waiter: LoggingWaiter;
  readonly untilMs: number;
  readonly turn: Turn;
  readonly lane: string;
}

/** The obvious bulkhead: an array, no timers, every question asked of all. */
class Model {
  readonly log: string[] = [];
  list: Waiting[] = [];
  slots: number;
  queue: number;
  /** Permits out, by lane. */
  readonly busy = new Map<string, number>();
  readonly #split: Readonly<Record<string, number>>;
  readonly #lanes: readonly string[];
  #turn = 0;
  constructor(slots: number, queue: number, split: Readonly<Record<string, number>>) {
    this.slots = slots;
    this.queue = queue;
    this.#split = split;
    this.#lanes = ['', ...Object.keys(split)];
  }
  get inUse(): number {
    return [...this.busy.values()].reduce((sum, busy) => sum + busy, 0);
  }
  lane(name: string): string {
    return Object.hasOwn(this.#split, name) ? name : '';
  }
  /** What a lane is owed of a total. */
  owed(lane: string, total: number): number {
    return lane === '' || total === 0 ? 0 : Math.ceil((this.#split[lane] ?? 0) * total);
  }
  take(lane: string, more: number): void {
    this.busy.set(lane, (this.busy.get(lane) ?? 0) + more);
  }
  ofLane(lane: string): Waiting[] {
    return this.list.filter((waiting) => waiting.lane === lane);
  }
  #hasOwn(lane: string): boolean {
    return (this.busy.get(lane) ?? 0) < this.owed(lane, this.slots);
  }
  acquire(waiting: Waiting): 'granted' | 'queued' | 'full' {
    const { lane } = waiting;
    if ((this.inUse < this.slots && this.list.length === 0) || (this.#hasOwn(lane) && this.ofLane(lane).length === 0)) {
      this.take(lane, 1);
      return 'granted';
    }
    const room = this.list.length < this.queue || this.ofLane(lane).length < this.owed(lane, this.queue);
    if (!room && !this.#evictFor(waiting)) return 'full';
    this.list.push(waiting);
    return 'queued';
  }
  #evictFor({ waiter, lane }: Waiting): boolean {
    const may = this.#lanes.filter((other) => other === lane || this.ofLane(other).length > this.owed(other, this.queue));
    const lowest = (of: string): number => Math.max(-1, ...this.ofLane(of).map((one) => one.waiter.rank));
    const [loser] = may
      .filter((other) => lowest(other) > waiter.rank)
      .sort((one, other) => lowest(other) - lowest(one) || this.ofLane(other).length - this.ofLane(one).length);
    if (loser === undefined) return false;
    const evicted = this.ofLane(loser).findLast((one) => one.waiter.rank === lowest(loser));
    this.list = this.list.filter((one) => one !== evicted);
    this.log.push(`${evicted?.waiter.id} evicted`);
    return true;
  }
  fill(): void {
    for (;;) {
      const next = this.#next(true) ?? (this.inUse < this.slots ? this.#next(false) : undefined);
      if (next === undefined) return;
      this.list = this.list.filter((one) => one !== next);
      this.log.push(`${next.waiter.id} granted`);
      if (next.turn !== 'end') this.take(next.lane, 1);
    }
  }
  /** The first of the highest rank, lanes taking turns; only of lanes that are owed a slot, or of all. */
  #next(owed: boolean): Waiting | undefined {
    const inTurn = this.#lanes.map((_, i) => this.#lanes[(this.#turn + i) % this.#lanes.length] ?? '');
    const may = this.list.filter(({ lane }) => !owed || this.#hasOwn(lane));
    const rank = Math.min(...may.map(({ waiter }) => waiter.rank));
    const lane = inTurn.find((one) => may.some((waiting) => waiting.lane === one && waiting.waiter.rank === rank));
    if (lane === undefined) return undefined;
    this.#turn = (this.#lanes.indexOf(lane) + 1) % this.#lanes.length;
    return may.find((waiting) => waiting.lane === lane && waiting.waiter.rank === rank);
  }
  expire(nowMs: number): void {
    const due = this.list.filter(({ untilMs }) => untilMs <= nowMs);
    this.list = this.list.filter(({ untilMs }) => untilMs > nowMs);
    for (const { waiter } of due.sort((a, b) => a.untilMs - b.untilMs)) this.log.push(`${waiter.id} timeout`);
  }
}

/** One number is one action with its arguments: short to generate, and it shrinks to 0. */
const actions = fc.array(fc.nat(0xfffff), { maxLength: 200, size: 'max' });

function play(slots: number, queue: number, timeout: boolean, splitIndex: number, codes: readonly number[]): void {
  const clock = new FakeClock();
  const log: string[] = [];
  const split = SPLITS[splitIndex] ?? {};
  const bulkhead = new Bulkhead(
    {
      slots,
      queue,
      ...(timeout ? { queueTimeoutMs: QUEUE_TIMEOUT_MS } : {}),
      ...(splitIndex === 0 ? {} : { by: 'tenant', partitions: split }),
    },
    clock,
  );
  const model = new Model(slots, queue, split);
  let overhang = 0;
  let made = 0;
  for (const code of codes) {
    const argument = code >> 4;
    const kind = code & 15;
    if (kind < 6) acquire(argument);
    else if (kind < 9) release(argument);
    else if (kind < 11) cancel(argument);
    else if (kind < 14) advance(argument % 60);
    else resize(argument % 5, (argument >> 3) % 6);
    check();
  }
  // Quiescence: everybody goes home.
  for (const { waiter } of model.list) bulkhead.cancel(waiter);
  for (const [partition, busy] of model.busy) for (let i = 0; i < busy; i++) bulkhead.release({ partition });
  endTurn();
  if (bulkhead.inUse !== 0 || bulkhead.waiting !== 0 || clock.pending !== 0) {
    throw new Error(`left over: ${bulkhead.inUse} out, ${bulkhead.waiting} waiting, ${clock.pending} timers`);
  }

  function acquire(argument: number): void {
    const turn = TURNS[argument & 3] ?? 'hold';
    const inMs = (argument >> 2) % 4 === 0 ? Number.POSITIVE_INFINITY : ((argument >> 4) % 90) - 2;
    const partition = NAMES[(argument >> 11) % 3] ?? 'x';
    const waiter: LoggingWaiter = new LoggingWaiter(`${++made}`, log, clock.nowMs() + inMs, {
      rank: (argument >> 13) % 3,
      partition,
      onGranted: () => {
        if (turn === 'end') bulkhead.release(waiter);
        if (turn === 'throw') throw new Error('listener');
      },
    });
    const untilMs = clock.nowMs() + Math.min(inMs, timeout ? QUEUE_TIMEOUT_MS : Number.POSITIVE_INFINITY);
    const expected = model.acquire({ waiter, untilMs, turn, lane: model.lane(partition) });
    const got = bulkhead.acquire(waiter);
    if (got !== expected) throw new Error(`acquire ${made}: ${got}, expected ${expected}`);
    // One that is late already leaves on the next timer turn; let it, so that grants and timeouts can't race in the model.
    if (got === 'queued' && inMs <= 0) advance(0);
  }
  function release(argument: number): void {
    const out = [...model.busy].filter(([, busy]) => busy > 0);
    const [lane] = out[argument % Math.max(1, out.length)] ?? [];
    if (lane === undefined) {
      expect(() => bulkhead.release()).toThrow('released twice');
      return;
    }
    model.take(lane, -1);
    model.fill();
    bulkhead.release({ partition: lane });
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
    // Over the slots only by what was out before a shrink, and by shares that are owed although they are lent.
    const owed = Object.keys(split).reduce((sum, lane) => sum + model.owed(lane, model.slots), 0);
    if (inUse <= model.slots) overhang = 0;
    if (inUse < 0 || inUse > Math.max(model.slots, overhang) + owed) throw new Error(`${inUse} in use of ${model.slots}`);
    if (waiting > 0 && inUse < model.slots) throw new Error('a waiter beside a free slot');
    for (const { lane } of model.list) {
      if ((model.busy.get(lane) ?? 0) < model.owed(lane, model.slots)) throw new Error(`${lane} waits for what is its own`);
    }
    const timers = model.list.some(({ untilMs }) => untilMs !== Number.POSITIVE_INFINITY) ? 1 : 0;
    if (clock.pending !== timers) throw new Error(`${clock.pending} timers, expected ${timers}`);
  }
}

describe('law: Bulkhead', () => {
  test(`W5 W6 W7: agrees with a list on every event, partitions and priorities too, ${RUNS} runs of up to 200 actions`, () => {
    fc.assert(fc.property(fc.nat(4), fc.nat(6), fc.boolean(), fc.nat(SPLITS.length - 1), actions, play), { numRuns: RUNS });
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
