/**
 * What a service's definition says of its methods, for types and at run time.
 *
 * @packageDocumentation
 */
import { ConfigError, UsageError } from '../errors.ts';
import { nearest } from '../input/nearest.ts';
import { quote } from '../input/show.ts';

/** One method of a service's definition. */
export interface DefinedMethod {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  requestSerialize(value: unknown): Buffer;
  requestDeserialize(bytes: Buffer): unknown;
}

/** What a handler gets. */
export type RequestOf<Method> = Method extends { readonly requestDeserialize: (bytes: Buffer) => infer Request } ? Request : never;
/** What a client gets. */
export type ResponseOf<Method> = Method extends { readonly responseDeserialize: (bytes: Buffer) => infer Response } ? Response : never;
/** What a handler may give. */
export type ResponseGiven<Method> = Method extends { readonly responseSerialize: (value: infer Response) => Buffer } ? Response : never;

/** Names of the unary methods. */
export type UnaryNames<Service> = {
  [Name in keyof Service & string]: Service[Name] extends { readonly requestStream: false; readonly responseStream: false } ? Name : never;
}[keyof Service & string];
/** Names of the methods that take one request. */
export type OneRequestNames<Service> = {
  [Name in keyof Service & string]: Service[Name] extends { readonly requestStream: false } ? Name : never;
}[keyof Service & string];

/** Methods with one request, by the names that handlers and clients have: those of the definition with a small first letter. */
export function oneRequestMethods(definition: object, takes: (method: DefinedMethod) => boolean): ReadonlyMap<string, DefinedMethod> {
  const methods = new Map<string, DefinedMethod>();
  for (const [name, method] of Object.entries(definition)) {
    if (!isMethod(method))
      throw new UsageError(`expected a service's definition (GreeterDefinition, Greeter.service), but ${quote(name)} is no method of one`);
    if (!method.requestStream && takes(method)) methods.set(uncapitalized(name), method);
  }
  return methods;
}

/** @throws ConfigError when there is no such method. */
export function methodNamed(methods: ReadonlyMap<string, DefinedMethod>, name: string, at: string, kind: string): DefinedMethod {
  const method = methods.get(uncapitalized(name));
  if (method !== undefined) return method;
  const meant = nearest(name, [...methods.keys()]);
  throw new ConfigError(at, `${quote(name)} is no ${kind} of the service${meant === undefined ? '' : `; did you mean ${quote(meant)}?`}`);
}

function isMethod(value: unknown): value is DefinedMethod {
  return typeof value === 'object' && value !== null && 'path' in value && 'requestSerialize' in value && 'requestDeserialize' in value;
}

/** Definitions name a method as its file or as JavaScript does; handlers and clients as JavaScript does. */
export const uncapitalized = (name: string): string => `${name.charAt(0).toLowerCase()}${name.slice(1)}`;
