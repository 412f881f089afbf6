/** Two servers, one of which has stopped answering. */
import { credentials, Server } from '@grpc/grpc-js';
import { balanceOptions, createMesh, hedgeInterceptor } from 'inmesh';
import { Greeter, hello, listen, type SayHello, sayHello } from './greeter.ts';

const stuck: SayHello = () => {};
const servers = [stuck, sayHello].map((handler) => {
  const server = new Server();
  server.addService(Greeter.service, { sayHello: handler });
  return server;
});
const target = `ipv4:${(await Promise.all(servers.map(listen))).join(',')}`;

// #region policy
const mesh = createMesh({
  methods: { 'helloworld.Greeter/SayHello': { idempotent: true, hedgingPolicy: { maxAttempts: 3, hedgingDelay: '0.05s' } } },
});
const client = new Greeter(target, credentials.createInsecure(), mesh.client());
const answers = await Promise.all(['Ada', 'Bob', 'Cleo', 'Dan', 'Eve', 'Fay'].map((name) => hello(client, name)));
console.log(answers.length); // prints 6
console.log(mesh.stats().client.hedges > 0); // prints true
// #endregion

// #region alone
const hedge = hedgeInterceptor({ methods: ['/helloworld.Greeter/SayHello'], delayMs: 50 });
const alone = new Greeter(target, credentials.createInsecure(), { ...balanceOptions(), interceptors: [hedge] });
console.log(await hello(alone, 'Ada')); // prints Hello Ada
// #endregion

alone.close();
await mesh.close();
for (const server of servers) server.forceShutdown();
