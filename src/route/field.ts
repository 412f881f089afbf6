/**
 * Reads one field of a message on the wire, as text, without decoding the rest.
 *
 * Source: protobuf encoding specification; the last value of a field wins, and messages of one field are merged.
 *
 * @packageDocumentation
 */
import { type Catalog, type Field, fieldOf } from '../batch/native/descriptors.ts';
import { Reader } from '../batch/wire.ts';
import { ConfigError } from '../errors.ts';
import { nearest } from '../input/nearest.ts';
import { quote } from '../input/show.ts';

/** The field's value as text; undefined: it is not set, or the message can't be read. */
export type FieldReader = (message: Buffer) => string | undefined;

/** @throws ConfigError when the method or the field is not there, or has no value that could be text. */
export function fieldReader(catalog: Catalog, method: string, field: string, path: string): FieldReader {
  const declared = catalog.method(`/${method}`);
  if (declared === undefined) {
    const meant = nearest(
      method,
      [...catalog.methods].map((one) => one.path.slice(1)),
    );
    throw new ConfigError(
      path,
      `no such method in the descriptors: ${quote(method)}${meant === undefined ? '' : `; did you mean ${quote(meant)}?`}`,
    );
  }
  if (declared.clientStreaming) throw new ConfigError(path, `${method} takes a stream of messages: it can't be told by a field`);
  const steps: Field[] = [];
  let message = catalog.message(declared.input);
  for (const name of field.split('.')) {
    const found = message === undefined ? undefined : fieldOf(message, name);
    if (found === undefined) {
      const meant = nearest(name, message?.fields.map((one) => one.name) ?? []);
      throw new ConfigError(
        path,
        `no field ${quote(name)} in ${message?.name ?? declared.input}${meant === undefined ? '' : `; did you mean ${quote(meant)}?`}`,
      );
    }
    if (found.repeated) throw new ConfigError(path, `${quote(name)} is repeated: it has no single value`);
    steps.push(found);
    message = catalog.message(found.typeName);
  }
  const last = steps.at(-1);
  if (last === undefined || last.wireType === undefined || last.type === 'message' || last.type === 'bytes')
    throw new ConfigError(path, `${quote(field)} is ${last?.type === 'bytes' ? 'bytes' : 'a message'}: it can't be compared as text`);
  return (bytes) => {
    try {
      return find(new Reader(bytes), steps, 0);
    } catch {
      return undefined; // the server will say so in its own words
    }
  };
}

function find(reader: Reader, steps: readonly Field[], depth: number): string | undefined {
  const step = steps[depth];
  let value: string | undefined;
  while (step !== undefined && reader.position < reader.end) {
    const tag = reader.varint();
    if (Math.floor(tag / 8) !== step.number || tag % 8 !== step.wireType) {
      reader.skip(tag % 8);
    } else if (depth === steps.length - 1) {
      value = scalar(reader, step.type);
    } else {
      const end = reader.delimited();
      value = find(new Reader(reader.buffer, reader.position, end), steps, depth + 1) ?? value;
      reader.position = end;
    }
  }
  return value;
}

function scalar(reader: Reader, type: string): string {
  if (type === 'string') return reader.text();
  if (type === 'bool') return String(reader.varint() !== 0);
  if (type === 'double' || type === 'fixed64' || type === 'sfixed64') return fixed(reader, 8, type);
  if (type === 'float' || type === 'fixed32' || type === 'sfixed32') return fixed(reader, 4, type);
  const value = longVarint(reader);
  if (type === 'sint32' || type === 'sint64') return String((value >> 1n) ^ -(value & 1n));
  if (type === 'uint64') return String(value);
  return String(type === 'uint32' ? BigInt.asUintN(32, value) : BigInt.asIntN(type === 'int64' ? 64 : 32, value));
}

function longVarint(reader: Reader): bigint {
  const from = reader.position;
  reader.varint(); // checks its end
  let value = 0n;
  for (let at = reader.position - 1; at >= from; at--) value = (value << 7n) | BigInt((reader.buffer[at] ?? 0) & 0x7f);
  return BigInt.asUintN(64, value);
}

function fixed(reader: Reader, size: 4 | 8, type: string): string {
  const at = reader.position;
  reader.skip(size === 8 ? 1 : 5);
  const { buffer } = reader;
  switch (type) {
    case 'double':
      return String(buffer.readDoubleLE(at));
    case 'float':
      return String(buffer.readFloatLE(at));
    case 'fixed64':
      return String(buffer.readBigUInt64LE(at));
    case 'sfixed64':
      return String(buffer.readBigInt64LE(at));
    case 'fixed32':
      return String(buffer.readUInt32LE(at));
    default:
      return String(buffer.readInt32LE(at));
  }
}
