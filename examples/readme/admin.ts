/** A mesh that shows itself over HTTP, and what it says when asked. */
import { addAdminServicesToServer, credentials } from '@grpc/grpc-js';
import { createMesh, MeshServer, type OverviewView } from 'inmesh';
import { Greeter, hello, listen, sayHello } from './greeter.ts';

const server = new MeshServer();
// #region channelz
server.addService(Greeter.service, { sayHello });
addAdminServicesToServer(server);
// #endregion
const target = await listen(server);
const token = 'a-token-of-your-own';

// #region listen
const mesh = createMesh({ services: { 'helloworld.Greeter': { timeout: '2s' } } });
const admin = await mesh.admin.listen({ port: 0, token }); // without a port: http://127.0.0.1:9902
// #endregion
const client = new Greeter(target, credentials.createInsecure(), mesh.client());
await hello(client, 'Ada');

// #region ask
const overview = (await (await fetch(`${admin.url}/overview.json`)).json()) as OverviewView;
console.log(overview.methods[0]?.method, overview.methods[0]?.calls); // prints helloworld.Greeter/SayHello 1
console.log((await fetch(`${admin.url}/readyz`)).status); // prints 200
// #endregion

// #region tell
const tell = (path: string) => fetch(admin.url + path, { method: 'POST', headers: { authorization: `Bearer ${token}` } });
await tell('/breakers/isolate?method=helloworld.Greeter/SayHello');
console.log(mesh.breaker('helloworld.Greeter/SayHello').state); // prints isolated
await tell('/breakers/release?method=helloworld.Greeter/SayHello');
// #endregion

// #region drain
mesh.drain();
console.log((await fetch(`${admin.url}/readyz`)).status); // prints 503
// #endregion

// #region explain
const { values } = mesh.explain('helloworld.Greeter/SayHello');
for (const { field, value, origin, where } of values.slice(0, 3)) console.log(field, value, origin, where);
// prints timeout 2s services policy.services["helloworld.Greeter"].timeout
// prints idempotent false built-in docs/retries.md
// prints retryPolicy.maxAttempts 3 built-in docs/retries.md
// #endregion

client.close();
await mesh.close();
server.forceShutdown();
