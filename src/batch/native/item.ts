/**
 * One item of a batch reply, taken apart on the wire.
 *
 * @packageDocumentation
 */
import { Reader, varintSize, WireError, writeVarint } from '../wire.ts';
import { defaultValue, type ReplyPlan, type WireField } from './plan.ts';
import { keyText } from './request.ts';

/** A `google.rpc.Status` that is not OK. */
export interface ItemError {
  /** As the service declared it, also outside the gRPC range. */
  readonly code: number;
  readonly details: string;
  /** The status itself, where it has more than code and message: what `grpc-status-details-bin` carries. */
  readonly bytes: Buffer | undefined;
}

/** What an item says of itself. */
export interface Item {
  readonly key: string;
  /** Undefined: not told. */
  readonly index: number | undefined;
  readonly error: ItemError | undefined;
  /** The response; undefined when the item has none. */
  readonly response: Buffer | undefined;
}

const EMPTY: Buffer = Buffer.alloc(0);
/** `google.rpc.Code.UNKNOWN`: what a failure is that says it is OK. */
const UNKNOWN = 2;

/** True when items must be read, not only passed on. */
export function mustRead({ match, index, status, value }: ReplyPlan): boolean {
  return match === 'key' || index !== undefined || status !== undefined || value !== undefined;
}

/** Reads an item. @throws WireError */
export function readItem(plan: ReplyPlan, bytes: Buffer): Item {
  const keyField = plan.match === 'key' ? plan.key : undefined;
  const { value } = plan;
  const reader = new Reader(bytes);
  let key: string | undefined;
  let index: number | undefined;
  let status: Buffer | undefined;
  let response: Buffer | undefined;
  while (reader.position < reader.end) {
    const tag = reader.varint();
    const number = Math.floor(tag / 8);
    const wireType = tag % 8;
    const from = reader.position;
    if (number === plan.index?.number && wireType === 0) index = readInt32(reader);
    else if (number === plan.status && wireType === 2) status = joined(status, reader.bytes());
    else if (number === value?.number && wireType === value.wireType) {
      // Parts of one message that come apart belong together; of other values the last one counts.
      if (wireType === 2) response = joined(response, reader.bytes());
      else response = skipped(reader, wireType, from);
    } else reader.skip(wireType);
    if (number === keyField?.number && wireType === keyField.wireType) key = keyText(bytes.subarray(from, reader.position));
  }
  if (keyField !== undefined) key ??= keyText(defaultValue(keyField));
  if (plan.index?.presence === false) index ??= 0; // proto3 does not write a zero
  return {
    key: key ?? '',
    index,
    error: status === undefined ? undefined : readStatus(status, false),
    response: value === undefined ? bytes : (response ?? (value.wireType === 2 ? undefined : EMPTY)),
  };
}

function skipped(reader: Reader, wireType: number, from: number): Buffer {
  reader.skip(wireType);
  return reader.buffer.subarray(from, reader.position);
}

const joined = (first: Buffer | undefined, more: Buffer): Buffer => (first === undefined ? more : Buffer.concat([first, more]));

/** Undefined when it is OK; `failed`: it stands where only failures stand. */
export function readStatus(bytes: Buffer, failed: boolean): ItemError | undefined {
  const reader = new Reader(bytes);
  let code = 0;
  let details = '';
  let more = false;
  while (reader.position < reader.end) {
    const tag = reader.varint();
    if (tag === 8) code = readInt32(reader);
    else if (tag === 18) details = reader.text();
    else {
      more = true;
      reader.skip(tag % 8);
    }
  }
  if (code === 0 && !failed) return undefined;
  return { code: code === 0 ? UNKNOWN : code, details, bytes: more ? bytes : undefined };
}

/** An int32; negative ones take ten bytes. */
export function readInt32(reader: Reader): number {
  const from = reader.position;
  reader.varint();
  let value = 0;
  for (let i = 0; i < 5 && from + i < reader.position; i++) value |= ((reader.buffer[from + i] ?? 0) & 0x7f) << (7 * i);
  return value;
}

/** A value as the unary response: itself, or in the field that it fills. */
export function asResponse(set: WireField | undefined, value: Buffer): Buffer {
  if (set === undefined || value === EMPTY) return value;
  const tag = set.number * 8 + set.wireType;
  const size = varintSize(tag) + (set.wireType === 2 ? varintSize(value.length) : 0) + value.length;
  const response = Buffer.allocUnsafe(size);
  let at = writeVarint(response, 0, tag);
  if (set.wireType === 2) at = writeVarint(response, at, value.length);
  value.copy(response, at);
  return response;
}

/** The elements of a repeated field at one place of the message: one, or a packed run. @throws WireError */
export function elementsAt(reader: Reader, wireType: number, field: WireField, take: (element: Buffer) => void): void {
  if (wireType === field.wireType) {
    if (wireType === 2) take(reader.bytes());
    else take(skipped(reader, wireType, reader.position));
    return;
  }
  if (wireType !== 2) throw new WireError('unexpected wire type');
  const run = new Reader(reader.bytes());
  while (run.position < run.end) take(skipped(run, field.wireType, run.position));
}
