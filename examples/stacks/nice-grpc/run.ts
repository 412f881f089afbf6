/** nice-grpc: takes no interceptors, but a channel; its server takes the options of grpc-js's. */
import { credentials } from '@grpc/grpc-js';
import { createMesh } from 'inmesh';
import { createClient, createServer } from 'nice-grpc';
import { GreeterDefinition } from '../gen/greeter.ts';
import { greet } from '../support.ts';

const served = createMesh();
// #region server
const server = createServer({ ...served.server() });
server.add(GreeterDefinition, { sayHello: async ({ name }) => ({ message: `Hello ${name}` }) });
// #endregion
const port = await server.listen('127.0.0.1:0');

const mesh = createMesh({ coalesce: 'auto' });
// #region client
const channel = mesh.channel(`127.0.0.1:${port}`, credentials.createInsecure());
const client = createClient(GreeterDefinition, channel);
// #endregion

await greet(async (name) => (await client.sayHello({ name })).message, mesh); // prints Hello Ada
// prints 24 of 24 right; 25 calls through the mesh; batches: no
console.log(served.stats().server.calls); // prints 25

channel.close();
await mesh.close();
server.forceShutdown();
await served.close();
