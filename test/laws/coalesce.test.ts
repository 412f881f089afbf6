/**
 * Laws of the queue behind each batch key, under any order of events.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { resolveCoalesceOptions } from '../../src/batch/options.ts';
import { type FlushReason, Partition, type QueueItem } from '../../src/batch/partition.ts';
import { FakeClock } from '../support/fake-clock.ts';

const LIMITS = { maxItems: 4, maxBytes: 1024, maxCarriers: 2, maxHoldMs: 5 };

interface Item extends QueueItem {
  readonly name: number;
  slot: number;
}

type Step =
  | { readonly do: 'add'; readonly size: number }
  | { readonly do: 'remove'; readonly which: number }
  | { readonly do: 'answer' }
  | { readonly do: 'leadEnds' }
  | { readonly do: 'endTurn' }
  | { readonly do: 'advance'; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('add' as const), size: fc.oneof(fc.nat(50), fc.nat(700), fc.constantFrom(1024, 5000)) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('answer' as const) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('endTurn' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('leadEnds' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.nat(12) }) },
);

/** A partition with everything that its owner does around it, and what must hold written down as it happens. */
class Stage {
  readonly clock = new FakeClock();
  readonly #queued = new Map<number, Item>();
  readonly sent: number[] = [];
  readonly removed: number[] = [];
  /** Sent alone because the queue was full. */
  readonly refused: number[] = [];
  readonly partition: Partition<Item>;
  #names = 0;
  /** One went ahead alone, and is not answered. */
  #lead = false;
  /** How often one went ahead. */
  leads = 0;
  /** Unanswered batches by our own count. */
  out = 0;

  constructor() {
    this.partition = new Partition<Item>(resolveCoalesceOptions(LIMITS), this.clock, (items, reason) => this.#send(items, reason));
  }

  #send(items: Item[], reason: FlushReason): void {
    expect(items.length).toBeGreaterThan(0);
    expect(items.length).toBeLessThanOrEqual(LIMITS.maxItems);
    if (items.length > 1) expect(items.reduce((sum, { size }) => sum + size, 0)).toBeLessThanOrEqual(LIMITS.maxBytes);
    if (reason !== 'hold') expect(this.out).toBeLessThan(LIMITS.maxCarriers);
    for (const item of items) {
      expect(this.#queued.delete(item.name)).toBe(true);
      expect(item.slot).toBe(-1);
      this.sent.push(item.name);
    }
    if (reason === 'lead') {
      expect([this.#lead, this.out, this.#queued.size, items.length]).toEqual([false, 0, 0, 1]);
      this.#lead = true;
      this.leads++;
    }
    if (items.length === 1) return; // went alone
    this.partition.carrierSent();
    this.out++;
  }

  take(one: Step): void {
    switch (one.do) {
      case 'add': {
        const item: Item = { name: this.#names++, size: one.size, slot: -1 };
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
      case 'answer':
        if (this.out === 0) break;
        this.out--;
        this.partition.carrierAnswered();
        break;
      case 'leadEnds':
        if (!this.#lead) break;
        this.#lead = false;
        this.partition.leadEnded();
        break;
      case 'endTurn':
        this.clock.endTurn();
        // Work is conserved.
        if (this.out < LIMITS.maxCarriers) expect(this.partition.waiting).toBe(0);
        break;
      case 'advance':
        this.clock.advance(one.ms);
        break;
    }
    expect(this.partition.waiting).toBe(this.#queued.size);
    expect(this.partition.carriers).toBe(this.out);
    // Something will always wake what waits.
    if (this.partition.waiting > 0) expect(this.clock.pending).toBeGreaterThan(0);
  }

  finish(): void {
    for (let rounds = 0; (this.partition.waiting > 0 || this.out > 0) && rounds < 1_000; rounds++) {
      this.take({ do: 'answer' });
      this.take({ do: 'endTurn' });
    }
    this.take({ do: 'endTurn' });
    this.take({ do: 'leadEnds' });
    expect(this.partition.idle).toBe(true);
    expect(this.clock.pending).toBe(0);
    const all = [...this.sent, ...this.removed, ...this.refused].sort((a, b) => a - b);
    expect(all).toEqual(Array.from({ length: this.#names }, (_, name) => name));
  }
}

describe('partition', () => {
  test('every item leaves exactly once, batches keep their limits, and nothing waits for an open gate (K1, K10, K16)', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const stage = new Stage();
        for (const one of steps) stage.take(one);
        stage.finish();
      }),
      { numRuns: 1_000 },
    );
  });

  test('one goes ahead of nobody, and only where there was no company', () => {
    let leads = 0;
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom<Step['do']>('add', 'endTurn', 'endTurn', 'leadEnds'), { minLength: 60, maxLength: 120 }),
        (steps) => {
          const stage = new Stage();
          for (const one of steps) stage.take({ do: one, size: 1, which: 0, ms: 0 } as Step);
          stage.finish();
          leads += stage.leads;
        },
      ),
    );
    expect(leads).toBeGreaterThan(0);
  });

  test('items leave in the order in which they came, but for those removed', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const stage = new Stage();
        for (const one of steps) stage.take(one);
        stage.finish();
        expect(stage.sent).toEqual(stage.sent.toSorted((a, b) => a - b));
      }),
    );
  });
});
