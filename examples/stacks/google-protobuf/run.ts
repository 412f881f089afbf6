/** grpc-js with static code in the style of google-protobuf: messages are classes. */
import { credentials } from '@grpc/grpc-js';
import { createMesh, MeshServer } from 'inmesh';
import { greet, listen } from '../support.ts';
import { GreeterClient, GreeterService, type IGreeterClient, type IGreeterServer } from './greeter_grpc_pb.ts';
import { HelloReply, HelloRequest } from './greeter_pb.ts';

const handlers: IGreeterServer = {
  sayHello: (call, callback) => callback(null, new HelloReply().setMessage(`Hello ${call.request.getName()}`)),
};

// #region server
const server = new MeshServer(); // was: new Server()
server.addService(GreeterService, { ...handlers });
// #endregion
const address = await listen(server);

const mesh = createMesh({ coalesce: 'auto' });
// #region client
const client = new GreeterClient(address, credentials.createInsecure(), mesh.client());
// #endregion

const greeter = client as unknown as IGreeterClient;
const hello = (name: string): Promise<string> =>
  new Promise((resolve, reject) => {
    greeter.sayHello(new HelloRequest().setName(name), (error, reply) =>
      error === null ? resolve(reply?.getMessage() ?? '') : reject(error),
    );
  });
await greet(hello, mesh); // prints Hello Ada
// prints 24 of 24 right; 25 calls through the mesh; batches: yes

client.close();
await mesh.close();
server.forceShutdown();
