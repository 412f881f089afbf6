/**
 * Reads `inmesh.v1.MethodPolicy` where it is the value of an option in a .proto file, into the form of the policy document: from its
 * bytes in a descriptor, and from the object that protobufjs parses it to (which is what proto-loader hands on).
 *
 * Nothing is judged here: the document's own checker does that, for both forms alike. What is not understood stays as it is, so
 * that the checker can name it.
 *
 * @packageDocumentation
 */
import { Reader } from '../batch/wire.ts';
import { secondsText } from './duration.ts';
import { ENUM_WORDS, type FieldShape, MESSAGE_SHAPES } from './option-shapes.gen.ts';

type Document = Record<string, unknown>;

const ROOT = 'MethodPolicy';
/** Messages in messages; a policy has four. */
const MAX_DEPTH = 16;

/** Option values as bytes: the compiler writes one for each statement, `option (p).timeout.seconds = 3;`, to be taken together. */
export function policyOfBytes(values: Iterable<Uint8Array>): Document {
  const document: Document = {};
  for (const bytes of values) readMessage(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), ROOT, document, 0);
  return document;
}

/** An option value as protobufjs has it: names as in the .proto file, enum values by name, durations as seconds and nanos. */
export function policyOfObject(value: unknown): unknown {
  return fromObject(value, ROOT, 0);
}

// --- bytes ------------------------------------------------------------------------------------------------------------------

/** @throws WireError when the bytes are no message. */
function readMessage(bytes: Buffer, type: string, into: Document, depth: number): void {
  const reader = new Reader(bytes);
  const fields = MESSAGE_SHAPES[type] ?? [];
  while (reader.position < reader.end) {
    const tag = reader.varint();
    const field = depth > MAX_DEPTH ? undefined : fields.find(({ number }) => number === Math.floor(tag / 8));
    if (field === undefined) reader.skip(tag % 8);
    else readField(reader, tag % 8, field, into, depth);
  }
}

function readField(reader: Reader, wireType: number, field: FieldShape, into: Document, depth: number): void {
  const before = into[field.key];
  if (field.many === 'map') {
    const [name, value] = readEntry(reader.bytes(), field, depth);
    into[field.key] = { ...(before as Document | undefined), [name]: value };
  } else if (field.many === 'list') {
    const items = (before as unknown[] | undefined) ?? [];
    // Numbers may come packed into one run.
    if (wireType === 2 && isNumber(field.type)) {
      const run = new Reader(reader.bytes());
      while (run.position < run.end) items.push(readValue(run, field.type, undefined, depth));
    } else items.push(readValue(reader, field.type, undefined, depth));
    into[field.key] = items;
  } else into[field.key] = readValue(reader, field.type, before, depth);
}

function readEntry(bytes: Buffer, { type }: FieldShape, depth: number): [string, unknown] {
  const reader = new Reader(bytes);
  let name = '';
  let value: unknown;
  while (reader.position < reader.end) {
    const tag = reader.varint();
    if (tag >> 3 === 1) name = reader.text();
    else if (tag >> 3 === 2) value = readValue(reader, type, undefined, depth);
    else reader.skip(tag % 8);
  }
  return [name, value ?? 0];
}

const isNumber = (type: string): boolean => type === 'uint32' || type === 'double' || type === 'bool' || ENUM_WORDS[type] !== undefined;

/** `before`: what an earlier occurrence of the same message has said; a message is merged, anything else replaced. */
function readValue(reader: Reader, type: string, before: unknown, depth: number): unknown {
  if (type === 'bool') return reader.varint() !== 0;
  if (type === 'uint32') return reader.varint();
  if (type === 'string') return reader.text();
  if (type === 'double') {
    const at = reader.position;
    reader.skip(1);
    return reader.buffer.readDoubleLE(at);
  }
  if (type === 'duration') return readDuration(reader.bytes(), before);
  const words = ENUM_WORDS[type];
  if (words !== undefined) {
    const number = reader.varint();
    return words.find((word) => word.number === number)?.word ?? number;
  }
  const inner: Document = { ...(before as Document | undefined) };
  readMessage(reader.bytes(), type, inner, depth + 1);
  return inner;
}

function readDuration(bytes: Buffer, before: unknown): string {
  const reader = new Reader(bytes);
  let total = typeof before === 'string' ? Number(before.slice(0, -1)) : 0;
  while (reader.position < reader.end) {
    const tag = reader.varint();
    if (tag === 1 << 3) total += signed(reader.varint());
    else if (tag === 2 << 3) total += signed(reader.varint()) / 1e9;
    else reader.skip(tag % 8);
  }
  return secondsText(total);
}

/** A negative number is ten bytes of two's complement; as a double it is near 2^64. */
const signed = (value: number): number => (value > 2 ** 63 ? value - 2 ** 64 : value);

// --- objects ----------------------------------------------------------------------------------------------------------------

function fromObject(value: unknown, type: string, depth: number): unknown {
  if (type === 'duration') return isObject(value) ? secondsText(numberOf(value['seconds']) + numberOf(value['nanos']) / 1e9) : value;
  const words = ENUM_WORDS[type];
  if (words !== undefined) return words.find(({ name, number }) => name === value || number === value)?.word ?? value;
  const fields = MESSAGE_SHAPES[type];
  if (fields === undefined || !isObject(value) || depth > MAX_DEPTH) return value;
  const document: Document = {};
  for (const [name, item] of Object.entries(value)) {
    const field = fields.find((shape) => shape.name === name || shape.key === name);
    if (field === undefined) document[name] = item;
    else document[field.key] = fromField(item, field, depth);
  }
  return document;
}

function fromField(value: unknown, { type, many }: FieldShape, depth: number): unknown {
  if (many === undefined) return fromObject(value, type, depth + 1);
  const items = (Array.isArray(value) ? value : [value]).map((item: unknown) => item);
  if (many === 'list') return items.map((item) => fromObject(item, type, depth + 1));
  return Object.fromEntries(items.filter(isObject).map((entry) => [String(entry['key']), fromObject(entry['value'], type, depth + 1)]));
}

const isObject = (value: unknown): value is Document => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Seconds may be a Long of protobufjs, or text. */
const numberOf = (value: unknown): number => (value === undefined ? 0 : Number(String(value)));
