import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findProtoc } from '../../scripts/protoc.ts';
import { WRONG_OPTION } from './request.ts';

const HERE = import.meta.dirname;
const ROOT = join(HERE, '../..');
const NAMES = ['night/v1/night.proto', 'parcel/v1/parcel.proto', 'shop/v1/shop.proto'];
const protoc = findProtoc();
if (protoc === undefined) console.log('no protoc here: skipped; `npm run protoc` fetches one');

let folder = '';
let plugin = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'inmesh-protoc-'));
  plugin = join(folder, 'protoc-gen-inmesh');
  const program = `exec "${process.execPath}" --disable-warning=ExperimentalWarning "${join(ROOT, 'src/codegen/main.ts')}"`;
  writeFileSync(plugin, `#!/bin/sh\n${program}\n`, { mode: 0o755 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs protoc with our plugin over files in `protos`; where it wrote. Throws an error with what it says. */
function generate(protos: string, names: readonly string[], parameter: string): string {
  if (protoc === undefined) throw new Error('no protoc');
  const out = mkdtempSync(join(folder, 'out-'));
  const ours = [`--plugin=protoc-gen-inmesh=${plugin}`, `--inmesh_out=${out}`, `--inmesh_opt=${parameter}`];
  const args = [...protoc.args, `-I${protos}`, `-I${join(ROOT, 'protos')}`, ...ours, ...names];
  execFileSync(protoc.command, args, { env: { ...process.env, ...protoc.env }, stdio: 'pipe' });
  return out;
}

describe.skipIf(protoc === undefined)('protoc-gen-inmesh under protoc', () => {
  test.each([
    ['es', 'target=ts,import_extension=ts,messages=es'],
    ['ts-proto', 'target=ts,import_extension=ts,messages=ts-proto'],
    ['none', 'target=ts'],
    ['proto-loader', 'target=ts,import_extension=ts,messages=proto-loader'],
    ['keep-case', 'target=ts,import_extension=ts,messages=proto-loader,keep_case=true'],
  ])('writes for %s what it writes under buf, byte for byte', (name, parameter) => {
    const out = generate(join(HERE, 'proto'), NAMES, parameter);
    const files = readdirSync(out, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
    expect(files.sort()).toEqual(NAMES.map((one) => one.replace('.proto', '_inmesh.ts')));
    for (const file of files) expect(readFileSync(join(out, file), 'utf8')).toBe(readFileSync(join(HERE, 'gen', name, file), 'utf8'));
  });

  test('a wrong option ends protoc with file, line and column of the option, and nothing is written', () => {
    const protos = join(folder, 'bad');
    mkdirSync(protos);
    writeFileSync(join(protos, 'bad.proto'), WRONG_OPTION);
    expect(() => generate(protos, ['bad.proto'], 'target=ts')).toThrow(
      /bad\.proto:7:5: .*hedgingPolicy\.maxAttempts: expected an integer >= 2/,
    );
  });
});
