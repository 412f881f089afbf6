/**
 * Reads `FileDescriptorProto`s by hand.
 *
 * @packageDocumentation
 */
import { Reader } from '../wire.ts';
import type { Field, Idempotency, Message, Method, WireType } from './descriptors.ts';

/** Number of the extensions in protos/inmesh/v1/options.proto; it stands nowhere else. */
export const POLICY_OPTION: number = 50_777;

/** The files of a `FileDescriptorSet`. @throws WireError when it is none. */
export function filesOfSet(set: Uint8Array): Buffer[] {
  const files: Buffer[] = [];
  eachField(new Reader(asBuffer(set)), (number, reader) => number === 1 && files.push(reader.bytes()) > 0);
  return files;
}

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

/** A file. */
export interface File {
  readonly name: string;
  readonly package: string;
  /** Values of its policy option. */
  readonly policy: readonly Buffer[];
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

/** What one file declares. @throws WireError when it is no `FileDescriptorProto`. */
export function readFile(bytes: Uint8Array): File {
  let name = '';
  let scope = '';
  let syntax = 'proto2';
  let policy: readonly Buffer[] = [];
  const messages: Buffer[] = [];
  const enums: Buffer[] = [];
  const services: Buffer[] = [];
  eachField(new Reader(asBuffer(bytes)), (number, reader) => {
    if (number === 1) name = reader.text();
    else if (number === 2) scope = reader.text();
    else if (number === 4) messages.push(reader.bytes());
    else if (number === 5) enums.push(reader.bytes());
    else if (number === 6) services.push(reader.bytes());
    else if (number === 8) policy = valuesIn(reader.bytes());
    else if (number === 12) syntax = reader.text();
    else return false;
    return true;
  });
  const file: File = { name, package: scope, policy, types: [], messages: [], methods: [] };
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

/** What our option has in a message of options. */
function valuesIn(options: Buffer): readonly Buffer[] {
  const values: Buffer[] = [];
  eachField(new Reader(options), (number, reader) => number === POLICY_OPTION && values.push(reader.bytes()) > 0);
  return values;
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
  const methods: Buffer[] = [];
  let policy: readonly Buffer[] = [];
  eachField(new Reader(bytes), (number, reader) => {
    if (number === 2) methods.push(reader.bytes());
    else if (number === 3) policy = valuesIn(reader.bytes());
    else return false;
    return true;
  });
  for (const method of methods) file.methods.push(readMethod(method, service, file, policy));
}

function readMethod(bytes: Buffer, service: string, file: File, servicePolicy: readonly Buffer[]): Method {
  let [name, input, output] = ['', '', ''];
  let [clientStreaming, serverStreaming] = [false, false];
  let level = 0;
  let policy: readonly Buffer[] = [];
  eachField(new Reader(bytes), (number, reader) => {
    if (number === 1) name = reader.text();
    else if (number === 2) input = reader.text();
    else if (number === 3) output = reader.text();
    else if (number === 4) {
      const options = reader.bytes();
      level = numberIn(options, 34) ?? level;
      policy = valuesIn(options);
    } else if (number === 5) clientStreaming = reader.varint() === 1;
    else if (number === 6) serverStreaming = reader.varint() === 1;
    else return false;
    return true;
  });
  return {
    path: `/${service}/${name}`,
    input,
    output,
    clientStreaming,
    serverStreaming,
    idempotency: IDEMPOTENCY[level] ?? 'unknown',
    file: file.name,
    policy: { method: policy, service: servicePolicy, file: file.policy },
  };
}
