/**
 * A service that declares its policy in its .proto file (examples/readme/cinema.proto), and code generated from that: a server with typed
 * handlers, and a typed client.
 */
import { credentials, ServerCredentials, type ServiceError } from '@grpc/grpc-js';
import { createMesh, MeshServer, validatedHandlers } from 'inmesh';
import {
  CinemaDefinition,
  type CinemaValidators,
  createCinemaBatchHandlers,
  createCinemaClient,
  descriptors,
} from './gen/cinema_inmesh.ts';

const serverMesh = createMesh();
// #region serve
const handlers = createCinemaBatchHandlers(serverMesh, {
  getFilm: async (items) => items.map(({ request }) => ({ title: `The film ${request.name}` })),
});
const validators: CinemaValidators = {
  getFilm: ({ name }) => (name === '' ? { field: 'name', problem: 'must not be empty' } : undefined),
};
const server = new MeshServer({ mesh: serverMesh });
server.addService(CinemaDefinition, validatedHandlers(CinemaDefinition, validators, handlers));
// #endregion
const port = await new Promise<number>((resolve, reject) => {
  server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
});
const target = `127.0.0.1:${port}`;

// #region use
const mesh = createMesh({}, { descriptors });
const cinema = createCinemaClient(mesh, target, credentials.createInsecure());

const { title } = await cinema.getFilm({ name: 'Metropolis' });
console.log(title); // prints The film Metropolis
// #endregion

// #region refused
const refused: ServiceError = await cinema.getFilm({}).catch((error) => error);
console.log(refused.message); // prints 3 INVALID_ARGUMENT: inmesh: name: must not be empty
// #endregion

await mesh.close();
await serverMesh.close();
server.forceShutdown();
