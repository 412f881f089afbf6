/**
 * The reply's half of a batch rule: items, how they find their calls, and what they say.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../../errors.ts';
import { quote, show } from '../../input/show.ts';
import type { ResultMap } from '../../policy/policy.gen.ts';
import type { Keyed } from './compile-request.ts';
import { type Catalog, type Field, fieldOf, type Message } from './descriptors.ts';
import { described, expected, named, onWire, sameType, typeOf } from './fields.ts';
import type { ReplyPlan } from './plan.ts';

const STATUS = 'google.rpc.Status';
/** Types of an index: varints that are not zigzag. */
const INDEX_TYPES: ReadonlySet<string> = new Set(['int32', 'uint32', 'int64', 'uint64']);

/** Where the results are. @throws ConfigError */
export function compileReply(result: ResultMap, catalog: Catalog, response: Message, reply: Message, key: Keyed, path: string): ReplyPlan {
  const { match = 'index', stream = false } = result;
  const source = itemsOf(result, reply, path);
  const { items } = source;
  const entry = items?.type === 'message' ? catalog.message(items.typeName) : undefined;
  const isMap = entry?.mapEntry === true;
  if ((match === 'map') !== isMap)
    throw new ConfigError(
      `${path}.match`,
      isMap
        ? `${reply.name}.${items?.name} is a map: expected "map", got ${show(match)}`
        : `expected a map in ${quote(result.items ?? '')}, but it is none`,
    );

  // The element: the field that it stands in, and its message if it is one.
  const element = isMap ? named(entry, 'value', `${path}.items`) : items;
  const itemMessage = element === undefined ? reply : element.type === 'message' ? catalog.message(element.typeName) : undefined;
  const inItem = (name: string, at: string): Field => {
    if (itemMessage === undefined)
      throw new ConfigError(at, `an item is ${element === undefined ? '' : typeOf(element)}, which has no fields`);
    return named(itemMessage, name, at);
  };
  const plan: { -readonly [K in keyof ReplyPlan]: ReplyPlan[K] } = { match, stream, missing: result.missing ?? 'not_found' };
  if (items !== undefined) plan.items = { number: items.number, wireType: onWire(element ?? items, `${path}.items`).wireType };

  if (key.field !== undefined) {
    const at = `${path}.key`;
    const field = isMap ? named(entry, 'key', at) : keyOfItem(result, inItem, at);
    if (field.repeated || !sameType(field, key.field))
      throw new ConfigError(
        at,
        `expected ${typeOf(key.field)} as ${key.request.name}.${key.field.name}, but the key of an item is ${described(field)}`,
      );
    if (isMap && key.lifted !== undefined && result.key !== undefined) throw new ConfigError(at, 'a map has its keys itself: leave it out');
    plan.key = onWire(field, at);
  } else if (result.key !== undefined) throw new ConfigError(`${path}.key`, 'only where match is "key" or "map"');

  if (result.index !== undefined) {
    const at = `${path}.index`;
    if (match !== 'index') throw new ConfigError(at, 'only where match is "index"');
    const field = inItem(result.index, at);
    if (field.repeated || !INDEX_TYPES.has(field.type))
      throw new ConfigError(at, `expected int32, uint32, int64 or uint64, but it is ${described(field)}`);
    plan.index = { number: field.number, presence: field.presence };
  } else if (stream && match === 'index')
    throw new ConfigError(`${path}.index`, 'required in a stream that is matched by index: the items of a stream have no order');

  if (result.status !== undefined) {
    const at = `${path}.status`;
    const field = inItem(result.status, at);
    if (field.repeated || typeOf(field) !== STATUS) throw new ConfigError(at, `expected ${STATUS}, but it is ${described(field)}`);
    plan.status = field.number;
  }
  if (result.failed !== undefined) plan.failed = failedField(result, catalog, reply, path);

  const value = result.value === undefined ? element : inItem(result.value, `${path}.value`);
  if (result.value !== undefined && value !== undefined) {
    if (value.repeated) throw new ConfigError(`${path}.value`, `expected a single value, but it is ${described(value)}`);
    plan.value = onWire(value, `${path}.value`);
  }
  const given = value === undefined ? { type: 'message', typeName: reply.name } : value;
  const valueAt = result.value !== undefined ? `${path}.value` : `${path}.items`;
  if (result.set === undefined) {
    if (given.typeName !== response.name || given.type !== 'message')
      throw new ConfigError(
        valueAt,
        `expected ${response.name}, the response, but an item is ${given.typeName || given.type}; result.set names a field to fill, result.value a field of the item`,
      );
  } else {
    const set = named(response, result.set, `${path}.set`);
    if (set.repeated)
      throw new ConfigError(`${path}.set`, `expected a single field, but ${response.name}.${set.name} is ${described(set)}`);
    if (set.type !== given.type || set.typeName !== given.typeName)
      throw expected(`${given.typeName || given.type} as an item`, response, set, `${path}.set`);
    plan.set = onWire(set, `${path}.set`);
  }
  return plan;
}

function itemsOf(result: ResultMap, reply: Message, path: string): { readonly items: Field | undefined } {
  if (result.items === undefined) {
    if (result.stream !== true) throw new ConfigError(`${path}.items`, 'required, but not given');
    return { items: undefined };
  }
  const items = named(reply, result.items, `${path}.items`);
  if (!items.repeated) throw expected('a repeated field or a map', reply, items, `${path}.items`);
  return { items };
}

function keyOfItem(result: ResultMap, inItem: (name: string, at: string) => Field, at: string): Field {
  if (result.key === undefined)
    throw new ConfigError(at, 'required where match is "key": the field of an item that is equal to the request\'s');
  return inItem(result.key, at);
}

function failedField({ failed = '', stream }: ResultMap, catalog: Catalog, reply: Message, path: string): number {
  const at = `${path}.failed`;
  if (stream === true) throw new ConfigError(at, 'not in a stream: there each item has a status');
  const field = named(reply, failed, at);
  const entry = catalog.message(field.typeName);
  const key = entry?.mapEntry === true ? fieldOf(entry, 'key') : undefined;
  const value = entry?.mapEntry === true ? fieldOf(entry, 'value') : undefined;
  if (key?.type !== 'int32' || value === undefined || typeOf(value) !== STATUS) throw expected(`map<int32, ${STATUS}>`, reply, field, at);
  return field.number;
}
