/** A client of promises and async iterables, typed by the service's definition. */
import { credentials, type MethodDefinition } from '@grpc/grpc-js';
import { createMesh, MeshServer } from 'inmesh';
import { Greeter, type HelloReply, type HelloRequest, listen, sayHello } from './greeter.ts';

/** What ts-proto generates has these types. */
interface Unary<Request, Response> extends MethodDefinition<Request, Response> {
  readonly requestStream: false;
  readonly responseStream: false;
}
const GreeterService = Greeter.service as unknown as { readonly SayHello: Unary<HelloRequest, HelloReply> };
const server = new MeshServer();
server.addService(Greeter.service, { sayHello });
const target = await listen(server);

// #region typed
const mesh = createMesh({ coalesce: 'auto' });
const greeter = mesh.typed(GreeterService, target, credentials.createInsecure());

const { message } = await greeter.sayHello({ name: 'Ada' }, { timeoutMs: 1000 });
console.log(message); // prints Hello Ada
// #endregion

greeter.close();
await mesh.close();
server.forceShutdown();
