/**
 * Batches of a service, typed by its definition: handlers that answer many calls at once, and batch rules whose names the compiler checks.
 *
 * @packageDocumentation
 */
import type { handleUnaryCall } from '@grpc/grpc-js';
import { ConfigError } from '../errors.ts';
import { show } from '../input/show.ts';
import type { ResultMap } from '../policy/policy.gen.ts';
import type { BatchHandler, BatchHandlerOptions } from './batch-handler.ts';
import {
  methodNamed,
  oneRequestMethods,
  type RequestOf,
  type ResponseGiven,
  type ResponseOf,
  type UnaryNames,
} from './typed-definition.ts';

/** Functions that answer many calls at once, by the names of their unary methods. */
export type BatchHandlersOf<Service> = {
  readonly [Name in UnaryNames<Service>]?: BatchHandler<RequestOf<Service[Name]>, ResponseGiven<Service[Name]>>;
};

/** The handlers that they become. */
export type BatchHandled<Service, Handlers> = {
  [Name in keyof Handlers & keyof Service]: handleUnaryCall<RequestOf<Service[Name]>, ResponseGiven<Service[Name]>>;
};

/** What makes batch handlers: a mesh. */
export interface BatchHandlerHost {
  batchHandler<Request, Response>(
    handler: BatchHandler<Request, Response>,
    options?: BatchHandlerOptions<Request>,
  ): handleUnaryCall<Request, Response>;
}

/**
 * Handlers for `server.addService()`, each a `mesh.batchHandler()`.
 *
 * @param definition - The service's: its unary methods are those that there may be handlers for.
 * @param options - For each of them.
 * @throws ConfigError when a name is no unary method, or an option is bad.
 */
export function batchHandlersOf<Service extends object, Handlers extends BatchHandlersOf<Service>>(
  host: BatchHandlerHost,
  definition: Service,
  handlers: Handlers,
  options?: BatchHandlerOptions,
): BatchHandled<Service, Handlers> {
  const unary = oneRequestMethods(definition, ({ responseStream }) => !responseStream);
  const made: Record<string, handleUnaryCall<unknown, unknown>> = {};
  for (const [name, handler] of Object.entries<unknown>(handlers)) {
    const at = `batchHandlers.${name}`;
    methodNamed(unary, name, at, 'unary method');
    if (!isHandler(handler)) throw new ConfigError(at, `expected a function of items, got ${show(handler)}`);
    made[name] = host.batchHandler(handler, options);
  }
  return made as BatchHandled<Service, Handlers>;
}

const isHandler = (value: unknown): value is BatchHandler<unknown, unknown> => typeof value === 'function';

/** Batch rules of a service by method, with the names of their messages' properties: `as const satisfies TypedBatches<typeof Definition>`. */
export type TypedBatches<Service> = {
  readonly [Name in UnaryNames<Service>]?: {
    [Via in keyof Service & string]: TypedBatch<RequestOf<Service[Name]>, ResponseOf<Service[Name]>, Via, Service[Via]>;
  }[keyof Service & string];
};

/** A rule whose batch method is `Via`. */
interface TypedBatch<Request, Response, Via, Method> {
  readonly via: Via;
  readonly lift?: { readonly from: Names<Request>; readonly to: Names<RequestOf<Method>> };
  readonly wrap?: Names<RequestOf<Method>>;
  readonly groupBy?: readonly (Names<Request> & Names<RequestOf<Method>>)[];
  readonly result: TypedResult<Response, ResponseOf<Method>>;
}

/** Where results are: in a field of the reply, or each message of a stream is one. */
type TypedResult<Response, Reply> =
  | { [Items in Names<Reply>]: TypedItems<Items, ItemOf<Reply[Items]>, Response, Reply> }[Names<Reply>]
  | TypedItems<undefined, Reply, Response, Reply>;

interface TypedItems<Items, Item, Response, Reply> extends Pick<ResultMap, 'match' | 'stream'> {
  readonly items?: Items;
  readonly key?: Names<Item>;
  readonly value?: Names<Item>;
  readonly status?: Names<Item>;
  readonly index?: Names<Item>;
  readonly failed?: Names<Reply>;
  readonly set?: Names<Response>;
}

type Names<Message> = keyof Message & string;
/** An element of a list, or a value of a map. */
type ItemOf<Field> =
  NonNullable<Field> extends readonly (infer Item)[] ? Item : NonNullable<Field> extends { [key: string]: infer Item } ? Item : never;
