/**
 * Services and their messages in the JSON of protobufjs, which proto-loader's `fromJSON` reads. Unlike a descriptor set it keeps maps and the case of names.
 *
 * @packageDocumentation
 */
import { type DescEnum, type DescField, type DescMessage, type DescService, ScalarType } from '@bufbuild/protobuf';
import { FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt';
import { placeOfField } from './places.ts';

/** A namespace of protobufjs. */
export interface JsonNamespace {
  readonly fields?: Readonly<Record<string, JsonField>>;
  readonly values?: Readonly<Record<string, number>>;
  readonly oneofs?: Readonly<Record<string, { readonly oneof: readonly string[] }>>;
  readonly options?: Readonly<Record<string, boolean>>;
  readonly methods?: Readonly<Record<string, JsonMethod>>;
  nested?: Record<string, JsonNamespace>;
}
interface JsonMethod {
  readonly requestType: string;
  readonly requestStream?: boolean;
  readonly responseType: string;
  readonly responseStream?: boolean;
}
interface JsonField {
  readonly rule?: 'repeated' | 'required';
  readonly keyType?: string;
  readonly type: string;
  readonly id: number;
  readonly options?: Readonly<Record<string, unknown>>;
}

/** @throws Error that begins with `file:line:column` when a field is a group. */
export function loaderJson(
  { messages, enums }: { readonly messages: Iterable<DescMessage>; readonly enums: Iterable<DescEnum> },
  services: readonly DescService[],
  inCase: (name: string) => string,
): JsonNamespace {
  const root: JsonNamespace = {};
  const put = (typeName: string, content: JsonNamespace): void => {
    let at = root;
    for (const part of typeName.split('.')) {
      at.nested ??= {};
      at = at.nested[part] ??= {};
    }
    Object.assign(at, content);
  };
  for (const one of enums) {
    const alias = one.proto.options?.allowAlias === true ? { options: { allow_alias: true } } : {};
    put(one.typeName, { ...alias, values: Object.fromEntries(one.values.map(({ name, number }) => [name, number])) });
  }
  for (const message of messages) put(message.typeName, messageJson(message, inCase));
  for (const service of services) {
    const methods = service.methods.map(({ name, methodKind, input, output }): [string, JsonMethod] => [
      name,
      {
        requestType: `.${input.typeName}`,
        ...(/client|bidi/.test(methodKind) ? { requestStream: true } : {}),
        responseType: `.${output.typeName}`,
        ...(/server|bidi/.test(methodKind) ? { responseStream: true } : {}),
      },
    ]);
    put(service.typeName, { methods: Object.fromEntries(methods) });
  }
  return root;
}

function messageJson(message: DescMessage, inCase: (name: string) => string): JsonNamespace {
  const oneofs = Object.fromEntries([
    ...message.oneofs.map(({ name, fields }) => [inCase(name), { oneof: fields.map((field) => inCase(field.name)) }] as const),
    ...message.fields.filter((field) => field.proto.proto3Optional).map(({ name }) => [`_${name}`, { oneof: [inCase(name)] }] as const),
  ]);
  const fields = Object.fromEntries(message.fields.map((field) => [inCase(field.name), fieldJson(field)]));
  return Object.keys(oneofs).length > 0 ? { oneofs, fields } : { fields };
}

function fieldJson(field: DescField): JsonField {
  if ('delimitedEncoding' in field && field.delimitedEncoding)
    throw new Error(`${placeOfField(field)}: ${field.parent.typeName}.${field.name} is a group, which messages=proto-loader does not take`);
  const rule =
    field.fieldKind === 'list' ? 'repeated' : field.presence === FeatureSet_FieldPresence.LEGACY_REQUIRED ? 'required' : undefined;
  const given = defaultOf(field);
  const options = {
    ...(field.proto.proto3Optional ? { proto3_optional: true } : {}),
    ...(field.fieldKind === 'list' && isPackable(field) && !field.packed ? { packed: false } : {}),
    ...(given === undefined ? {} : { default: given }),
  };
  return {
    ...(rule === undefined ? {} : { rule }),
    ...(field.fieldKind === 'map' ? { keyType: scalarName(field.mapKey) } : {}),
    type: typeOf(field),
    id: field.number,
    ...(Object.keys(options).length > 0 ? { options } : {}),
  };
}

/** Of proto2 and editions. Those of bytes stand in a notation of their own: they come empty. */
function defaultOf({ proto, scalar, enum: one }: DescField): string | number | boolean | undefined {
  const text = proto.defaultValue;
  if (text === '' || scalar === ScalarType.BYTES) return undefined;
  if (one !== undefined || scalar === ScalarType.STRING) return text;
  return scalar === ScalarType.BOOL ? text === 'true' : Number(text);
}

const UNPACKED: ReadonlySet<ScalarType | undefined> = new Set([ScalarType.STRING, ScalarType.BYTES]);
const isPackable = ({ message, scalar }: DescField): boolean => message === undefined && !UNPACKED.has(scalar);

function typeOf({ message, enum: one, scalar }: DescField): string {
  const named = message ?? one;
  return named === undefined ? scalarName(scalar) : `.${named.typeName}`;
}

const scalarName = (scalar: ScalarType | undefined): string => (scalar === undefined ? '' : ScalarType[scalar].toLowerCase());
