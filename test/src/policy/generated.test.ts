import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createFileRegistry, fromBinary, getOption, toJson } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, test } from 'vitest';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../../..');

describe('protos: generated and compiled', () => {
  test('policy.gen.ts is what policy.proto says (if not: npm run gen)', async () => {
    await run(process.execPath, ['scripts/gen-policy.ts', '--check'], { cwd: root });
  });

  test('an unknown flag of the generator is refused', async () => {
    await expect(run(process.execPath, ['scripts/gen-policy.ts', '--chekc'], { cwd: root })).rejects.toMatchObject({ code: 2 });
  });

  test('a change that breaks users of the .proto files is told, one that adds is not', async () => {
    const buf = createRequire(import.meta.url).resolve('@bufbuild/buf/bin/buf');
    const folder = await mkdtemp(join(tmpdir(), 'inmesh-breaking-'));
    const breaks = (from: string, to: string): Promise<unknown> =>
      (async () => {
        await cp(join(root, 'protos'), join(folder, 'protos'), { recursive: true });
        await cp(join(root, 'buf.yaml'), join(folder, 'buf.yaml'));
        const policy = join(folder, 'protos/inmesh/v1/policy.proto');
        const text = await readFile(policy, 'utf8');
        expect(text).toContain(from);
        await writeFile(policy, text.replace(from, to));
        return run(process.execPath, [buf, 'breaking', '--against', join(root, 'scripts/protos.binpb')], { cwd: folder });
      })();
    try {
      await expect(breaks('retry_budget = 4', 'retry_budgets = 4')).rejects.toMatchObject({
        stdout: expect.stringContaining('changed name from "retry_budget" to "retry_budgets"'),
      });
      await expect(breaks('retry_budget = 4', 'retry_budget = 44')).rejects.toMatchObject({ code: 100 });
      await expect(breaks('message Policy {', 'message Policy {\n  // Something new.\n  bool more = 900;')).resolves.toBeDefined();
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('the number of our options stands in one constant, which every extension has', async () => {
    const sources = (await readdir(join(root, 'src'), { recursive: true })).filter((name) => name.endsWith('.ts'));
    const [number = '0', ...others] = (
      await Promise.all(sources.map(async (name) => (await readFile(join(root, 'src', name), 'utf8')).match(/\b50_?777\b/g) ?? []))
    ).flat();
    expect(others).toEqual([]);
    const files = fileURLToPath(new URL('../../../protos/inmesh/v1/', import.meta.url));
    const protos = await Promise.all((await readdir(files)).map((name) => readFile(join(files, name), 'utf8')));
    const extensions = protos.flatMap((text) =>
      [...text.matchAll(/^extend [\w.]+ \{\n([\s\S]*?)^\}/gm)].flatMap(([, body = '']) =>
        [...body.matchAll(/= (\d+);/g)].map(([, own]) => own),
      ),
    );
    expect(extensions).toHaveLength(5);
    expect(new Set(extensions)).toEqual(new Set([number.replace('_', '')]));
  });

  test('a user can write policy as method, service and file option', async () => {
    const buf = createRequire(import.meta.url).resolve('@bufbuild/buf/bin/buf');
    const folder = await mkdtemp(join(tmpdir(), 'inmesh-options-'));
    try {
      for (const name of ['check', 'policy', 'options']) {
        await writeFile(
          join(folder, `${name}.proto`),
          (await readFile(join(root, `protos/inmesh/v1/${name}.proto`), 'utf8')).replaceAll('"inmesh/v1/', '"'),
        );
      }
      await writeFile(
        join(folder, 'user.proto'),
        `syntax = "proto3"; package user; import "options.proto";
         option (inmesh.v1.file_policy) = {timeout: {seconds: 2}};
         message M {}
         service S {
           option (inmesh.v1.service_policy) = {bulkhead: {slots: 3}};
           rpc Get(M) returns (M) { option (inmesh.v1.method_policy) = {idempotent: true}; }
         }`,
      );
      await writeFile(join(folder, 'buf.yaml'), 'version: v2\n');
      const { stdout } = await run(process.execPath, [buf, 'build', '-o', '-#format=binpb'], { cwd: folder, encoding: 'buffer' });
      const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, stdout));
      const read = (desc: Parameters<typeof getOption>[0] | undefined, name: string): unknown => {
        const extension = registry.getExtension(`inmesh.v1.${name}`);
        const message = registry.getMessage('inmesh.v1.MethodPolicy');
        if (desc === undefined || extension === undefined || message === undefined) return 'missing';
        return toJson(message, Object(getOption(desc, extension)));
      };
      expect(read(registry.getFile('user.proto'), 'file_policy')).toEqual({ timeout: '2s' });
      expect(read(registry.getService('user.S'), 'service_policy')).toEqual({ bulkhead: { slots: 3 } });
      expect(read(registry.getService('user.S')?.method['get'], 'method_policy')).toEqual({ idempotent: true });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
