/** A handler that needs the CPU, in worker threads. */
import { credentials } from '@grpc/grpc-js';
import { createMesh, MeshServer } from 'inmesh';
import { Greeter, hello, listen } from './greeter.ts';

// #region server
const mesh = createMesh();
const workers = mesh.workers({ module: new URL('./workers-handlers.mjs', import.meta.url), threads: 2 });
await workers.ready; // or not: calls wait for the threads

const server = new MeshServer({ mesh });
const { definition, implementation } = workers.service(Greeter.service);
server.addService(definition, implementation);
// #endregion
const target = await listen(server);

const clients = createMesh({ coalesce: 'auto' });
const client = new Greeter(target, credentials.createInsecure(), clients.client());
const replies = await Promise.all(['Ada', 'Grace'].map((name) => hello(client, name)));
for (const reply of replies) console.log(reply);
// prints Hello Ada, off the main thread
// prints Hello Grace, off the main thread

// #region stats
const { threads, up, done, lost } = workers.stats();
console.log(threads, up, done, lost); // prints 2 2 2 0
// #endregion

await clients.close();
// #region close
await mesh.close(); // or workers.close() alone
// #endregion
server.forceShutdown();
