/**
 * What a `FileDescriptorProto` says of itself: enough to follow imports, and to know that whoever reads all of it is safe.
 *
 * Whoever does makes an object of each field, and a full name of each message: a file of a megabyte could take gigabytes, and hours to
 * resolve its names. So there are limits, far above any file written by hand.
 *
 * Source: google/protobuf/descriptor.proto.
 *
 * @packageDocumentation
 */
import { WireError } from '../batch/wire.ts';
import { nameProblem } from '../policy/names.ts';
import { eachField } from './messages.ts';

/** The top of a file. */
export interface FileHeader {
  /** As its compiler was told: `shop/v1/shop.proto`. */
  readonly name: string;
  readonly imports: readonly string[];
  /** Full names. */
  readonly services: readonly string[];
}

/** Of a FileDescriptorProto. */
const FILE = { name: 1, package: 2, import: 3, message: 4, enum: 5, service: 6 } as const;
/** Of a DescriptorProto. */
const MESSAGE = { name: 1, field: 2, message: 3, enum: 4 } as const;
/** Of a ServiceDescriptorProto and a MethodDescriptorProto. */
const SERVICE = { name: 1, method: 2 } as const;

/** Messages, fields, enums, services and methods of all files. */
const MAX_DECLARED = 500_000;
/** Of a full name: characters, and parts between dots. */
const MAX_NAME = 512;
const MAX_PARTS = 32;

/** How much may still be declared. */
export class Declarations {
  #left = MAX_DECLARED;
  /** @throws WireError when it is too much. */
  one(): void {
    if (--this.#left < 0) throw new WireError('too many declarations');
  }
}

/**
 * Reads a file's top, and looks at the rest.
 *
 * @param maxEntries - Most imports.
 * @throws WireError when it is no such file, or breaks a limit.
 */
export function readHeader(bytes: Buffer, maxEntries: number, declared: Declarations): FileHeader {
  let name = '';
  let scope = '';
  const imports: string[] = [];
  const messages: Buffer[] = [];
  const services: Buffer[] = [];
  eachField(bytes, (number, reader) => {
    if (number === FILE.name) name = reader.text();
    else if (number === FILE.package) scope = reader.text();
    else if (number === FILE.import) imports.push(reader.text());
    else {
      if (number === FILE.message || number === FILE.enum || number === FILE.service) declared.one();
      if (number === FILE.message) messages.push(reader.bytes());
      else if (number === FILE.service) services.push(reader.bytes());
      else return false;
    }
    if (imports.length > maxEntries) throw new WireError('too many entries');
    return true;
  });
  for (const message of messages) lookInto(message, scope, declared);
  return { name, imports, services: services.map((service) => readService(service, scope, declared)) };
}

/** Its depth is bounded by that of its name. */
function lookInto(message: Buffer, scope: string, declared: Declarations): void {
  let name = '';
  const inner: Buffer[] = [];
  eachField(message, (number, reader) => {
    if (number === MESSAGE.field || number === MESSAGE.message || number === MESSAGE.enum) declared.one();
    if (number === MESSAGE.name) name = reader.text();
    else if (number === MESSAGE.message) inner.push(reader.bytes());
    else return false;
    return true;
  });
  const full = inside(scope, name);
  if (full.length > MAX_NAME || full.split('.').length > MAX_PARTS) throw new WireError('a name too long, or messages too deep');
  for (const one of inner) lookInto(one, full, declared);
}

function readService(bytes: Buffer, scope: string, declared: Declarations): string {
  let name = '';
  const methods: string[] = [];
  eachField(bytes, (number, reader) => {
    if (number === SERVICE.name) name = reader.text();
    else if (number === SERVICE.method) {
      declared.one();
      methods.push(nameOf(reader.bytes()));
    } else return false;
    return true;
  });
  const full = inside(scope, name);
  const isWrong = (method: string): boolean => nameProblem(`${full}/${method}`, { method: true, service: false, key: false }) !== undefined;
  if (methods.some(isWrong)) throw new WireError('a method whose name is none');
  return full;
}

function nameOf(bytes: Buffer): string {
  let name = '';
  eachField(bytes, (number, reader) => {
    if (number !== SERVICE.name) return false;
    name = reader.text();
    return true;
  });
  return name;
}

const inside = (scope: string, name: string): string => (scope === '' ? name : `${scope}.${name}`);
