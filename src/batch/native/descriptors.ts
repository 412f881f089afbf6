/**
 * A small reader of protobuf descriptors: only what native batching asks of a method and its messages.
 *
 * Takes `FileDescriptorProto`s as protoc and buf write them (full names, with a leading dot) and as protobufjs does (names
 * relative to where they stand, as in a .proto file).
 *
 * Source: google/protobuf/descriptor.proto; protobuf language guide, "Packages and name resolution".
 *
 * @packageDocumentation
 */
import { Reader } from '../wire.ts';

/** How a type's values stand on the wire: varint, 8 bytes, length and bytes, 4 bytes. Undefined: groups, which nobody should use. */
export type WireType = 0 | 1 | 2 | 5;

/** A field of a message. */
export interface Field {
  readonly name: string;
  readonly number: number;
  /** `int32`, `string`, `message`, ... as in a .proto file. */
  readonly type: string;
  readonly wireType: WireType | undefined;
  readonly repeated: boolean;
  readonly required: boolean;
  /** Written as one run of values. */
  readonly packed: boolean;
  /** Unset differs from the default value on the wire: `optional`, a oneof, proto2. */
  readonly presence: boolean;
  /** Full name of its message or enum, without a leading dot; empty for scalars. */
  readonly typeName: string;
}

/** A message. */
export interface Message {
  readonly name: string;
  readonly fields: readonly Field[];
  /** Made by the compiler for the entries of a map. */
  readonly mapEntry: boolean;
}

/** `idempotency_level`. */
export type Idempotency = 'unknown' | 'no_side_effects' | 'idempotent';

/** A method. Message names are full ones, without a leading dot. */
export interface Method {
  /** `/pkg.Service/Method`. */
  readonly path: string;
  readonly input: string;
  readonly output: string;
  readonly clientStreaming: boolean;
  readonly serverStreaming: boolean;
  readonly idempotency: Idempotency;
}

/** Everything that some files declare. */
export class Catalog {
  readonly #messages = new Map<string, Message>();
  readonly #methods = new Map<string, Method>();

  /** @throws WireError when a file is no `FileDescriptorProto`. */
  constructor(files: Iterable<Uint8Array>) {
    const parsed = [...files].map(readFile);
    const names = new Set(parsed.flatMap(({ types }) => types));
    for (const file of parsed) {
      for (const { name, fields, mapEntry } of file.messages) {
        const resolved = fields.map((field) => ({ ...field, typeName: resolve(field.typeName, name, names) }));
        this.#messages.set(name, { name, fields: resolved, mapEntry });
      }
      for (const method of file.methods) {
        const input = resolve(method.input, file.package, names);
        this.#methods.set(method.path, { ...method, input, output: resolve(method.output, file.package, names) });
      }
    }
  }

  /** By full name, without a leading dot. */
  message(name: string): Message | undefined {
    return this.#messages.get(name);
  }
  /** By path, `/pkg.Service/Method`. */
  method(path: string): Method | undefined {
    return this.#methods.get(path);
  }
  get methods(): Iterable<Method> {
    return this.#methods.values();
  }
}

/** The files of a `FileDescriptorSet`. @throws WireError when it is none. */
export function filesOfSet(set: Uint8Array): Buffer[] {
  const files: Buffer[] = [];
  eachField(new Reader(asBuffer(set)), (number, reader) => number === 1 && files.push(reader.bytes()) > 0);
  return files;
}

/** A field by its name in the .proto file, or in lowerCamelCase (protobufjs keeps only that unless told otherwise). */
export function fieldOf(message: Message, name: string): Field | undefined {
  return message.fields.find((field) => field.name === name) ?? message.fields.find((field) => camel(field.name) === camel(name));
}

const camel = (name: string): string => name.replace(/_+([a-z0-9])/gi, (_, letter: string) => letter.toUpperCase());

const TYPES: readonly (readonly [string, WireType | undefined])[] = [
  ['', undefined],
  ['double', 1],
  ['float', 5],
  ['int64', 0],
  ['uint64', 0],
  ['int32', 0],
  ['fixed64', 1],
  ['fixed32', 5],
  ['bool', 0],
  ['string', 2],
  ['group', undefined],
  ['message', 2],
  ['bytes', 2],
  ['uint32', 0],
  ['enum', 0],
  ['sfixed32', 5],
  ['sfixed64', 1],
  ['sint32', 0],
  ['sint64', 0],
];
const IDEMPOTENCY: readonly Idempotency[] = ['unknown', 'no_side_effects', 'idempotent'];

interface File {
  readonly package: string;
  readonly types: string[];
  readonly messages: Message[];
  readonly methods: Method[];
}

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const inside = (scope: string, name: string): string => (scope === '' ? name : `${scope}.${name}`);

/** Calls `take` for each field; one that it does not take is passed over. */
function eachField(reader: Reader, take: (number: number, reader: Reader) => boolean): void {
  while (reader.position < reader.end) {
    const tag = reader.varint();
    if (!take(Math.floor(tag / 8), reader)) reader.skip(tag % 8);
  }
}

function readFile(bytes: Uint8Array): File {
  let scope = '';
  let syntax = 'proto2';
  const messages: Buffer[] = [];
  const enums: Buffer[] = [];
  const services: Buffer[] = [];
  eachField(new Reader(asBuffer(bytes)), (number, reader) => {
    if (number === 2) scope = reader.text();
    else if (number === 4) messages.push(reader.bytes());
    else if (number === 5) enums.push(reader.bytes());
    else if (number === 6) services.push(reader.bytes());
    else if (number === 12) syntax = reader.text();
    else return false;
    return true;
  });
  const file: File = { package: scope, types: [], messages: [], methods: [] };
  for (const message of messages) readMessage(message, scope, syntax, file);
  for (const one of enums) file.types.push(inside(scope, nameOf(one)));
  for (const service of services) readService(service, scope, file);
  return file;
}

function nameOf(bytes: Buffer): string {
  let name = '';
  eachField(new Reader(bytes), (number, reader) => {
    if (number !== 1) return false;
    name = reader.text();
    return true;
  });
  return name;
}

function readMessage(bytes: Buffer, scope: string, syntax: string, file: File): void {
  const name = inside(scope, nameOf(bytes));
  const fields: Field[] = [];
  let mapEntry = false;
  eachField(new Reader(bytes), (number, reader) => {
    if (number === 2) fields.push(readField(reader.bytes(), syntax));
    else if (number === 3) readMessage(reader.bytes(), name, syntax, file);
    else if (number === 4) file.types.push(inside(name, nameOf(reader.bytes())));
    else if (number === 7) mapEntry = numberIn(reader.bytes(), 7) === 1;
    else return false;
    return true;
  });
  file.types.push(name);
  file.messages.push({ name, fields, mapEntry });
}

/** A number field of a message of options; undefined when it is not set. */
function numberIn(bytes: Buffer, wanted: number): number | undefined {
  let found: number | undefined;
  eachField(new Reader(bytes), (number, reader) => {
    if (number !== wanted) return false;
    found = reader.varint();
    return true;
  });
  return found;
}

function readField(bytes: Buffer, syntax: string): Field {
  let name = '';
  let number = 0;
  let label = 1;
  let type = 0;
  let typeName = '';
  let packed: boolean | undefined;
  let inOneof = false;
  eachField(new Reader(bytes), (at, reader) => {
    if (at === 1) name = reader.text();
    else if (at === 3) number = reader.varint();
    else if (at === 4) label = reader.varint();
    else if (at === 5) type = reader.varint();
    else if (at === 6) typeName = reader.text();
    else if (at === 8) {
      const option = numberIn(reader.bytes(), 2);
      if (option !== undefined) packed = option === 1;
    } else if (at === 9) {
      reader.varint();
      inOneof = true; // proto3's `optional` is a oneof of its own
    } else return false;
    return true;
  });
  const [typeText, wireType] = TYPES[type] ?? ['', undefined];
  const repeated = label === 3;
  return {
    name,
    number,
    type: typeText,
    wireType,
    repeated,
    required: label === 2,
    packed: repeated && wireType !== 2 && (packed ?? syntax !== 'proto2'),
    // In editions a feature may say otherwise; then an unset field is taken too seriously, which only costs a plain call.
    presence: !repeated && (typeText === 'message' || inOneof || syntax !== 'proto3'),
    typeName,
  };
}

function readService(bytes: Buffer, scope: string, file: File): void {
  const service = inside(scope, nameOf(bytes));
  eachField(new Reader(bytes), (number, reader) => {
    if (number !== 2) return false;
    file.methods.push(readMethod(reader.bytes(), service));
    return true;
  });
}

function readMethod(bytes: Buffer, service: string): Method {
  let [name, input, output] = ['', '', ''];
  let [clientStreaming, serverStreaming] = [false, false];
  let level = 0;
  eachField(new Reader(bytes), (number, reader) => {
    if (number === 1) name = reader.text();
    else if (number === 2) input = reader.text();
    else if (number === 3) output = reader.text();
    else if (number === 4) level = numberIn(reader.bytes(), 34) ?? level;
    else if (number === 5) clientStreaming = reader.varint() === 1;
    else if (number === 6) serverStreaming = reader.varint() === 1;
    else return false;
    return true;
  });
  return { path: `/${service}/${name}`, input, output, clientStreaming, serverStreaming, idempotency: IDEMPOTENCY[level] ?? 'unknown' };
}

/** A name as it is written at `scope`, in full: the innermost scope that has it wins. */
function resolve(name: string, scope: string, names: ReadonlySet<string>): string {
  if (name.startsWith('.')) return name.slice(1);
  if (name === '') return '';
  for (let at = scope; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('.')))) {
    if (names.has(`${at}.${name}`)) return `${at}.${name}`;
  }
  return name;
}
