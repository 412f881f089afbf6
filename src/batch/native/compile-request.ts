/**
 * The request's half of a batch rule: lift, wrap, groupBy, and the key.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../../errors.ts';
import { quote } from '../../input/show.ts';
import type { BatchRule } from '../../policy/policy.gen.ts';
import { type Field, fieldOf, type Message } from './descriptors.ts';
import { described, expected, named, onWire, sameType, typeOf } from './fields.ts';
import type { RequestPlan, WireField } from './plan.ts';

/** Types whose values are not good keys. */
const INEXACT: ReadonlySet<string> = new Set(['float', 'double']);

/** What tells requests apart. */
export interface Keyed {
  readonly request: Message;
  /** The lifted field, if there is one. */
  readonly lifted: Field | undefined;
  /** Set when results are matched by key. */
  field: Field | undefined;
}

/** How requests become a batch. @throws ConfigError */
export function compileRequest(rule: BatchRule, request: Message, batch: Message, path: string): { plan: RequestPlan; key: Keyed } {
  const { lift, wrap, groupBy = [], result } = rule;
  if ((lift === undefined) === (wrap === undefined))
    throw new ConfigError(path, `expected either lift or wrap, got ${lift === undefined ? 'neither' : 'both'}`);
  const used = new Set<number>();
  const part = lift === undefined ? wrapped(wrap ?? '', request, batch, path) : lifted(lift, request, batch, path);
  used.add(part.lift?.to.number ?? part.wrap ?? 0);
  const group = new Map<number, WireField & { readonly repeated: boolean }>();
  for (const [i, name] of groupBy.entries()) {
    const at = `${path}.groupBy[${i}]`;
    const from = named(request, name, at);
    const to = named(batch, name, at);
    if (from.repeated !== to.repeated || !sameType(from, to)) throw expected(`${described(from)} as in ${request.name}`, batch, to, at);
    if (group.has(from.number) || from.number === part.lift?.from.number || used.has(to.number))
      throw new ConfigError(at, `${quote(name)} is used already`);
    group.set(from.number, { ...onWire(to, at), repeated: to.repeated });
    used.add(to.number);
  }
  const required = batch.fields.find((field) => field.required && !used.has(field.number));
  if (required !== undefined)
    throw new ConfigError(path, `${batch.name}.${required.name} is required, and the rule says nothing to fill it with`);

  const byKey = result.match === 'key' || result.match === 'map';
  const field = byKey ? keyOfRequest(rule, request, path) : undefined;
  const plan = { ...part, group, ...(field === undefined ? {} : { key: onWire(field, path) }) };
  return { plan, key: { request, lifted: lift === undefined ? undefined : fieldOf(request, lift.from), field } };
}

function lifted(
  lift: NonNullable<BatchRule['lift']>,
  request: Message,
  batch: Message,
  path: string,
): Pick<RequestPlan, 'lift'> & { wrap?: never } {
  const fromAt = `${path}.lift.from`;
  const toAt = `${path}.lift.to`;
  const from = named(request, lift.from, fromAt);
  if (from.repeated || from.type === 'message') throw expected('a single scalar', request, from, fromAt);
  const to = named(batch, lift.to, toAt);
  if (!to.repeated || !sameType(from, to)) throw expected(`repeated ${typeOf(from)}`, batch, to, toAt);
  return {
    lift: { from: { ...onWire(from, fromAt), presence: from.presence }, to: { ...onWire(to, toAt), packed: to.packed } },
  };
}

function wrapped(name: string, request: Message, batch: Message, path: string): Pick<RequestPlan, 'wrap'> & { lift?: never } {
  const field = named(batch, name, `${path}.wrap`);
  if (!field.repeated || field.type !== 'message' || field.typeName !== request.name)
    throw expected(`repeated ${request.name}`, batch, field, `${path}.wrap`);
  return { wrap: field.number };
}

/** What tells requests apart: the lifted field; of whole requests the field with the name that `key` says. */
function keyOfRequest({ lift, result }: BatchRule, request: Message, path: string): Field {
  const at = lift === undefined ? `${path}.result.key` : `${path}.lift.from`;
  const name = lift?.from ?? result.key;
  if (name === undefined)
    throw new ConfigError(at, 'required where whole requests are matched by key: the field of the request that is the key');
  const field = named(request, name, at);
  if (field.repeated || field.type === 'message' || INEXACT.has(field.type)) throw expected('a single exact scalar', request, field, at);
  return field;
}
