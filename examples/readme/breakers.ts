/** A method that fails, and the breaker that saves it the calls. */
import { setTimeout as sleep } from 'node:timers/promises';
import { credentials, Server, type ServiceError, status } from '@grpc/grpc-js';
import { createMesh, REASON_KEY } from 'inmesh';
import { Greeter, hello, listen, type SayHello } from './greeter.ts';

let broken = true;
let handled = 0;
const sayHello: SayHello = (call, callback) => {
  handled++;
  if (broken) callback({ code: status.INTERNAL, details: 'no database' });
  else callback(null, { message: `Hello ${call.request.name}` });
};
const server = new Server();
server.addService(Greeter.service, { sayHello });
const target = await listen(server);

// #region client
const mesh = createMesh({
  methods: { 'helloworld.Greeter/SayHello': { breaker: { consecutiveFailures: 3, openTime: '0.2s' } } },
});
const client = new Greeter(target, credentials.createInsecure(), mesh.client());

for (let call = 0; call < 100; call++) {
  const error: ServiceError | undefined = await hello(client, 'Ada').then(
    () => undefined,
    (failed) => failed,
  );
  if (call === 99) console.log(error?.metadata.get(REASON_KEY)[0]); // prints client.breaker/open
}
console.log(handled); // prints 3

broken = false;
await sleep(250);
console.log(await hello(client, 'Ada')); // prints Hello Ada
// #endregion

// #region hand
const breaker = mesh.breaker('helloworld.Greeter/SayHello');
breaker.isolate(); // every call is refused, until
breaker.release();
console.log(breaker.state); // prints closed
console.log(mesh.stats().breakers['/helloworld.Greeter/SayHello']?.opened); // prints 2
// #endregion

await mesh.close();
server.forceShutdown();
