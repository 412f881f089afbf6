/** Forty calls of one turn, a few RPCs. */
import { credentials } from '@grpc/grpc-js';
import { createMesh, MeshServer } from 'inmesh';
import { Greeter, hello, listen, sayHello } from './greeter.ts';

const server = new MeshServer();
server.addService(Greeter.service, { sayHello });
const target = await listen(server);

// #region client
const mesh = createMesh({ coalesce: 'auto' });
const client = new Greeter(target, credentials.createInsecure(), mesh.client());

await hello(client, 'the first answer says that this server takes batches');
const names = Array.from({ length: 40 }, (_, index) => `caller ${index}`);
const answers = await Promise.all(names.map((name) => hello(client, name)));
console.log(answers[7]); // prints Hello caller 7

const { items, carriers } = mesh.stats().coalesce;
console.log(`${items} calls in ${carriers} RPC`); // prints 40 calls in 1 RPC
// #endregion

// #region stats
const { partitions, plain } = mesh.stats().coalesce;
console.log(partitions[0]?.method, partitions[0]?.meanSize); // prints /helloworld.Greeter/SayHello 40
console.log(plain['no-peer']); // prints 1
// #endregion

// #region methods
const some = createMesh({
  coalesce: {
    methods: ['atlas.v1.Atlas/GetPlace', 'helloworld.Greeter'], // a method, a service
    maxItems: 64,
    itemMetadata: ['x-page'], // may differ between the calls of a batch
  },
});
// #endregion

// #region alone
await hello(client, 'Ada', { inmesh: { coalesce: 'never' } });
// #endregion

// #region tunnel
const fast = createMesh({ coalesce: 'auto' }); // tunnels where there is load
const always = createMesh({ coalesce: { mode: 'auto', carrier: 'tunnel' } }); // from the first call on
const visible = createMesh({ coalesce: { mode: 'auto', requireL7Visibility: true } }); // every batch told by its path: no tunnels
// #endregion

await Promise.all([mesh, some, fast, always, visible].map((each) => each.close()));
server.forceShutdown();
