/**
 * A waiting queue in which a batch can't starve single calls, nor one batch another, nor many single calls a batch.
 *
 * - What came without a group is one line; each group is a line of its own. Within a line: first come, first served.
 * - Where single calls and groups wait, they take turns; the groups among themselves take turns as well. So neither side ever
 *   gets less than half of what plain FIFO would give it, however many batches, however large, however many single calls.
 *   (One round over everything would not do: then a hundred small batches would leave the single calls a hundredth.)
 * - All steps are O(1): lines are doubly linked, and an empty one is gone at once.
 * - Source: TensorFlow Serving's SharedBatchScheduler (round robin over queues); deficit round robin with equal weights.
 *
 * @packageDocumentation
 */

/** What the queue writes into whatever stands in it. */
export interface Place<T> {
  /** @internal */ previous: T | undefined;
  /** @internal */ next: T | undefined;
  /** @internal Undefined: does not wait. */ line: Line<T> | undefined;
}

/** Those that came together, or all that came alone. */
export class Line<T> {
  /** @internal Undefined: those that came alone. */ readonly group: object | undefined;
  /** @internal */ first: T | undefined;
  /** @internal */ last: T | undefined;
  /** @internal */ previous: Line<T> | undefined;
  /** @internal */ next: Line<T> | undefined;

  constructor(group: object | undefined) {
    this.group = group;
  }
}

export class FairQueue<T extends Place<T>> {
  readonly #alone = new Line<T>(undefined);
  readonly #lines = new Map<object, Line<T>>();
  /** The groups in the order of their turns. */
  #first: Line<T> | undefined;
  #last: Line<T> | undefined;
  #size = 0;
  #groupsTurn = false;

  /** All that wait. */
  get size(): number {
    return this.#size;
  }

  /** The latest of its line: of the group whose turn is farthest off, else of those that came alone. It stays where it is. */
  get newest(): T | undefined {
    return this.#last?.last ?? this.#alone.last;
  }

  /** Puts one at the end of its line. `group`: by identity; undefined: it came alone. */
  push(one: T, group: object | undefined): void {
    const line = group === undefined ? this.#alone : this.#lineOf(group);
    one.line = line;
    one.previous = line.last;
    if (line.last === undefined) line.first = one;
    else line.last.next = one;
    line.last = one;
    this.#size++;
  }

  /** Takes one out, from any place. False when it does not wait here. */
  remove(one: T): boolean {
    const { line } = one;
    if (line === undefined) return false;
    this.#unlink(one, line);
    if (line.first === undefined && line.group !== undefined) {
      this.#lines.delete(line.group);
      this.#leave(line);
    }
    return true;
  }

  /** Takes out the one whose turn it is. */
  shift(): T | undefined {
    const group = this.#first;
    const alone = this.#alone.first;
    if (group === undefined || (alone !== undefined && !this.#groupsTurn)) {
      this.#groupsTurn = true;
      if (alone !== undefined) this.#unlink(alone, this.#alone);
      return alone;
    }
    this.#groupsTurn = false;
    const one = group.first;
    if (one === undefined) return undefined;
    this.#unlink(one, group);
    this.#leave(group);
    if (group.first !== undefined) this.#enter(group);
    else if (group.group !== undefined) this.#lines.delete(group.group);
    return one;
  }

  #lineOf(group: object): Line<T> {
    let line = this.#lines.get(group);
    if (line === undefined) {
      line = new Line<T>(group);
      this.#lines.set(group, line);
      this.#enter(line);
    }
    return line;
  }

  #unlink(one: T, line: Line<T>): void {
    if (one.previous === undefined) line.first = one.next;
    else one.previous.next = one.next;
    if (one.next === undefined) line.last = one.previous;
    else one.next.previous = one.previous;
    one.previous = one.next = one.line = undefined;
    this.#size--;
  }

  #enter(line: Line<T>): void {
    line.previous = this.#last;
    if (this.#last === undefined) this.#first = line;
    else this.#last.next = line;
    this.#last = line;
  }

  #leave(line: Line<T>): void {
    if (line.previous === undefined) this.#first = line.next;
    else line.previous.next = line.next;
    if (line.next === undefined) this.#last = line.previous;
    else line.next.previous = line.previous;
    line.previous = line.next = undefined;
  }
}
