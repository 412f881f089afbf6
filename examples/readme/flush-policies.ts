/** A background job that waits for company, beside callers that do not. */
import { credentials } from '@grpc/grpc-js';
import { createMesh, MeshServer } from 'inmesh';
import { Greeter, hello, listen, sayHello } from './greeter.ts';

const server = new MeshServer();
server.addService(Greeter.service, { sayHello });
const target = await listen(server);

// #region window
const background = createMesh({ coalesce: { mode: 'auto', carrier: 'envelope', flush: 'window', linger: '0.02s' } });
const client = new Greeter(target, credentials.createInsecure(), background.client());
await hello(client, 'the first answer says that this server takes batches');

const calls: Promise<string>[] = [];
for (const name of ['one', 'two', 'three']) {
  calls.push(hello(client, name));
  await new Promise((resolve) => setImmediate(resolve)); // each in a turn of its own
}
await Promise.all(calls);
const { items, carriers } = background.stats().coalesce;
console.log(`${items} calls in ${carriers} RPC`); // prints 3 calls in 1 RPC
// #endregion

await background.close();
server.forceShutdown();
