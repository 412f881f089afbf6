/** Policy that a service declares in its own .proto file, and what of it holds beside a document. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadSync } from '@grpc/proto-loader';
import { createMesh } from 'inmesh';

const here = dirname(fileURLToPath(import.meta.url));

// #region load
const inmesh = dirname(createRequire(import.meta.url).resolve('inmesh/package.json'));
const cinema = loadSync('cinema.proto', { includeDirs: [here, join(inmesh, 'protos')] });

const mesh = createMesh({ methods: { 'cinema.v1.Cinema/GetFilm': { timeout: '0.5s' } } }, { descriptors: cinema });
for (const { field, value, where } of mesh.explain('cinema.v1.Cinema/GetFilm').values) {
  if (field === 'timeout') console.log(value, where); // prints 0.5s policy.methods["cinema.v1.Cinema/GetFilm"].timeout
  if (field === 'idempotent') console.log(value, where); // prints true idempotency_level of cinema.v1.Cinema/GetFilm
  if (field === 'coalesce') console.log(value, where); // prints auto option (inmesh.v1.method_policy) of cinema.v1.Cinema/GetFilm
}
// #endregion

await mesh.close();
