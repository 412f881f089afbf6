/**
 * What goes over the port between the main thread and a worker thread.
 *
 * Requests and responses of one message lie behind each other in one buffer of exactly their size, which is handed over and
 * not cloned. (A clone of a Buffer takes the whole memory that it is a slice of: Node's pool, or the batch it came in.)
 * Calls are tuples, for a clone writes the names of an object's keys again for each of them.
 *
 * @packageDocumentation
 */
import { Metadata } from '@grpc/grpc-js';
import { addEntries, toEntries } from './metadata.ts';

/** Metadata flat: key, value, key, value... */
export type Values = readonly (string | Uint8Array)[];

/** Trace context in the application's own format, e.g. `traceparent`. */
export type TraceContext = Readonly<Record<string, string>>;

/** `length` of a message that is not among the bytes: it came as an object. */
export const AS_OBJECT = -1;
/** `length` where there is no message. */
export const NO_MESSAGE = -2;

/** A call for the thread. */
export type WorkItem = readonly [
  id: number,
  path: string,
  peer: string,
  host: string,
  /** Time left; `Infinity` without a deadline. */
  remainingMs: number,
  length: number,
  metadata: Values | undefined,
  trace: TraceContext | undefined,
  object: unknown,
];

export type ToThread =
  | { readonly kind: 'work'; readonly bytes: ArrayBuffer; readonly items: readonly WorkItem[] }
  | { readonly kind: 'cancel'; readonly ids: readonly number[] };

/** How a call ended in its thread. */
export type ResultItem = readonly [
  id: number,
  code: number,
  details: string,
  length: number,
  headers: Values | undefined,
  trailers: Values | undefined,
  object: unknown,
];

export type FromThread =
  /** The module is loaded: its handlers' names, and the paths whose messages it can read itself. */
  | { readonly kind: 'ready'; readonly names: readonly string[]; readonly codecs: readonly string[] }
  | { readonly kind: 'results'; readonly bytes: ArrayBuffer; readonly items: readonly ResultItem[] };

/** All parts behind each other, in memory that nobody shares. */
export function pack(parts: readonly Uint8Array[]): ArrayBuffer {
  let size = 0;
  for (const part of parts) size += part.length;
  const all = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all.buffer;
}

/** Metadata as it crosses. What is ours stays behind. */
export function toValues(metadata: Metadata | null | undefined): Values | undefined {
  const entries = toEntries(metadata);
  if (entries === undefined) return undefined;
  const values: (string | Uint8Array)[] = [];
  for (let i = 0; i < entries.length; i += 2) {
    const key = entries[i] as string;
    const value = entries[i + 1] as string | Buffer;
    if (!key.startsWith('inmesh-')) values.push(key, typeof value === 'string' ? value : new Uint8Array(value));
  }
  return values.length > 0 ? values : undefined;
}

/** The metadata again. */
export function fromValues(values: Values | undefined): Metadata {
  const metadata = new Metadata();
  addEntries(
    metadata,
    values?.map((value) => (typeof value === 'string' ? value : Buffer.from(value.buffer, value.byteOffset, value.length))),
  );
  return metadata;
}

/**
 * The names under which a module may export the handler of a method: its path, its name in the definition (both spellings,
 * as grpc-js's `addService` has it), its name in the path with either first letter.
 */
export function handlerNames(path: string, key: string | undefined, originalName: string | undefined): string[] {
  const method = path.slice(path.lastIndexOf('/') + 1);
  const names = [path, path.slice(1), key, originalName, method, method.charAt(0).toLowerCase() + method.slice(1)];
  return names.filter((name) => name !== undefined);
}

/** In grpc-js's words: what a codec says stays here. */
export const BAD_REQUEST = 'Error deserializing request';
export const BAD_RESPONSE = 'Error serializing response';
