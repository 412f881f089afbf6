/**
 * Metadata on the wire: `Entry` of protos/inmesh/v1/batch.proto, flat in memory.
 *
 * @packageDocumentation
 */
import { Reader, varintSize, WireError, writeVarint } from './wire.ts';

/** Metadata on the wire, flat: key, value, key, value... A `-bin` key has a Buffer. */
export type Entries = readonly (string | Buffer)[];

/** Most metadata values of one item or result; HTTP/2's own limit for headers lets fewer through. */
const MAX_ENTRIES = 1024;

const lengthOf = (value: string | Buffer): number => (typeof value === 'string' ? Buffer.byteLength(value) : value.length);

/** Size of a field with a tag of one byte: tag, length, content. */
export function fieldSize(length: number): number {
  return 1 + varintSize(length) + length;
}

/** Bytes of all entries, with their tags. */
export function entriesSize(entries: Entries | undefined): number {
  if (entries === undefined) return 0;
  let size = 0;
  for (let i = 0; i < entries.length; i += 2) size += fieldSize(entrySize(entries, i));
  return size;
}
function entrySize(entries: Entries, i: number): number {
  return fieldSize(lengthOf(entries[i] as string)) + fieldSize(lengthOf(entries[i + 1] as string | Buffer));
}

/** Writes one length-delimited field, gives the position behind it. */
export function writeBytes(buffer: Buffer, at: number, tag: number, value: string | Buffer): number {
  buffer[at] = tag;
  const length = lengthOf(value);
  const position = writeVarint(buffer, at + 1, length);
  if (typeof value === 'string') buffer.write(value, position, length, 'utf8');
  else value.copy(buffer, position);
  return position + length;
}

/** Writes all entries, each in a field of that tag. */
export function writeEntries(buffer: Buffer, at: number, tag: number, entries: Entries | undefined): number {
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

/** Reads one entry. @throws WireError when there are too many. */
export function readEntry(reader: Reader, into: (string | Buffer)[]): void {
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
