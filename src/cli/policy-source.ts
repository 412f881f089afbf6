/**
 * What `lint`, `explain` and `check` read from files: a policy, and what the .proto files declare.
 *
 * @packageDocumentation
 */
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, relative, resolve } from 'node:path';
import type { Catalog } from '../batch/native/descriptors.ts';
import { type Descriptors, readDescriptors } from '../batch/native/sources.ts';
import { ConfigError } from '../errors.ts';
import { type Flag, texts } from './args.ts';
import { usageError } from './exit.ts';
import { isRecord } from './http.ts';
import type { Io } from './io.ts';

/** The flag `--proto`. */
export const protoFlag: Flag<readonly string[]> = texts(
  '.proto file, or folder with .proto files (read with your @grpc/proto-loader)',
  'PATH',
);
/** The flag `--descriptors`. */
export const descriptorsFlag: Flag<readonly string[]> = texts('FileDescriptorSet, as `buf build -o image.binpb` writes it', 'FILE');

/** Folders that hold other people's files. */
const SKIPPED: ReadonlySet<string> = new Set(['node_modules', '.git', 'dist']);
const MAX_PROTOS = 10_000;

/**
 * What the two flags name; undefined: neither was given, nor was a server asked.
 *
 * @param reflected - What servers said.
 * @throws CliError naming what can't be read.
 */
export async function readCatalog(
  io: Io,
  protos: readonly string[],
  descriptors: readonly string[],
  reflected: readonly Uint8Array[] = [],
): Promise<Catalog | undefined> {
  if (protos.length === 0 && descriptors.length === 0 && reflected.length === 0) return undefined;
  const sources = await readSources(io, protos, descriptors);
  try {
    return readDescriptors([...reflected, ...(Array.isArray(sources) ? sources : [sources])]);
  } catch (error) {
    if (error instanceof ConfigError) throw usageError(`--descriptors: ${error.message}`);
    throw error;
  }
}

/** The same as `createMesh` takes it. */
export async function readSources(io: Io, protos: readonly string[], descriptors: readonly string[]): Promise<Descriptors> {
  const sets = await Promise.all(descriptors.map((file) => readBytes(io, file)));
  return protos.length === 0 ? sets : [...sets, await loadProtos(io, protos)];
}

/** What proto-loader makes of .proto files and folders of them. */
export async function loadProtos(io: Io, paths: readonly string[]): Promise<Readonly<Record<string, object>>> {
  const files: string[] = [];
  const roots: string[] = [];
  for (const path of paths) {
    const full = resolve(io.cwd, path);
    const info = await stat(full).catch(() => undefined);
    if (info === undefined) throw usageError(`--proto ${path}: no such file or folder`);
    if (info.isDirectory()) roots.push(full);
    files.push(...(info.isDirectory() ? await protosIn(full) : [full]));
  }
  if (files.length === 0) throw usageError(`--proto ${paths.join(', ')}: no .proto files in there`);
  const loader = protoLoader(io.cwd);
  try {
    const loaded = loader(files, { includeDirs: [...roots, io.cwd], keepCase: true });
    return isRecord(loaded) ? (loaded as Readonly<Record<string, object>>) : {};
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw usageError(`--proto: ${why.replaceAll(`${io.cwd}/`, '')}`, 'imports are looked for in the folders given with --proto, and here');
  }
}

async function protosIn(folder: string): Promise<string[]> {
  const found: string[] = [];
  const look = async (at: string): Promise<void> => {
    for (const entry of (await readdir(at, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.isDirectory() && !SKIPPED.has(entry.name)) await look(join(at, entry.name));
      else if (entry.name.endsWith('.proto')) found.push(join(at, entry.name));
      if (found.length > MAX_PROTOS) throw usageError(`--proto ${relative(folder, at) || folder}: more than ${MAX_PROTOS} .proto files`);
    }
  };
  await look(folder);
  return found;
}

type LoadSync = (files: readonly string[], options: object) => unknown;

/** The project's own proto-loader: inmesh brings none. */
function protoLoader(cwd: string): LoadSync {
  for (const from of [join(cwd, 'package.json'), import.meta.url]) {
    try {
      const loaded: unknown = createRequire(from)('@grpc/proto-loader');
      const loadSync: unknown = isRecord(loaded) ? loaded['loadSync'] : undefined;
      if (typeof loadSync === 'function') return (files, options) => Reflect.apply(loadSync, undefined, [files, options]);
    } catch {
      // Not there: the next place.
    }
  }
  throw usageError(
    '--proto needs @grpc/proto-loader, which is not installed here',
    'npm i -D @grpc/proto-loader, or give --descriptors FILE',
  );
}

/** The text of a file, in UTF-8. @throws CliError */
export async function readText(io: Io, file: string): Promise<string> {
  return (await readBytes(io, file)).toString('utf8');
}

/** Far above any policy or set of descriptors; `/dev/zero` has no end. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

async function readBytes(io: Io, file: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of createReadStream(resolve(io.cwd, file), { end: MAX_FILE_BYTES })) {
      chunks.push(Buffer.from(chunk));
      size += chunks.at(-1)?.length ?? 0;
    }
  } catch (error) {
    const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
    throw usageError(
      `${file}: ${code === 'ENOENT' ? 'no such file' : code === 'EISDIR' ? 'is a folder' : `cannot be read (${String(code)})`}`,
    );
  }
  if (size > MAX_FILE_BYTES) throw usageError(`${file}: more than ${MAX_FILE_BYTES} bytes`);
  return Buffer.concat(chunks);
}
