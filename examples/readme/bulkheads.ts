/** One slot, one place to wait, three calls. */
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, type ServiceError, status } from '@grpc/grpc-js';
import { createMesh, MeshServer, REASON_KEY } from 'inmesh';
import { Greeter, hello, listen, type SayHello } from './greeter.ts';

// #region server
const walls = createMesh({
  server: {
    bulkhead: { slots: 200, queue: 400, queueTimeout: '0.5s' },
    methodBulkheads: { 'helloworld.Greeter/SayHello': { slots: 50, queue: 50 } },
  },
});
const server = new MeshServer({ mesh: walls });
// #endregion
const sayHello: SayHello = async (call, callback) => {
  await sleep(20);
  callback(null, { message: `Hello ${call.request.name}` });
};
server.addService(Greeter.service, { sayHello });
const target = await listen(server);

// #region client
const mesh = createMesh({ defaults: { bulkhead: { slots: 1, queue: 1 } } });
const client = new Greeter(target, credentials.createInsecure(), mesh.client());

const outcomes = await Promise.allSettled(['one', 'two', 'three'].map((name) => hello(client, name)));
console.log(outcomes.map((outcome) => outcome.status).join(' ')); // prints fulfilled fulfilled rejected

const [refused] = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as ServiceError] : []));
if (refused !== undefined) {
  console.log(status[refused.code]); // prints RESOURCE_EXHAUSTED
  console.log(refused.metadata.get(REASON_KEY)[0]); // prints client.bulkhead/queue-full
}
// #endregion

// #region partitions
const shared = createMesh({
  defaults: { bulkhead: { slots: 4, queue: 4, by: 'tenant', partitions: { acme: 0.5, globex: 0.25 } } },
});
const tenants = new Greeter(target, credentials.createInsecure(), shared.client());
const from = (tenant: string) => hello(tenants, 'Ada', { inmesh: { tenant } });

const noisy = Promise.allSettled(Array.from({ length: 100 }, () => from('globex')));
const quiet = [from('acme'), from('acme')]; // half of the slots are theirs, although all of them are lent
console.log((await Promise.all(quiet)).length); // prints 2
const answered = (await noisy).filter(({ status: end }) => end === 'fulfilled');
console.log(answered.length); // prints 8
// #endregion

await Promise.all([mesh.close(), walls.close(), shared.close()]);
server.forceShutdown();
