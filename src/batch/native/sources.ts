/**
 * Finds the descriptors in what users have: the output of buf or protoc, or what proto-loader made.
 *
 * @packageDocumentation
 */
import { ConfigError } from '../../errors.ts';
import { show } from '../../input/show.ts';
import { filesOfSet } from './descriptor-files.ts';
import { Catalog, type LoadedOptions } from './descriptors.ts';

/**
 * Descriptors of the services that a policy merges calls of: a `FileDescriptorSet` (`buf build -o image.binpb`,
 * `protoc --include_imports -o image.binpb`), what proto-loader's `load` gave, a service definition of it (`Greeter.service`),
 * or a list of these.
 */
export type Descriptors = Uint8Array | object | readonly (Uint8Array | object)[];

/** @throws ConfigError when there are none in it. */
export function readDescriptors(given: Descriptors, path = 'descriptors'): Catalog {
  const files = new Set<Uint8Array>();
  const add = (source: unknown, at: string): void => {
    if (source instanceof Uint8Array) for (const file of read(() => filesOfSet(source), at)) files.add(file);
    else for (const file of loaded(source, at)) files.add(file);
  };
  if (Array.isArray(given)) given.forEach((source, i) => void add(source, `${path}[${i}]`));
  else add(given, path);
  return read(() => new Catalog(files, optionsIn(given)), path);
}

/** The options of methods that proto-loader found in .proto text, by path. It loses those of services and files. */
function optionsIn(given: Descriptors): LoadedOptions {
  const found = new Map<string, Readonly<Record<string, unknown>>>();
  const look = (value: unknown, depth: number): void => {
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
    const path: unknown = Reflect.get(value, 'path');
    const options: unknown = Reflect.get(value, 'options');
    if (typeof path === 'string' && typeof options === 'object' && options !== null) found.set(path, { ...options });
    else if (depth > 0) for (const inner of Object.values(value)) look(inner, depth - 1);
  };
  look(given, 3);
  return found;
}

function read<T>(make: () => T, path: string): T {
  try {
    return make();
  } catch {
    throw new ConfigError(path, 'expected a FileDescriptorSet, as `buf build -o image.binpb` writes it, got other bytes');
  }
}

/** proto-loader keeps the files with each type; a service has its methods, each with two types; a package has services and types. */
function loaded(source: unknown, path: string): readonly Uint8Array[] {
  const found = new Set<Uint8Array>();
  const look = (value: unknown, depth: number): void => {
    if (typeof value !== 'object' || value === null) return;
    const files: unknown = Reflect.get(value, 'fileDescriptorProtos');
    if (Array.isArray(files)) for (const file of files) if (file instanceof Uint8Array) found.add(file);
    if (depth > 0) for (const inner of Object.values(value)) look(inner, depth - 1);
  };
  look(source, 3);
  if (found.size > 0) return [...found];
  throw new ConfigError(
    path,
    `expected a FileDescriptorSet as bytes, or what proto-loader's load() gave, got ${show(source)} without descriptors`,
  );
}
