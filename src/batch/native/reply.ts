/**
 * One batch reply into results, each for its call.
 *
 * - By index: items stand in the order of requests, or say their index. Failed ones may be left out: as many items as calls
 *   stand at the places of their calls, as many as calls that did not fail stand in the order of those.
 * - By key and by map: a call gets the item with its key; several calls with one key get the same item.
 * - Strangers are passed over, of two items for one call the first counts (of two entries of a map the last, as in every
 *   protobuf parser). Nothing is ever given to a call that it was not asked for.
 *
 * @packageDocumentation
 */
import { Reader, WireError } from '../wire.ts';
import { asResponse, elementsAt, type Item, type ItemError, mustRead, readInt32, readItem, readStatus } from './item.ts';
import { defaultValue, type ReplyPlan } from './plan.ts';
import { keyText } from './request.ts';

/** Hears each call's result, by its place in the batch. Exactly one of these for each. */
export interface Results {
  answered(index: number, response: Buffer): void;
  refused(index: number, error: ItemError): void;
  /** The reply has nothing for it. */
  missing(index: number): void;
  /** Its item can't be read. */
  unreadable(index: number): void;
}

interface Entry {
  readonly key: string;
  readonly bytes: Buffer;
}

const EMPTY: Buffer = Buffer.alloc(0);

export class ReplyTaker {
  readonly #plan: ReplyPlan;
  readonly #size: number;
  readonly #results: Results;
  readonly #read: boolean;
  readonly #done: Uint8Array;
  /** Places by key. */
  readonly #places = new Map<string, number[]>();
  readonly #failed = new Map<number, Buffer>();
  #elements: Buffer[] = [];
  #entries: Entry[] = [];
  #seen = 0;

  /** `keys`: of the requests, in their order. */
  constructor(plan: ReplyPlan, keys: readonly string[], results: Results) {
    this.#plan = plan;
    this.#size = keys.length;
    this.#results = results;
    this.#read = mustRead(plan);
    this.#done = new Uint8Array(keys.length);
    if (plan.match === 'index') return;
    for (const [place, key] of keys.entries()) {
      const same = this.#places.get(key);
      if (same === undefined) this.#places.set(key, [place]);
      else same.push(place);
    }
  }

  /** Takes a message of the reply. A stream's results are told at once. @throws WireError when it can't be read. */
  message(bytes: Buffer): void {
    const { items, failed, match, stream } = this.#plan;
    if (items === undefined) this.#take(bytes);
    else {
      const reader = new Reader(bytes);
      while (reader.position < reader.end) {
        const tag = reader.varint();
        const number = Math.floor(tag / 8);
        if (number === items.number && match === 'map') this.#takeEntry(reader.bytes());
        else if (number === items.number) elementsAt(reader, tag % 8, items, this.#take);
        else if (number === failed && tag % 8 === 2) this.#takeFailed(reader.bytes());
        else reader.skip(tag % 8);
      }
    }
    if (stream) this.#match();
  }

  /** The reply is complete: tells the results that are left. False: it does not fit the batch, and of one message nothing was told. */
  end(): boolean {
    const { match, index, stream } = this.#plan;
    if (!stream) {
      const inOrder = match === 'index' && index === undefined;
      const compact = this.#elements.length !== this.#size;
      if (inOrder && compact && this.#elements.length !== this.#size - this.#failed.size) return false;
      for (const [place, status] of this.#failed) this.#refuse(place, status);
      if (inOrder) this.#matchInOrder(compact);
      else this.#match();
    }
    for (let place = 0; place < this.#size; place++) if (this.#finish(place)) this.#results.missing(place);
    return true;
  }

  readonly #take = (element: Buffer): void => {
    this.#count();
    this.#elements.push(element);
  };

  #takeEntry(bytes: Buffer): void {
    this.#count();
    const { key: keyField, items } = this.#plan;
    const reader = new Reader(bytes);
    let key: Buffer | undefined;
    let value: Buffer | undefined;
    while (reader.position < reader.end) {
      const tag = reader.varint();
      const from = reader.position;
      if (Math.floor(tag / 8) === 2 && tag % 8 === 2) value = reader.bytes();
      else {
        reader.skip(tag % 8);
        if (Math.floor(tag / 8) === 1) key = bytes.subarray(from, reader.position);
        else if (Math.floor(tag / 8) === 2 && tag % 8 === items?.wireType) value = bytes.subarray(from, reader.position);
      }
    }
    if (key === undefined && keyField !== undefined) key = defaultValue(keyField);
    const absent = items === undefined || items.wireType === 2 ? EMPTY : defaultValue(items);
    this.#entries.push({ key: keyText(key ?? EMPTY), bytes: value ?? absent });
  }

  #takeFailed(bytes: Buffer): void {
    this.#count();
    const reader = new Reader(bytes);
    let place = 0;
    let status: Buffer = EMPTY;
    while (reader.position < reader.end) {
      const tag = reader.varint();
      if (tag === 8) place = readInt32(reader);
      else if (tag === 18) status = reader.bytes();
      else reader.skip(tag % 8);
    }
    if (place >= 0 && place < this.#size) this.#failed.set(place, status);
  }

  /** Strangers are passed over, but not without end. */
  #count(): void {
    if (++this.#seen > 4 * this.#size + 16) throw new WireError('more items than calls');
  }

  #match(): void {
    const elements = this.#elements;
    const entries = this.#entries;
    this.#elements = [];
    this.#entries = [];
    for (const { key, bytes } of entries.toReversed()) {
      const places = this.#places.get(key);
      if (places !== undefined) for (const place of places) this.#settle(place, bytes, undefined);
    }
    for (const element of elements) {
      let item: Item;
      try {
        item = readItem(this.#plan, element);
      } catch (error) {
        if (error instanceof WireError) continue; // nobody knows whose it is
        throw error;
      }
      if (this.#plan.match !== 'key') this.#settle(item.index ?? -1, element, item);
      else for (const place of this.#places.get(item.key) ?? []) this.#settle(place, element, item);
    }
  }

  #matchInOrder(compact: boolean): void {
    let next = 0;
    for (let place = 0; place < this.#size; place++) {
      if (compact && this.#failed.has(place)) continue;
      const element = this.#elements[next++];
      if (element !== undefined) this.#settle(place, element, undefined);
    }
  }

  #settle(place: number, bytes: Buffer, known: Item | undefined): void {
    if (place < 0 || place >= this.#size || this.#done[place] === 1) return;
    let item = known;
    if (item === undefined && this.#read) {
      try {
        item = readItem(this.#plan, bytes);
      } catch (error) {
        this.#unreadable(place, error);
        return;
      }
    }
    const response = item === undefined ? bytes : item.response;
    this.#finish(place);
    if (item?.error !== undefined) this.#results.refused(place, item.error);
    else if (response === undefined) this.#results.missing(place);
    else this.#results.answered(place, asResponse(this.#plan.set, response));
  }

  #refuse(place: number, bytes: Buffer): void {
    try {
      const error = readStatus(bytes, true);
      if (error !== undefined && this.#finish(place)) this.#results.refused(place, error);
    } catch (error) {
      this.#unreadable(place, error);
    }
  }

  /** Bytes that can't be read are the fault of one item. */
  #unreadable(place: number, error: unknown): void {
    if (!(error instanceof WireError)) throw error;
    if (this.#finish(place)) this.#results.unreadable(place);
  }

  /** True once for each place. */
  #finish(place: number): boolean {
    if (this.#done[place] === 1) return false;
    this.#done[place] = 1;
    return true;
  }
}
