/** What the compiler must accept and refuse. Checked by `npm run types`; nothing here runs. */
import type {
  CallOptions,
  Channel,
  Client,
  ClientOptions,
  ClientReadableStream,
  ClientUnaryCall,
  ClientWritableStream,
  Interceptor,
  Metadata,
  requestCallback,
  ServerOptions,
  ServiceClientConstructor,
  ServiceError,
} from '@grpc/grpc-js';
import {
  bulkheadInterceptor,
  coalesceInterceptor,
  createMesh,
  type InmeshCallOptions,
  type loadMesh,
  type Mesh,
  MeshServer,
  type Policy,
  type PromiseMethod,
  type PromiseMethods,
  retryInterceptor,
  type WrappedClient,
} from '../../src/index.ts';

/** Has exactly this type: neither wider nor narrower. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_holds: Same<A, B>): void => {};

export function callOptions(): CallOptions[] {
  same<CallOptions['inmesh'], InmeshCallOptions | undefined>(true);
  return [
    { inmesh: { retry: false, coalesce: 'never', idempotent: true } },
    { inmesh: { idempotent: false } },
    // @ts-expect-error: retries can be forbidden for a call, not ordered
    { inmesh: { retry: true } },
    // @ts-expect-error: nor can a batch
    { inmesh: { coalesce: 'auto' } },
    // @ts-expect-error: no such wish
    { inmesh: { idempotnet: true } },
  ];
}

export function policies(): Policy[] {
  return [
    {},
    { coalesce: 'auto', balance: 'peak_ewma' },
    { coalesce: { methods: ['a.B/C'] }, defaults: { timeout: '0.5s', bulkhead: { slots: 1 } } },
    // @ts-expect-error: durations are text with a unit
    { defaults: { timeout: 500 } },
    // @ts-expect-error: in seconds
    { defaults: { timeout: '500ms' } },
    // @ts-expect-error: no such key
    { default: {} },
    // @ts-expect-error: slots must be said
    { defaults: { bulkhead: { queue: 1 } } },
    // @ts-expect-error: no such mode
    { coalesce: 'always' },
  ];
}

export function mesh(): void {
  const made = createMesh();
  same<typeof made, Mesh>(true);
  same<ReturnType<typeof loadMesh>, Promise<Mesh>>(true);
  same<ReturnType<Mesh['client']>, ClientOptions>(true);
  same<ReturnType<Mesh['options']>, ClientOptions>(true);
  same<ReturnType<Mesh['interceptors']>, Interceptor[]>(true);
  same<ReturnType<Mesh['channel']>, Channel>(true);
  same<ReturnType<Mesh['server']>, ServerOptions>(true);
  same<ReturnType<Mesh['close']>, Promise<void>>(true);
  // @ts-expect-error: the numbers are read, not written
  made.stats().client.calls = 1;
  // @ts-expect-error: the policy in force can't be assigned
  made.policy = {};
  new MeshServer({ mesh: made, 'grpc.max_receive_message_length': 1 });
}

export function behaviours(): Interceptor[] {
  return [
    retryInterceptor({ initialBackoffMs: 5, retryableCodes: ['UNAVAILABLE', 8] }),
    // @ts-expect-error: milliseconds are numbers here
    retryInterceptor({ initialBackoffMs: '0.5s' }),
    // @ts-expect-error: slots must be said
    bulkheadInterceptor({}),
    // @ts-expect-error: batches need a channel
    coalesceInterceptor({}),
  ];
}

/** As ts-proto, and static code for grpc-tools, type a client: the longest signature last. */
interface Longest extends Client {
  getPlace(request: { id: string }, callback: (error: ServiceError | null, response: { name: string }) => void): ClientUnaryCall;
  getPlace(
    request: { id: string },
    metadata: Metadata,
    options: Partial<CallOptions>,
    callback: (error: ServiceError | null, response: { name: string }) => void,
  ): ClientUnaryCall;
  collect(callback: (error: ServiceError | null, response: { name: string }) => void): ClientWritableStream<{ id: string }>;
  watch(request: { id: string }, options?: Partial<CallOptions>): ClientReadableStream<{ name: string }>;
}

/** As proto-loader-gen-types does: the shortest last, under two names. */
interface Shortest extends Client {
  GetPlace(request: { id: string }, metadata: Metadata, options: CallOptions, callback: requestCallback<{ name: string }>): ClientUnaryCall;
  GetPlace(request: { id: string }, callback: requestCallback<{ name: string }>): ClientUnaryCall;
  getPlace(request: { id: string }, metadata: Metadata, options: CallOptions, callback: requestCallback<{ name: string }>): ClientUnaryCall;
  getPlace(request: { id: string }, callback: requestCallback<{ name: string }>): ClientUnaryCall;
}

export function wrapping(made: Mesh, longest: Longest, shortest: Shortest, untyped: InstanceType<ServiceClientConstructor>): void {
  const wrapped = made.wrap(longest, { interceptors: 'none' });
  same<typeof wrapped, WrappedClient<Longest>>(true);
  same<keyof typeof wrapped.promises, 'getPlace'>(true);
  same<typeof wrapped.promises.getPlace, PromiseMethod<{ id: string }, { name: string }>>(true);
  wrapped.getPlace({ id: '1' }, (_error, { name }) => name).cancel();
  void wrapped.promises.getPlace({ id: '1' }, { timeoutMs: 5, signal: new AbortController().signal, inmesh: { retry: false } });
  // @ts-expect-error: interceptors of one call need the callback form
  void wrapped.promises.getPlace({ id: '1' }, { interceptors: [] });
  // @ts-expect-error: a request of another type
  void wrapped.promises.getPlace({ name: '1' });

  const other = made.wrap(shortest, { interceptors: [], callerStacks: true });
  same<keyof typeof other.promises, 'getPlace' | 'GetPlace'>(true);
  same<typeof other.promises.GetPlace, PromiseMethod<{ id: string }, { name: string }>>(true);

  same<ReturnType<PromiseMethods<typeof untyped>[string]>, Promise<unknown>>(true);
  made.wrap(untyped, { interceptors: 'none' });
  // @ts-expect-error: the statement is required
  made.wrap(longest, {});
  // @ts-expect-error: no such statement
  made.wrap(longest, { interceptors: 'some' });
  // @ts-expect-error: not a client
  made.wrap({}, { interceptors: 'none' });
}
