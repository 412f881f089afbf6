/** A new version that gets copies of all calls, and whose answers are compared. */
import { credentials } from '@grpc/grpc-js';
import { createMesh, MeshServer, mirrorInterceptor } from 'inmesh';
import { Greeter, hello, listen, type SayHello } from './greeter.ts';

const serve = async (sayHello: SayHello): Promise<{ readonly target: string; readonly server: MeshServer }> => {
  const server = new MeshServer();
  server.addService(Greeter.service, { sayHello });
  return { target: await listen(server), server };
};
const now = await serve((call, callback) => callback(null, { message: `Hello ${call.request.name}` }));
const next = await serve((call, callback) =>
  callback(null, { message: call.request.name === 'you' ? 'Hi!' : `Hello ${call.request.name}` }),
);
const answered = async (count: () => number): Promise<void> => {
  while (count() < 2) await new Promise((resolve) => setTimeout(resolve, 5));
};

// #region mirror
const mesh = createMesh(
  {
    clusters: { next: { target: next.target } },
    mirrors: [{ match: { methods: ['helloworld.Greeter'] }, cluster: 'next', percent: 100, compare: true }],
  },
  { services: [Greeter.service] },
);
const client = new Greeter(now.target, credentials.createInsecure(), mesh.client());
console.log(await hello(client, 'world')); // prints Hello world
console.log(await hello(client, 'you')); // prints Hello you
// #endregion

await answered(() => mesh.stats().traffic.mirrors.reduce((sum, { equal, different }) => sum + equal + different, 0));
// #region stats
for (const { sent, equal, different, differences } of mesh.stats().traffic.mirrors) console.log({ sent, equal, different, differences }); // prints { sent: 2, equal: 1, different: 1, differences: { message: 1 } }
// #endregion

// #region alone
const shadow = new Greeter(next.target, credentials.createInsecure());
const copies = mirrorInterceptor({ channel: () => shadow.getChannel(), percent: 100, maxInFlight: 16 });
const alone = new Greeter(now.target, credentials.createInsecure(), { interceptors: [copies] });
console.log(await hello(alone, 'you')); // prints Hello you
// #endregion

for (const one of [client, shadow, alone]) one.close();
await mesh.close();
for (const { server } of [now, next]) server.forceShutdown();
