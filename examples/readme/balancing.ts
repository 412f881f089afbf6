/** Two replicas, one of them slow. */
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, Server } from '@grpc/grpc-js';
import { createMesh } from 'inmesh';
import { Greeter, hello, listen, type SayHello } from './greeter.ts';

const served = { fast: 0, slow: 0 };
const replica = (name: 'fast' | 'slow', waitMs: number): Server => {
  const sayHello: SayHello = async (call, callback) => {
    served[name]++;
    await sleep(waitMs);
    callback(null, { message: `Hello ${call.request.name}` });
  };
  const server = new Server();
  server.addService(Greeter.service, { sayHello });
  return server;
};
const servers = [replica('fast', 1), replica('slow', 60)];
const [fast, slow] = await Promise.all(servers.map(listen));

// #region client
const mesh = createMesh();
const client = new Greeter(`ipv4:${fast},${slow}`, credentials.createInsecure(), mesh.client());

for (let call = 0; call < 100; call++) await hello(client, 'Ada');
console.log(served.slow < 20); // prints true
console.log(Object.values(mesh.stats().endpoints).flat().length); // prints 2
// #endregion

// #region tuned
const tuned = createMesh({ balance: { policy: 'peak_ewma', decay: '5s' } });
const off = createMesh({ balance: 'off' }); // grpc-js's pick_first, or what the service config says
// #endregion

await Promise.all([mesh, tuned, off].map((each) => each.close()));
for (const server of servers) server.forceShutdown();
