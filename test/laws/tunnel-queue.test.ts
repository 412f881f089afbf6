/**
 * Laws of what goes through one tunnel, under any order of events.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type TunnelItem, TunnelQueue } from '../../src/batch/tunnel-queue.ts';
import { FakeClock } from '../support/fake-clock.ts';

const LIMITS = { maxItems: 4, maxBytes: 1024 };
const LONE_FRAMES = 8;
const EMPTY: Buffer = Buffer.alloc(0);

interface Item extends TunnelItem {
  readonly name: number;
}

type Step =
  | { readonly do: 'add'; readonly size: number }
  | { readonly do: 'remove' | 'cancel' | 'settle' | 'settleStranger'; readonly which: number }
  | { readonly do: 'recall' | 'flush' | 'endTurn' }
  | { readonly do: 'alone' };

const which = fc.nat();
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ do: fc.constant('add' as const), size: fc.oneof(fc.nat(50), fc.nat(700), fc.constantFrom(1024, 5000)) }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), which }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('cancel' as const), which }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant('settle' as const), which }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('settleStranger' as const), which }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('recall' as const, 'flush' as const) }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('endTurn' as const) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('alone' as const) }) },
  ),
  { maxLength: 150 },
);

/** A queue with its tunnel around it, a model of both, and what must hold written down as it happens. */
class Stage {
  readonly clock = new FakeClock();
  readonly queue: TunnelQueue<Item>;
  readonly #window: number;
  #waiting: Item[] = [];
  /** Unanswered ones by id. */
  readonly #out = new Map<number, { readonly item: Item; cancelled: boolean; told: boolean }>();
  readonly #ids = new Set<number>();
  /** How each item left, by name. */
  readonly left = new Map<number, string>();
  readonly order: number[] = [];
  frames = 0;
  #names = 0;
  #lone = 0;
  atOnce = 0;

  constructor(window: number) {
    this.#window = window;
    this.queue = new TunnelQueue<Item>(LIMITS, this.clock, (items, cancels) => this.#send(items, cancels));
    this.queue.open(window);
  }

  #send(items: Item[], cancels: readonly number[]): void {
    this.frames++;
    expect(items.length + cancels.length).toBeGreaterThan(0);
    expect(items.length).toBeLessThanOrEqual(LIMITS.maxItems);
    if (items.length > 1) expect(items.reduce((sum, { size }) => sum + size, 0)).toBeLessThanOrEqual(LIMITS.maxBytes);
    // Everything that waits goes, in its order.
    expect(items).toEqual(this.#waiting);
    this.#waiting = [];
    for (const item of items) {
      expect(this.#ids.has(item.id)).toBe(false); // not even of one that is answered: late duplicates find nobody
      expect(item.id).toBeGreaterThan(0);
      expect(item.slot).toBe(-1);
      this.#ids.add(item.id);
      this.#out.set(item.id, { item, cancelled: false, told: false });
      this.order.push(item.name);
    }
    for (const id of cancels) {
      const one = this.#out.get(id);
      if (one === undefined) continue; // answered before this went
      expect([one.cancelled, one.told]).toEqual([true, false]);
      one.told = true;
    }
    if (items.length > 0) this.#lone = items.length === 1 ? this.#lone + 1 : 0;
  }

  #leaves(item: Item, how: string): void {
    expect(this.left.has(item.name)).toBe(false);
    this.left.set(item.name, how);
  }

  #add(size: number): void {
    const item: Item = { name: this.#names++, size, slot: -1, id: 0, path: '', request: EMPTY, timeoutUs: 0, metadata: undefined };
    const hasRoom = this.#waiting.length + this.#out.size < this.#window;
    const alone = this.#waiting.length + this.#out.size === 0;
    const { frames } = this;
    const goesAtOnce = alone && this.#lone >= LONE_FRAMES;
    // A message that would be too long goes before its item is in it.
    const before = hasRoom && this.#waiting.length > 0 && size + this.#waiting.reduce((sum, one) => sum + one.size, 0) > LIMITS.maxBytes;
    if (hasRoom && !before) this.#waiting.push(item);
    const waited = this.#waiting.length;
    const taken = this.queue.add(item);
    expect(taken).toBe(hasRoom);
    if (before) this.#waiting.push(item);
    if (!taken) {
      this.#leaves(item, 'refused');
      return;
    }
    const full = !before && waited >= LIMITS.maxItems;
    expect(this.frames - frames).toBe(before || full || goesAtOnce ? 1 : 0);
    if (goesAtOnce) this.atOnce++;
  }

  take(one: Step): void {
    switch (one.do) {
      case 'add':
        this.#add(one.size);
        break;
      case 'alone': {
        // A sequential caller: nothing else is on its way.
        if (this.#waiting.length + this.#out.size > 0) break;
        this.#add(1);
        this.#endTurn();
        for (const id of this.#out.keys()) this.#settle(id);
        break;
      }
      case 'remove': {
        const item = this.#waiting[one.which % Math.max(1, this.#waiting.length)];
        if (item === undefined) break;
        expect(this.queue.remove(item)).toBe(true);
        expect(this.queue.remove(item)).toBe(false);
        this.#waiting.splice(this.#waiting.indexOf(item), 1);
        this.#leaves(item, 'removed');
        break;
      }
      case 'cancel': {
        const id = this.#some(one.which);
        const out = this.#out.get(id);
        expect(this.queue.cancel(id)).toBe(out !== undefined && !out.cancelled);
        if (out === undefined || out.cancelled) break;
        out.cancelled = true;
        this.#leaves(out.item, 'cancelled');
        break;
      }
      case 'settle':
        this.#settle(this.#some(one.which));
        break;
      case 'settleStranger':
        if (!this.#out.has(one.which)) expect(this.queue.settle(one.which)).toBeUndefined();
        break;
      case 'recall': {
        const waiting = this.#waiting;
        this.#waiting = [];
        expect(this.queue.recall()).toEqual(waiting);
        for (const item of waiting) this.#leaves(item, 'recalled');
        break;
      }
      case 'flush':
        this.queue.flush();
        expect(this.#waiting).toEqual([]);
        break;
      case 'endTurn':
        this.#endTurn();
        break;
    }
    expect(this.queue.load).toBe(this.#waiting.length + this.#out.size);
    expect(this.queue.load).toBeLessThanOrEqual(this.#window);
    for (const item of this.#waiting) expect(item.slot).toBeGreaterThanOrEqual(0);
    // Something will always wake what waits.
    if (this.#waiting.length > 0) expect(this.clock.pending).toBe(1);
    expect(this.clock.pending).toBeLessThanOrEqual(1);
  }

  #endTurn(): void {
    const { frames } = this;
    const due = this.#waiting.length > 0;
    this.clock.endTurn();
    expect(this.frames - frames).toBeLessThanOrEqual(1);
    if (due) expect(this.frames - frames).toBe(1);
    expect(this.#waiting).toEqual([]);
    for (const { cancelled, told } of this.#out.values()) expect(told).toBe(cancelled);
  }

  #some(number: number): number {
    const ids = [...this.#out.keys()];
    return ids[number % Math.max(1, ids.length)] ?? 0;
  }

  #settle(id: number): void {
    const out = this.#out.get(id);
    const settled = this.queue.settle(id);
    this.#out.delete(id);
    expect(settled).toBe(out === undefined || out.cancelled ? undefined : out.item);
    if (settled !== undefined) this.#leaves(settled, 'answered');
    expect(this.queue.settle(id)).toBeUndefined();
  }

  /** The tunnel breaks here. */
  close(): void {
    const waiting = this.#waiting;
    const { frames } = this;
    const { unsent, unanswered } = this.queue.close();
    expect(unsent).toEqual(waiting);
    expect(unanswered).toEqual([...this.#out.values()].filter(({ cancelled }) => !cancelled).map(({ item }) => item));
    for (const item of unsent) this.#leaves(item, 'unsent');
    for (const item of unanswered) this.#leaves(item, 'unanswered');
    this.clock.endTurn();
    expect(this.frames).toBe(frames);
    expect(this.clock.pending).toBe(0);
    expect(this.queue.load).toBe(0);
    expect(this.left.size).toBe(this.#names);
  }
}

describe('tunnel queue', () => {
  test('every item leaves exactly once, in order, within window and message, with an id of its own (K1, K10, K16, K21)', () => {
    const ways = new Set<string>();
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 12 }), (all, window) => {
        const stage = new Stage(window);
        for (const one of all) stage.take(one);
        stage.close();
        expect(stage.order).toEqual(stage.order.toSorted((a, b) => a - b));
        for (const way of stage.left.values()) ways.add(way);
      }),
      { numRuns: 1_000 },
    );
    expect([...ways].sort()).toEqual(['answered', 'cancelled', 'recalled', 'refused', 'removed', 'unanswered', 'unsent']);
  });

  test('a sequential caller waits for no turn once it is known as one', () => {
    let atOnce = 0;
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom<Step['do']>('alone', 'alone', 'alone', 'alone', 'endTurn'), { minLength: 30, maxLength: 60 }),
        (all) => {
          const stage = new Stage(4);
          for (const one of all) stage.take({ do: one } as Step);
          stage.close();
          atOnce += stage.atOnce;
        },
      ),
    );
    expect(atOnce).toBeGreaterThan(0);
  });
});
