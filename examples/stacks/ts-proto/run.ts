/** grpc-js with code of ts-proto (`outputServices=grpc-js`). */
import { credentials } from '@grpc/grpc-js';
import { createMesh, MeshServer } from 'inmesh';
import { GreeterClient, type GreeterServer, GreeterService } from '../gen/greeter.ts';
import { greet, listen } from '../support.ts';

const handlers: GreeterServer = {
  sayHello: (call, callback) => callback(null, { message: `Hello ${call.request.name}` }),
};

// #region server
const server = new MeshServer(); // was: new Server()
server.addService(GreeterService, handlers);
// #endregion
const address = await listen(server);

const mesh = createMesh({ coalesce: 'auto' });
// #region client
const client = new GreeterClient(address, credentials.createInsecure(), mesh.client());
// #endregion

const hello = (name: string): Promise<string> =>
  new Promise((resolve, reject) => {
    client.sayHello({ name }, (error, reply) => (error === null ? resolve(reply.message) : reject(error)));
  });
await greet(hello, mesh); // prints Hello Ada
// prints 24 of 24 right; 25 calls through the mesh; batches: yes

client.close();
await mesh.close();
server.forceShutdown();
