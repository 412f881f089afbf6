/** Calls as promises of everything that a case may look at. */
import type * as grpc from '@grpc/grpc-js';
import type { UnaryMethod } from './contract.ts';

/** All that a call brought back. */
export interface Answer<Response> {
  readonly metadata: grpc.Metadata | undefined;
  readonly messages: readonly Response[];
  readonly status: grpc.StatusObject;
}

/** A promise and the ways to settle it. */
export interface Deferred<Value> {
  readonly promise: Promise<Value>;
  resolve(value: Value): void;
  reject(reason: Error): void;
}

export function deferred<Value>(): Deferred<Value> {
  let resolve: (value: Value) => void = () => {};
  let reject: (reason: Error) => void = () => {};
  const promise = new Promise<Value>((fulfil, fail) => {
    resolve = fulfil;
    reject = fail;
  });
  return { promise, resolve: (value) => resolve(value), reject: (reason) => reject(reason) };
}

interface Observed {
  on(event: 'metadata', listener: (metadata: grpc.Metadata) => void): unknown;
  on(event: 'status', listener: (status: grpc.StatusObject) => void): unknown;
}

/** Metadata and status of a call, as its events tell them. */
export function observe(call: Observed): Promise<Omit<Answer<never>, 'messages'>> {
  let metadata: grpc.Metadata | undefined;
  call.on('metadata', (received) => {
    metadata = received;
  });
  return new Promise((resolve) => {
    call.on('status', (status) => resolve({ metadata, status }));
  });
}

/** Makes a unary call; `status` is what the status event said, and the callback must have agreed with it. */
export async function unary<Request, Response>(
  client: grpc.Client,
  method: UnaryMethod<Request, Response>,
  request: Request,
  metadata: grpc.Metadata,
): Promise<Answer<Response>> {
  const settled = deferred<{ error: grpc.ServiceError | null; value: Response | undefined }>();
  const call = method.call(client, request, metadata, {}, (error, value) => settled.resolve({ error, value }));
  const [{ error, value }, observed] = await Promise.all([settled.promise, observe(call)]);
  if ((error?.code ?? 0) !== observed.status.code) {
    throw new Error(`callback says ${error?.code ?? 0}, status event says ${observed.status.code}`);
  }
  return { ...observed, messages: value === undefined ? [] : [value] };
}

/** Reads a stream message by message; `next` rejects when it ended instead. */
export class Reader<Response> {
  readonly #iterator: AsyncIterator<Response>;

  constructor(stream: AsyncIterable<Response>) {
    this.#iterator = stream[Symbol.asyncIterator]();
  }
  async next(): Promise<Response> {
    const { done, value } = await this.#iterator.next();
    if (done) throw new Error('the stream ended before the message that was due');
    return value;
  }
  /** Reads to the end and gives what came. */
  async rest(): Promise<Response[]> {
    const messages: Response[] = [];
    for (let step = await this.#iterator.next(); !step.done; step = await this.#iterator.next()) messages.push(step.value);
    return messages;
  }
}
