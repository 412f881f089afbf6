/**
 * Which packages are installed, where, and how often.
 *
 * @packageDocumentation
 */
import { readdir, readFile, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isRecord } from './http.ts';

/** One installed copy. */
export interface Copy {
  /** Where it really is: links are followed. */
  readonly folder: string;
  readonly version: string;
}

/** More folders than that are not one project. */
const MAX_FOLDERS = 50_000;

/** A JSON file with an object in it; undefined: there is none. */
export async function readJson(file: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'));
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Every copy of some packages that a project can reach: in its `node_modules` and those above it, as npm, yarn and pnpm lay them out. */
export async function findCopies(cwd: string, names: readonly string[]): Promise<ReadonlyMap<string, readonly Copy[]>> {
  const found = new Map<string, Map<string, Copy>>(names.map((name) => [name, new Map()]));
  const seen = new Set<string>();
  const note = async (name: string, folder: string): Promise<void> => {
    const copies = found.get(name);
    if (copies === undefined) return;
    const manifest = await readJson(join(folder, 'package.json'));
    if (manifest === undefined) return;
    const real = await realpath(folder).catch(() => folder);
    copies.set(real, { folder: real, version: String(manifest['version'] ?? 'unknown') });
  };
  const look = async (modules: string): Promise<void> => {
    const real = await realpath(modules).catch(() => undefined);
    if (real === undefined || seen.has(real) || seen.size > MAX_FOLDERS) return;
    seen.add(real);
    for (const entry of await entriesOf(modules)) {
      if (entry === '.pnpm')
        for (const inner of await entriesOf(join(modules, entry))) await look(join(modules, entry, inner, 'node_modules'));
      if (entry.startsWith('.')) continue;
      const packages = entry.startsWith('@') ? (await entriesOf(join(modules, entry))).map((inner) => `${entry}/${inner}`) : [entry];
      for (const name of packages) {
        await note(name, join(modules, name));
        await look(join(modules, name, 'node_modules'));
      }
    }
  };
  for (let at = cwd; ; at = dirname(at)) {
    await look(join(at, 'node_modules'));
    if (dirname(at) === at) break;
  }
  return new Map([...found].map(([name, copies]) => [name, [...copies.values()]]));
}

async function entriesOf(folder: string): Promise<readonly string[]> {
  return (await readdir(folder).catch(() => [])).sort();
}

/** Whether a version such as `1.14.7` or `1.15.0-rc.1` is at least another. Anything else is not. */
export function atLeast(version: string, least: readonly [number, number, number]): boolean {
  const parts = /^(\d+)\.(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number);
  if (parts === undefined) return false;
  for (const [at, wanted] of least.entries()) {
    const part = parts[at] ?? 0;
    if (part !== wanted) return part > wanted;
  }
  return true;
}

/** Names in `dependencies`, `devDependencies` and `peerDependencies` of the project's manifest. */
export async function dependenciesOf(cwd: string): Promise<ReadonlySet<string>> {
  const manifest = (await readJson(join(cwd, 'package.json'))) ?? {};
  const names = ['dependencies', 'devDependencies', 'peerDependencies'].flatMap((key) => {
    const list = manifest[key];
    return isRecord(list) ? Object.keys(list) : [];
  });
  return new Set(names);
}
