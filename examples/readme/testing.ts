/** A test of an application's own client: a real server, chance from a seed, warnings in a list. */
import { credentials, type ServiceError, status } from '@grpc/grpc-js';
import { createMesh, MeshServer } from 'inmesh';
import { Greeter, hello, listen, type SayHello } from './greeter.ts';

// #region test
const warnings: string[] = [];
const mesh = createMesh(
  { services: { 'helloworld.Greeter': { idempotent: true } } },
  { random: () => 0.5, warn: (line) => warnings.push(line) },
);

const failing: SayHello = (_call, callback) => callback({ code: status.UNAVAILABLE, details: 'down' });
const server = new MeshServer({ mesh });
server.addService(Greeter.service, { sayHello: failing });
const client = new Greeter(await listen(server), credentials.createInsecure(), mesh.client());

const error = await hello(client, 'Ada').catch((reason: ServiceError) => reason.details);
const { calls, attempts, failed } = mesh.stats().client;
console.log(error, calls, attempts, failed); // prints down 1 3 1
console.log(warnings.length); // prints 0

await mesh.close();
server.forceShutdown(); // nothing is left: the process ends by itself
// #endregion
