/**
 * Fields that a rule names: found, or told what is wrong with them.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../../errors.ts';
import { nearest } from '../../input/nearest.ts';
import { quote } from '../../input/show.ts';
import { type Field, fieldOf, type Message } from './descriptors.ts';
import type { WireField } from './plan.ts';

/** A field by the name that a rule gives. */
export function named(message: Message, name: string, at: string): Field {
  const field = fieldOf(message, name);
  if (field !== undefined) return field;
  const meant = nearest(
    name,
    message.fields.map((known) => known.name),
  );
  const hint =
    meant === undefined ? `; it has ${message.fields.map((known) => known.name).join(', ') || 'none'}` : `; did you mean ${quote(meant)}?`;
  throw new ConfigError(at, `${message.name} has no field ${quote(name)}${hint}`);
}

export function onWire(field: Field, at: string): WireField {
  if (field.wireType === undefined) throw new ConfigError(at, `${quote(field.name)} is a group, which is not supported`);
  return { number: field.number, wireType: field.wireType };
}

export const typeOf = ({ type, typeName }: Field): string => (typeName === '' ? type : typeName);
export const sameType = (a: Field, b: Field): boolean => a.type === b.type && a.typeName === b.typeName;
export const described = (field: Field): string => `${field.repeated ? 'repeated ' : ''}${typeOf(field)}`;

export function expected(rule: string, message: Message, field: Field, at: string): ConfigError {
  return new ConfigError(at, `expected ${rule}, but ${message.name}.${field.name} is ${described(field)}`);
}
