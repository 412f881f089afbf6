/** Priority and tenant go from a client through a front to its back. */
import { credentials } from '@grpc/grpc-js';
import { createMesh, MeshServer, servedTraits } from 'inmesh';
import { Greeter, hello, listen, type SayHello } from './greeter.ts';

// #region back
const mesh = createMesh({ server: { trustTraits: true } });
const back = new MeshServer({ mesh });
back.addService(Greeter.service, {
  sayHello: ((_call, callback) => {
    const { priority, tenant } = servedTraits() ?? {};
    callback(null, { message: `${priority} ${tenant}` });
  }) satisfies SayHello,
});
// #endregion
const toBack = new Greeter(await listen(back), credentials.createInsecure(), mesh.client());
const front = new MeshServer({ mesh });
front.addService(Greeter.service, {
  sayHello: (async (call, callback) => {
    callback(null, { message: await hello(toBack, call.request.name) });
  }) satisfies SayHello,
});
const caller = createMesh();
const client = new Greeter(await listen(front), credentials.createInsecure(), caller.client());

// #region caller
console.log(await hello(client, 'Ada', { inmesh: { priority: 'critical', tenant: 'acme' } })); // prints critical acme
// #endregion

await caller.close();
await mesh.close();
for (const each of [front, back]) each.forceShutdown();
