/** A server that is ours from the start, and one that was made elsewhere. */
import { credentials, Server, ServerCredentials, ServerInterceptingCall, type ServerInterceptor } from '@grpc/grpc-js';
import { createMesh, MeshServer, serverCredentialsWithInterceptors } from 'inmesh';
import { Greeter, hello, listen, sayHello } from './greeter.ts';

const audit: ServerInterceptor = (_method, call) => new ServerInterceptingCall(call);

// #region mesh-server
const server = new MeshServer(); // was: new Server()
server.addService(Greeter.service, { sayHello });
// #endregion

// #region with-mesh
const mesh = createMesh({ server: { bulkhead: { slots: 200, queue: 400 } } });
const guarded = new MeshServer({ mesh, interceptors: [audit] });
// #endregion
guarded.addService(Greeter.service, { sayHello });

// #region composed
const options = mesh.server({ interceptors: [audit] });
const composed = new Server(options);
mesh.attach(composed, options); // before the first addService
composed.addService(Greeter.service, { sayHello });
// #endregion

// #region elsewhere
const elsewhere = new Server({ interceptors: [audit] });
mesh.attach(elsewhere, { interceptors: [audit] });
elsewhere.addService(Greeter.service, { sayHello });
// #endregion

// #region port
const guardedPort = serverCredentialsWithInterceptors(ServerCredentials.createInsecure(), [audit]);
guarded.bindAsync('127.0.0.1:0', guardedPort, () => undefined);
// #endregion

for (const each of [server, guarded, composed, elsewhere]) {
  const client = new Greeter(await listen(each), credentials.createInsecure());
  console.log(await hello(client, 'Ada')); // prints Hello Ada (4 times)
  client.close();
  each.forceShutdown();
}
