/** A client that brings the service config it had before. */
import { credentials } from '@grpc/grpc-js';
import { createMesh, MeshServer, policyFromServiceConfig } from 'inmesh';
import { Greeter, hello, listen, sayHello } from './greeter.ts';

const server = new MeshServer();
server.addService(Greeter.service, { sayHello });
const target = await listen(server);

// #region client
const serviceConfig = {
  methodConfig: [{ name: [{ service: 'helloworld.Greeter' }], timeout: '2s', waitForReady: true }],
};
const mesh = createMesh({ services: { 'helloworld.Greeter': { idempotent: true } } }, { warn: (line) => console.log(line) });
const client = new Greeter(target, credentials.createInsecure(), mesh.client({ 'grpc.service_config': JSON.stringify(serviceConfig) }));
// prints serviceConfig.methodConfig[0].waitForReady: is not taken over: grpc-js ignores it too; set it by `new Metadata({ waitForReady: true })`
// prints serviceConfig.methodConfig[0].timeout: taken over for calls that come without a deadline; in gRPC it also cuts short those that have a longer one
console.log(await hello(client, 'Ada')); // prints Hello Ada

for (const { field, value, where } of mesh.explain('helloworld.Greeter/SayHello', target).values.slice(0, 2))
  console.log(field, value, where);
// prints timeout 2s serviceConfig.services["helloworld.Greeter"].timeout
// prints idempotent true policy.services["helloworld.Greeter"].idempotent
// #endregion

// #region move
const { policy } = policyFromServiceConfig(serviceConfig);
const moved = createMesh({ ...policy, coalesce: 'auto' });
console.log(moved.policy.services?.['helloworld.Greeter']?.timeout); // prints 2s
// #endregion
await moved.close();

client.close();
await mesh.close();
server.forceShutdown();
