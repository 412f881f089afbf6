/** What tests of the packed package share: programs run in a stranger's project, on every Node that is here. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url));
export const HERE: string = fileURLToPath(new URL('.', import.meta.url));

/** How a program ended, and all that it printed. */
export interface Finished {
  readonly code: number | null;
  readonly out: string;
}

export function finish(child: ChildProcess): Promise<Finished> {
  return new Promise((resolve) => {
    let out = '';
    child.stdout?.on('data', (text: Buffer) => {
      out += text;
    });
    child.stderr?.on('data', (text: Buffer) => {
      out += text;
    });
    child.on('close', (code) => resolve({ code, out }));
  });
}

export function runIn(cwd: string, command: string, ...args: readonly string[]): Promise<Finished> {
  return finish(spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] }));
}

export interface InstalledNode {
  readonly name: string;
  readonly binary: string;
}

/** Versions that this machine has: that of the tests, and Node 22 where `npm run test:22` has fetched it. */
export function nodes(): readonly InstalledNode[] {
  const found = [{ name: `Node ${process.versions.node}`, binary: process.execPath }];
  const cache = join(ROOT, '.cache');
  const fetched = existsSync(cache) ? readdirSync(cache).filter((name) => name.startsWith('node-')) : [];
  for (const name of fetched) {
    const binary = join(cache, name, `node_modules/node-${process.platform}-${process.arch}/bin/node`);
    if (existsSync(binary)) found.push({ name: `Node ${name.slice('node-'.length)}`, binary });
  }
  return found;
}

/** The version that this repository has installed, as `name@version`. */
export function asHere(name: string): string {
  const { version }: { version: string } = JSON.parse(readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8'));
  return `${name}@${version}`;
}
