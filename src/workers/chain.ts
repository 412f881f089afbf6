/**
 * A queue out of whose middle anything can leave in O(1): a doubly linked list through the items themselves.
 *
 * @packageDocumentation
 */

/** An item of a {@link Chain}. It is in one chain at a time; both links are the chain's own. */
export interface Link<N> {
  previous: N | undefined;
  next: N | undefined;
}

/** First in, first out, unless removed before. */
export class Chain<N extends Link<N>> {
  #head: N | undefined;
  #tail: N | undefined;

  /** The longest waiter. */
  get first(): N | undefined {
    return this.#head;
  }
  push(item: N): void {
    item.previous = this.#tail;
    if (this.#tail === undefined) this.#head = item;
    else this.#tail.next = item;
    this.#tail = item;
  }
  /** The item must be in this chain. */
  remove(item: N): void {
    if (item.previous === undefined) this.#head = item.next;
    else item.previous.next = item.next;
    if (item.next === undefined) this.#tail = item.previous;
    else item.next.previous = item.previous;
    item.previous = item.next = undefined;
  }
}
