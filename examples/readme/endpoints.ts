/** A server beside a port that takes connections and never says a word. */
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, Server } from '@grpc/grpc-js';
import { balanceOptions, createMesh } from 'inmesh';
import { Greeter, hello, listen, sayHello } from './greeter.ts';

const server = new Server();
server.addService(Greeter.service, { sayHello });
const good = await listen(server);

const silent = createServer();
await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
const address = silent.address();
const mute = typeof address === 'object' ? `127.0.0.1:${address?.port}` : '';

// #region client
const mesh = createMesh({ endpoints: { refresh: '1.5s', connectTimeout: '0.3s', hold: '10s', rebuild: true } });
const target = `ipv4:${mute},${good}`;
const client = new Greeter(target, credentials.createInsecure(), mesh.client());

console.log(await hello(client, 'Ada')); // prints Hello Ada
await sleep(600);
const states = mesh.stats().endpoints[target]?.map(({ state }) => state);
console.log(states); // prints [ 'failing', 'ready' ]
// #endregion

// #region alone
const alone = new Greeter(mute, credentials.createInsecure(), balanceOptions({}, {}, { connectTimeoutMs: 300 }));
await hello(alone, 'Ada').catch((error: Error) => {
  console.log(error.message.includes('was not ready for calls within 300 ms')); // prints true
});
// #endregion

alone.close();
await mesh.close();
silent.close();
server.forceShutdown();
