/** Real servers on the loopback, and raw clients for them: what a balancer needs to be tested with. */
import {
  type ChannelOptions,
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceError,
  type sendUnaryData,
} from '@grpc/grpc-js';
import type { EndpointBook } from '../../../src/balance/book.ts';

export const SAY = '/inmesh.test.Replica/Say';
const same = (bytes: Buffer): Buffer => bytes;

/** One replica. */
export interface Replica {
  readonly address: string;
  readonly port: number;
  readonly server: Server;
  /** Calls that reached the handler. */
  calls: number;
  stop(): void;
}

/** What a replica does with a call. */
export type Handler = (call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>) => void;

const answer: Handler = (_call, reply) => reply(null, Buffer.alloc(0));

/** Starts a replica; port 0 is any free one, `host` another address of the loopback network. */
export function startReplica(handler: Handler = answer, port = 0, host = '127.0.0.1'): Promise<Replica> {
  const server = new Server();
  const replica = { address: '', port: 0, server, calls: 0, stop: () => server.forceShutdown() };
  const definition = { path: SAY, requestStream: false, responseStream: false } as const;
  server.addService(
    {
      Say: { ...definition, requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same },
    },
    {
      Say: (call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>) => {
        replica.calls++;
        handler(call, reply);
      },
    },
  );
  return new Promise((resolve, reject) => {
    server.bindAsync(`${host}:${port}`, ServerCredentials.createInsecure(), (error, bound) => {
      if (error) return reject(error);
      resolve(Object.assign(replica, { port: bound, address: `${host}:${bound}` }));
    });
  });
}

/** A handler that answers after a while. */
export function slow(ms: number): Handler {
  return (_call, reply) => {
    setTimeout(() => reply(null, Buffer.alloc(0)), ms);
  };
}

/** A client of all these replicas. */
export function clientOf(replicas: readonly Pick<Replica, 'address'>[], options: ChannelOptions): Client {
  return new Client(`ipv4:${replicas.map((replica) => replica.address).join(',')}`, credentials.createInsecure(), options);
}

/** One call; resolves with the error or undefined. */
export function say(client: Client, metadata: Metadata = new Metadata(), timeoutMs = 5_000): Promise<ServiceError | undefined> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(SAY, same, same, Buffer.alloc(1), metadata, { deadline: Date.now() + timeoutMs }, (error) => {
      resolve(error ?? undefined);
    });
  });
}

/** Asks again each turn until `done` holds. @throws after 5 s. */
export async function until(done: () => boolean): Promise<void> {
  const endMs = Date.now() + 5_000;
  while (!done()) {
    if (Date.now() > endMs) throw new Error('condition not met in 5 s');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Addresses that can be picked. */
export function readyIn(book: EndpointBook): string[] {
  return book.endpoints.filter((endpoint) => endpoint.ready).map((endpoint) => endpoint.address);
}
