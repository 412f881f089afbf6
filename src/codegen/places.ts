/**
 * Where something stands in a .proto file, as `file:line:column`.
 *
 * @packageDocumentation
 */
import type { DescField, DescFile, DescMessage } from '@bufbuild/protobuf';
import { POLICY_OPTION } from '../batch/native/descriptor-files.ts';

/** Numbers of fields in google/protobuf/descriptor.proto. */
const MESSAGE = 4;
const SERVICE = 6;
const FILE_OPTIONS = 8;

/**
 * The place of a fault in an option of ours: the value itself where the compiler notes it (buf does), else the option's statement.
 *
 * @param fault - `shop.proto: option (inmesh.v1.method_policy) of shop.v1.Shop/GetItem: batch.via`, as faults in declarations are named.
 */
export function placeOfOption(file: DescFile, fault: string): string {
  const [, whose = '', rest = ''] = /_policy\)(?: of ([\w.]+(?:\/\w+)?))?(.*)$/.exec(fault) ?? [];
  // What is wrong with a batch rule is told behind the option itself, all else behind a colon.
  const inside = numbersOf(policyMessage(file), rest.startsWith(':') ? rest : `batch${rest}`);
  for (const [s, service] of file.services.entries()) {
    for (const [m, method] of service.methods.entries())
      if (whose === `${service.typeName}/${method.name}`) return placeAt(file, [SERVICE, s, 2, m, 4, POLICY_OPTION, ...inside]);
    if (whose === service.typeName) return placeAt(file, [SERVICE, s, 3, POLICY_OPTION, ...inside]);
  }
  return placeAt(file, [FILE_OPTIONS, POLICY_OPTION, ...inside]);
}

/** The place of a field. */
export function placeOfField(field: DescField): string {
  const { parent } = field;
  return placeAt(parent.file, [...pathOf(parent), 2, parent.proto.field.indexOf(field.proto)]);
}

function pathOf({ parent, proto, file }: DescMessage): number[] {
  return parent === undefined
    ? [MESSAGE, file.proto.messageType.indexOf(proto)]
    : [...pathOf(parent), 3, parent.proto.nestedType.indexOf(proto)];
}

/** `MethodPolicy`, from what the file imports. */
function policyMessage(file: DescFile): DescMessage | undefined {
  const all = [file, ...file.dependencies, ...file.dependencies.flatMap(({ dependencies }) => dependencies)];
  return all.flatMap(({ messages }) => messages).find(({ typeName }) => typeName === 'inmesh.v1.MethodPolicy');
}

/** `: batch.groupBy[0]` as numbers of fields, as far as it goes. */
function numbersOf(policy: DescMessage | undefined, text: string): number[] {
  const numbers: number[] = [];
  let message = policy;
  for (const [, name, index] of text.matchAll(/(\w+)(?:\[(\d+)\])?/g)) {
    const field = message?.fields.find(({ jsonName }) => jsonName === name);
    if (field === undefined) break;
    numbers.push(field.number);
    if (index !== undefined) numbers.push(Number(index));
    message = field.message;
  }
  return numbers;
}

/** Of all places that the compiler has noted the one that shares most with `path`, the widest of them. They count from 1. */
function placeAt(file: DescFile, path: readonly number[]): string {
  let best = { shared: 0, length: 0, line: 0, column: 0 };
  for (const { path: noted, span } of file.proto.sourceCodeInfo?.location ?? []) {
    const differs = noted.findIndex((part, i) => part !== path[i]);
    const shared = differs < 0 ? noted.length : differs;
    if (shared > best.shared || (shared === best.shared && noted.length < best.length))
      best = { shared, length: noted.length, line: span[0] ?? 0, column: span[1] ?? 0 };
  }
  return `${file.name}.proto:${best.line + 1}:${best.column + 1}`;
}
