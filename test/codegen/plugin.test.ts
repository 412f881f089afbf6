import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials, type ServiceDefinition } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { FROM_SOURCE } from '../support/from-source.ts';
import { bind } from '../support/loopback.ts';
import * as night from './gen/es/night/v1/night_inmesh.ts';
import * as es from './gen/es/shop/v1/shop_inmesh.ts';
import * as keepCase from './gen/keep-case/shop/v1/shop_inmesh.ts';
import * as none from './gen/none/shop/v1/shop_inmesh.ts';
import * as loader from './gen/proto-loader/shop/v1/shop_inmesh.ts';
import * as tsProto from './gen/ts-proto/shop/v1/shop_inmesh.ts';
import { generate } from './generate.ts';
import { compile, run, WRONG_OPTION } from './request.ts';

const HERE = import.meta.dirname;
const ROOT = join(HERE, '../..');
const EXAMPLE = join(ROOT, 'examples/codegen');
const NAMES = ['night/v1/night.proto', 'parcel/v1/parcel.proto', 'shop/v1/shop.proto'];
/** As in buf.gen.yaml, by folder. */
const PARAMETERS = {
  es: 'target=ts,import_extension=ts,messages=es',
  'ts-proto': 'target=ts,import_extension=ts,messages=ts-proto',
  none: 'target=ts',
  'proto-loader': 'target=ts,import_extension=ts,messages=proto-loader',
  'keep-case': 'target=ts,import_extension=ts,messages=proto-loader,keep_case=true',
};
const sorted = (files: ReadonlyMap<string, string>): Map<string, string> => new Map([...files].sort(([a], [b]) => (a < b ? -1 : 1)));
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'inmesh-plugin-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const filesIn = (root: string): Map<string, string> =>
  new Map(
    readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('_inmesh.ts'))
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((file) => [file.slice(root.length), readFileSync(file, 'utf8')]),
  );

describe('protoc-gen-inmesh', () => {
  test('writes what is committed, byte for byte (node test/codegen/generate.ts)', () => {
    const out = join(folder, 'again');
    generate(join(HERE, 'proto'), out);
    expect(filesIn(out)).toEqual(filesIn(join(HERE, 'gen')));
    expect(filesIn(out).size).toBe(NAMES.length * Object.keys(PARAMETERS).length);
  });

  test('the example: buf generate in examples/codegen gives what is committed there, and it runs', () => {
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    const plugin = `exec "${process.execPath}" --disable-warning=ExperimentalWarning "${join(ROOT, 'src/codegen/main.ts')}"`;
    writeFileSync(join(bin, 'protoc-gen-inmesh'), `#!/bin/sh\n${plugin}\n`, { mode: 0o755 });
    const protos = join(folder, 'cinema');
    mkdirSync(protos);
    cpSync(join(ROOT, 'examples/readme/cinema.proto'), join(protos, 'cinema.proto'));
    const out = join(folder, 'example');
    generate(protos, out, join(EXAMPLE, 'buf.gen.yaml'), bin);
    expect(filesIn(join(out, 'gen'))).toEqual(filesIn(join(EXAMPLE, 'gen')));
    const args = ['--disable-warning=ExperimentalWarning', '--import', FROM_SOURCE, join(EXAMPLE, 'run.ts')];
    expect(execFileSync(process.execPath, args, { encoding: 'utf8' })).toBe(
      'The film Metropolis\n3 INVALID_ARGUMENT: inmesh: name: must not be empty\n',
    );
  });

  test('what another compiler sends gives the same, file by file or all at once (a request made by hand)', () => {
    const protos = Object.fromEntries(NAMES.map((name) => [name, readFileSync(join(HERE, 'proto', name), 'utf8')]));
    const compiled = compile(protos);
    for (const [out, parameter] of Object.entries(PARAMETERS)) {
      const committed = new Map([...filesIn(join(HERE, 'gen', out))].map(([name, text]) => [name.slice(1), text]));
      expect(sorted(run(compiled, NAMES, parameter))).toEqual(committed);
      expect(sorted(new Map(NAMES.toReversed().flatMap((name) => [...run(compiled, [name], parameter)])))).toEqual(committed);
    }
  });

  test('a wrong option ends buf with file, line and column, and nothing is written', () => {
    const dir = mkdtempSync(join(folder, 'bad-'));
    writeFileSync(join(dir, 'bad.proto'), WRONG_OPTION);
    const out = join(dir, 'out');
    expect(() => generate(dir, out, alone())).toThrow(/bad\.proto:7:58: .*hedgingPolicy\.maxAttempts: expected an integer >= 2/);
    expect(existsSync(out) ? filesIn(out).size : 0).toBe(0);
  });

  test('an option of the plugin that is none is refused, with the right one', () => {
    expect(() => generate(join(HERE, 'proto'), join(folder, 'out'), alone('messages=ts_proto'))).toThrow(
      /messages: expected one of none, es, ts-proto, proto-loader, got ts_proto; did you mean ts-proto\?/,
    );
    expect(() => generate(join(HERE, 'proto'), join(folder, 'out'), alone('mesages=es'))).toThrow(
      /unknown option mesages; did you mean messages\?/,
    );
    expect(() => run([], [], 'messages=es,keep_case=true')).toThrow(/keep_case: only with messages=proto-loader/);
    expect(() => run([], [], 'messages=proto-loader,keep_case=yes')).toThrow(/keep_case: expected one of true, false, got yes/);
  });
});

/** A template with our plugin only. */
function alone(...options: readonly string[]): string {
  const template = join(folder, 'buf.gen.yaml');
  const opt = ['target=ts', ...options].join(', ');
  writeFileSync(
    template,
    `version: v2\nplugins:\n  - local: ["node", "--disable-warning=ExperimentalWarning", "PLUGIN"]\n    out: x\n    opt: [${opt}]\n`,
  );
  return template;
}

describe('what it wrote', () => {
  test('is the same policy whatever the messages are', () => {
    expect(es.policies).toEqual(none.policies);
    for (const { policies, descriptors } of [tsProto, loader, keepCase]) {
      expect(policies).toEqual(none.policies);
      expect(Buffer.from(descriptors).equals(Buffer.from(none.descriptors))).toBe(true);
    }
    expect(Buffer.from(es.descriptors).equals(Buffer.from(none.descriptors))).toBe(true);
  });

  test('as descriptors: explain names the option of each value, and a document wins', async () => {
    const mesh = createMesh({ services: { 'shop.v1.Shop': { timeout: '1s' } } }, { descriptors: es.descriptors });
    const told = Object.fromEntries(mesh.explain('shop.v1.Shop/GetItem').values.map(({ field, value, where }) => [field, [value, where]]));
    expect(told['timeout']).toEqual(['1s', 'policy.services["shop.v1.Shop"].timeout']);
    expect(told['idempotent']).toEqual([true, 'idempotency_level of shop.v1.Shop/GetItem']);
    expect(told['retryPolicy.maxAttempts']).toEqual([3, 'shop/v1/shop.proto: option (inmesh.v1.service_policy) of shop.v1.Shop']);
    expect(told['retryPolicy.initialBackoff']).toEqual([
      '0.02s',
      'shop/v1/shop.proto: option (inmesh.v1.method_policy) of shop.v1.Shop/GetItem',
    ]);
    await mesh.close();
  });

  test('as a document: the same rules without descriptors, but for the batch, which needs them', () => {
    const { methods, ...rest } = es.policies;
    const { batch: _, ...getItem } = methods['shop.v1.Shop/GetItem'];
    const mesh = createMesh({ ...rest, methods: { ...methods, 'shop.v1.Shop/GetItem': getItem } });
    const value = (field: string): unknown => mesh.explain('shop.v1.Shop/PutItem').values.find((one) => one.field === field)?.value;
    expect([value('timeout'), value('retryPolicy.maxAttempts')]).toEqual(['5s', 3]);
  });

  test('of a file in an edition: its batches are merged, its features kept', async () => {
    const mesh = createMesh({}, { descriptors: night.descriptors });
    const server = new MeshServer({ mesh: createMesh() });
    let batches = 0;
    const handlers: night.NightHandlers = {
      sleep: (_call, answer) => answer(null, { rested: false }),
      sleepAll: (call, answer) => {
        batches++;
        answer(null, { responses: call.request.requests.map(({ hours, naps }) => ({ rested: hours + naps.length > 7 })) });
      },
    };
    server.addService(night.NightDefinition as ServiceDefinition, handlers);
    const client = night.createNightClient(mesh, `127.0.0.1:${await bind(server)}`, credentials.createInsecure());
    const all = await Promise.all([{ hours: 8 }, { hours: 5, naps: [1, 2, 3] }, { hours: 1 }].map((request) => client.sleep(request)));
    expect(all.map(({ rested }) => rested)).toEqual([true, true, false]);
    expect(batches).toBe(1);
    client.close();
    await mesh.close();
    server.forceShutdown();
  });

  describe.each([
    ['es', es.ShopDefinition, (mesh: Mesh, target: string) => es.createShopClient(mesh, target, credentials.createInsecure())],
    [
      'ts-proto',
      tsProto.ShopDefinition,
      (mesh: Mesh, target: string) => tsProto.createShopClient(mesh, target, credentials.createInsecure()),
    ],
    [
      'proto-loader',
      loader.ShopDefinition,
      (mesh: Mesh, target: string) => loader.createShopClient(mesh, target, credentials.createInsecure()),
    ],
    [
      'proto-loader with keep_case',
      keepCase.ShopDefinition,
      (mesh: Mesh, target: string) => keepCase.createShopClient(mesh, target, credentials.createInsecure()),
    ],
  ] as const)('with messages of %s', (_, definition, open) => {
    test('a server and a typed client of every kind of method; declared batches are merged', async () => {
      const mesh = createMesh({}, { descriptors: es.descriptors });
      const server = new MeshServer({ mesh: createMesh() });
      let batches = 0;
      const handlers: tsProto.ShopHandlers = {
        getItem: (call, answer) => answer(null, { name: call.request.name, pence: 1 }),
        batchGetItems: (call, answer) => {
          batches++;
          answer(null, { items: call.request.names.map((name) => ({ name, pence: 2 })) });
        },
        putItem: (_call, answer) => answer(null, {}),
        watchItems: (call) => {
          for (const pence of [1, 2]) call.write({ after: { name: call.request.name, pence } });
          call.end();
        },
        putItems: (call, answer) => {
          const items: { name: string; pence: number }[] = [];
          call.on('data', (item: { name: string; pence: number }) => items.push({ name: item.name, pence: item.pence }));
          call.on('end', () => answer(null, { items }));
        },
        chat: (call) => {
          call.on('data', (item: { name: string; pence: number }) => call.write({ name: item.name, pence: item.pence + 1 }));
          call.on('end', () => call.end());
        },
      };
      server.addService(definition as ServiceDefinition, handlers);
      const port = await bind(server);
      const shop = open(mesh, `127.0.0.1:${port}`);
      const item = { name: 'tea', pence: 5 };
      const all = await Promise.all(['a', 'b', 'c'].map((name) => shop.getItem({ name })));
      expect(all).toMatchObject([
        { name: 'a', pence: 2 },
        { name: 'b', pence: 2 },
        { name: 'c', pence: 2 },
      ]);
      expect(batches).toBe(1);
      await shop.putItem(item);
      const seen: number[] = [];
      for await (const { after } of shop.watchItems({ name: 'tea' })) seen.push(after?.pence ?? 0);
      expect(seen).toEqual([1, 2]);
      expect((await shop.putItems([item, item])).items).toMatchObject([item, item]);
      for await (const answer of shop.chat([item])) expect(answer).toMatchObject({ name: 'tea', pence: 6 });
      shop.close();
      await mesh.close();
      server.forceShutdown();
    });
  });
});
