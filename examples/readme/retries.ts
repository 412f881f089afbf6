/** A server that fails every other call. */
import { credentials, Server, type ServiceError, status } from '@grpc/grpc-js';
import { createMesh } from 'inmesh';
import { Greeter, hello, listen, type SayHello } from './greeter.ts';

let calls = 0;
let silent = false;
const sayHello: SayHello = (call, callback) => {
  if (silent) {
    silent = false; // this call is never answered
    return;
  }
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
console.log(mesh.stats().budgets['helloworld.Greeter']); // prints 99
// #endregion

silent = true;
// #region tries
const impatient = createMesh(
  { services: { 'helloworld.Greeter': { idempotent: true, retryPolicy: { perTryTimeout: '0.05s' } } } },
  { retryOnResponse: (_method, response) => (response as Buffer).length === 0 },
);
const third = new Greeter(target, credentials.createInsecure(), impatient.client());
console.log(await hello(third, 'Ada')); // prints Hello Ada
// #endregion

const said: string[] = [];
// #region unmarked
const careful = createMesh({}, { warn: (line) => said.push(line) });
const other = new Greeter(target, credentials.createInsecure(), careful.client());
const failure = await hello(other, 'Ada').catch((error: ServiceError) => error.details);
console.log(failure); // prints try again
console.log(said[0]?.endsWith('{ "helloworld.Greeter/SayHello": { idempotent: true } }')); // prints true
// #endregion

await Promise.all([mesh.close(), careful.close(), impatient.close()]);
server.forceShutdown();
