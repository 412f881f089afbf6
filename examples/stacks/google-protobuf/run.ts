/** grpc-js with static code of protoc (`--js_out`, `--grpc_out`): messages are classes of google-protobuf. */
import { credentials } from '@grpc/grpc-js';
import { createMesh, MeshServer } from 'inmesh';
import { greet, listen } from '../support.ts';
import { GreeterClient, GreeterService, type IGreeterServer } from './gen/greeter_grpc_pb.cjs';
import messages from './gen/greeter_pb.cjs';

const { HelloReply, HelloRequest } = messages;
const handlers: IGreeterServer = {
  sayHello: (call, callback) => callback(null, new HelloReply().setMessage(`Hello ${call.request.getName()}`)),
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
    client.sayHello(new HelloRequest().setName(name), (error, reply) => (error === null ? resolve(reply.getMessage()) : reject(error)));
  });
await greet(hello, mesh); // prints Hello Ada
// prints 24 of 24 right; 25 calls through the mesh; batches: yes

client.close();
await mesh.close();
server.forceShutdown();
