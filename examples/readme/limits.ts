/** A server that can do four calls at a time, asked for ten times as many, and a client that finds out. */
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials } from '@grpc/grpc-js';
import { createMesh, MeshServer } from 'inmesh';
import { Greeter, hello, listen, type SayHello } from './greeter.ts';

// #region server
const guarded = createMesh({ server: { limit: { min: 10, max: 500 } } });
const server = new MeshServer({ mesh: guarded });
// #endregion

let busy: Promise<unknown>[] = [sleep(0), sleep(0), sleep(0), sleep(0)];
let next = 0;
const sayHello: SayHello = async (call, callback) => {
  const slot = next++ % 4;
  const turn = (busy[slot] ?? sleep(0)).then(() => sleep(10));
  busy = busy.with(slot, turn);
  await turn;
  callback(null, { message: `Hello ${call.request.name}` });
};
server.addService(Greeter.service, { sayHello });
const target = await listen(server);

// #region client
const mesh = createMesh({ defaults: { limit: { initial: 100 } } });
const client = new Greeter(target, credentials.createInsecure(), mesh.client());

let refused = 0;
for (let wave = 0; wave < 60; wave++) {
  for (let call = 0; call < 40; call++) hello(client, 'Ada').catch(() => refused++);
  await sleep(25);
}
const { limit } = mesh.stats().limits['/helloworld.Greeter/SayHello'] ?? { limit: 0 };
console.log(refused > 100 && limit < 60); // prints true
// #endregion

await Promise.all([mesh.close(), guarded.close()]);
server.forceShutdown();
