/**
 * The .proto files of a project as `inmesh lint` tells places in them: their text, or what a compiler noted in a descriptor set.
 *
 * @packageDocumentation
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import type { LintSource } from '../lint/lint.ts';
import { type OptionPlaces, placesInSets, placesInTexts } from '../lint/proto-places.ts';
import type { Io } from './io.ts';

/** Folders that hold other people's files. */
const SKIPPED: ReadonlySet<string> = new Set(['node_modules', '.git', 'dist']);

/** Where options stand, and the texts that are known. */
export interface ProtoSources {
  readonly places: OptionPlaces;
  readonly texts: readonly LintSource[];
}

/** Everything named by --proto, --descriptors and --reflect; what can't be read was told when it was read for what it declares. */
export async function readProtoSources(
  io: Io,
  protos: readonly string[],
  descriptors: readonly string[],
  reflected: readonly Uint8Array[],
): Promise<ProtoSources> {
  const files = (await Promise.all(protos.map((path) => filesAt(io, path)))).flat();
  const texts = await Promise.all(files.map(async (file) => ({ file, text: await readFile(resolve(io.cwd, file), 'utf8') })));
  const sets = await Promise.all(descriptors.map((file) => readFile(resolve(io.cwd, file))));
  const inTexts = placesInTexts(texts);
  const inSets = placesInSets([...sets, ...reflected]);
  return { places: (level, of) => inTexts(level, of) ?? inSets(level, of), texts };
}

async function filesAt(io: Io, path: string): Promise<string[]> {
  if (!(await stat(resolve(io.cwd, path))).isDirectory()) return [path];
  const inside = await readdir(resolve(io.cwd, path), { recursive: true });
  return inside
    .filter((name) => name.endsWith('.proto') && !name.split(sep).some((part) => SKIPPED.has(part)))
    .sort()
    .map((name) => join(path, name));
}
