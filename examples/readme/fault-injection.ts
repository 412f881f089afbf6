/** Faults on purpose: what retries, breakers and callers do when a tenth of the calls fail. */
import { credentials } from '@grpc/grpc-js';
import { createMesh, faultInterceptor, MeshServer } from 'inmesh';
import { Greeter, hello, listen, sayHello } from './greeter.ts';

const server = new MeshServer();
server.addService(Greeter.service, { sayHello });
const target = await listen(server);

// #region faults
const mesh = createMesh({
  methods: { 'helloworld.Greeter/SayHello': { idempotent: true } },
  faults: [
    { match: { methods: ['helloworld.Greeter'] }, percent: 10, abort: 'UNAVAILABLE' },
    { match: { headers: [{ name: 'x-slow', exact: 'please' }] }, delay: '0.2s' },
  ],
});
const client = new Greeter(target, credentials.createInsecure(), mesh.client());
for (let i = 0; i < 90; i++) await hello(client, 'you');
const { client: calls, traffic } = mesh.stats();
console.log(calls.calls, calls.failed, calls.attempts, traffic.faults.client.aborted); // prints 90 0 99 9
// #endregion

// #region alone
const fails = faultInterceptor([{ percent: 50, abort: 'INTERNAL' }]);
const alone = new Greeter(target, credentials.createInsecure(), { interceptors: [fails] });
console.log(await hello(alone, 'you')); // prints Hello you
await hello(alone, 'you').catch(({ details }) => console.log(details)); // prints inmesh: a fault ends this call with INTERNAL
// #endregion

for (const one of [client, alone]) one.close();
await mesh.close();
server.forceShutdown();
