/**
 * A service that declares its policy in its .proto file (examples/readme/cinema.proto), and code generated from that: a server with typed
 * handlers, and a typed client.
 */
import { credentials, ServerCredentials } from '@grpc/grpc-js';
import { createMesh, MeshServer } from 'inmesh';
import { CinemaDefinition, type CinemaHandlers, createCinemaClient, descriptors } from './gen/cinema_inmesh.ts';

const handlers: CinemaHandlers = {
  getFilm: (call, answer) => answer(null, { title: `The film ${call.request.name}` }),
};
const server = new MeshServer();
server.addService(CinemaDefinition, handlers);
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

await mesh.close();
server.forceShutdown();
