/** A caller that gives up every call, and one that does not: its calls are answered. */
import { credentials, Server, type ServiceError, status } from '@grpc/grpc-js';
import { createMesh } from 'inmesh';
import { Greeter, hello, listen, type SayHello } from './greeter.ts';

const server = new Server();
const answer: SayHello = (call, callback) => {
  // A slow handler that stops when nobody waits any more.
  const done = setTimeout(() => callback(null, { message: `Hello ${call.request.name}` }), call.request.name === 'slow' ? 500 : 0);
  call.on('cancelled', () => clearTimeout(done));
};
server.addService(Greeter.service, { sayHello: answer });
const mesh = createMesh();
const client = new Greeter(await listen(server), credentials.createInsecure(), mesh.client());
await hello(client, 'Ada');

// #region late
const late = await hello(client, 'slow', { deadline: Date.now() + 50 }).catch((error: ServiceError) => error);
if (typeof late !== 'string') console.log(status[late.code]); // prints DEADLINE_EXCEEDED

const { granted, withheld } = mesh.stats().client.resets;
console.log(granted, withheld); // prints 0 0
// #endregion

// #region cancelled
const call = client.sayHello({ name: 'slow' }, () => {});
setTimeout(() => call.cancel(), 50);
await new Promise((resolve) => call.on('status', resolve));

console.log(mesh.stats().client.resets.granted); // prints 1
// #endregion

await mesh.close();
server.forceShutdown();
