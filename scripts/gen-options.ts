/**
 * Writes src/policy/option-shapes.gen.ts: what `inmesh.v1.MethodPolicy` looks like as an option of a .proto file, for reading it at run
 * time from descriptors and from what proto-loader made, without a protobuf library.
 *
 *     node scripts/gen-options.ts            write the file
 *     node scripts/gen-options.ts --check    exit 1 if the file is not what would be written
 */
import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { found, generate, isDuration, registry } from './policy-proto.ts';

const BEGIN = 'inmesh.v1.MethodPolicy';

const SCALARS: Readonly<Partial<Record<ScalarType, string>>> = {
  [ScalarType.BOOL]: 'bool',
  [ScalarType.DOUBLE]: 'double',
  [ScalarType.UINT32]: 'uint32',
  [ScalarType.STRING]: 'string',
};

/** `bool`, `duration`, the name of an enum, or that of a message. */
function typeOf(field: DescField): string {
  if (field.message !== undefined) return isDuration(field.message) ? 'duration' : field.message.name;
  if (field.enum !== undefined) return field.enum.name;
  const scalar = field.scalar === undefined ? undefined : SCALARS[field.scalar];
  if (scalar === undefined) throw new Error(`${field.parent.name}.${field.name}: no way to read this kind of field yet`);
  return scalar;
}

function shapeOf(field: DescField): string {
  const many = field.fieldKind === 'list' ? ", many: 'list'" : field.fieldKind === 'map' ? ", many: 'map'" : '';
  return `    { number: ${field.number}, name: '${field.name}', key: '${field.jsonName}', type: '${typeOf(field)}'${many} },`;
}

/** The message and all that it contains, in the order of first mention. */
function reachable(desc: DescMessage, seen: DescMessage[] = []): readonly DescMessage[] {
  if (seen.includes(desc) || desc.typeName.startsWith('google.')) return seen;
  seen.push(desc);
  for (const field of desc.fields) if (field.message !== undefined) reachable(field.message, seen);
  return seen;
}

function render(): string {
  const messages = reachable(found(registry.getMessage(BEGIN), BEGIN));
  const enums = [...new Set(messages.flatMap(({ fields }) => fields.flatMap((field) => field.enum ?? [])))];
  const shapes = messages.map((desc) => `  ${desc.name}: [\n${desc.fields.map(shapeOf).join('\n')}\n  ],`);
  const words = enums.map(
    (desc) =>
      `  ${desc.name}: [\n${desc.values
        .filter(({ number }) => number !== 0)
        .map(({ number, name, localName }) => `    { number: ${number}, name: '${name}', word: '${localName.toLowerCase()}' },`)
        .join('\n')}\n  ],`,
  );
  return `/**
 * What \`${BEGIN}\` looks like as an option of a .proto file.
 *
 * Generated from protos/inmesh/v1/policy.proto by scripts/gen-options.ts. Do not edit: run \`npm run gen\`.
 *
 * @packageDocumentation
 */

/** A field: its number on the wire, its names in a .proto file and in the document, and what it holds. */
export interface FieldShape {
  readonly number: number;
  readonly name: string;
  readonly key: string;
  /** \`bool\`, \`double\`, \`uint32\`, \`string\`, \`duration\`, or the name of a message or an enum. */
  readonly type: string;
  readonly many?: 'list' | 'map';
}

/** A value of an enum, and its word in the document. */
export interface WordShape {
  readonly number: number;
  readonly name: string;
  readonly word: string;
}

/** By name of the message. */
export const MESSAGE_SHAPES: Readonly<Record<string, readonly FieldShape[]>> = {
${shapes.join('\n')}
};

/** By name of the enum; the unspecified value is no word. */
export const ENUM_WORDS: Readonly<Record<string, readonly WordShape[]>> = {
${words.join('\n')}
};
`;
}

generate('src/policy/option-shapes.gen.ts', render());
