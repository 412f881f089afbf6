/**
 * Messages as plain objects, as proto-loader makes them: their types, and a definition that it loads when the program starts. No code
 * is generated for messages.
 *
 * Types and runtime are those of the options `longs: String, enums: String, defaults: true, oneofs: true`.
 *
 * @packageDocumentation
 */
import { type DescEnum, type DescField, type DescFile, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import type { GeneratedFile, Printable } from '@bufbuild/protoplugin';
import { literal, property, quoted } from './literal.ts';
import { loaderJson } from './loader-json.ts';
import { type MessagePlace, type MessageStyle, nameInFile } from './message-style.ts';

const LOADER = '@grpc/proto-loader';
/** JSON of one field stands on one line. */
const JSON_WIDTH = 120;

/** Every message and enum that the services of a file need. */
interface Needed {
  readonly messages: ReadonlySet<DescMessage>;
  readonly enums: ReadonlySet<DescEnum>;
}

/** @throws Error when a message has a field that proto-loader does not read. */
export function loaderMessages(f: GeneratedFile, file: DescFile, keepCase: boolean): MessageStyle {
  const roots = new Set(file.services.flatMap(({ methods }) => methods.flatMap(({ input, output }) => [input, output])));
  const needed = neededBy(roots);
  const nameOf = (type: DescMessage | DescEnum): string => (type.file === file ? nameInFile(type) : type.typeName.replaceAll('.', '_'));
  const inCase = (name: string): string => (keepCase ? name : camelCase(name));
  const types: Types = { f, nameOf, inCase };
  for (const one of needed.enums) printEnum(types, one);
  for (const message of needed.messages) {
    printMessage(types, message, 'given');
    printMessage(types, message, 'got');
  }
  f.print();
  f.print('/** What the types above are those of. */');
  f.print(
    'export const loaderOptions = { keepCase: ',
    String(keepCase),
    ', longs: String, enums: String, defaults: true, oneofs: true } as const;',
  );
  f.print();
  f.print('const json: object = ', literal(loaderJson(needed, file.services, inCase), JSON_WIDTH), ';');
  const fromJson = f.import('fromJSON', LOADER);
  f.print('const loaded = ', fromJson, '(json as Parameters<typeof ', fromJson, '>[0], loaderOptions) as unknown as {');
  for (const { typeName, methods } of file.services) {
    f.print('  readonly ', quoted(typeName), ': {');
    for (const { name, input, output } of methods) {
      const [request, response] = [nameOf(input), nameOf(output)];
      const types = [request, ', ', response, ', ', request, '__Output, ', response, '__Output'];
      f.print('    readonly ', name, ': ', f.import('MethodDefinition', LOADER, true), '<', types, '>;');
    }
    f.print('  };');
  }
  f.print('};');
  const codec = ({ method, side }: MessagePlace): string => `loaded[${quoted(method.parent.typeName)}].${method.name}.${side}`;
  return {
    given: nameOf,
    got: (message) => `${nameOf(message)}__Output`,
    encode: (_, place) => `${codec(place)}Serialize(value)`,
    decode: (_, place) => `${codec(place)}Deserialize(bytes)`,
    bytes: 'Buffer',
    property: ({ name }) => inCase(name),
  };
}

function neededBy(roots: Iterable<DescMessage>): Needed {
  const messages = new Set<DescMessage>();
  const enums = new Set<DescEnum>();
  const add = (message: DescMessage): void => {
    if (messages.has(message)) return;
    messages.add(message);
    for (const { message: inner, enum: one } of message.fields) {
      if (one !== undefined) enums.add(one);
      if (inner !== undefined) add(inner);
    }
  };
  for (const root of roots) add(root);
  return { messages, enums };
}

interface Types {
  readonly f: GeneratedFile;
  nameOf(type: DescMessage | DescEnum): string;
  inCase(name: string): string;
}

function printEnum({ f, nameOf }: Types, one: DescEnum): void {
  f.print();
  f.print('/** ', one.typeName, '; a value that the file does not name comes as its number. */');
  f.print(f.export('type', nameOf(one)), ' = ', one.values.map(({ name }) => quoted(name)).join(' | '), ' | number;');
}

function printMessage({ f, nameOf, inCase }: Types, message: DescMessage, side: 'given' | 'got'): void {
  f.print();
  f.print('/** ', message.typeName, side === 'given' ? ', as it may be given.' : ', as it comes.', ' */');
  f.print(f.export('interface', side === 'given' ? nameOf(message) : `${nameOf(message)}__Output`), ' {');
  for (const field of message.fields) {
    const name = property(inCase(field.name));
    const type = fieldType(field, nameOf, side);
    if (side === 'given')
      f.print('  ', name, '?: ', type, field.message === undefined || !isSingle(field) ? '' : ' | null', ' | undefined;');
    else if (isAlternative(field)) f.print('  ', name, '?: ', type, ';');
    else f.print('  ', name, ': ', type, isSingle(field) && field.message !== undefined ? ' | null' : '', ';');
  }
  if (side === 'got') {
    for (const { name, fields } of message.oneofs)
      oneOf(
        inCase(name),
        fields.map((field) => field.name),
      );
    for (const field of message.fields) if (field.proto.proto3Optional) oneOf(`_${field.name}`, [field.name]);
  }
  f.print('}');
  function oneOf(name: string, members: readonly string[]): void {
    f.print('  /** Which one is set. */');
    f.print('  ', property(name), '?: ', members.map((member) => quoted(inCase(member))).join(' | '), ';');
  }
}

const isSingle = ({ fieldKind }: DescField): boolean => fieldKind !== 'list' && fieldKind !== 'map';
/** It is left out where it is not set, and has no default. */
const isAlternative = (field: DescField): boolean => field.oneof !== undefined || field.proto.proto3Optional;

function fieldType(field: DescField, nameOf: Types['nameOf'], side: 'given' | 'got'): Printable {
  const one = field.message !== undefined ? nameOf(field.message) + (side === 'got' ? '__Output' : '') : oneType(field, nameOf, side);
  if (field.fieldKind === 'map') return ['{ [key: string]: ', one, ' }'];
  if (field.fieldKind !== 'list') return one;
  return one.includes('|') ? ['(', one, ')[]'] : [one, '[]'];
}

function oneType(field: DescField, nameOf: Types['nameOf'], side: 'given' | 'got'): string {
  if (field.enum !== undefined) return nameOf(field.enum);
  switch (field.scalar) {
    case ScalarType.STRING:
      return 'string';
    case ScalarType.BOOL:
      return 'boolean';
    case ScalarType.BYTES:
      return side === 'got' ? 'Buffer' : 'Uint8Array | string';
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
    case ScalarType.SINT64:
      return side === 'got' ? 'string' : 'number | string';
    default:
      return 'number';
  }
}

/** As protobufjs makes names without `keepCase`. */
function camelCase(name: string): string {
  return name.slice(0, 1) + name.slice(1).replace(/_([a-z])(?=[a-z]|$)/g, (_, letter: string) => letter.toUpperCase());
}
