/** A grpc-js server of all four kinds of method, and Connect's own clients of it with a mesh. */
import { connect, createServer, type Socket } from 'node:net';
import { type DescMethod, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Client, createClient, type Interceptor } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import {
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { connectInterceptor } from '../../../src/connect/index.ts';
import { createMesh, type Mesh } from '../../../src/mesh.ts';
import type { MeshDependencies } from '../../../src/mesh-types.ts';
import type { Policy } from '../../../src/policy/policy.gen.ts';
import { LoopService } from './gen/loop/v1/loop_pb.ts';

export interface Text {
  readonly text: string;
}

export interface Handlers {
  say: handleUnaryCall<Text, Text>;
  read: handleUnaryCall<Text, Text>;
  count: handleServerStreamingCall<Text, Text>;
  collect: handleClientStreamingCall<Text, Text>;
  chat: handleBidiStreamingCall<Text, Text>;
}

const echo: Handlers = {
  say: (call, callback) => callback(null, { text: `say ${call.request.text}` }),
  read: (call, callback) => callback(null, { text: `read ${call.request.text}` }),
  count: (call) => {
    for (let i = 1; i <= 3; i++) call.write({ text: `${call.request.text} ${i}` });
    call.end();
  },
  collect: (call, callback) => {
    const heard: string[] = [];
    call.on('data', ({ text }: Text) => heard.push(text));
    call.on('end', () => callback(null, { text: heard.join('+') }));
  },
  chat: (call) => {
    call.on('data', (message: Text) => call.write(message));
    call.on('end', () => call.end());
  },
};

function definition({ parent, name, methodKind, input, output }: DescMethod): MethodDefinition<unknown, unknown> {
  return {
    path: `/${parent.typeName}/${name}`,
    requestStream: methodKind === 'client_streaming' || methodKind === 'bidi_streaming',
    responseStream: methodKind === 'server_streaming' || methodKind === 'bidi_streaming',
    requestSerialize: (value) => Buffer.from(toBinary(input, { ...(value as object), $typeName: input.typeName })),
    requestDeserialize: (bytes) => fromBinary(input, bytes),
    responseSerialize: (value) => Buffer.from(toBinary(output, { ...(value as object), $typeName: output.typeName })),
    responseDeserialize: (bytes) => fromBinary(output, bytes),
  };
}

/** The service as grpc-js wants it. */
export const loopDefinition: ServiceDefinition = Object.fromEntries(
  LoopService.methods.map((method) => [method.localName, definition(method)]),
);

export interface Loop extends AsyncDisposable {
  readonly baseUrl: string;
  readonly port: number;
  readonly server: Server;
}

/** Serves `loop.v1.LoopService`; its end closes all connections at once. */
export async function serveLoop(handlers: Partial<Handlers> = {}, server: Server = new Server()): Promise<Loop> {
  server.addService(loopDefinition, { ...echo, ...handlers });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { server, port, baseUrl: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: async () => server.forceShutdown() };
}

export type LoopClient = Client<typeof LoopService>;

export interface StageOptions {
  readonly handlers?: Partial<Handlers>;
  readonly policy?: Policy;
  readonly dependencies?: MeshDependencies;
  /** Default: a plain one. */
  readonly server?: Server;
  /** Connect's interceptors above the mesh's, and below. */
  readonly above?: readonly Interceptor[];
  readonly below?: readonly Interceptor[];
}

export interface Stage extends AsyncDisposable {
  readonly loop: Loop;
  readonly mesh: Mesh;
  readonly client: LoopClient;
  /** The same server, without a mesh. */
  readonly bare: LoopClient;
}

/** A server, and a client with a mesh. */
export async function stage({ handlers, policy, dependencies, server, above = [], below = [] }: StageOptions = {}): Promise<Stage> {
  const loop = await serveLoop(handlers, server);
  const mesh = createMesh(policy, { warn: () => {}, ...dependencies });
  const interceptors = [...above, connectInterceptor(mesh), ...below];
  return {
    loop,
    mesh,
    client: grpcClient(loop.baseUrl, interceptors),
    bare: grpcClient(loop.baseUrl),
    [Symbol.asyncDispose]: async () => {
      await mesh.close(0);
      await loop[Symbol.asyncDispose]();
    },
  };
}

/** A client that speaks gRPC. */
export function grpcClient(baseUrl: string, interceptors: Interceptor[] = []): LoopClient {
  return createClient(LoopService, createGrpcTransport({ baseUrl, interceptors }));
}

/** A client that speaks Connect's own protocol. */
export function connectClient(baseUrl: string, interceptors: Interceptor[] = []): LoopClient {
  return createClient(LoopService, createConnectTransport({ baseUrl, httpVersion: '2', interceptors }));
}

export async function all<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const heard: T[] = [];
  for await (const message of messages) heard.push(message);
  return heard;
}

/** Resolves when `open` was called. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

/** Connections to a port that a test can cut. */
export interface Proxy extends AsyncDisposable {
  readonly baseUrl: string;
  /** Ends all that are open now, as a network does. */
  cut(): void;
}

export async function proxyTo(port: number): Promise<Proxy> {
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on('close', () => open.delete(socket));
      socket.on('error', () => {});
    }
    near.pipe(far).pipe(near);
  });
  const cut = (): void => {
    for (const socket of open) socket.resetAndDestroy();
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    baseUrl: `http://127.0.0.1:${address.port}`,
    cut,
    [Symbol.asyncDispose]: async () => {
      cut();
      server.close();
    },
  };
}
