/** Ten callers ask the same, an answer is kept, and an old one outlives its server. */
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, status } from '@grpc/grpc-js';
import { cacheInterceptor, createMesh, MeshServer } from 'inmesh';
import { Greeter, hello, listen, type SayHello } from './greeter.ts';

let calls = 0;
let isDown = false;
const sayHello: SayHello = (call, callback) => {
  calls++;
  if (isDown) callback({ code: status.UNAVAILABLE });
  else setImmediate(() => callback(null, { message: `Hello ${call.request.name}` }));
};
const server = new MeshServer();
server.addService(Greeter.service, { sayHello });
const target = await listen(server);

// #region cache
const mesh = createMesh({
  methods: {
    'helloworld.Greeter/SayHello': {
      idempotent: true,
      cache: { ttl: '0.05s', staleIfError: '60s', metadata: ['accept-language'] },
    },
  },
});
const client = new Greeter(target, credentials.createInsecure(), mesh.client());

await Promise.all(Array.from({ length: 10 }, () => hello(client, 'you')));
console.log(calls); // prints 1
console.log(await hello(client, 'you')); // prints Hello you
const { shared, hits } = mesh.stats().cache;
console.log(shared, hits); // prints 9 1
// #endregion

// #region alone
const cache = cacheInterceptor({
  methods: ['/helloworld.Greeter/SayHello'],
  services: [Greeter.service],
  ttlMs: 1000,
});
const other = new Greeter(target, credentials.createInsecure(), { interceptors: [cache] });
await hello(other, 'me');
await hello(other, 'me');
console.log(cache.stats().hits); // prints 1
// #endregion

isDown = true;
await sleep(100);
// #region stale
// The server is down, and the answer no longer fresh.
console.log(await hello(client, 'you')); // prints Hello you
console.log(mesh.stats().cache.stale); // prints 1
// #endregion

other.close();
await mesh.close();
server.forceShutdown();
