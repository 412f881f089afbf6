/**
 * Writes src/policy/policy.gen.ts from protos/inmesh/v1/policy.proto: the types of the policy document, and its checker.
 *
 *     node scripts/gen-policy.ts            write the file
 *     node scripts/gen-policy.ts --check    exit 1 if the file is not what would be written
 *
 * The types are protobuf's JSON form, narrowed: durations are text, enums are words, shorthands are allowed. The checker is
 * built from the functions of src/policy/rules.ts, one for each kind of field; bounds come from the (check) options.
 */
import { type DescEnum, type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { type Check, checkOf, comment, file, generate, isDuration, PROTO, shorthandOf, words } from './policy-proto.ts';

// --- types ----------------------------------------------------------------------------------------------------------------

function doc(text: string, indent: string): string {
  const lines = text.split('\n');
  return lines.length === 1
    ? `${indent}/** ${text} */`
    : [`${indent}/**`, ...lines.map((line) => `${indent} * ${line}`), `${indent} */`].join('\n');
}

function scalarType(field: DescField & { readonly scalar: ScalarType }, check: Check): string {
  if (field.scalar === ScalarType.BOOL) return 'boolean';
  if (field.scalar === ScalarType.STRING) return check.codeName ? 'StatusCodeText' : 'string';
  return 'number';
}

function messageType(desc: DescMessage): string {
  if (isDuration(desc)) return 'DurationText';
  const short = shorthandOf(desc);
  return short?.enum === undefined ? desc.name : `${short.enum.name} | ${desc.name}`;
}

function typeOf(field: DescField): string {
  switch (field.fieldKind) {
    case 'scalar':
      return scalarType(field, checkOf(field));
    case 'enum':
      return field.enum.name;
    case 'message':
      return messageType(field.message);
    case 'list':
      if (field.listKind === 'message') return `readonly ${messageType(field.message)}[]`;
      if (field.listKind !== 'scalar') break;
      return `readonly ${scalarType(field, checkOf(field))}[]`;
    case 'map':
      if (field.mapKind === 'enum') break;
      return `{ readonly [name: string]: ${field.mapKind === 'message' ? messageType(field.message) : scalarType(field, checkOf(field))} }`;
  }
  throw new Error(`${field.parent.name}.${field.name}: no rule for this kind of field yet`);
}

function range(check: Check, unit: string): string {
  if (check.positive) return `\nMore than 0${unit}.`;
  if (check.min !== undefined && check.max !== undefined) return `\nRange: ${check.min}${unit} to ${check.max}${unit}.`;
  return check.min === undefined ? '' : `\nAt least ${check.min}${unit}.`;
}

function interfaceOf(desc: DescMessage, index: number): string {
  const body = desc.fields.map((field, f) => {
    const check = checkOf(field);
    const text = comment([4, index, 2, f]) + range(check, field.message !== undefined && isDuration(field.message) ? 's' : '');
    return `${doc(text, '  ')}\n  readonly ${field.jsonName}${check.required ? '' : '?'}: ${typeOf(field)};`;
  });
  return `${doc(comment([4, index]), '')}\nexport interface ${desc.name} {\n${body.join('\n')}\n}\n`;
}

function unionOf(desc: DescEnum, index: number): string {
  const each = words(desc).map(({ word, index: v }) => `- \`${word}\`: ${comment([5, index, 2, v])}`);
  return `${doc([comment([5, index]), '', ...each].join('\n'), '').replaceAll(' * \n', ' *\n')}\nexport type ${desc.name} = ${words(desc)
    .map(({ word }) => `'${word}'`)
    .join(' | ')};\n`;
}

// --- checker --------------------------------------------------------------------------------------------------------------

const literal = (value: unknown): string =>
  JSON.stringify(value)
    .replaceAll('"', "'")
    .replaceAll(/'(\w+)':/g, '$1: ')
    .replaceAll(',', ', ')
    .replaceAll(/\{(.+?)\}/g, '{ $1 }');

function bounds({ min, max, positive }: Check): string {
  const given = {
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
    ...(positive === undefined ? {} : { positive }),
  };
  return Object.keys(given).length === 0 ? '' : literal(given);
}

function nameRule(check: Check, place: 'value' | 'key'): string {
  const kinds = { ...(check.methodName ? { method: true } : {}), ...(check.serviceName ? { service: true } : {}) };
  return `name(${literal(kinds)}, '${place}')`;
}

function scalarRule(field: DescField & { readonly scalar: ScalarType }, check: Check): string {
  switch (field.scalar) {
    case ScalarType.BOOL:
      return 'bool()';
    case ScalarType.DOUBLE:
      return `double(${bounds(check)})`;
    case ScalarType.UINT32:
      return `integer(${bounds(check)})`;
    case ScalarType.STRING:
      if (check.codeName) return 'statusCode()';
      if (check.metadataKey) return 'metadataKey()';
      if (check.anyText) return 'text()';
      if (check.methodName || check.serviceName) return nameRule(check, 'value');
      throw new Error(`${field.parent.name}.${field.name}: text needs a rule (check.proto)`);
    default:
      throw new Error(`${field.parent.name}.${field.name}: no rule for ${ScalarType[field.scalar]} yet`);
  }
}

const ruleName = (desc: DescMessage | DescEnum): string => `${desc.name[0]?.toLowerCase()}${desc.name.slice(1)}Rule`;

function fieldOfMessage(desc: DescMessage, check: Check): string {
  return isDuration(desc) ? `duration(${bounds(check)})` : ruleName(desc);
}

function ruleOf(field: DescField): string {
  const check = checkOf(field);
  switch (field.fieldKind) {
    case 'scalar':
      return scalarRule(field, check);
    case 'enum':
      return ruleName(field.enum);
    case 'message':
      return fieldOfMessage(field.message, check);
    case 'list':
      if (field.listKind === 'enum') break;
      return `list(${field.listKind === 'message' ? fieldOfMessage(field.message, check) : scalarRule(field, check)}${check.minItems === undefined ? '' : `, ${check.minItems}`})`;
    case 'map':
      if (field.mapKind === 'enum') break;
      return `table(${check.anyText ? 'text()' : nameRule(check, 'key')}, ${field.mapKind === 'message' ? fieldOfMessage(field.message, check) : scalarRule(field, check)})`;
  }
  throw new Error(`${field.parent.name}.${field.name}: no rule for this kind of field yet`);
}

/** Messages after those that they contain, which `const` needs. */
function inOrder(messages: readonly DescMessage[]): readonly DescMessage[] {
  const done = new Set<DescMessage>();
  const visit = (desc: DescMessage): void => {
    if (done.has(desc) || desc.file !== file) return;
    for (const field of desc.fields) if (field.message !== undefined) visit(field.message);
    done.add(desc);
  };
  for (const desc of messages) visit(desc);
  return [...done];
}

function messageRule(desc: DescMessage): string {
  const required = desc.fields.filter((field) => checkOf(field).required).map((field) => field.jsonName);
  const short = shorthandOf(desc);
  const shorthands = short?.enum === undefined ? [] : words(short.enum).map(({ word }) => word);
  const more = { ...(required.length === 0 ? {} : { required }), ...(shorthands.length === 0 ? {} : { shorthands }) };
  const body = desc.fields.map((field) => `  ${field.jsonName}: ${ruleOf(field)},`).join('\n');
  const rule = `fields<${desc.name}>({\n${body}\n}${Object.keys(more).length === 0 ? '' : `, ${literal(more)}`})`;
  const isRoot = desc.name === 'Policy';
  const note = isRoot ? '/** Checks a whole document. */\nexport ' : '';
  return `${note}const ${ruleName(desc)}: Rule<${desc.name}> = ${short === undefined ? rule : `shorthand('${short.jsonName}', ${rule})`};\n`;
}

function render(): string {
  const rules = [
    ...file.enums.map(
      (desc) =>
        `const ${ruleName(desc)}: Rule<${desc.name}> = oneOf(${words(desc)
          .map(({ word }) => `'${word}'`)
          .join(', ')});\n`,
    ),
    ...inOrder(file.messages).map(messageRule),
  ].join('\n');
  const imported = [
    'bool',
    'double',
    'duration',
    'fields',
    'integer',
    'list',
    'metadataKey',
    'name',
    'oneOf',
    'shorthand',
    'statusCode',
    'table',
    'text',
  ].filter((name) => new RegExp(`\\b${name}[(<]`).test(rules));
  return `${[
    `/**\n * The policy document: its types and its checker.\n *\n * Generated from protos/${PROTO}.proto by scripts/gen-policy.ts. Do not edit: run \`npm run gen\`.\n *\n * @packageDocumentation\n */`,
    "import type { DurationText } from './duration.ts';\nimport type { StatusCodeText } from './names.ts';",
    `import { ${[...imported, 'type Rule'].join(', ')} } from './rules.ts';\n`,
    ...file.messages.map(interfaceOf),
    ...file.enums.map(unionOf),
  ].join('\n')}\n${rules}`;
}

generate('src/policy/policy.gen.ts', render());
