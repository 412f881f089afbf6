/**
 * Writes schema/policy.schema.json: the policy document as JSON Schema, for editors (`# yaml-language-server: $schema=...`).
 *
 *     node scripts/gen-schema.ts            write the file
 *     node scripts/gen-schema.ts --check    exit 1 if the file is not what would be written
 *
 * The checker of the package knows more (rules between fields, nearest names); what it takes, the schema takes.
 */
import { type DescEnum, type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { type Check, checkOf, comment, file, generate, isDuration, shorthandOf, words } from './policy-proto.ts';

type Schema = Record<string, unknown>;

const SERVICE = '[A-Za-z_][\\w-]*(\\.[A-Za-z_][\\w-]*)*';
const METHOD = `${SERVICE}/[A-Za-z_][\\w-]*`;
const CODES =
  'CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED'.split(
    ' ',
  );

const plain = (text: string): string => text.replaceAll('\n', ' ');
const ref = (desc: DescMessage | DescEnum): Schema => ({ $ref: `#/$defs/${desc.name}` });

function bounds({ min, max, positive }: Check): Schema {
  return {
    ...(min === undefined ? {} : { minimum: min }),
    ...(max === undefined ? {} : { maximum: max }),
    ...(positive === true ? { exclusiveMinimum: 0 } : {}),
  };
}

function nameSchema({ methodName = false, serviceName = false }: Check): Schema {
  const forms = [...(methodName ? [METHOD] : []), ...(serviceName ? [SERVICE] : [])];
  return { type: 'string', maxLength: 512, pattern: `^(${forms.join('|')})$` };
}

function scalarSchema(scalar: ScalarType, check: Check): Schema {
  if (scalar === ScalarType.BOOL) return { type: 'boolean' };
  if (scalar === ScalarType.DOUBLE) return { type: 'number', ...bounds(check) };
  if (scalar === ScalarType.UINT32) return { type: 'integer', minimum: 0, maximum: 2 ** 32 - 1, ...bounds(check) };
  if (check.codeName === true)
    return { anyOf: [{ enum: [...CODES, ...CODES.map((code) => code.toLowerCase())] }, { type: 'integer', minimum: 1, maximum: 16 }] };
  if (check.metadataKey === true) return { type: 'string', pattern: '^[0-9a-z_.-]+$' };
  if (check.methodName === true || check.serviceName === true) return nameSchema(check);
  return { type: 'string', minLength: 1 };
}

function messageSchema(desc: DescMessage): Schema {
  if (!isDuration(desc)) return ref(desc);
  return { type: 'string', pattern: '^(0|[1-9]\\d{0,11})(\\.\\d{1,9})?s$', examples: ['0.5s', '30s'] };
}

function valueSchema(field: DescField): Schema {
  const check = checkOf(field);
  switch (field.fieldKind) {
    case 'scalar':
      return scalarSchema(field.scalar, check);
    case 'enum':
      return ref(field.enum);
    case 'message':
      return messageSchema(field.message);
    case 'list': {
      const items =
        field.listKind === 'message'
          ? messageSchema(field.message)
          : field.listKind === 'enum'
            ? ref(field.enum)
            : scalarSchema(field.scalar, check);
      return { type: 'array', items, maxItems: 10_000, ...(check.minItems === undefined ? {} : { minItems: check.minItems }) };
    }
    case 'map': {
      const values =
        field.mapKind === 'message'
          ? messageSchema(field.message)
          : field.mapKind === 'enum'
            ? ref(field.enum)
            : scalarSchema(field.scalar, check);
      const names = check.anyText === true ? { minLength: 1 } : nameSchema(check);
      return { type: 'object', propertyNames: names, additionalProperties: values };
    }
  }
}

function objectSchema(desc: DescMessage, index: number): Schema {
  const properties = Object.fromEntries(
    desc.fields.map((field, f) => [field.jsonName, { description: plain(comment([4, index, 2, f])), ...valueSchema(field) }]),
  );
  const required = desc.fields.filter((field) => checkOf(field).required).map((field) => field.jsonName);
  const object = { type: 'object', properties, ...(required.length === 0 ? {} : { required }), additionalProperties: false };
  const short = shorthandOf(desc);
  const description = plain(comment([4, index]));
  return short?.enum === undefined ? { description, ...object } : { description, anyOf: [ref(short.enum), object] };
}

function enumSchema(desc: DescEnum, index: number): Schema {
  const each = words(desc).map(({ word, index: v }) => ({ const: word, description: plain(comment([5, index, 2, v])) }));
  return { description: plain(comment([5, index])), oneOf: each };
}

const schema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'inmesh policy',
  ...(file.messages[0] === undefined ? {} : ref(file.messages[0])),
  $defs: {
    ...Object.fromEntries(file.messages.map((desc, index) => [desc.name, objectSchema(desc, index)])),
    ...Object.fromEntries(file.enums.map((desc, index) => [desc.name, enumSchema(desc, index)])),
  },
};
generate('schema/policy.schema.json', `${JSON.stringify(schema, undefined, 2)}\n`);
