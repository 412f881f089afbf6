/**
 * Batch rules of one service with the names of its messages' properties, so that the compiler checks them against the types.
 *
 * @packageDocumentation
 */
import type { DescField, DescMessage, DescMethod, DescService } from '@bufbuild/protobuf';
import type { BatchRule } from '../policy/policy.gen.ts';
import type { MessageStyle } from './message-style.ts';

type Binding = Readonly<Record<string, unknown>>;

/**
 * By name of the method. A rule is left out where its names are no properties (a member of a oneof in protobuf-es), or its batch
 * method is another service's.
 *
 * @param batches - Checked rules, by path.
 */
export function bindingsOf(service: DescService, style: MessageStyle, batches: ReadonlyMap<string, BatchRule>): Record<string, Binding> {
  const bindings: Record<string, Binding> = {};
  for (const method of service.methods) {
    const rule = batches.get(`/${service.typeName}/${method.name}`);
    const via =
      rule && service.methods.find(({ name }) => name === rule.via || rule.via.replace(/^\//, '') === `${service.typeName}/${name}`);
    if (rule === undefined || via === undefined) continue;
    const names = new Names(style);
    const binding = bindingOf(rule, method, via, names);
    if (names.all) bindings[method.localName] = binding;
  }
  return bindings;
}

function bindingOf({ lift, wrap, groupBy, result }: BatchRule, unary: DescMethod, via: DescMethod, names: Names): Binding {
  const { items, key, value, status, failed, index, set, match, stream } = result;
  const element = items === undefined ? via.output : fieldOf(via.output, items)?.message;
  const listed = items === undefined ? undefined : fieldOf(via.output, items);
  const item = listed?.fieldKind === 'map' || listed?.fieldKind === 'list' || listed === undefined ? element : undefined;
  return defined({
    via: via.localName,
    lift: lift && { from: names.of(unary.input, lift.from), to: names.of(via.input, lift.to) },
    wrap: names.of(via.input, wrap),
    groupBy: groupBy?.map((name) => names.of(unary.input, name)),
    result: defined({
      items: names.of(via.output, items),
      match,
      key: names.of(item, key),
      value: names.of(item, value),
      status: names.of(item, status),
      index: names.of(item, index),
      failed: names.of(via.output, failed),
      set: names.of(unary.output, set),
      stream,
    }),
  });
}

/** Names of properties; `all` is false when one has none. */
class Names {
  readonly #style: MessageStyle;
  all = true;

  constructor(style: MessageStyle) {
    this.#style = style;
  }
  of(message: DescMessage | undefined, name: string | undefined): string | undefined {
    if (name === undefined) return undefined;
    const field = message && fieldOf(message, name);
    const property = field && this.#style.property(field);
    if (property === undefined) this.all = false;
    return property;
  }
}

/** As rules name fields: as in the file, or in lowerCamelCase. */
function fieldOf({ fields }: DescMessage, name: string): DescField | undefined {
  return fields.find((field) => field.name === name) ?? fields.find((field) => field.localName === name || field.jsonName === name);
}

function defined(value: Readonly<Record<string, unknown>>): Binding {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined));
}
