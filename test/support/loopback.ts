/**
 * A real server and real clients on 127.0.0.1, and a small service of all four kinds that needs no generated code.
 */
import {
  type CallOptions,
  ChannelCredentials,
  type Client,
  type ClientDuplexStream,
  type ClientOptions,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  type MethodDefinition,
  makeGenericClientConstructor,
  type requestCallback,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type ServiceError,
  type StatusObject,
  status as statusCodes,
} from '@grpc/grpc-js';
import type { Mesh } from '../../src/mesh.ts';

/** The only message. `text` is sent as it is, but for the two that break a codec. */
export interface Message {
  readonly text: string;
}

/** `text` of a message that its sender can't encode. */
export const UNSERIALIZABLE = 'unserializable';
/** `text` of a message that its receiver can't decode. */
export const UNREADABLE = 'unreadable';

function serialize({ text }: Message): Buffer {
  if (text === UNSERIALIZABLE) throw new Error('cannot encode this message');
  return Buffer.from(text);
}
function deserialize(bytes: Buffer): Message {
  const text = bytes.toString();
  if (text === UNREADABLE) throw new Error('cannot decode this message');
  return { text };
}

const SERVICE = 'loop.Echo';

export function method(name: string, requestStream: boolean, responseStream: boolean): MethodDefinition<Message, Message> {
  return {
    path: `/${SERVICE}/${name}`,
    requestStream,
    responseStream,
    requestSerialize: serialize,
    requestDeserialize: deserialize,
    responseSerialize: serialize,
    responseDeserialize: deserialize,
  };
}

export const echoDefinition = {
  say: method('Say', false, false),
  /** A second unary method, for what depends on the path. */
  tell: method('Tell', false, false),
  collect: method('Collect', true, false),
  count: method('Count', false, true),
  chat: method('Chat', true, true),
} satisfies ServiceDefinition;

export interface Handlers {
  say: handleUnaryCall<Message, Message>;
  tell: handleUnaryCall<Message, Message>;
  collect: handleClientStreamingCall<Message, Message>;
  count: handleServerStreamingCall<Message, Message>;
  chat: handleBidiStreamingCall<Message, Message>;
}

/** Handlers that say back what they hear. */
export const echo: Handlers = {
  say: (call, callback) => callback(null, { text: `say ${call.request.text}` }),
  tell: (call, callback) => callback(null, { text: `tell ${call.request.text}` }),
  collect: (call, callback) => {
    const heard: string[] = [];
    call.on('data', ({ text }: Message) => heard.push(text));
    call.on('end', () => callback(null, { text: heard.join('+') }));
  },
  count: (call) => {
    for (let i = 1; i <= 3; i++) call.write({ text: `${call.request.text} ${i}` });
    call.end();
  },
  chat: (call) => {
    call.on('data', (message: Message) => call.write(message));
    call.on('end', () => call.end());
  },
};

export interface ServeOptions {
  /** Default: a plain grpc-js `Server`. */
  readonly server?: Server;
  readonly handlers?: Partial<Handlers>;
  /** Default: plaintext. */
  readonly credentials?: ServerCredentials;
  /** Default: any. */
  readonly port?: number;
}

/** A running server. Its end closes all connections at once, as a crash would. */
export interface RunningServer extends AsyncDisposable {
  readonly server: Server;
  readonly port: number;
  readonly address: string;
  kill(): void;
}

/** Serves `loop.Echo`. */
export async function serve(options: ServeOptions = {}): Promise<RunningServer> {
  const { server = new Server(), handlers = {}, credentials = ServerCredentials.createInsecure() } = options;
  server.addService(echoDefinition, { ...echo, ...handlers });
  const port = await bind(server, credentials, options.port);
  const kill = (): void => server.forceShutdown();
  return { server, port, address: `localhost:${port}`, kill, [Symbol.asyncDispose]: async () => kill() };
}

/** Opens one more port of a server. */
export function bind(server: Server, credentials: ServerCredentials = ServerCredentials.createInsecure(), port = 0): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) => (error === null ? resolve(bound) : reject(error)));
  });
}

export type Door = 'channel' | 'interceptors';
export const doors: readonly Door[] = ['channel', 'interceptors'];
/** `wrap`: the channel's, past grpc-js's client. */
export type ClientDoor = Door | 'wrap';
export const clientDoors: readonly ClientDoor[] = [...doors, 'wrap'];

type Unary = (request: Message, metadata: Metadata, options: CallOptions, callback: requestCallback<Message>) => ClientUnaryCall;

/** The generated client, as every code generator on grpc-js makes it. */
export interface EchoStub extends Client {
  say: Unary;
  tell: Unary;
  collect(metadata: Metadata, options: CallOptions, callback: requestCallback<Message>): ClientWritableStream<Message>;
  count(request: Message, metadata: Metadata, options: CallOptions): ClientReadableStream<Message>;
  chat(metadata: Metadata, options: CallOptions): ClientDuplexStream<Message, Message>;
}

const EchoStub = makeGenericClientConstructor(echoDefinition, SERVICE);

/** All that a caller of a unary method can see, ready for comparison; HTTP's own headers are left out. */
export interface Outcome {
  readonly code: string;
  readonly details: string;
  readonly text: string | undefined;
  readonly headers: Readonly<Record<string, readonly string[]>> | undefined;
  readonly trailers: Readonly<Record<string, readonly string[]>>;
}

export interface SayOptions extends CallOptions {
  readonly metadata?: Metadata;
  readonly method?: 'say' | 'tell';
  /** Takes the call itself, to cancel it or to ask for its peer. */
  readonly onCall?: (call: ClientUnaryCall) => void;
}

export interface EchoClientOptions {
  readonly address: string;
  /** Default: none, bare grpc-js. */
  readonly mesh?: Mesh;
  readonly door?: ClientDoor;
  readonly credentials?: ChannelCredentials;
  readonly options?: ClientOptions;
}

/** A client that gives a unary call's whole outcome as a promise that never rejects. */
export class EchoClient implements Disposable {
  readonly stub: EchoStub;

  constructor({ address, mesh, door = 'channel', credentials = ChannelCredentials.createInsecure(), options = {} }: EchoClientOptions) {
    const full =
      mesh === undefined
        ? { 'grpc.use_local_subchannel_pool': 1, ...options }
        : door === 'interceptors'
          ? { ...mesh.options(options), interceptors: mesh.interceptors() }
          : { ...mesh.client(options) };
    const stub = new EchoStub(address, credentials, full) as Client as EchoStub;
    this.stub = mesh !== undefined && door === 'wrap' ? mesh.wrap(stub, { interceptors: options.interceptors ?? 'none' }) : stub;
  }

  say(text: string, { metadata = new Metadata(), method: name = 'say', onCall, ...options }: SayOptions = {}): Promise<Outcome> {
    return new Promise((resolve) => {
      let headers: Metadata | undefined;
      let answer: { error: ServiceError | null; text: string | undefined } | undefined;
      let end: StatusObject | undefined;
      const settle = (): void => {
        if (answer === undefined || end === undefined) return;
        resolve({
          code: statusCodes[end.code] ?? String(end.code),
          details: end.details,
          text: answer.text,
          headers: headers === undefined ? undefined : flat(headers),
          trailers: flat(end.metadata),
        });
      };
      const call = this.stub[name]({ text }, metadata, options, (error, value) => {
        answer = { error, text: value?.text };
        settle();
      });
      call.on('metadata', (got) => {
        headers = got;
      });
      call.on('status', (got) => {
        end = got;
        settle();
      });
      onCall?.(call);
    });
  }

  /** Calls made in one turn of the event loop. */
  burst(texts: readonly string[], options: SayOptions = {}): Promise<Outcome[]> {
    return Promise.all(texts.map((text) => this.say(text, options)));
  }

  /** Resolves when the connection stands, with what its endpoint says of itself learned. */
  async learn(): Promise<void> {
    await this.say('learn');
  }

  [Symbol.dispose](): void {
    this.stub.close();
  }
}

/** HTTP/2's and gRPC's own headers, which tell a batch from a call of its own. */
const TRANSPORT_KEYS: ReadonlySet<string> = new Set(['content-type', 'date', 'grpc-accept-encoding', 'user-agent']);

export function flat(metadata: Metadata): Record<string, string[]> {
  const out: Record<string, string[]> = {};
  for (const key of Object.keys(metadata.getMap()).sort()) {
    if (TRANSPORT_KEYS.has(key)) continue;
    out[key] = metadata.get(key).map((value) => (typeof value === 'string' ? value : `0x${value.toString('hex')}`));
  }
  return out;
}

/** Metadata with these values; a `-bin` key takes hex. */
export function metadataOf(values: Readonly<Record<string, string | readonly string[]>>): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(values)) {
    for (const one of typeof value === 'string' ? [value] : value) {
      metadata.add(key, key.endsWith('-bin') ? Buffer.from(one, 'hex') : one);
    }
  }
  return metadata;
}

/** Resolves when `open` was called: holds a handler until the test says so. */
export class Gate<T = void> {
  readonly #settle = Promise.withResolvers<T>();
  readonly opened: Promise<T> = this.#settle.promise;
  open(value: T): void {
    this.#settle.resolve(value);
  }
}
