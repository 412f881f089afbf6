import 'reflect-metadata';
import { createServer } from 'node:net';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { Controller, type INestMicroservice, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type ClientGrpcProxy, ClientProxyFactory, GrpcMethod, type GrpcOptions, RpcException, Transport } from '@nestjs/microservices';
import { lastValueFrom, map, type Observable, range, toArray } from 'rxjs';
import { createMesh, type Mesh } from '../../../src/index.ts';
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

/** A NestJS server: its options go through `channelOptions`, its `Server` is attached before the first service is added. */
async function startNest(): Promise<RunningEcho> {
  const mesh = createMesh();
  const address = `127.0.0.1:${await freePort()}`;
  const app: INestMicroservice = await NestFactory.createMicroservice<GrpcOptions>(EchoModule, {
    logger: ['error', 'warn'],
    transport: Transport.GRPC,
    options: {
      ...ECHO,
      url: address,
      channelOptions: { ...mesh.server() },
      onLoadPackageDefinition: (_definition: unknown, server: grpc.Server) => {
        mesh.attach(server);
      },
    },
  });
  await app.listen();
  return {
    address,
    close: async () => {
      await app.close();
      await mesh.close();
    },
  };
}

describeStack('NestJS client through mesh.client()', connect);
describeStack('NestJS client and NestJS server through mesh.server()', connect, startNest);
