/** Calls that go to another cluster: by header, by a field of the request, and a share of them for a canary. */
import { type CallOptions, credentials, Metadata } from '@grpc/grpc-js';
import { createMesh, MeshServer, routeInterceptor } from 'inmesh';
import { Greeter, type GreeterClient, hello, listen, type SayHello } from './greeter.ts';

const serve = async (who: string): Promise<{ readonly target: string; readonly server: MeshServer }> => {
  const server = new MeshServer();
  const sayHello: SayHello = (call, callback) => callback(null, { message: `${who} greets ${call.request.name}` });
  server.addService(Greeter.service, { sayHello });
  return { target: await listen(server), server };
};
const stable = await serve('stable');
const canary = await serve('canary');

// #region routes
const mesh = createMesh(
  {
    clusters: { canary: { target: canary.target } },
    routes: [
      { match: { headers: [{ name: 'x-canary', exact: 'always' }] }, cluster: 'canary' },
      { match: { methods: ['helloworld.Greeter/SayHello'], fields: [{ field: 'name', prefix: 'test-' }] }, cluster: 'canary' },
      { split: [{ weight: 90 }, { cluster: 'canary', weight: 10 }], key: { tenant: true } },
    ],
  },
  { descriptors: Greeter.service },
);
const client = new Greeter(stable.target, credentials.createInsecure(), mesh.client());
// #endregion

const withHeader = (target: GreeterClient, name: string, key: string, value: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const metadata = new Metadata();
    metadata.set(key, value);
    const call = target.sayHello.bind(target) as unknown as (
      request: object,
      metadata: Metadata,
      callback: (error: Error | null, reply?: { message: string }) => void,
    ) => void;
    call({ name }, metadata, (error, reply) => (error === null && reply !== undefined ? resolve(reply.message) : reject(error)));
  });
const as = (tenant: string): CallOptions => ({ inmesh: { tenant } });

// #region calls
console.log(await withHeader(client, 'you', 'x-canary', 'always')); // prints canary greets you
console.log(await hello(client, 'test-1')); // prints canary greets test-1
console.log(await hello(client, 'you', as('acme'))); // prints stable greets you
console.log(await hello(client, 'you', as('acme'))); // prints stable greets you
console.log(mesh.stats().traffic.routed); // prints { canary: 2, '': 2 }
// #endregion

// #region alone
const other = new Greeter(canary.target, credentials.createInsecure());
const toCanary = routeInterceptor({
  clusters: { canary: () => other.getChannel() },
  routes: [{ match: { headers: [{ name: 'x-user', regex: 'qa-[0-9]+' }] }, cluster: 'canary' }],
});
const alone = new Greeter(stable.target, credentials.createInsecure(), { interceptors: [toCanary] });
console.log(await withHeader(alone, 'you', 'x-user', 'qa-7')); // prints canary greets you
// #endregion

for (const one of [client, other, alone]) one.close();
await mesh.close();
for (const { server } of [stable, canary]) server.forceShutdown();
