/**
 * The few messages of server reflection, read and written by hand. v1 and v1alpha have the same.
 *
 * Source: grpc-proto grpc/reflection/v1/reflection.proto.
 *
 * @packageDocumentation
 */
import { Reader, varintSize, WireError, writeVarint } from '../batch/wire.ts';

/** What a client asks. */
export type Question = { readonly kind: 'services' } | { readonly kind: 'symbol' | 'file'; readonly name: string };

/** What a server says. */
export type Answer =
  | { readonly kind: 'files'; readonly files: readonly Buffer[] }
  | { readonly kind: 'services'; readonly names: readonly string[] }
  | { readonly kind: 'error'; readonly code: number }
  | { readonly kind: 'nothing' };

/** Field numbers of ServerReflectionRequest. */
const REQUEST = { file: 3, symbol: 4, services: 7 } as const;
/** Field numbers of ServerReflectionResponse. */
const RESPONSE = { files: 4, services: 6, error: 7 } as const;

/** A `ServerReflectionRequest`. */
export function writeQuestion(question: Question): Buffer {
  return lengthDelimited(REQUEST[question.kind], Buffer.from(question.kind === 'services' ? '' : question.name));
}

/** A field with its length in front, for numbers below 16. */
export function lengthDelimited(number: number, bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(1 + varintSize(bytes.length));
  head[0] = number * 8 + 2;
  writeVarint(head, 1, bytes.length);
  return Buffer.concat([head, bytes]);
}

/**
 * Reads a `ServerReflectionResponse`.
 *
 * @param maxEntries - Most files or names in it: millions of empty ones fit into a small message.
 * @throws WireError when it is none, or has more.
 */
export function readAnswer(bytes: Buffer, maxEntries: number): Answer {
  let answer: Answer = { kind: 'nothing' };
  eachField(bytes, (number, reader) => {
    if (number === RESPONSE.files) answer = { kind: 'files', files: repeated(reader.bytes(), maxEntries) };
    else if (number === RESPONSE.services) answer = { kind: 'services', names: repeated(reader.bytes(), maxEntries).map(nameOf) };
    else if (number === RESPONSE.error) answer = { kind: 'error', code: codeOf(reader.bytes()) };
    else return false;
    return true;
  });
  return answer;
}

/** Calls `take` for each field; one that it does not take is passed over. */
export function eachField(bytes: Buffer, take: (number: number, reader: Reader) => boolean): void {
  const reader = new Reader(bytes);
  while (reader.position < reader.end) {
    const tag = reader.varint();
    if (!take(Math.floor(tag / 8), reader)) reader.skip(tag % 8);
  }
}

/** Field 1, again and again. */
function repeated(bytes: Buffer, max: number): Buffer[] {
  const found: Buffer[] = [];
  eachField(bytes, (number, reader) => {
    if (number !== 1) return false;
    if (found.length >= max) throw new WireError('too many entries');
    found.push(reader.bytes());
    return true;
  });
  return found;
}

/** `ServiceResponse.name`. */
function nameOf(bytes: Buffer): string {
  return repeated(bytes, 1)[0]?.toString('utf8') ?? '';
}

/** `ErrorResponse.error_code`. Its text is the server's, and stays there. */
function codeOf(bytes: Buffer): number {
  let code = 2; // UNKNOWN
  eachField(bytes, (number, reader) => {
    if (number !== 1) return false;
    code = reader.varint();
    return true;
  });
  return code;
}
