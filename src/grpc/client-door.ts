/**
 * Door 3: the client itself. Its unary methods are replaced by ones that enter the stack past grpc-js's client, which
 * costs 15-20 us a call (an `Error` with its stack, a chain of interceptors, several clones).
 *
 * The methods themselves must be replaced: `makeClientConstructor` binds `makeUnaryRequest` when it makes the class. They
 * are known by the definition that it puts on each of them.
 *
 * @packageDocumentation
 */
import { type CallOptions, type Client, type Interceptor, Metadata, type requestCallback } from '@grpc/grpc-js';
import { ConfigError, UsageError } from '../errors.ts';
import { checkedNumber, checkedObject } from '../input/checks.ts';
import { nearest } from '../input/nearest.ts';
import { show } from '../input/show.ts';
import type { MeshChannel } from './channel-door.ts';
import type { MethodDefinition } from './client-call.ts';
import { callWithCallback, callWithPromise, type WrappedMethod } from './client-door-call.ts';
import { chainOf } from './client-door-list.ts';
import type { PromiseCallOptions, PromiseMethod, WrappedClient } from './client-door-types.ts';
import { fromGrpcDeadline } from './door.ts';

const NO_OPTIONS: CallOptions = Object.freeze({});

/** Why the statement is asked for. */
const STATE =
  "mesh.wrap() needs { interceptors: 'none' } or { interceptors: [...] }: a client's own interceptors cannot be read, and calls would pass by them";

type Callable = (...args: unknown[]) => unknown;
type Generated = Callable & MethodDefinition;
type Wrapper = { readonly direct: Callable; readonly promised: PromiseMethod<unknown, unknown> };

/** What the user says of a client, checked. */
export interface WrapSettings {
  readonly interceptors: readonly Interceptor[];
  readonly callerStacks: boolean;
}

/** @throws UsageError when the statement on interceptors is missing. @throws ConfigError when an option is none. */
export function resolveWrapOptions(options: unknown): WrapSettings {
  const { interceptors, callerStacks = false } = checkedObject(options, ['interceptors', 'callerStacks'], 'options');
  if (interceptors === undefined) throw new UsageError(STATE);
  const isList = Array.isArray(interceptors) && interceptors.every((one) => typeof one === 'function');
  if (interceptors !== 'none' && !isList) {
    const meant = typeof interceptors === 'string' ? nearest(interceptors, ['none']) : undefined;
    const hint = meant === undefined ? '' : `; did you mean '${meant}'?`;
    throw new ConfigError('options.interceptors', `expected 'none' or a list of interceptors, got ${show(interceptors)}${hint}`);
  }
  if (typeof callerStacks !== 'boolean') throw new ConfigError('options.callerStacks', `expected true or false, got ${show(callerStacks)}`);
  return { interceptors: isList ? interceptors : [], callerStacks };
}

/**
 * A client like `client`, on the same channel, whose unary methods enter the stack directly. `client` itself stays as it is.
 *
 * @throws UsageError when it has no methods that grpc-js made, or one that is called `promises`.
 */
export function wrapClient<C extends Client>(
  client: C,
  channel: MeshChannel,
  { interceptors, callerStacks }: WrapSettings,
): WrappedClient<C> {
  if ('promises' in client) throw new UsageError('mesh.wrap(): this client has a member called promises, or is wrapped already');
  const wrappers = new Map<Generated, Wrapper>();
  const direct: PropertyDescriptorMap = {};
  const promises: Record<string, Wrapper['promised']> = {};
  const methods = generatedMethods(client);
  if (methods.size === 0)
    throw new UsageError(
      "mesh.wrap(): this object has no methods that grpc-js's makeClientConstructor made: wrap the generated client itself",
    );
  for (const [name, generated] of methods) {
    if (generated.requestStream || generated.responseStream) continue;
    let wrapper = wrappers.get(generated);
    if (wrapper === undefined) {
      const { path, requestSerialize, responseDeserialize } = generated;
      const definition = { path, requestStream: false, responseStream: false, requestSerialize, responseDeserialize };
      const list = chainOf(interceptors, definition, channel);
      wrapper = wrapMethod(client, generated, { definition, channel, callerStacks, list });
      wrappers.set(generated, wrapper);
    }
    direct[name] = { value: wrapper.direct, enumerable: true, configurable: true, writable: true };
    promises[name] = wrapper.promised;
  }
  direct['promises'] = { value: promises, enumerable: false, configurable: true, writable: true };
  return Object.create(client, direct);
}

/** The methods of a client that grpc-js made, by every name they have. One that the user's class overrides is the user's. */
function generatedMethods(client: Client): Map<string, Generated> {
  const found = new Map<string, Generated>();
  const seen = new Set<string>();
  for (let at: object | null = client; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(at))) {
      if (!seen.has(name) && isGenerated(value)) found.set(name, value);
      seen.add(name);
    }
  }
  return found;
}

function isGenerated(value: unknown): value is Generated {
  if (typeof value !== 'function') return false;
  const { path, requestStream, responseStream, requestSerialize, responseDeserialize }: Partial<MethodDefinition> =
    value as Partial<Generated>;
  return (
    typeof path === 'string' &&
    typeof requestStream === 'boolean' &&
    typeof responseStream === 'boolean' &&
    typeof requestSerialize === 'function' &&
    typeof responseDeserialize === 'function'
  );
}

/** Both forms of a method. They carry its definition, as the generated one does. */
function wrapMethod(client: Client, generated: Generated, method: WrappedMethod): Wrapper {
  const { clock } = method.channel;
  const call = (request: unknown, metadata: Metadata | undefined, options: CallOptions, callback: requestCallback<unknown>): unknown => {
    if ((options.interceptors?.length ?? 0) > 0 || (options.interceptor_providers?.length ?? 0) > 0)
      return generated.call(client, request, metadata ?? new Metadata(), options, callback); // a call's own replace the client's: grpc-js knows how
    return callWithCallback(method, request, metadata, options, fromGrpcDeadline(options.deadline ?? undefined, clock), callback);
  };
  const direct = (request: unknown, first?: unknown, second?: unknown, third?: unknown): unknown => {
    if (isCallback(first)) return call(request, undefined, NO_OPTIONS, first);
    if (isCallback(second)) {
      if (first instanceof Metadata) return call(request, first, NO_OPTIONS, second);
      if (first instanceof Object) return call(request, undefined, first, second);
    } else if (first instanceof Metadata && second instanceof Object && isCallback(third)) {
      return call(request, first, second, third);
    }
    return generated.call(client, request, first, second, third); // throws in grpc-js's words
  };
  const promised = async (request: unknown, options: PromiseCallOptions = NO_OPTIONS): Promise<unknown> => {
    const { metadata, signal, timeoutMs } = options;
    if (metadata !== undefined && !(metadata instanceof Metadata))
      throw new ConfigError('options.metadata', `expected grpc-js Metadata, got ${show(metadata)}`);
    if ('interceptors' in options || 'interceptor_providers' in options)
      throw new UsageError("interceptors of one call are not taken by promises: use the method's callback form");
    let deadlineMs = fromGrpcDeadline(options.deadline ?? undefined, clock);
    if (timeoutMs !== undefined)
      deadlineMs = Math.min(deadlineMs, clock.nowMs() + checkedNumber(timeoutMs, 0, TIMEOUT, 'options.timeoutMs'));
    return callWithPromise(method, request, metadata, options, deadlineMs, signal);
  };
  return { direct: Object.assign(direct, { ...generated }), promised };
}

const TIMEOUT = { min: 0, max: Number.POSITIVE_INFINITY, ms: true } as const;

function isCallback(value: unknown): value is requestCallback<unknown> {
  return typeof value === 'function';
}
