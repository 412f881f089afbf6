/**
 * Batches on their way out: `BatchRequest` of protos/inmesh/v1/batch.proto, in an envelope and on a tunnel.
 *
 * Written straight into one buffer of the exact size; limits are checked while parsing, before anything is built.
 *
 * @packageDocumentation
 */
import { type Entries, entriesSize, fieldSize, readEntry, writeBytes, writeEntries } from './entries.ts';
import type { LastText } from './last-text.ts';
import { Reader, varintSize, WireError, writeVarint } from './wire.ts';

/** One call on its way to the server. In an envelope its id is its place. */
export interface WireItem {
  readonly request: Buffer;
  /** Time left when the batch was written, in µs; 0: no deadline. */
  readonly timeoutUs: number;
  readonly metadata: Entries | undefined;
}

/** One call on a tunnel. */
export interface FrameItem extends WireItem {
  /** Unique among the unanswered items of the tunnel. */
  readonly id: number;
  /** `/pkg.Service/Method`. */
  readonly path: string;
}

/** Version of the format that this side speaks. */
export const WIRE_VERSION = 1;

const EMPTY: Buffer = Buffer.alloc(0);
const NO_METHODS: readonly string[] = [];
const NO_IDS: readonly number[] = [];

function itemSize(item: WireItem, id: number, method: string): number {
  return (
    (id > 0 ? 1 + varintSize(id) : 0) +
    fieldSize(item.request.length) +
    (item.timeoutUs > 0 ? 1 + varintSize(item.timeoutUs) : 0) +
    entriesSize(item.metadata) +
    (method === '' ? 0 : fieldSize(Buffer.byteLength(method)))
  );
}

function writeItem(buffer: Buffer, at: number, size: number, item: WireItem, id: number, method: string): number {
  buffer[at] = 0x12;
  let position = writeVarint(buffer, at + 1, size);
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
  return method === '' ? position : writeBytes(buffer, position, 0x32, method);
}

/** An envelope as bytes. `maxReplyBytes`: the longest reply message that this side takes. */
export function encodeRequest(items: readonly WireItem[], maxReplyBytes: number): Buffer {
  const sizes = new Array<number>(items.length);
  let size = 2 + 1 + varintSize(maxReplyBytes);
  for (let id = 0; id < items.length; id++) {
    const one = itemSize(items[id] as WireItem, id, '');
    sizes[id] = one;
    size += fieldSize(one);
  }
  const buffer = Buffer.allocUnsafe(size);
  buffer[0] = 0x08;
  let position = writeVarint(buffer, 1, WIRE_VERSION);
  for (let id = 0; id < items.length; id++) position = writeItem(buffer, position, sizes[id] as number, items[id] as WireItem, id, '');
  buffer[position++] = 0x20;
  writeVarint(buffer, position, maxReplyBytes);
  return buffer;
}

/**
 * A message of a tunnel: what goes out and what is called back. A method is named where it differs from the item's before.
 * `maxReplyBytes`: for the first message; 0 leaves it out.
 */
export function encodeFrame(items: readonly FrameItem[], cancels: readonly number[], maxReplyBytes = 0): Buffer {
  const sizes = new Array<number>(items.length);
  let size = 2 + (maxReplyBytes > 0 ? 1 + varintSize(maxReplyBytes) : 0);
  let previous = '';
  for (let i = 0; i < items.length; i++) {
    const item = items[i] as FrameItem;
    const one = itemSize(item, item.id, item.path === previous ? '' : item.path);
    previous = item.path;
    sizes[i] = one;
    size += fieldSize(one);
  }
  for (const id of cancels) size += 1 + varintSize(id);
  const buffer = Buffer.allocUnsafe(size);
  buffer[0] = 0x08;
  let position = writeVarint(buffer, 1, WIRE_VERSION);
  previous = '';
  for (let i = 0; i < items.length; i++) {
    const item = items[i] as FrameItem;
    position = writeItem(buffer, position, sizes[i] as number, item, item.id, item.path === previous ? '' : item.path);
    previous = item.path;
  }
  for (const id of cancels) {
    buffer[position++] = 0x28;
    position = writeVarint(buffer, position, id);
  }
  if (maxReplyBytes > 0) {
    buffer[position++] = 0x20;
    writeVarint(buffer, position, maxReplyBytes);
  }
  return buffer;
}

/** A parsed batch, of an envelope or from a tunnel. `items[i]` has id `ids[i]`, and on a tunnel method `methods[i]`. */
export interface ParsedRequest {
  readonly version: number;
  readonly ids: readonly number[];
  readonly items: readonly WireItem[];
  /** Empty when no item names one. */
  readonly methods: readonly string[];
  /** Items that their callers gave up. */
  readonly cancels: readonly number[];
  readonly maxReplyBytes: number;
}

/** 285 years: what a double counts to without a gap. A negative one that somebody wrote as int64 is far beyond (case D7). */
export const MAX_TIMEOUT_US: number = Number.MAX_SAFE_INTEGER;

function readTimeout(reader: Reader): number {
  const timeoutUs = reader.varint();
  if (timeoutUs > MAX_TIMEOUT_US) throw new WireError('timeout out of range');
  return timeoutUs;
}

/** `lastMethod`: where many messages name one method. @throws WireError when the bytes are no batch, or of over `maxItems` items. */
export function decodeRequest(bytes: Buffer, maxItems: number, lastMethod?: LastText): ParsedRequest {
  const reader = new Reader(bytes);
  const ids: number[] = [];
  const items: WireItem[] = [];
  let methods: string[] | undefined;
  let cancels: number[] | undefined;
  let method = '';
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
        else if (at === 0x18) timeoutUs = readTimeout(inner);
        else if (at === 0x22) {
          metadata ??= [];
          readEntry(inner, metadata);
        } else if (at === 0x32) method = lastMethod?.read(inner) ?? inner.text();
        else inner.skip(at & 7);
      }
      reader.position = end;
      ids.push(id);
      items.push({ request: request ?? EMPTY, timeoutUs, metadata });
      if (method !== '') {
        methods ??= new Array<string>(items.length - 1).fill('');
        methods.push(method);
      }
    } else if (tag === 0x08) version = reader.varint();
    else if (tag === 0x20) maxReplyBytes = reader.varint();
    else if (tag === 0x28) {
      cancels ??= [];
      if (cancels.length >= MAX_CANCELS) throw new WireError(`more than ${MAX_CANCELS} cancellations`);
      cancels.push(reader.varint());
    } else reader.skip(tag & 7);
  }
  return { version, ids, items, methods: methods ?? NO_METHODS, cancels: cancels ?? NO_IDS, maxReplyBytes };
}

/** More than the unanswered items of any tunnel. */
const MAX_CANCELS = 65_536;
