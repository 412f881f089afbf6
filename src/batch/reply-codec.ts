/**
 * Answers on their way back: `BatchReply` of protos/inmesh/v1/batch.proto, in an envelope and on a tunnel.
 *
 * Written and parsed as requests are (`./request-codec.ts`).
 *
 * @packageDocumentation
 */
import { type Entries, entriesSize, fieldSize, readEntry, writeBytes, writeEntries } from './entries.ts';
import { Reader, varintSize, WireError, writeVarint } from './wire.ts';

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

/** Bytes that one result takes in a reply. */
export function resultSize(result: WireResult): number {
  return fieldSize(innerResultSize(result));
}

function innerResultSize(result: WireResult): number {
  return (
    (result.id > 0 ? 1 + varintSize(result.id) : 0) +
    (result.code !== 0 ? 1 + varintSize(result.code) : 0) +
    (result.details !== '' ? fieldSize(Buffer.byteLength(result.details)) : 0) +
    (result.response !== undefined ? fieldSize(result.response.length) : 0) +
    entriesSize(result.headers) +
    entriesSize(result.trailers)
  );
}

/** One reply message. `last`: no more results will come. `drain`: no more items are taken. */
export function encodeReply(results: readonly WireResult[], last: boolean, drain = false): Buffer {
  let size = (last ? 2 : 0) + (drain ? 2 : 0);
  const sizes = new Array<number>(results.length);
  for (let i = 0; i < results.length; i++) {
    const one = innerResultSize(results[i] as WireResult);
    sizes[i] = one;
    size += fieldSize(one);
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
    buffer[position++] = 0x18;
    buffer[position++] = 1;
  }
  if (drain) {
    buffer[position++] = 0x20;
    buffer[position] = 1;
  }
  return buffer;
}

/** A parsed reply message. */
export interface ParsedReply {
  readonly results: readonly WireResult[];
  readonly last: boolean;
  /** A tunnel's server takes no more items. */
  readonly drain: boolean;
}

/** @throws WireError when the bytes are not a reply, or there are more than `maxResults` results. */
export function decodeReply(bytes: Buffer, maxResults: number): ParsedReply {
  const reader = new Reader(bytes);
  const results: WireResult[] = [];
  let last = false;
  let drain = false;
  while (reader.position < reader.end) {
    const tag = reader.varint();
    if (tag === 0x0a) {
      if (results.length >= maxResults) throw new WireError('more results than items');
      results.push(readResult(reader));
    } else if (tag === 0x18) last = reader.varint() !== 0;
    else if (tag === 0x20) drain = reader.varint() !== 0;
    else reader.skip(tag & 7);
  }
  return { results, last, drain };
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
