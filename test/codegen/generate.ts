/**
 * Runs buf with our plugin from the sources, over test/codegen/proto.
 *
 *     node test/codegen/generate.ts    writes test/codegen/gen
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const HERE = import.meta.dirname;
const ROOT = join(HERE, '../..');
const buf = createRequire(import.meta.url).resolve('@bufbuild/buf/bin/buf');

/** Generates code of the files in `protos` into `out`; plugins are also looked for in `bin`. Throws an error with what buf says. */
export function generate(protos: string, out: string, template: string = join(HERE, 'buf.gen.yaml'), bin = ''): void {
  const work = mkdtempSync(join(tmpdir(), 'inmesh-codegen-'));
  try {
    cpSync(join(ROOT, 'protos'), join(work, 'ours'), { recursive: true });
    cpSync(protos, join(work, 'theirs'), { recursive: true });
    writeFileSync(join(work, 'buf.yaml'), JSON.stringify({ version: 'v2', modules: [{ path: 'ours' }, { path: 'theirs' }] }));
    const plugins = readFileSync(template, 'utf8').replaceAll('PLUGIN', join(ROOT, 'src/codegen/main.ts'));
    writeFileSync(join(work, 'buf.gen.yaml'), `${plugins}inputs:\n  - directory: theirs\n`);
    const path = `${bin}:${join(ROOT, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`;
    execFileSync(process.execPath, [buf, 'generate', '-o', out], { cwd: work, env: { ...process.env, PATH: path }, stdio: 'pipe' });
    // ts-proto writes what it was only given to import.
    for (const unused of ['inmesh', 'google/protobuf/descriptor.ts', 'google/protobuf/duration.ts'])
      rmSync(join(out, 'ts-proto', unused), { recursive: true, force: true });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const out = join(HERE, 'gen');
  rmSync(out, { recursive: true, force: true });
  generate(join(HERE, 'proto'), out);
}
