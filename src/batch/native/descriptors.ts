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
import { readFile } from './descriptor-files.ts';

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
  /** The .proto file that has it, as its compiler was told. */
  readonly file: string;
  /** Values of the options of inmesh (options.proto), as bytes: one for each statement. */
  readonly policy: Readonly<Record<OptionLevel, readonly Buffer[]>>;
}

/** Whose option it is. */
export type OptionLevel = 'method' | 'service' | 'file';

/** Options of methods by path, as proto-loader has them. */
export type LoadedOptions = ReadonlyMap<string, Readonly<Record<string, unknown>>>;

/** Everything that some files declare. */
export class Catalog {
  readonly #messages = new Map<string, Message>();
  readonly #methods = new Map<string, Method>();
  readonly #loaded: LoadedOptions;

  /**
   * @param loaded - Options that are not in the files: proto-loader drops them there.
   * @throws WireError when a file is no `FileDescriptorProto`.
   */
  constructor(files: Iterable<Uint8Array>, loaded: LoadedOptions = new Map()) {
    this.#loaded = loaded;
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
  /** Options of a method as protobufjs has them. */
  loaded(path: string): Readonly<Record<string, unknown>> | undefined {
    return this.#loaded.get(path);
  }
  get methods(): Iterable<Method> {
    return this.#methods.values();
  }
}

/** A field by its name in the .proto file, or in lowerCamelCase (protobufjs keeps only that unless told otherwise). */
export function fieldOf(message: Message, name: string): Field | undefined {
  return message.fields.find((field) => field.name === name) ?? message.fields.find((field) => camel(field.name) === camel(name));
}

const camel = (name: string): string => name.replace(/_+([a-z0-9])/gi, (_, letter: string) => letter.toUpperCase());

/** A name as it is written at `scope`, in full: the innermost scope that has it wins. */
function resolve(name: string, scope: string, names: ReadonlySet<string>): string {
  if (name.startsWith('.')) return name.slice(1);
  if (name === '') return '';
  for (let at = scope; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('.')))) {
    if (names.has(`${at}.${name}`)) return `${at}.${name}`;
  }
  return name;
}
