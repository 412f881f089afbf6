/** Policy that a server declares in its .proto file, asked for while it runs. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { credentials } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { createMesh, MeshServer, reflectDescriptors } from 'inmesh';
import { listen } from './greeter.ts';

const here = dirname(fileURLToPath(import.meta.url));
const inmesh = dirname(createRequire(import.meta.url).resolve('inmesh/package.json'));
const server = new MeshServer();
new ReflectionService(loadSync('cinema.proto', { includeDirs: [here, join(inmesh, 'protos')] })).addToServer(server);
const target = await listen(server);

// #region reflect
const descriptors = await reflectDescriptors(target, credentials.createInsecure(), { services: ['cinema.v1.Cinema'] });
const mesh = createMesh({}, { descriptors });

const { values } = mesh.explain('cinema.v1.Cinema/GetFilm');
for (const { field, value, where } of values) {
  if (field === 'idempotent') console.log(value, where); // prints true idempotency_level of cinema.v1.Cinema/GetFilm
}
// #endregion

await mesh.close();
server.forceShutdown();
