import 'reflect-metadata';
import { createServer } from 'node:net';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  type ClientGrpcProxy,
  ClientProxyFactory,
  GrpcMethod,
  type GrpcOptions,
  type MicroserviceOptions,
  RpcException,
  ServerGrpc,
  Transport,
} from '@nestjs/microservices';
import { lastValueFrom, map, type Observable, range, toArray } from 'rxjs';
import { createMesh, type Mesh, MeshServer } from '../../../src/index.ts';
import { describeStack, type EchoClient, PROTO_FILE, PROTO_ROOT } from './describe-stack.ts';
import { REFUSED, type RunningEcho } from './echo-server.ts';
import type { CountRequest, CountResponse, SayRequest, SayResponse } from './gen/echo/v1/echo.ts';

const ECHO = { package: 'echo.v1', protoPath: join(PROTO_ROOT, PROTO_FILE) };

interface EchoService {
  say(request: SayRequest): Observable<SayResponse>;
  count(request: CountRequest): Observable<CountResponse>;
}

// NestJS spreads `channelOptions` into the options of the grpc-js client, so that is where the mesh goes.
function connect(address: string, mesh: Mesh): EchoClient {
  const client = ClientProxyFactory.create({
    transport: Transport.GRPC,
    options: { ...ECHO, url: address, channelOptions: { ...mesh.client() } },
  }) as unknown as ClientGrpcProxy;
  const service = client.getService<EchoService>('EchoService');
  return {
    say: async (text) => (await lastValueFrom(service.say({ text }))).text,
    count: async (to) => (await lastValueFrom(service.count({ to }).pipe(toArray()))).map(({ value }) => value),
    close: () => client.close(),
  };
}

// Decorators are applied as the functions that they are: type stripping leaves no decorator syntax behind.
class EchoController {
  say({ text }: SayRequest): SayResponse {
    if (text === REFUSED) throw new RpcException({ code: grpc.status.FAILED_PRECONDITION, message: 'refused as asked' });
    return { text };
  }
  count({ to }: CountRequest): Observable<CountResponse> {
    return range(1, to).pipe(map((value) => ({ value })));
  }
}
for (const method of ['say', 'count'] as const) {
  const descriptor = Object.getOwnPropertyDescriptor(EchoController.prototype, method);
  if (descriptor) GrpcMethod('EchoService', method === 'say' ? 'Say' : 'Count')(EchoController.prototype, method, descriptor);
}
Controller()(EchoController);
class EchoModule {}
Module({ controllers: [EchoController] })(EchoModule);

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const bound = probe.address();
      probe.close(() => (bound !== null && typeof bound === 'object' ? resolve(bound.port) : reject(new Error('no port'))));
    });
  });
}

interface Listening {
  readonly transport: Transport.GRPC;
  readonly options: GrpcOptions['options'];
}

async function startNest(mesh: Mesh, strategyOf: (listening: Listening) => MicroserviceOptions): Promise<RunningEcho> {
  const address = `127.0.0.1:${await freePort()}`;
  const strategy = strategyOf({ transport: Transport.GRPC, options: { ...ECHO, url: address } });
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(EchoModule, { logger: ['error', 'warn'], ...strategy });
  await app.listen();
  return {
    address,
    mesh,
    close: async () => {
      await app.close();
      await mesh.close();
    },
  };
}

/** The server half by NestJS's options alone. NestJS binds its port before it shows its server, so batches stay off. */
function startWithOptions(): Promise<RunningEcho> {
  const mesh = createMesh();
  return startNest(mesh, ({ transport, options }) => ({ transport, options: { ...options, channelOptions: { ...mesh.server() } } }));
}

/** NestJS's own transport with our server in the place of grpc-js's: batches too. */
class MeshServerGrpc extends ServerGrpc {
  readonly #listening: Listening['options'];
  readonly #mesh: Mesh;

  constructor(listening: Listening['options'], mesh: Mesh) {
    super(listening);
    this.#listening = listening;
    this.#mesh = mesh;
  }
  override createClient(): Promise<grpc.Server> {
    const server = new MeshServer({ mesh: this.#mesh });
    return new Promise((resolve, reject) => {
      const credentials = grpc.ServerCredentials.createInsecure();
      server.bindAsync(this.#listening.url ?? '', credentials, (error) => (error ? reject(error) : resolve(server)));
    });
  }
}

function startWithStrategy(): Promise<RunningEcho> {
  const mesh = createMesh();
  return startNest(mesh, ({ options }) => ({ strategy: new MeshServerGrpc(options, mesh) }));
}

describeStack('NestJS client through mesh.client()', connect);
describeStack('NestJS client, NestJS server with mesh.server() in its options', connect, { start: startWithOptions, batches: false });
describeStack('NestJS client, NestJS server on a MeshServer', connect, { start: startWithStrategy });
