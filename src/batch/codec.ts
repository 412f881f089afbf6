/**
 * Batches on the wire: `BatchRequest` and `BatchReply` of protos/inmesh/v1/batch.proto.
 *
 * Written straight into one buffer of the exact size; limits are checked while parsing, before anything is built.
 *
 * @packageDocumentation
 */
import { Reader, varintSize, WireError, writeVarint } from './wire.ts';

/** Metadata on the wire, flat: key, value, key, value... A `-bin` key has a Buffer. */
export type Entries = readonly (string | Buffer)[];

/** One call on its way to the server. Its id is its place in the batch. */
export interface WireItem {
  readonly request: Buffer;
  /** Time left when the batch was written, in µs; 0: no deadline. */
  readonly timeoutUs: number;
  readonly metadata: Entries | undefined;
}

/** One answer on its way back. */
export interface WireResult {
  readonly id: number;
  readonly code: number;
  readonly details: string;
  /** Undefined: no message (an error, or a handler that sent none). */
  readonly response: Buffer | undefined;
  readonly headers: Entries | undefined;
  readonly trailers: Entries | undefined;
}

/** Version of the format that this side speaks. */
export const WIRE_VERSION = 1;

const lengthOf = (value: string | Buffer): number => (typeof value === 'string' ? Buffer.byteLength(value) : value.length);
/** Tag of one byte, length, content. */
const field = (length: number): number => 1 + varintSize(length) + length;

function entriesSize(entries: Entries | undefined): number {
  if (entries === undefined) return 0;
  let size = 0;
  for (let i = 0; i < entries.length; i += 2) size += field(entrySize(entries, i));
  return size;
}
function entrySize(entries: Entries, i: number): number {
  return field(lengthOf(entries[i] as string)) + field(lengthOf(entries[i + 1] as string | Buffer));
}

function writeBytes(buffer: Buffer, at: number, tag: number, value: string | Buffer): number {
  buffer[at] = tag;
  const length = lengthOf(value);
  const position = writeVarint(buffer, at + 1, length);
  if (typeof value === 'string') buffer.write(value, position, length, 'utf8');
  else value.copy(buffer, position);
  return position + length;
}

function writeEntries(buffer: Buffer, at: number, tag: number, entries: Entries | undefined): number {
  let position = at;
  if (entries === undefined) return position;
  for (let i = 0; i < entries.length; i += 2) {
    buffer[position++] = tag;
    position = writeVarint(buffer, position, entrySize(entries, i));
    position = writeBytes(buffer, position, 0x0a, entries[i] as string);
    const value = entries[i + 1] as string | Buffer;
    position = writeBytes(buffer, position, typeof value === 'string' ? 0x12 : 0x1a, value);
  }
  return position;
}

function itemSize(item: WireItem, id: number): number {
  return (
    (id > 0 ? 1 + varintSize(id) : 0) +
    field(item.request.length) +
    (item.timeoutUs > 0 ? 1 + varintSize(item.timeoutUs) : 0) +
    entriesSize(item.metadata)
  );
}

/** The batch as bytes. `maxReplyBytes`: the longest reply message that this side takes. */
export function encodeRequest(items: readonly WireItem[], maxReplyBytes: number): Buffer {
  const sizes = new Array<number>(items.length);
  let size = 2 + 1 + varintSize(maxReplyBytes);
  for (let id = 0; id < items.length; id++) {
    const one = itemSize(items[id] as WireItem, id);
    sizes[id] = one;
    size += field(one);
  }
  const buffer = Buffer.allocUnsafe(size);
  buffer[0] = 0x08;
  let position = writeVarint(buffer, 1, WIRE_VERSION);
  for (let id = 0; id < items.length; id++) {
    const item = items[id] as WireItem;
    buffer[position++] = 0x12;
    position = writeVarint(buffer, position, sizes[id] as number);
    if (id > 0) {
      buffer[position++] = 0x08;
      position = writeVarint(buffer, position, id);
    }
    position = writeBytes(buffer, position, 0x12, item.request);
    if (item.timeoutUs > 0) {
      buffer[position++] = 0x18;
      position = writeVarint(buffer, position, item.timeoutUs);
    }
    position = writeEntries(buffer, position, 0x22, item.metadata);
  }
  buffer[position++] = 0x20;
  writeVarint(buffer, position, maxReplyBytes);
  return buffer;
}

/** A parsed batch. `items[i]` has id `ids[i]`. */
export interface ParsedRequest {
  readonly version: number;
  readonly ids: readonly number[];
  readonly items: readonly WireItem[];
  readonly maxReplyBytes: number;
}

/** @throws WireError when the bytes are not a batch, or there are more than `maxItems` items. */
export function decodeRequest(bytes: Buffer, maxItems: number): ParsedRequest {
  const reader = new Reader(bytes);
  const ids: number[] = [];
  const items: WireItem[] = [];
  let version = 0;
  let maxReplyBytes = 0;
  while (reader.position < reader.end) {
    const tag = reader.varint();
    if (tag === 0x12) {
      if (items.length >= maxItems) throw new WireError(`more than ${maxItems} items`);
      const end = reader.delimited();
      const inner = new Reader(bytes, reader.position, end);
      let id = 0;
      let request: Buffer | undefined;
      let timeoutUs = 0;
      let metadata: (string | Buffer)[] | undefined;
      while (inner.position < end) {
        const at = inner.varint();
        if (at === 0x08) id = inner.varint();
        else if (at === 0x12) request = inner.bytes();
        else if (at === 0x18) timeoutUs = inner.varint();
        else if (at === 0x22) {
          metadata ??= [];
          readEntry(inner, metadata);
        } else inner.skip(at & 7);
      }
      reader.position = end;
      ids.push(id);
      items.push({ request: request ?? EMPTY, timeoutUs, metadata });
    } else if (tag === 0x08) version = reader.varint();
    else if (tag === 0x20) maxReplyBytes = reader.varint();
    else reader.skip(tag & 7);
  }
  return { version, ids, items, maxReplyBytes };
}

const EMPTY: Buffer = Buffer.alloc(0);

/** Most metadata values of one item or result; HTTP/2's own limit for headers lets fewer through. */
const MAX_ENTRIES = 1024;

function readEntry(reader: Reader, into: (string | Buffer)[]): void {
  if (into.length >= 2 * MAX_ENTRIES) throw new WireError(`more than ${MAX_ENTRIES} metadata values`);
  const end = reader.delimited();
  const inner = new Reader(reader.buffer, reader.position, end);
  let key = '';
  let value: string | Buffer = '';
  while (inner.position < end) {
    const tag = inner.varint();
    if (tag === 0x0a) key = inner.text();
    else if (tag === 0x12) value = inner.text();
    else if (tag === 0x1a) value = inner.bytes();
    else inner.skip(tag & 7);
  }
  reader.position = end;
  into.push(key, value);
}

/** Bytes that one result takes in a reply. */
export function resultSize(result: WireResult): number {
  return field(innerResultSize(result));
}

function innerResultSize(result: WireResult): number {
  return (
    (result.id > 0 ? 1 + varintSize(result.id) : 0) +
    (result.code !== 0 ? 1 + varintSize(result.code) : 0) +
    (result.details !== '' ? field(Buffer.byteLength(result.details)) : 0) +
    (result.response !== undefined ? field(result.response.length) : 0) +
    entriesSize(result.headers) +
    entriesSize(result.trailers)
  );
}

/** One reply message. `last`: no more results will come. */
export function encodeReply(results: readonly WireResult[], last: boolean): Buffer {
  let size = last ? 2 : 0;
  const sizes = new Array<number>(results.length);
  for (let i = 0; i < results.length; i++) {
    const one = innerResultSize(results[i] as WireResult);
    sizes[i] = one;
    size += field(one);
  }
  const buffer = Buffer.allocUnsafe(size);
  let position = 0;
  for (let i = 0; i < results.length; i++) {
    const result = results[i] as WireResult;
    buffer[position++] = 0x0a;
    position = writeVarint(buffer, position, sizes[i] as number);
    if (result.id > 0) {
      buffer[position++] = 0x08;
      position = writeVarint(buffer, position, result.id);
    }
    if (result.code !== 0) {
      buffer[position++] = 0x10;
      position = writeVarint(buffer, position, result.code);
    }
    if (result.details !== '') position = writeBytes(buffer, position, 0x1a, result.details);
    if (result.response !== undefined) position = writeBytes(buffer, position, 0x22, result.response);
    position = writeEntries(buffer, position, 0x2a, result.headers);
    position = writeEntries(buffer, position, 0x32, result.trailers);
  }
  if (last) {
    buffer[position] = 0x18;
    buffer[position + 1] = 1;
  }
  return buffer;
}

/** A parsed reply message. */
export interface ParsedReply {
  readonly results: readonly WireResult[];
  readonly last: boolean;
}

/** @throws WireError when the bytes are not a reply, or there are more than `maxResults` results. */
export function decodeReply(bytes: Buffer, maxResults: number): ParsedReply {
  const reader = new Reader(bytes);
  const results: WireResult[] = [];
  let last = false;
  while (reader.position < reader.end) {
    const tag = reader.varint();
    if (tag === 0x0a) {
      if (results.length >= maxResults) throw new WireError('more results than items');
      results.push(readResult(reader));
    } else if (tag === 0x18) last = reader.varint() !== 0;
    else reader.skip(tag & 7);
  }
  return { results, last };
}

function readResult(reader: Reader): WireResult {
  const end = reader.delimited();
  const inner = new Reader(reader.buffer, reader.position, end);
  let id = 0;
  let code = 0;
  let details = '';
  let response: Buffer | undefined;
  let headers: (string | Buffer)[] | undefined;
  let trailers: (string | Buffer)[] | undefined;
  while (inner.position < end) {
    const tag = inner.varint();
    if (tag === 0x22) response = inner.bytes();
    else if (tag === 0x08) id = inner.varint();
    else if (tag === 0x10) code = inner.varint();
    else if (tag === 0x1a) details = inner.text();
    else if (tag === 0x2a) {
      headers ??= [];
      readEntry(inner, headers);
    } else if (tag === 0x32) {
      trailers ??= [];
      readEntry(inner, trailers);
    } else inner.skip(tag & 7);
  }
  reader.position = end;
  return { id, code, details, response, headers, trailers };
}
