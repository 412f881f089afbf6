/**
 * A server that says it takes batches, and answers them as the test wants: on the sibling path of a plain grpc-js `Server`.
 */
import { type Metadata, type MethodDefinition, Server, type ServerWritableStream } from '@grpc/grpc-js';
import { encodeReply, type WireResult } from '../../src/batch/reply-codec.ts';
import { decodeRequest, type WireItem } from '../../src/batch/request-codec.ts';
import { flat, type Handlers, metadataOf, type RunningServer, type ServeOptions, serve } from '../support/loopback.ts';

export type CarrierStream = ServerWritableStream<Buffer, Buffer>;

/** A batch as it came. */
export interface SeenCarrier {
  readonly metadata: Readonly<Record<string, readonly string[]>>;
  readonly items: readonly WireItem[];
  readonly texts: readonly string[];
}

export interface ForgedServer extends RunningServer {
  readonly carriers: readonly SeenCarrier[];
  /** Requests that came as calls of their own. */
  readonly plain: readonly string[];
}

const identity = (bytes: Buffer): Buffer => bytes;
const batchMethod: MethodDefinition<Buffer, Buffer> = {
  path: '/loop.Echo/SayInmeshBatch',
  requestStream: false,
  responseStream: true,
  requestSerialize: identity,
  requestDeserialize: identity,
  responseSerialize: identity,
  responseDeserialize: identity,
};

/** The right answer to an item. */
export function resultOf(id: number, text: string, more: Partial<WireResult> = {}): WireResult {
  return { id, code: 0, details: '', response: Buffer.from(text), headers: undefined, trailers: undefined, ...more };
}

/** Answers every item as a well-behaved server does. */
export function answerWell(stream: CarrierStream, texts: readonly string[]): void {
  stream.write(
    encodeReply(
      texts.map((text, id) => resultOf(id, `say ${text}`)),
      true,
    ),
  );
  stream.end();
}

/** @param reply - Answers a batch. */
export async function forge(
  reply: (stream: CarrierStream, texts: readonly string[]) => void = answerWell,
  options: Pick<ServeOptions, 'credentials'> = {},
): Promise<ForgedServer> {
  const carriers: SeenCarrier[] = [];
  const plain: string[] = [];
  const server = new Server();
  server.addService(
    { batch: batchMethod },
    {
      batch: (stream: CarrierStream) => {
        const { items } = decodeRequest(stream.request, 1024);
        const texts = items.map(({ request }) => request.toString());
        carriers.push({ metadata: flat(stream.metadata as Metadata), items, texts });
        reply(stream, texts);
      },
    },
  );
  const say: Handlers['say'] = (call, callback) => {
    if (call.request.text !== 'learn') plain.push(call.request.text);
    callback(null, { text: `say ${call.request.text}` }, metadataOf({ 'inmesh-capability': '1;items=1024' }));
  };
  const running = await serve({ server, handlers: { say }, ...options });
  return { ...running, carriers, plain };
}
