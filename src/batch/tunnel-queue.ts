/**
 * What goes through one tunnel: items that wait for the end of the turn, and items that wait for their answer.
 *
 * A pure state machine on virtual time: it knows neither bytes nor streams. Items go out at the end of the event-loop turn
 * in which they came, at once where there never is company, or when a message is full. The server says how many unanswered
 * items it takes; that is all the flow control there is, for every answer gives room back. A cancelled item keeps its room
 * until it is answered, so that an id never means two calls.
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import { IdTable } from './id-table.ts';
import type { FrameItem } from './request-codec.ts';

/** What the queue needs to know about an item. */
export interface TunnelItem extends FrameItem {
  /** Bytes of its request. */
  readonly size: number;
  /** Owned by the tunnel from `add` on. */
  id: number;
  /** Place among those that wait; -1 when it does not wait. Owned by the queue. */
  slot: number;
}

/** Takes a message's content. Both lists are the receiver's to keep. */
export type SendFrame<I> = (items: I[], cancels: readonly number[]) => void;

/** Bounds of one message. */
export interface FrameLimits {
  readonly maxItems: number;
  readonly maxBytes: number;
}

/** After so many messages of one item in a row the next one does not wait for company. */
const LONE_FRAMES = 8;
/** Ids are 32 bits on the wire; what waits when the last one is near still gets its own. */
const LAST_ID = 2 ** 32 - 65_536;
const NONE: readonly number[] = [];
/** Stands for an item that was cancelled, whose answer is still to come. */
const CANCELLED = 'cancelled';

export class TunnelQueue<I extends TunnelItem> {
  readonly #limits: FrameLimits;
  readonly #clock: Clock;
  readonly #send: SendFrame<I>;
  /** Unanswered items by id. */
  readonly #out = new IdTable<I | typeof CANCELLED>();
  #waiting: (I | undefined)[] = [];
  #count = 0;
  #bytes = 0;
  #cancels: number[] = [];
  #window = 0;
  #nextId = 1;
  #lone = 0;
  #scheduled = false;
  readonly #tick = (): void => {
    this.#scheduled = false;
    this.flush();
  };

  constructor(limits: FrameLimits, clock: Clock, send: SendFrame<I>) {
    this.#limits = limits;
    this.#clock = clock;
    this.#send = send;
  }

  /** The server takes so many unanswered items. */
  open(window: number): void {
    this.#window = window;
  }
  /** Items that wait or are unanswered. */
  get load(): number {
    return this.#count + this.#out.size;
  }
  /** Ids are used up: a new tunnel is due. */
  get spent(): boolean {
    return this.#nextId >= LAST_ID;
  }

  /** False when there is no room. */
  add(item: I): boolean {
    if (this.load >= this.#window || this.spent) return false;
    const { maxItems, maxBytes } = this.#limits;
    if (this.#bytes + item.size > maxBytes && this.#count > 0) this.flush();
    item.slot = this.#waiting.push(item) - 1;
    this.#count++;
    this.#bytes += item.size;
    if (this.#count >= maxItems || (this.#lone >= LONE_FRAMES && this.load === 1)) this.flush();
    else this.#schedule();
    return true;
  }

  /** Takes an item out that has not gone yet. O(1). */
  remove(item: I): boolean {
    if (item.slot < 0 || this.#waiting[item.slot] !== item) return false;
    this.#waiting[item.slot] = undefined;
    item.slot = -1;
    this.#count--;
    this.#bytes -= item.size;
    if (this.#count === 0) this.#waiting = []; // places that nobody holds would add up, turn by turn
    return true;
  }

  /** An item that has gone is wanted no longer: the server hears of it. False when it is not out. */
  cancel(id: number): boolean {
    const item = this.#out.get(id);
    if (item === undefined || item === CANCELLED) return false;
    this.#out.set(id, CANCELLED);
    this.#cancels.push(id);
    this.#schedule();
    return true;
  }

  /** An answer is in. Undefined: to an item that was cancelled, or that nobody sent. */
  settle(id: number): I | undefined {
    const item = this.#out.take(id);
    return item === CANCELLED ? undefined : item;
  }

  /** Sends what waits now. */
  flush(): void {
    if (this.#count === 0 && this.#cancels.length === 0) return;
    const items = this.#count === this.#waiting.length ? (this.#waiting as I[]) : this.#waiting.filter((item) => item !== undefined);
    const cancels = this.#cancels.length === 0 ? NONE : this.#cancels;
    if (this.#cancels.length > 0) this.#cancels = [];
    this.#waiting = [];
    this.#count = this.#bytes = 0;
    for (const item of items) {
      item.slot = -1;
      item.id = this.#nextId++;
      this.#out.set(item.id, item);
    }
    if (items.length > 0) this.#lone = items.length === 1 ? this.#lone + 1 : 0;
    this.#send(items, cancels);
  }

  /** The tunnel is over: gives back what never went, and what went and was not answered. */
  close(): { readonly unsent: readonly I[]; readonly unanswered: readonly I[] } {
    const unsent = this.recall();
    const unanswered = this.#out.values().filter((item) => item !== CANCELLED);
    unanswered.sort((one, other) => one.id - other.id);
    this.#out.clear();
    this.#cancels = [];
    this.#window = 0;
    return { unsent, unanswered };
  }

  /** Gives back what has not gone. */
  recall(): readonly I[] {
    const unsent = this.#waiting.filter((item) => item !== undefined);
    for (const item of unsent) item.slot = -1;
    this.#waiting = [];
    this.#count = this.#bytes = 0;
    return unsent;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.endOfTurn(this.#tick);
  }
}
