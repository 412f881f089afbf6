/** A server that fails every other call. */
import { credentials, Server, type ServiceError, status } from '@grpc/grpc-js';
import { createMesh } from 'inmesh';
import { Greeter, hello, listen, type SayHello } from './greeter.ts';

let calls = 0;
const sayHello: SayHello = (call, callback) => {
  if (calls++ % 2 === 0) callback({ code: status.UNAVAILABLE, details: 'try again' });
  else callback(null, { message: `Hello ${call.request.name}` });
};
const server = new Server();
server.addService(Greeter.service, { sayHello });
const target = await listen(server);

// #region marked
const mesh = createMesh({
  methods: { 'helloworld.Greeter/SayHello': { idempotent: true, retryPolicy: { maxAttempts: 4, initialBackoff: '0.01s' } } },
  retryBudget: { ratio: 0.2, minPerSecond: 10 },
});
const client = new Greeter(target, credentials.createInsecure(), mesh.client());
console.log(await hello(client, 'Ada')); // prints Hello Ada
console.log(mesh.stats().client.retries); // prints 1
// #endregion

const said: string[] = [];
// #region unmarked
const careful = createMesh({}, { warn: (line) => said.push(line) });
const other = new Greeter(target, credentials.createInsecure(), careful.client());
const failure = await hello(other, 'Ada').catch((error: ServiceError) => error.details);
console.log(failure); // prints try again
console.log(said[0]?.endsWith('{ "helloworld.Greeter/SayHello": { idempotent: true } }')); // prints true
// #endregion

await Promise.all([mesh.close(), careful.close()]);
server.forceShutdown();
