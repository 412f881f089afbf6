/** grpc-js with @grpc/proto-loader: the service is read from its `.proto` when the program starts. */
import { join } from 'node:path';
import { credentials, type handleUnaryCall, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { createMesh, MeshServer } from 'inmesh';
import { greet, listen, PROTO_FILE, PROTO_ROOT } from '../support.ts';

interface Named {
  readonly name: string;
}
interface Reply {
  readonly message: string;
}
type SayHello = (request: Named, callback: (error: Error | null, reply?: Reply) => void) => void;

const { helloworld } = loadPackageDefinition(loadSync(join(PROTO_ROOT, PROTO_FILE)));
const { Greeter } = helloworld as unknown as { readonly Greeter: ServiceClientConstructor };
const sayHello: handleUnaryCall<Named, Reply> = (call, callback) => callback(null, { message: `Hello ${call.request.name}` });

// #region server
const server = new MeshServer(); // was: new Server()
server.addService(Greeter.service, { sayHello });
// #endregion
const address = await listen(server);

const mesh = createMesh({ coalesce: 'auto' });
// #region client
const client = new Greeter(address, credentials.createInsecure(), mesh.client());
// #endregion

const say = client['sayHello']?.bind(client) as SayHello;
const hello = (name: string): Promise<string> =>
  new Promise((resolve, reject) => {
    say({ name }, (error, reply) => (error === null ? resolve(reply?.message ?? '') : reject(error)));
  });
await greet(hello, mesh); // prints Hello Ada
// prints 24 of 24 right; 25 calls through the mesh; batches: yes

client.close();
await mesh.close();
server.forceShutdown();
