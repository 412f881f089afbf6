/** A server that is down, and what answers instead. */
import { credentials, status } from '@grpc/grpc-js';
import { createMesh, fallbackInterceptor, MeshServer } from 'inmesh';
import { Greeter, type HelloRequest, hello, listen, type SayHello } from './greeter.ts';

const sayHello: SayHello = (_call, callback) => callback({ code: status.UNAVAILABLE, details: 'down' });
const server = new MeshServer();
server.addService(Greeter.service, { sayHello });
const target = await listen(server);

// #region function
const mesh = createMesh(
  { methods: { 'helloworld.Greeter/SayHello': { idempotent: true, fallback: { onStatus: ['UNAVAILABLE'] } } } },
  {
    services: [Greeter.service],
    fallbacks: {
      'helloworld.Greeter/SayHello': (_failure, request: HelloRequest) => ({ message: `Good day ${request.name}` }),
    },
  },
);
const client = new Greeter(target, credentials.createInsecure(), mesh.client());
console.log(await hello(client, 'you')); // prints Good day you
console.log(mesh.stats().fallbacks.used); // prints 1
// #endregion

// #region alone
const instead = fallbackInterceptor({
  answers: { '/helloworld.Greeter/SayHello': async () => ({ message: 'Nobody is at home' }) },
});
const other = new Greeter(target, credentials.createInsecure(), { interceptors: [instead] });
console.log(await hello(other, 'you')); // prints Nobody is at home
// #endregion

other.close();
await mesh.close();
server.forceShutdown();
