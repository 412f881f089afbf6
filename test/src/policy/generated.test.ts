import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
