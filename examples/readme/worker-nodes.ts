/** A front node and two back-end nodes. */
import { credentials } from '@grpc/grpc-js';
import { createMesh, MeshServer } from 'inmesh';
import { Greeter, hello, listen, sayHello } from './greeter.ts';

const nodes = [new MeshServer(), new MeshServer()];
for (const node of nodes) node.addService(Greeter.service, { sayHello });
const addresses = await Promise.all(nodes.map(listen));

// #region front
const mesh = createMesh({ coalesce: 'auto', services: { 'helloworld.Greeter': { idempotent: true } } });
const front = new MeshServer({ mesh });
const workers = mesh.forward({ target: `ipv4:${addresses.join(',')}`, credentials: credentials.createInsecure() });
workers.addTo(front, Greeter.service);
// #endregion

const client = new Greeter(await listen(front), credentials.createInsecure());
console.log(await hello(client, 'Ada')); // prints Hello Ada
nodes[0]?.forceShutdown();
console.log(await hello(client, 'Alan')); // prints Hello Alan

client.close();
await mesh.close();
for (const each of [front, ...nodes]) each.forceShutdown();
