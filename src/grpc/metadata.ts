/**
 * Metadata between grpc-js and the wire of our carriers.
 *
 * @packageDocumentation
 */
import type { Metadata } from '@grpc/grpc-js';
import type { Entries } from '../batch/entries.ts';
import { PREVIOUS_ATTEMPTS_KEY } from '../retry/pushback.ts';

/** Asks a server to say whether it takes batches. */
export const ACCEPT_KEY = 'inmesh-accept';
/** A server's answer: `1;items=1024`. */
export const CAPABILITY_KEY = 'inmesh-capability';
/** Suffix of the path that takes batches of a method. */
export const BATCH_SUFFIX = 'InmeshBatch';
/** The path that takes tunnels. */
export const TUNNEL_PATH = '/inmesh.v1.Tunnel/Open';
/** Initial metadata of a tunnel's server: how many unanswered items it takes. */
export const WINDOW_KEY = 'inmesh-window';
/** `inmesh-reason` of an item that came when its tunnel took no more. */
export const DRAINING_REASON = 'server.tunnel/draining';

/** True for the paths of carriers, which meet no interceptor themselves: their items do. */
export function isCarrierPath(path: string): boolean {
  return path.endsWith(BATCH_SUFFIX) || path === TUNNEL_PATH;
}

/** True for keys that only we and gRPC itself may set; they are never taken from an item. */
export function isReservedKey(key: string): boolean {
  if (key === PREVIOUS_ATTEMPTS_KEY || key === 'grpc-trace-bin') return false; // gRPC's own that an item says for itself
  return key.startsWith('inmesh-') || key.startsWith('grpc-') || key.startsWith(':') || RESERVED.has(key);
}

/** Credentials belong to the carrier, so that what authenticates a connection's calls sees them; the rest is HTTP/2's. */
const RESERVED: ReadonlySet<string> = new Set([
  'authorization',
  'cookie',
  'proxy-authorization',
  'connection',
  'content-type',
  'host',
  'keep-alive',
  'te',
  'transfer-encoding',
  'upgrade',
]);

/** What a handler set, as entries; undefined when there is nothing. */
export function toEntries(metadata: Metadata | null | undefined): Entries | undefined {
  if (metadata === null || metadata === undefined) return undefined;
  let entries: (string | Buffer)[] | undefined;
  for (const key of Object.keys(metadata.getMap())) {
    entries ??= [];
    pushEntries(entries, key, metadata.get(key));
  }
  return entries;
}

/** Puts a key's values the way they would arrive on a call of their own: Node's HTTP/2 joins several texts of one key into one. */
export function pushEntries(into: (string | Buffer)[], key: string, values: readonly (string | Buffer)[]): void {
  if (values.length > 1 && !key.endsWith('-bin') && key !== 'set-cookie') into.push(key, values.join(', '));
  else for (const value of values) into.push(key, value);
}

/** Adds entries, in order. @throws Error when a key or value is not allowed in HTTP/2 headers. */
export function addEntries(metadata: Metadata, entries: Entries | undefined): void {
  if (entries === undefined) return;
  for (let i = 0; i < entries.length; i += 2) metadata.add(entries[i] as string, entries[i + 1] as string | Buffer);
}

/** Adds an item's own entries over what it shares with the batch: an item's key replaces the shared one. */
export function overlayItemEntries(metadata: Metadata, entries: Entries | undefined): void {
  if (entries === undefined) return;
  let previous = '';
  for (let i = 0; i < entries.length; i += 2) {
    const key = entries[i] as string;
    if (isReservedKey(key.toLowerCase())) throw new Error('reserved key');
    if (key === previous) metadata.add(key, entries[i + 1] as string | Buffer);
    else metadata.set(key, entries[i + 1] as string | Buffer);
    previous = key;
  }
}
