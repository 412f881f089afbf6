/** Three replicas, one of which does not answer any more. */
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, Server } from '@grpc/grpc-js';
import { createMesh } from 'inmesh';
import { Greeter, hello, listen, type SayHello } from './greeter.ts';

const gone = new Set<number>();
const replicas = [0, 1, 2].map((index) => {
  const sayHello: SayHello = async (call, callback) => {
    await sleep(5);
    if (!gone.has(index)) callback(null, { message: `Hello ${call.request.name}` });
  };
  const server = new Server();
  server.addService(Greeter.service, { sayHello });
  return server;
});
const target = `ipv4:${(await Promise.all(replicas.map(listen))).join(',')}`;

// #region client
const mesh = createMesh();
const client = new Greeter(target, credentials.createInsecure(), mesh.client());
const call = (): Promise<string> => hello(client, 'Ada', { deadline: Date.now() + 1_000 });
const ejected = (): number => mesh.stats().endpoints[target]?.filter((endpoint) => endpoint.ejected).length ?? 0;

for (let i = 0; i < 50; i++) await Promise.all([call(), call(), call()]);
gone.add(0); // from here on it takes calls and is silent
const endMs = Date.now() + 5_000;
while (ejected() === 0 && Date.now() < endMs) {
  await sleep(10);
  void call().catch(() => {});
}
console.log(ejected()); // prints 1
// #endregion

// #region tuned
const tuned = createMesh({
  outlierDetection: {
    interval: '10s', // gRFC A50, with its names and defaults
    successRateEjection: { stdevFactor: 1900 },
    failurePercentageEjection: { threshold: 85 },
    consecutiveFailures: 7, // ours: a breaker for each endpoint
  },
});
const off = createMesh({ outlierDetection: { consecutiveFailures: 0 } });
// #endregion

await Promise.all([mesh, tuned, off].map((each) => each.close(0)));
for (const server of replicas) server.forceShutdown();
