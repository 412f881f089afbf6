/** A front that calls a back: the caller's deadline goes all the way. */
import { credentials, Server, type ServiceError, status } from '@grpc/grpc-js';
import { createMesh, MeshServer } from 'inmesh';
import { Greeter, hello, listen, type SayHello } from './greeter.ts';

const leftMs: number[] = [];
const back = new Server();
const answer: SayHello = (call, callback) => {
  leftMs.push(Number(call.getDeadline()) - Date.now());
  callback(null, { message: `Hello ${call.request.name}` });
};
back.addService(Greeter.service, { sayHello: answer });

// #region front
const mesh = createMesh({ deadline: { hopMargin: '0.05s' } });
const toBack = new Greeter(await listen(back), credentials.createInsecure(), mesh.client());

const front = new MeshServer({ mesh });
front.addService(Greeter.service, {
  sayHello: (async (call, callback) => {
    const message = await hello(toBack, call.request.name); // no deadline, no parent: both are inherited
    callback(null, { message });
  }) satisfies SayHello,
});
// #endregion

// #region caller
const caller = createMesh({ services: { 'helloworld.Greeter': { timeout: '2s' } } });
const client = new Greeter(await listen(front), credentials.createInsecure(), caller.client());
console.log(await hello(client, 'Ada')); // prints Hello Ada
// #endregion
console.log((leftMs[0] ?? 0) > 1000 && (leftMs[0] ?? 0) <= 1950); // prints true

// #region late
const late = await hello(client, 'Ada', { deadline: Date.now() - 1 }).catch((error: ServiceError) => error);
if (typeof late !== 'string') {
  console.log(status[late.code], late.metadata.get('inmesh-reason')[0]); // prints DEADLINE_EXCEEDED client.deadline/late
}
// #endregion

await Promise.all([mesh.close(), caller.close()]);
for (const each of [front, back]) each.forceShutdown();
