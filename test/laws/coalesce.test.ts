/**
 * Laws of the queue behind each batch key, under any order of events and with every flush rule.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FLUSH_RULES, type FlushRule, resolveCoalesceOptions } from '../../src/batch/options.ts';
import { type FlushReason, Partition, type QueueItem } from '../../src/batch/partition.ts';
import { FakeClock } from '../support/fake-clock.ts';

const LIMITS = { maxItems: 4, maxBytes: 1024, maxCarriers: 2, maxHoldMs: 5 };
const LINGER_MS = 3;
/** Rules that send at the end of the turn whenever they may. */
const AT_ONCE: readonly FlushRule[] = ['natural', 'tick'];

interface Item extends QueueItem {
  readonly name: number;
  readonly addedMs: number;
  readonly deadlineMs: number;
  slot: number;
}

type Step =
  | { readonly do: 'add'; readonly size: number; readonly timeoutMs: number }
  | { readonly do: 'remove'; readonly which: number }
  | { readonly do: 'answer' }
  | { readonly do: 'leadEnds' }
  | { readonly do: 'endTurn' }
  | { readonly do: 'advance'; readonly ms: number };

const NEVER = Number.POSITIVE_INFINITY;
const add: fc.Arbitrary<Step> = fc.record({
  do: fc.constant('add' as const),
  size: fc.oneof(fc.nat(50), fc.nat(700), fc.constantFrom(1024, 5000)),
  timeoutMs: fc.oneof(fc.constant(NEVER), fc.integer({ min: 1, max: 60 })),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: add },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('answer' as const) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('endTurn' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('leadEnds' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.oneof(fc.nat(12), fc.constantFrom(0.3, 1.5)) }) },
);

/** A partition with everything that its owner does around it, and what must hold written down as it happens. */
class Stage {
  readonly clock = new FakeClock();
  readonly partition: Partition<Item>;
  readonly sent: number[] = [];
  readonly removed: number[] = [];
  /** Sent alone because the queue was full. */
  readonly refused: number[] = [];
  /** How often one went ahead. */
  leads = 0;
  readonly #rule: FlushRule;
  readonly #lingerMs: number;
  readonly #queued = new Map<number, Item>();
  readonly #out: number[] = [];
  #names = 0;
  /** One went ahead alone, and is not answered. */
  #lead = false;
  /** When a shut gate last let one batch through: those behind it begin to wait anew. */
  #heldMs = 0;

  constructor(rule: FlushRule) {
    this.#rule = rule;
    this.#lingerMs = AT_ONCE.includes(rule) ? 0 : LINGER_MS;
    const linger = this.#lingerMs > 0 ? { lingerMs: LINGER_MS } : {};
    const options = resolveCoalesceOptions({ ...LIMITS, flush: rule, ...linger });
    this.partition = new Partition<Item>(options, this.clock, (items, reason) => this.#send(items, reason));
  }

  get #limit(): number {
    return this.#rule === 'tick' ? NEVER : LIMITS.maxCarriers;
  }

  #send(items: Item[], reason: FlushReason): void {
    expect(items.length).toBeGreaterThan(0);
    expect(items.length).toBeLessThanOrEqual(LIMITS.maxItems);
    if (items.length > 1) expect(items.reduce((sum, { size }) => sum + size, 0)).toBeLessThanOrEqual(LIMITS.maxBytes);
    if (reason === 'hold') this.#heldMs = this.clock.nowMs();
    else expect(this.#out.length).toBeLessThan(this.#limit);
    for (const item of items) {
      expect(this.#queued.delete(item.name)).toBe(true);
      expect(item.slot).toBe(-1);
      // No wait of ours takes more of anybody's time than there is.
      expect(this.clock.nowMs()).toBeLessThan(item.deadlineMs);
      this.sent.push(item.name);
    }
    expect(items).toEqual(items.toSorted((a, b) => a.name - b.name));
    if (reason === 'lead') {
      expect([this.#lead, this.#out.length, this.#queued.size, items.length]).toEqual([false, 0, 0, 1]);
      this.#lead = true;
      this.leads++;
    }
    if (items.length === 1) return; // went alone
    this.partition.carrierSent(items.length);
    this.#out.push(items.length);
  }

  take(one: Step): void {
    switch (one.do) {
      case 'add': {
        const addedMs = this.clock.nowMs();
        const item: Item = { name: this.#names++, size: one.size, slot: -1, addedMs, deadlineMs: addedMs + one.timeoutMs };
        this.#queued.set(item.name, item);
        if (!this.partition.add(item)) {
          expect(this.#queued.size).toBe(4 * LIMITS.maxItems + 1);
          this.#queued.delete(item.name);
          this.refused.push(item.name);
        }
        break;
      }
      case 'remove': {
        const item = [...this.#queued.values()].at(one.which % Math.max(1, this.#queued.size));
        if (item === undefined) break;
        expect(this.partition.remove(item)).toBe(true);
        expect(this.partition.remove(item)).toBe(false);
        this.#queued.delete(item.name);
        this.removed.push(item.name);
        break;
      }
      case 'answer': {
        const items = this.#out.shift();
        if (items !== undefined) this.partition.carrierAnswered(items);
        break;
      }
      case 'leadEnds':
        if (!this.#lead) break;
        this.#lead = false;
        this.partition.leadEnded();
        break;
      case 'endTurn':
        this.clock.endTurn();
        this.#conserved();
        break;
      case 'advance':
        this.clock.endTurn(); // time passes between turns only
        this.clock.advance(one.ms);
        this.#conserved();
        break;
    }
    expect(this.partition.waiting).toBe(this.#queued.size);
    expect(this.partition.carriers).toBe(this.#out.length);
    expect(this.partition.carried).toBe(this.#out.reduce((sum, items) => sum + items, 0));
    // Something will always wake what waits.
    if (this.partition.waiting > 0) expect(this.clock.pending).toBeGreaterThan(0);
  }

  /** Between turns nothing waits longer than its rule lets it. */
  #conserved(): void {
    const nowMs = this.clock.nowMs();
    const open = this.#out.length < this.partition.limit;
    const waitMs = open ? this.#lingerMs : this.#lingerMs + LIMITS.maxHoldMs;
    if (open && waitMs === 0) expect(this.partition.waiting).toBe(0);
    for (const { addedMs, deadlineMs } of this.#queued.values()) {
      expect(nowMs - Math.max(addedMs, this.#heldMs)).toBeLessThanOrEqual(waitMs);
      expect(nowMs).toBeLessThan(deadlineMs);
    }
  }

  finish(): void {
    for (let rounds = 0; (this.partition.waiting > 0 || this.#out.length > 0) && rounds < 1_000; rounds++) {
      this.take({ do: 'answer' });
      this.take({ do: 'endTurn' });
      this.take({ do: 'advance', ms: 1 });
    }
    this.take({ do: 'endTurn' });
    this.take({ do: 'leadEnds' });
    expect(this.partition.idle).toBe(true);
    expect(this.clock.pending).toBe(0);
    const all = [...this.sent, ...this.removed, ...this.refused].sort((a, b) => a - b);
    expect(all).toEqual(Array.from({ length: this.#names }, (_, name) => name));
  }
}

describe.each(FLUSH_RULES)('partition with flush %s', (rule) => {
  test('every item leaves exactly once, in order and in time, batches keep their limits, and nothing waits in vain (K1, K10, K16)', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const stage = new Stage(rule);
        for (const one of steps) stage.take(one);
        stage.finish();
        expect(stage.sent).toEqual(stage.sent.toSorted((a, b) => a - b));
      }),
      { numRuns: 300 },
    );
  });

  test('one goes ahead of nobody, and only where there was no company', () => {
    let leads = 0;
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom<Step['do']>('add', 'advance', 'advance', 'advance', 'endTurn', 'leadEnds'), {
          minLength: 100,
          maxLength: 200,
        }),
        (steps) => {
          const stage = new Stage(rule);
          for (const one of steps) stage.take({ do: one, size: 1, timeoutMs: NEVER, which: 0, ms: LINGER_MS } as Step);
          stage.finish();
          leads += stage.leads;
        },
      ),
      { numRuns: 40 },
    );
    expect(leads).toBeGreaterThan(0);
  });

  test('holds through thousands of items, with all that is learned on the way', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), (steps) => {
        const stage = new Stage(rule);
        for (let round = 0; round < 60; round++) for (const one of steps) stage.take(one);
        stage.finish();
      }),
      { numRuns: 3, endOnFailure: true },
    );
  });
});
