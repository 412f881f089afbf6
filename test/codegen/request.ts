/**
 * Our plugin in this process: .proto files, compiled by buf, as the request that a compiler sends it.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { create, fromBinary } from '@bufbuild/protobuf';
import { CodeGeneratorRequestSchema, type FileDescriptorProto, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { createPlugin } from '../../src/codegen/plugin.ts';
import { scopeVersion } from '../../src/observe/api.ts';

const ROOT = join(import.meta.dirname, '../..');
const buf = createRequire(import.meta.url).resolve('@bufbuild/buf/bin/buf');

/** A file with an option in line 7 that is wrong; its value begins at column 58. */
export const WRONG_OPTION: string = [
  'syntax = "proto3";',
  'package bad.v1;',
  'import "inmesh/v1/options.proto";',
  'message A { string x = 1; }',
  'service S {',
  '  rpc Get(A) returns (A) {',
  '    option (inmesh.v1.method_policy) = {hedging_policy: {max_attempts: 1}};',
  '  }',
  '}',
  '',
].join('\n');

/** Files by name, with ours and all that they import, in the order that compilers send them. Throws an error with what buf says. */
export function compile(protos: Readonly<Record<string, string>>): readonly FileDescriptorProto[] {
  const work = mkdtempSync(join(tmpdir(), 'inmesh-compile-'));
  try {
    cpSync(join(ROOT, 'protos'), join(work, 'ours'), { recursive: true });
    for (const [name, text] of Object.entries(protos)) {
      mkdirSync(dirname(join(work, 'theirs', name)), { recursive: true });
      writeFileSync(join(work, 'theirs', name), text);
    }
    writeFileSync(join(work, 'buf.yaml'), JSON.stringify({ version: 'v2', modules: [{ path: 'ours' }, { path: 'theirs' }] }));
    execFileSync(process.execPath, [buf, 'build', '-o', 'image.binpb'], { cwd: work, stdio: 'pipe' });
    return fromBinary(FileDescriptorSetSchema, readFileSync(join(work, 'image.binpb'))).file;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** What the plugin writes for some files, by name. Throws what it refuses. */
export function run(
  protoFile: readonly FileDescriptorProto[],
  fileToGenerate: readonly string[],
  parameter = 'target=ts',
): Map<string, string> {
  const request = create(CodeGeneratorRequestSchema, { fileToGenerate: [...fileToGenerate], parameter, protoFile: [...protoFile] });
  const { file } = createPlugin(scopeVersion() ?? '').run(request);
  return new Map(file.map(({ name, content }) => [name, content]));
}
