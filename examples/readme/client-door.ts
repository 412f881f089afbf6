/** Calls that enter the mesh directly. */
import { credentials, InterceptingCall, type Interceptor, type ServiceError, status } from '@grpc/grpc-js';
import { createMesh, MeshServer } from 'inmesh';
import { Greeter, listen, type SayHello, sayHello } from './greeter.ts';

const patient: SayHello = (call, callback) => {
  if (call.request.name !== 'nobody') sayHello(call, callback);
};
const server = new MeshServer();
server.addService(Greeter.service, { sayHello: patient });
const target = await listen(server);
const yours: Interceptor = (options, nextCall) => new InterceptingCall(nextCall(options));

// #region wrap
const mesh = createMesh({ coalesce: 'auto' });
const client = mesh.wrap(new Greeter(target, credentials.createInsecure(), mesh.client()), { interceptors: 'none' });

client.sayHello({ name: 'Ada' }, (error, reply) => {
  console.log(error ?? reply?.message); // prints Hello Ada
});
// #endregion
await new Promise((resolve) => setTimeout(resolve, 100));

// #region promises
const reply = await client.promises.sayHello({ name: 'Bob' }, { timeoutMs: 1000 });
console.log(reply.message); // prints Hello Bob

const stop = new AbortController();
setTimeout(() => stop.abort(), 20);
const error: ServiceError = await client.promises.sayHello({ name: 'nobody' }, { signal: stop.signal }).catch((reason) => reason);
console.log(status[error.code], error.cause === stop.signal.reason); // prints CANCELLED true
// #endregion

// #region listed
const interceptors = [yours];
const listed = mesh.wrap(new Greeter(target, credentials.createInsecure(), mesh.client({ interceptors })), { interceptors });
// #endregion
console.log((await listed.promises.sayHello({ name: 'Cid' })).message); // prints Hello Cid

await mesh.close(100);
server.forceShutdown();
