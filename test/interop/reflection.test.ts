/** What comes through the published package @grpc/reflection, which writes descriptors anew. */
import { join } from 'node:path';
import { credentials, Server } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { expect, test } from 'vitest';
import { createMesh, reflectDescriptors } from '../../src/index.ts';
import { bind } from '../support/loopback.ts';

const ROOT = join(import.meta.dirname, '../..');
const packages = loadSync(['shop.proto', 'cinema.proto'], {
  includeDirs: ['test/src/policy/declared', 'examples/readme', 'protos'].map((folder) => join(ROOT, folder)),
});

async function reflected(services?: readonly string[]): Promise<Uint8Array> {
  const server = new Server();
  new ReflectionService(packages).addToServer(server);
  const target = `127.0.0.1:${await bind(server)}`;
  try {
    return await reflectDescriptors(target, credentials.createInsecure(), services === undefined ? {} : { services });
  } finally {
    server.forceShutdown();
  }
}

test('@grpc/reflection: methods, messages and idempotency_level come through, options of ours do not', async () => {
  const mesh = createMesh({}, { descriptors: await reflected() });
  const told = (method: string): unknown =>
    mesh.explain(method).values.flatMap(({ field, value, origin, where }) => (origin === 'declared' ? [[field, value, where]] : []));
  expect(told('shop.v1.Shop/GetItem')).toEqual([['idempotent', true, 'idempotency_level of shop.v1.Shop/GetItem']]);
  expect(told('cinema.v1.Cinema/GetFilm')).toEqual([['idempotent', true, 'idempotency_level of cinema.v1.Cinema/GetFilm']]);
  // Says otherwise in an option of ours, which the server has lost.
  expect(told('shop.v1.Shop/DropItem')).toEqual([['idempotent', true, 'idempotency_level of shop.v1.Shop/DropItem']]);
  await mesh.close();
});

test('@grpc/reflection: only the service that is asked for, and the nearest of those there are for a wrong name', async () => {
  const mesh = createMesh({}, { descriptors: await reflected(['cinema.v1.Cinema']) });
  const origins = (method: string): Set<string> => new Set(mesh.explain(method).values.map(({ origin }) => origin));
  expect(origins('cinema.v1.Cinema/GetFilm')).toContain('declared');
  expect(origins('shop.v1.Shop/GetItem')).not.toContain('declared');
  await mesh.close();
  await expect(reflected(['cinema.v1.Cinem'])).rejects.toThrow('no service "cinema.v1.Cinem"; did you mean "cinema.v1.Cinema"?');
});
