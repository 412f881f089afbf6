/** OTLP's protobuf, field by field: what reading spans and metrics shares. */
import { BinaryReader } from '@bufbuild/protobuf/wire';

/** Values of a message by field number: bytes, bigint (varint and fixed64) or number (fixed32). */
export type Fields = ReadonlyMap<number, readonly unknown[]>;

/** Attributes as they came. */
export type SunkAttributes = Readonly<Record<string, unknown>>;

export function fieldsOf(bytes: unknown): Fields {
  const fields = new Map<number, unknown[]>();
  const reader = new BinaryReader(bytes instanceof Uint8Array ? bytes : new Uint8Array());
  while (reader.pos < reader.len) {
    const [field, wire] = reader.tag();
    const values = fields.get(field) ?? [];
    fields.set(field, values);
    if (wire === 0) values.push(reader.uint64());
    else if (wire === 1) values.push(reader.fixed64());
    else if (wire === 2) values.push(reader.bytes());
    else values.push(reader.fixed32());
  }
  return fields;
}

export const bytesOf = (fields: Fields, field: number): Uint8Array =>
  (fields.get(field)?.[0] as Uint8Array | undefined) ?? new Uint8Array();
export const textOf = (fields: Fields, field: number): string => Buffer.from(bytesOf(fields, field)).toString();
export const hexOf = (fields: Fields, field: number): string => Buffer.from(bytesOf(fields, field)).toString('hex');
export const integerOf = (fields: Fields, field: number): bigint => BigInt((fields.get(field)?.[0] as bigint | string | undefined) ?? 0);
export const messages = (fields: Fields, field: number): Fields[] => (fields.get(field) ?? []).map(fieldsOf);

/** A double; undefined where it was not sent. */
export function doubleOf(fields: Fields, field: number): number | undefined {
  const bits = fields.get(field)?.[0];
  if (bits === undefined) return undefined;
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(bits as bigint | string));
  return view.getFloat64(0);
}

/** A packed field of eight bytes a value. */
export function packedOf<T>(fields: Fields, field: number, read: (view: DataView, at: number) => T): T[] {
  return (fields.get(field) ?? []).flatMap((bytes) => {
    const packed = bytes as Uint8Array;
    const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
    return Array.from({ length: packed.byteLength / 8 }, (_, index) => read(view, 8 * index));
  });
}

export function attributesOf(fields: Fields, field: number): SunkAttributes {
  return Object.fromEntries(messages(fields, field).map((pair) => [textOf(pair, 1), anyValueOf(fieldsOf(bytesOf(pair, 2)))]));
}

function anyValueOf(value: Fields): unknown {
  if (value.has(1)) return textOf(value, 1);
  if (value.has(2)) return integerOf(value, 2) === 1n;
  if (value.has(3)) return Number(BigInt.asIntN(64, integerOf(value, 3)));
  return doubleOf(value, 4);
}
