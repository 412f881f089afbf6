/** NestJS: client and server by their `channelOptions`. Decorators are applied as functions, so that Node runs this file as it is. */
import 'reflect-metadata';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type ClientGrpcProxy, ClientProxyFactory, GrpcMethod, type MicroserviceOptions, Transport } from '@nestjs/microservices';
import { createMesh } from 'inmesh';
import { lastValueFrom, type Observable } from 'rxjs';
import { greet, PROTO_FILE, PROTO_ROOT } from '../support.ts';

class GreeterController {
  sayHello({ name }: { name: string }): { message: string } {
    return { message: `Hello ${name}` };
  }
}
const descriptor = Object.getOwnPropertyDescriptor(GreeterController.prototype, 'sayHello') ?? {};
GrpcMethod('Greeter', 'SayHello')(GreeterController.prototype, 'sayHello', descriptor);
Controller()(GreeterController);
class AppModule {}
Module({ controllers: [GreeterController] })(AppModule);

const url = `127.0.0.1:${await freePort()}`;
const greeter = { package: 'helloworld', protoPath: join(PROTO_ROOT, PROTO_FILE), url };
const served = createMesh();
// #region server
const app = await NestFactory.createMicroservice<MicroserviceOptions>(AppModule, {
  transport: Transport.GRPC,
  options: { ...greeter, channelOptions: { ...served.server() } },
  logger: ['error'],
});
// #endregion
await app.listen();

const mesh = createMesh({ coalesce: 'auto' });
// #region client
const client = ClientProxyFactory.create({
  transport: Transport.GRPC,
  options: { ...greeter, channelOptions: { ...mesh.client() } },
}) as unknown as ClientGrpcProxy;
// #endregion

const service = client.getService<{ sayHello(request: { name: string }): Observable<{ message: string }> }>('Greeter');
await greet(async (name) => (await lastValueFrom(service.sayHello({ name }))).message, mesh); // prints Hello Ada
// prints 24 of 24 right; 25 calls through the mesh; batches: no

client.close();
await app.close();
await Promise.all([mesh.close(), served.close()]);

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const bound = probe.address();
      probe.close(() => resolve(bound !== null && typeof bound === 'object' ? bound.port : 0));
    });
  });
}
