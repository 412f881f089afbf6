/**
 * examples/declared as a project of its own, as somebody would have it who installed inmesh, with code that `buf generate` has just made.
 *
 *     node test/support/declared-project.ts    writes examples/declared/gen anew
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
/** The example. */
export const DECLARED: string = join(ROOT, 'examples/declared');
const buf = createRequire(import.meta.url).resolve('@bufbuild/buf/bin/buf');

/** Makes it, and gives its folder. Throws an error with what buf says. */
export function declaredProject(): string {
  const project = mkdtempSync(join(tmpdir(), 'inmesh-declared-'));
  cpSync(DECLARED, project, { recursive: true, filter: (from) => from !== join(DECLARED, 'gen') });
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }\n');
  const modules = join(project, 'node_modules');
  mkdirSync(join(modules, 'inmesh'), { recursive: true });
  cpSync(join(ROOT, 'protos'), join(modules, 'inmesh/protos'), { recursive: true });
  for (const scope of ['@bufbuild', '@grpc']) symlinkSync(join(ROOT, 'node_modules', scope), join(modules, scope));
  const bin = join(modules, '.bin');
  mkdirSync(bin);
  const plugin = `exec "${process.execPath}" --disable-warning=ExperimentalWarning "${join(ROOT, 'src/codegen/main.ts')}"`;
  writeFileSync(join(bin, 'protoc-gen-inmesh'), `#!/bin/sh\n${plugin}\n`, { mode: 0o755 });
  const path = `${bin}:${join(ROOT, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`;
  execFileSync(process.execPath, [buf, 'generate'], { cwd: project, env: { ...process.env, PATH: path }, stdio: 'pipe' });
  return project;
}

if (import.meta.main) {
  const project = declaredProject();
  rmSync(join(DECLARED, 'gen'), { recursive: true, force: true });
  cpSync(join(project, 'gen'), join(DECLARED, 'gen'), { recursive: true });
  rmSync(project, { recursive: true, force: true });
}
