/**
 * Two copies of grpc-js in one process, as npm installs them where a stack wants another version: what can't work is refused by name, and
 * what is left works. The doors of a client on its own are in test/doors/bad-input.test.ts.
 */
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createMesh, type Mesh, MeshServer, UsageError } from '../../../src/index.ts';

type GrpcJs = typeof grpc;
type Callback = (error: grpc.ServiceError | null, reply?: string) => void;
type Say = (request: string, metadata: grpc.Metadata, callback: Callback) => void;

const COPIES = 'two copies of it are installed (see `npm ls @grpc/grpc-js`)';
const text = (value: string): Buffer => Buffer.from(value);
const read = (bytes: Buffer): string => bytes.toString();
const say = {
  path: '/echo.v1.EchoService/Say',
  requestStream: false,
  responseStream: false,
  requestSerialize: text,
  requestDeserialize: read,
  responseSerialize: text,
  responseDeserialize: read,
};
const echo: grpc.handleUnaryCall<string, string> = ({ request }, callback) => callback(null, request);
const busy: grpc.handleUnaryCall<string, string> = () => undefined;

let folder = '';
/** The other copy; this file's own is the mesh's. */
let other: GrpcJs;
const closers: (() => unknown)[] = [];

beforeAll(() => {
  const require = createRequire(import.meta.url);
  const modules = dirname(dirname(dirname(require.resolve('@grpc/grpc-js/package.json'))));
  folder = mkdtempSync(join(tmpdir(), 'inmesh-copies-'));
  cpSync(join(modules, '@grpc/grpc-js'), join(folder, 'grpc-js'), { recursive: true });
  symlinkSync(modules, join(folder, 'node_modules'));
  other = require(join(folder, 'grpc-js'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

function meshOf(policy: Parameters<typeof createMesh>[0] = {}): Mesh {
  const mesh = createMesh(policy);
  closers.push(() => mesh.close());
  return mesh;
}

async function serve(server: grpc.Server, from: GrpcJs, handler: grpc.handleUnaryCall<string, string> = echo): Promise<string> {
  server.addService({ say }, { say: handler });
  closers.push(() => server.forceShutdown());
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', from.ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  return `127.0.0.1:${port}`;
}

/** A client class of one copy, on credentials of one, with a mesh. */
function connect(from: GrpcJs, address: string, credentialsFrom: GrpcJs, mesh: Mesh | undefined): (request: string) => Promise<string> {
  const Stub = from.makeGenericClientConstructor({ say }, 'EchoService');
  const client = new Stub(address, credentialsFrom.credentials.createInsecure(), mesh?.client() ?? {});
  closers.push(() => client.close());
  return (request) =>
    new Promise((resolve, reject) => {
      const call = client['say'] as unknown as Say;
      call.call(client, request, new from.Metadata(), (error, reply) => (error ? reject(error) : resolve(reply ?? '')));
    });
}

describe('a client of the other copy', () => {
  test('with its own credentials and mesh.client() is refused when it is made', () => {
    const mesh = meshOf();
    const make = (): unknown => connect(other, '127.0.0.1:1', other, mesh);
    expect(make).toThrow(UsageError);
    expect(make).toThrow(COPIES);
  });

  test('as a channel for nice-grpc, or as a typed client, it is refused too', () => {
    const mesh = meshOf();
    const credentials = other.credentials.createInsecure();
    expect(() => mesh.channel('127.0.0.1:1', credentials)).toThrow(COPIES);
    expect(() => mesh.typed({ say }, '127.0.0.1:1', credentials)).toThrow(COPIES);
  });

  test("on credentials of the mesh's copy it works, batches included", async () => {
    const address = await serve(new MeshServer(), grpc);
    const mesh = meshOf({ coalesce: 'auto' });
    const hello = connect(other, address, grpc, mesh);
    await hello('first');
    const texts = Array.from({ length: 16 }, (_, index) => `text ${index}`);
    expect(await Promise.all(texts.map(hello))).toEqual(texts);
    expect(mesh.stats().client.calls).toBe(17);
    expect(mesh.stats().coalesce.carriers).toBeGreaterThan(0);
  });
});

describe('a server of the other copy', () => {
  test('is refused by mesh.attach()', () => {
    const mesh = meshOf();
    const options = mesh.server();
    const server = new other.Server(options);
    expect(() => mesh.attach(server, options)).toThrow(COPIES);
  });

  test('with mesh.server() alone, as NestJS and nice-grpc take it, has every behaviour but batches', async () => {
    const served = meshOf({ server: { bulkhead: { slots: 1, queue: 0 } } });
    const address = await serve(new other.Server(served.server()), other, busy);
    const hello = connect(grpc, address, grpc, undefined);
    hello('holds the only slot').catch(() => undefined);
    await expect.poll(() => served.stats().server.calls).toBe(1);
    await expect(hello('is refused')).rejects.toMatchObject({ code: grpc.status.RESOURCE_EXHAUSTED });
    expect(served.stats().server.carriers).toBe(0);
  });
});

describe('a MeshServer', () => {
  test('refuses port credentials of the other copy', () => {
    const server = new MeshServer();
    closers.push(() => server.forceShutdown());
    const bind = (): void => server.bindAsync('127.0.0.1:0', other.ServerCredentials.createInsecure(), () => undefined);
    expect(bind).toThrow(UsageError);
    expect(bind).toThrow(COPIES);
  });
});
