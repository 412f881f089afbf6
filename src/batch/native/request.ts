/**
 * Unary requests into one batch request, bytes to bytes.
 *
 * @packageDocumentation
 */
import { Reader, varintSize, WireError, writeVarint } from '../wire.ts';
import { defaultValue, type RequestPlan, type WireField } from './plan.ts';

/** A unary request that can be merged. A class, and its element no buffer of its own: it lives as long as its call. */
export class Lifted {
  /** The request. */
  readonly source: Buffer;
  /** Where in it the element stands: a value as it is on the wire (a length before its bytes), or the whole message. */
  readonly from: number;
  readonly end: number;
  /** Its value of the key field; empty where results are not matched by key. */
  readonly key: string;
  /** Its fields that must be equal inside a batch, with their numbers there. */
  readonly group: Buffer;

  constructor(source: Buffer, from: number, end: number, key: string, group: Buffer) {
    this.source = source;
    this.from = from;
    this.end = end;
    this.key = key;
    this.group = group;
  }
}

const NOTHING: Buffer = Buffer.alloc(0);
/** Of no request. */
export const NOT_LIFTED: Lifted = new Lifted(NOTHING, 0, 0, '', NOTHING);

/** Undefined when the request has a field that the batch has no place for, or can't be read: then it goes as it is. */
export function liftRequest(plan: RequestPlan, request: Buffer): Lifted | undefined {
  try {
    return lift(plan, request);
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

function lift({ lift, group, key: keyField }: RequestPlan, request: Buffer): Lifted | undefined {
  const reader = new Reader(request);
  let valueFrom = -1;
  let valueEnd = -1;
  let key: Buffer | undefined;
  let grouped: Buffer[] | undefined;
  while (reader.position < reader.end) {
    const tag = reader.varint();
    const from = reader.position;
    const wireType = tag % 8;
    const number = Math.floor(tag / 8);
    reader.skip(wireType);
    const there = group.get(number);
    if (there !== undefined) {
      if (wireType !== there.wireType && !(there.repeated && wireType === 2)) return undefined;
      grouped ??= [];
      grouped.push(tagBytes(there.number, wireType), request.subarray(from, reader.position));
    } else if (lift !== undefined && number !== lift.from.number) return undefined;
    if (lift !== undefined && number === lift.from.number) {
      if (wireType !== lift.from.wireType) return undefined;
      valueFrom = from;
      valueEnd = reader.position;
    }
    if (number === keyField?.number) {
      if (wireType !== keyField.wireType) return undefined;
      key = request.subarray(from, reader.position);
    }
  }
  const itsKey = keyField === undefined ? '' : keyText(key ?? defaultValue(keyField));
  const itsGroup = grouped === undefined ? NOTHING : Buffer.concat(grouped);
  if (lift === undefined) return new Lifted(request, 0, request.length, itsKey, itsGroup);
  if (valueFrom >= 0) return new Lifted(request, valueFrom, valueEnd, itsKey, itsGroup);
  if (lift.from.presence) return undefined; // unset is not the default value
  const unset = defaultValue(lift.from);
  return new Lifted(unset, 0, unset.length, itsKey, itsGroup);
}

/** A value on the wire as text, for tables. */
export function keyText(value: Buffer): string {
  return value.toString('latin1');
}

function tagBytes(number: number, wireType: number): Buffer {
  const bytes = Buffer.allocUnsafe(varintSize(number * 8 + wireType));
  writeVarint(bytes, 0, number * 8 + wireType);
  return bytes;
}

/** Below this length a loop is faster than a call out of JavaScript. */
const SHORT = 32;

/** One request for all of `items`, which have the same group. */
export function batchRequest({ lift, wrap }: RequestPlan, items: readonly { readonly lifted: Lifted }[]): Buffer {
  const group = items[0]?.lifted.group ?? NOTHING;
  const to: WireField & { readonly packed: boolean } = lift?.to ?? { number: wrap ?? 0, wireType: 2, packed: false };
  const tag = to.number * 8 + (to.packed ? 2 : to.wireType);
  const tagSize = varintSize(tag);
  let run = 0;
  for (const { lifted } of items) run += lifted.end - lifted.from;
  let size = group.length;
  if (to.packed) size += tagSize + varintSize(run) + run;
  else if (lift !== undefined) size += items.length * tagSize + run;
  else for (const { lifted } of items) size += tagSize + varintSize(lifted.end - lifted.from) + lifted.end - lifted.from;

  const batch = Buffer.allocUnsafe(size);
  let at = group.copy(batch, 0);
  if (to.packed) {
    at = writeVarint(batch, at, tag);
    at = writeVarint(batch, at, run);
  }
  for (const { lifted } of items) {
    const { source, from, end } = lifted;
    if (!to.packed) at = writeVarint(batch, at, tag);
    if (lift === undefined) at = writeVarint(batch, at, end - from);
    if (end - from > SHORT) at += source.copy(batch, at, from, end);
    else for (let i = from; i < end; i++) batch[at++] = source[i] as number;
  }
  return batch;
}
