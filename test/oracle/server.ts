/**
 * The oracle's server. It does what a request orders, counts what ran, and looks into every carrier for a second tenant.
 */
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  ServerInterceptingCall,
  type ServerInterceptor,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { decodeRequest } from '../../src/batch/request-codec.ts';
import { createMesh } from '../../src/mesh.ts';
import { bind } from '../support/loopback.ts';
import { answerOf, authorizationOf, codeOf, detailsOf, type Flat, hasCredentials, headersOf, ordersOf, trailersOf } from './workload.ts';

const identity = (bytes: Buffer): Buffer => bytes;
const unary = (name: string) => ({
  path: `/loop.Oracle/${name}`,
  requestStream: false as const,
  responseStream: false as const,
  requestSerialize: identity,
  requestDeserialize: identity,
  responseSerialize: identity,
  responseDeserialize: identity,
});
export const oracleService = { say: unary('Say'), tell: unary('Tell') } satisfies ServiceDefinition;

type Call = ServerUnaryCall<Buffer, Buffer>;
type Handler = (call: Call, callback: sendUnaryData<Buffer>) => void | Promise<void>;

/** What the server has seen. */
export class ServerBook {
  /** How often each call ran. */
  ran: Uint8Array = new Uint8Array(0);
  /** Carriers by what they are, and the items in them. */
  envelopes = 0;
  tunnels = 0;
  items = 0;
  /** Carriers with items of two tenants, of another than their own metadata says, or of call credentials in a tunnel. */
  mixed = 0;
  /** Calls that saw another tenant's metadata. */
  foreign = 0;
  /** Handlers and interceptors that ran in another call's asynchronous context. */
  bleed = 0;
}

const context = new AsyncLocalStorage<{ readonly id: string }>();

/** Gives every call a context of its own, as a tracing or logging interceptor does. */
const ownContext =
  (book: ServerBook): ServerInterceptor =>
  (_definition, call) => {
    let own: { readonly id: string } | undefined;
    const check = (): void => {
      if (own !== undefined && context.getStore() !== own) book.bleed++;
    };
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            own = { id: String(metadata.get('x-request-id')[0]) };
            context.run(own, pass, metadata);
          },
          onReceiveMessage: (message, pass) => (own === undefined ? pass(message) : context.run(own, pass, message)),
          onReceiveHalfClose: (pass) => (own === undefined ? pass() : context.run(own, pass)),
        }),
      sendMetadata: (metadata, pass) => {
        check();
        pass(metadata);
      },
      sendMessage: (message, pass) => {
        check();
        pass(message);
      },
      sendStatus: (status, pass) => {
        check();
        pass(status);
      },
    });
  };

function metadataOf(values: Flat): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(values)) {
    if (key.endsWith('-bin')) metadata.set(key, Buffer.from(value, 'hex'));
    else for (const one of value.split(', ')) metadata.add(key, one);
  }
  return metadata;
}

function textOf(metadata: Metadata, key: string): string {
  const value = metadata.get(key)[0];
  return value === undefined ? '' : typeof value === 'string' ? value : value.toString('hex');
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** Does what the request says, and looks around. */
function handlerOf(book: ServerBook, fault: Fault | undefined): Handler {
  const answer = answering(book);
  let another: Buffer | null = null;
  return (call, given) => {
    const callback: sendUnaryData<Buffer> = (error, value, ...rest) => {
      const own = value ?? null;
      given(error, fault === 'answers' && another !== null && own !== null ? another : own, ...rest);
      another = own ?? another;
    };
    if (fault === 'context') context.enterWith({ id: 'another' });
    const { index, ending } = ordersOf(call.request);
    book.ran[index] = (book.ran[index] ?? 0) + 1;
    if (ending === 'throw') throw new Error(`of ${index}`);
    return answer(call, callback);
  };
}

const answering =
  (book: ServerBook): Handler =>
  async (call, callback) => {
    const { request, metadata } = call;
    const { index, tenant, ending, headers, trailers, turns } = ordersOf(request);
    const authorization = textOf(metadata, 'authorization');
    if (textOf(metadata, 'tenant') !== `t${tenant}` || authorization !== (authorizationOf(tenant) ?? '')) book.foreign++;
    if (ending === 'never' || ending === 'given up') {
      // Whoever emits an event chooses its context; the answer is this call's all the same.
      const over = AsyncResource.bind((): void => callback({ code: 1, details: 'given up' }));
      if (call.cancelled) over();
      else call.on('cancelled', over);
      return;
    }
    if (context.getStore()?.id !== `${index}`) book.bleed++;
    for (let i = 0; i < turns; i++) await turn();
    if (context.getStore()?.id !== `${index}`) book.bleed++;
    if (headers) call.sendMetadata(metadataOf(headersOf(index)));
    const own = trailers ? metadataOf(trailersOf(index)) : undefined;
    switch (ending) {
      case 'error':
        return callback({ code: codeOf(index), details: `no ${index}`, ...(own === undefined ? {} : { metadata: own }) });
      case 'details':
        return callback({ code: codeOf(index), details: detailsOf(index) }, null, own);
      case 'reject':
        throw Object.assign(new Error(`of ${index}`), { code: 10 });
      case 'empty':
        return callback(null, Buffer.alloc(0), own);
      default:
        return callback(
          null,
          answerOf(request, call.getPath(), (key) => textOf(metadata, key)),
          own,
        );
    }
  };

type Carrier = Pick<ServerWritableStream<Buffer, Buffer>, 'metadata'>;

/** Whose items a carrier has had. */
class Passengers {
  readonly #book: ServerBook;
  readonly #carrier: Carrier;
  readonly #isTunnel: boolean;
  #tenant: number | undefined;
  #mixed = false;

  constructor(book: ServerBook, carrier: Carrier, isTunnel: boolean) {
    this.#book = book;
    this.#carrier = carrier;
    this.#isTunnel = isTunnel;
  }

  see(message: Buffer): void {
    const { items } = decodeRequest(message, 1024);
    this.#book.items += items.length;
    for (const { request } of items) {
      const { tenant } = ordersOf(request);
      this.#tenant ??= tenant;
      const { metadata } = this.#carrier;
      const fits = tenant === this.#tenant && textOf(metadata, 'tenant') === `t${tenant}` && !(this.#isTunnel && hasCredentials(tenant));
      if (fits && textOf(metadata, 'authorization') === (authorizationOf(tenant) ?? '')) continue;
      if (!this.#mixed) this.#book.mixed++;
      this.#mixed = true;
    }
  }
}

/** Looks into everything that is registered on the paths of carriers. Before `mesh.attach`. */
function spyOnCarriers(server: Server, book: ServerBook): void {
  const register = server.register.bind(server) as unknown as (name: string, handler: unknown, ...rest: unknown[]) => boolean;
  const spied = (name: string, handler: unknown, ...rest: unknown[]): boolean => {
    if (name.endsWith('InmeshBatch')) {
      const serve = handler as (stream: ServerWritableStream<Buffer, Buffer>) => void;
      const looked = (stream: ServerWritableStream<Buffer, Buffer>): void => {
        book.envelopes++;
        new Passengers(book, stream, false).see(stream.request);
        serve(stream);
      };
      return register(name, looked, ...rest);
    }
    if (name === '/inmesh.v1.Tunnel/Open') {
      const serve = handler as (stream: ServerDuplexStream<Buffer, Buffer>) => void;
      const looked = (stream: ServerDuplexStream<Buffer, Buffer>): void => {
        book.tunnels++;
        const passengers = new Passengers(book, stream, true);
        serve(stream);
        stream.on('data', (message: Buffer) => passengers.see(message));
      };
      return register(name, looked, ...rest);
    }
    return register(name, handler, ...rest);
  };
  server.register = spied as unknown as Server['register'];
}

/** What a server does wrong, to see that the oracle sees it: gives callers each other's answers, or runs calls in another's context. */
export type Fault = 'answers' | 'context';

/** A running server of the oracle. */
export interface OracleServer {
  readonly address: string;
  readonly book: ServerBook;
  /** Calls that are being served. */
  active(): number;
  kill(): void;
}

export async function serveOracle(fault?: Fault): Promise<OracleServer> {
  const book = new ServerBook();
  const mesh = createMesh();
  const server = new Server(mesh.server({ interceptors: [ownContext(book)] }));
  spyOnCarriers(server, book);
  mesh.attach(server);
  const handler = handlerOf(book, fault);
  server.addService(oracleService, { say: handler, tell: handler });
  const port = await bind(server, ServerCredentials.createInsecure());
  return { address: `localhost:${port}`, book, active: () => mesh.stats().server.active, kill: () => server.forceShutdown() };
}
