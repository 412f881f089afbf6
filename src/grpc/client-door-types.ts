/**
 * Types of the client door: what `mesh.wrap()` takes, and what it adds to a client.
 *
 * @packageDocumentation
 */
import type { CallOptions, Client, ClientUnaryCall, Interceptor, Metadata } from '@grpc/grpc-js';

/** What `mesh.client()` and `mesh.options()` may be told besides the client's own options. */
export interface MeshClientOptions {
  /**
   * Whether unary calls keep where they were made, for the stack of an error, as grpc-js does at every call. `true`: always. `false`: never; the stack then ends with "no stack trace available". `'auto'`: not while a method's last 1,000 calls have all
   * ended well. Beside a `callInvocationTransformer` of the client's it is always `true`.
   *
   * @defaultValue 'auto'
   */
  readonly callerStacks?: boolean | 'auto';
}

/** What `mesh.wrap()` must be told, and what it may be. */
export interface WrapOptions {
  /**
   * The interceptors that the client was made with: `'none'`, or the list. Required, for a client's own cannot be read. A
   * list runs above the mesh, as it does in the client itself.
   */
  readonly interceptors: 'none' | readonly Interceptor[];
  /**
   * `true`: the stack of an error ends with where the call was made, as grpc-js's does, for about 2 us a call.
   * Default `false`: it has the message only.
   */
  readonly callerStacks?: boolean;
}

/** Options of one call in its promise form: grpc-js's own, but for interceptors of the call. */
export interface PromiseCallOptions extends Omit<CallOptions, 'interceptors' | 'interceptor_providers'> {
  /** Default: none. Not changed. */
  readonly metadata?: Metadata;
  /** Time for the call in ms, >= 0. With `deadline`, the nearer of the two counts. Default: none of its own. */
  readonly timeoutMs?: number;
  /** Ends the call with CANCELLED; the error's `cause` is the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A unary method in its promise form. Rejects with a `ServiceError`. */
export type PromiseMethod<Request, Response> = (request: Request, options?: PromiseCallOptions) => Promise<Response>;

type Last<List extends readonly unknown[]> = List extends readonly [...unknown[], infer Tail] ? Tail : undefined;

/** A method with its callback as the last argument, as code generators type it; of several signatures, the last. */
type UnaryOf<Method> = [Method, Untyped] extends [Untyped, Method]
  ? PromiseMethod<unknown, unknown>
  : Method extends (request: infer Request, ...rest: infer Rest) => infer Call
    ? Call extends { read: unknown } | { write: unknown } // streams are calls too
      ? never
      : Call extends ClientUnaryCall
        ? Last<Rest> extends (error: never, value: infer Response) => unknown
          ? PromiseMethod<Request, Exclude<Response, undefined>>
          : never
        : never
    : never;

// biome-ignore lint/complexity/noBannedTypes: what grpc-js types the methods of a client without types with
type Untyped = Function;

/** The unary methods of a client in their promise form. */
export type PromiseMethods<C> = {
  readonly [Name in Exclude<keyof C, keyof Client> as UnaryOf<C[Name]> extends never ? never : Name]: UnaryOf<C[Name]>;
};

/** A client whose unary methods enter the mesh directly. */
export type WrappedClient<C> = C & {
  /** The unary methods once more, without callbacks. */
  readonly promises: PromiseMethods<C>;
};
