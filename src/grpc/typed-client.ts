/**
 * A client of promises and async iterables, typed by the service's definition as code generators emit it (ts-proto, grpc-tools,
 * `protoc-gen-inmesh`). Unary methods enter the stack directly, as those of `mesh.wrap()` do.
 *
 * @packageDocumentation
 */
import {
  type CallOptions,
  type ChannelCredentials,
  type Client,
  type ClientDuplexStream,
  type ClientOptions,
  type ClientReadableStream,
  type ClientWritableStream,
  Metadata,
  type MethodDefinition,
  makeGenericClientConstructor,
  type ServiceDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import { splitMethod } from '../call.ts';
import { systemClock } from '../clock.ts';
import { ConfigError, UsageError } from '../errors.ts';
import { checkedNumber } from '../input/checks.ts';
import { show } from '../input/show.ts';
import type { PromiseCallOptions, PromiseMethod } from './client-door-types.ts';
import { abortedError, answersOf, because, cancelOn, type Requests, sendAll } from './typed-streams.ts';

/** One method of a service's definition, as far as types of clients go. */
export interface TypedMethodDefinition<Request, Response> {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  requestSerialize(value: Request): Buffer;
  responseDeserialize(bytes: Buffer): Response;
}

/** One method of a typed client, by what streams. */
export type TypedMethod<M> = M extends {
  readonly requestStream: infer RequestStream;
  readonly responseStream: infer ResponseStream;
  readonly requestSerialize: (value: infer Request) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => infer Response;
}
  ? boolean extends RequestStream
    ? (input: unknown, options?: PromiseCallOptions) => Promise<unknown> & AsyncIterable<unknown>
    : RequestStream extends true
      ? ResponseStream extends true
        ? (requests: Requests<Request>, options?: PromiseCallOptions) => AsyncIterable<Response>
        : (requests: Requests<Request>, options?: PromiseCallOptions) => Promise<Response>
      : ResponseStream extends true
        ? (request: Request, options?: PromiseCallOptions) => AsyncIterable<Response>
        : PromiseMethod<Request, Response>
  : never;

/** The methods of a service as promises and async iterables, by their names with a small first letter. */
export type TypedClient<Service> = { readonly [Name in keyof Service & string as Uncapitalize<Name>]: TypedMethod<Service[Name]> } & {
  /** Closes its channel; what is out is answered. Of a service that has a method `close`, by `[Symbol.dispose]` only. */
  close(): void;
  [Symbol.dispose](): void;
};

/** What makes clients that enter the mesh: a mesh. */
export interface TypedClientHost {
  client(own?: ClientOptions): ClientOptions;
  wrap<C extends Client>(client: C, options: { readonly interceptors: 'none' }): C & { readonly promises: object };
}

type Definitions = Readonly<Record<string, TypedMethodDefinition<never, unknown>>>;
type Opener = (...args: readonly unknown[]) => unknown;

const NO_OPTIONS: PromiseCallOptions = Object.freeze({});
const TIMEOUT = { min: 0, max: Number.POSITIVE_INFINITY, ms: true } as const;

/** @throws UsageError when it is no service's definition. */
export function typedClient<Service extends object>(
  host: TypedClientHost,
  service: Service,
  target: string,
  credentials: ChannelCredentials,
  options: ClientOptions,
): TypedClient<Service> {
  const definitions = definitionsOf(service);
  if ((options.interceptors?.length ?? 0) > 0 || (options.interceptor_providers?.length ?? 0) > 0)
    throw new UsageError('mesh.typed(): unary calls would pass by interceptors of the client: use mesh.wrap(client, { interceptors })');
  const [first] = Object.values(definitions);
  const Stub = makeGenericClientConstructor(definitions as unknown as ServiceDefinition, splitMethod(first?.path ?? '').service);
  const stub = host.wrap(new Stub(target, credentials, host.client(options)) as unknown as Client, { interceptors: 'none' });
  const typed: Record<string | symbol, unknown> = {
    close: () => stub.close(),
    [Symbol.dispose]: () => stub.close(),
  };
  for (const [name, definition] of Object.entries(definitions)) typed[uncapitalized(name)] = methodOf(stub, name, definition);
  return typed as TypedClient<Service>;
}

function definitionsOf(service: object): Definitions {
  const entries = Object.entries(service);
  const isOne = (value: unknown): value is MethodDefinition<unknown, unknown> =>
    typeof value === 'object' && value !== null && 'path' in value && 'requestSerialize' in value && 'responseDeserialize' in value;
  const wrong = entries.find(([, value]) => !isOne(value));
  if (wrong !== undefined || entries.length === 0)
    throw new UsageError(
      `mesh.typed(): expected a service's definition (Greeter.service, GreeterService), ${wrong === undefined ? 'got nothing' : `but ${show(wrong[0])} is no method of one`}`,
    );
  return Object.fromEntries(entries);
}

function methodOf(
  stub: Client & { readonly promises: object },
  name: string,
  { requestStream, responseStream }: Definitions[string],
): unknown {
  if (!requestStream && !responseStream) return Reflect.get(stub.promises, name);
  const generated: Opener = Reflect.get(stub, name);
  const open = (...args: readonly unknown[]): unknown => generated.apply(stub, [...args]);
  if (!requestStream) {
    return (request: unknown, options: PromiseCallOptions = NO_OPTIONS) => {
      const { metadata, rest } = checked(options);
      return answersOf(() => ({ call: open(request, metadata, rest()) as ClientReadableStream<unknown> }), options.signal);
    };
  }
  if (!responseStream) return (requests: Requests<unknown>, options: PromiseCallOptions = NO_OPTIONS) => collect(open, requests, options);
  return (requests: Requests<unknown>, options: PromiseCallOptions = NO_OPTIONS) => {
    const { metadata, rest } = checked(options);
    return answersOf(() => {
      const call = open(metadata, rest()) as ClientDuplexStream<unknown, unknown>;
      return { call: call as ClientReadableStream<unknown>, sent: sendAll(call, requests) };
    }, options.signal);
  };
}

/** Many requests, one answer. */
async function collect(open: Opener, requests: Requests<unknown>, options: PromiseCallOptions): Promise<unknown> {
  const { metadata, rest } = checked(options);
  const { signal } = options;
  if (signal?.aborted === true) throw abortedError(signal);
  return new Promise((resolve, reject) => {
    const answer = (error: ServiceError | null, value?: unknown): void => {
      undo();
      if (error === null) resolve(value);
      else reject(because(error, signal));
    };
    const call = open(metadata, rest(), answer) as ClientWritableStream<unknown>;
    const undo = cancelOn(signal, call);
    sendAll(call, requests).catch((error: unknown) => {
      reject(error);
      call.cancel();
    });
  });
}

/** @throws ConfigError naming the option. `rest` is made when the call begins, so that its time begins then. */
function checked({ metadata = new Metadata(), timeoutMs, signal: _, ...rest }: PromiseCallOptions): {
  readonly metadata: Metadata;
  readonly rest: () => CallOptions;
} {
  if (!(metadata instanceof Metadata)) throw new ConfigError('options.metadata', `expected grpc-js Metadata, got ${show(metadata)}`);
  if (timeoutMs === undefined) return { metadata, rest: () => rest };
  const ms = checkedNumber(timeoutMs, 0, TIMEOUT, 'options.timeoutMs');
  return { metadata, rest: () => ({ ...rest, deadline: nearer(rest.deadline, ms) }) };
}

function nearer(deadline: CallOptions['deadline'], timeoutMs: number): number {
  const atMs = deadline === undefined ? Number.POSITIVE_INFINITY : Number(deadline);
  return Math.min(atMs, systemClock.wallMs() + timeoutMs);
}

const uncapitalized = (name: string): string => `${name.charAt(0).toLowerCase()}${name.slice(1)}`;
