/** A client of Connect with a mesh, at a server of grpc-js that fails twice; and a Connect server in front of another. */
import { createServer } from 'node:http2';
import { ConnectError, createClient, createContextValues } from '@connectrpc/connect';
import { connectNodeAdapter, createGrpcTransport } from '@connectrpc/connect-node';
import { Server, status } from '@grpc/grpc-js';
import { createMesh } from 'inmesh';
import { callOptions, connectInterceptor, connectServerInterceptor } from 'inmesh/connect';
import { Greeter } from './gen/greeter_pb.ts';
import { Greeter as GrpcGreeter, listen, sayHello } from './greeter.ts';

let failures = 2;
const server = new Server();
server.addService(GrpcGreeter.service, {
  sayHello: ((call, callback) => {
    if (failures-- > 0) callback({ code: status.UNAVAILABLE, details: 'not yet' });
    else sayHello(call, callback);
  }) satisfies typeof sayHello,
});
const baseUrl = `http://${await listen(server)}`;

// #region client
const mesh = createMesh({ methods: { 'helloworld.Greeter/SayHello': { idempotent: true, timeout: '2s' } } });
const transport = createGrpcTransport({ baseUrl, interceptors: [connectInterceptor(mesh)] });
const greeter = createClient(Greeter, transport);

const { message } = await greeter.sayHello({ name: 'Ada' });
console.log(message, mesh.stats().client.attempts); // prints Hello Ada 3
// #endregion

// #region call
const contextValues = createContextValues().set(callOptions, { retry: false, tenant: 'acme' });
await greeter.sayHello({ name: 'Bob' }, { contextValues });
// #endregion

// #region served
const front = createServer(
  connectNodeAdapter({
    interceptors: [connectServerInterceptor(mesh)],
    routes: (router) => {
      router.service(Greeter, { sayHello: (request) => greeter.sayHello(request) }); // ends with the call that it serves
    },
  }),
);
// #endregion
front.on('session', (session) => session.unref()); // Connect keeps its connections for a while
await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
const address = front.address();
if (address === null || typeof address === 'string') throw new Error('no port');
const outside = createClient(Greeter, createGrpcTransport({ baseUrl: `http://127.0.0.1:${address.port}` }));
console.log((await outside.sayHello({ name: 'Cleo' }, { timeoutMs: 10_000 })).message); // prints Hello Cleo

// #region reason
await mesh.close();
const refused = await greeter.sayHello({ name: 'Dan' }).catch((error: unknown) => ConnectError.from(error));
console.log(refused instanceof ConnectError && refused.metadata.get('inmesh-reason')); // prints client.mesh/closed
// #endregion

front.close();
server.forceShutdown();
