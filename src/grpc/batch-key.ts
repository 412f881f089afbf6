/**
 * The batch key: calls share a carrier only if everything that is not the item's own is equal. Deny by default: a metadata
 * key that nobody has declared harmless splits batches rather than leak from one caller to another (cases K3, Q8).
 *
 * @packageDocumentation
 */
import type { CallCredentials, Metadata } from '@grpc/grpc-js';
import type { Entries } from '../batch/entries.ts';
import { ConfigError } from '../errors.ts';
import { PREVIOUS_ATTEMPTS_KEY } from '../retry/pushback.ts';
import type { CallInfo } from './client-call.ts';
import { ACCEPT_KEY, isReservedKey, pushEntries } from './metadata.ts';

/** Keys that differ from call to call by their nature; each item carries its own. */
const ITEM_KEYS = ['traceparent', 'tracestate', 'grpc-trace-bin', 'baggage', 'x-request-id', PREVIOUS_ATTEMPTS_KEY];

/** A key, and what the item carries itself. The method is not in it: in an envelope all items have the same, on a tunnel not. */
export interface Keyed {
  readonly key: string;
  readonly own: Entries | undefined;
}

/** Makes batch keys. One per mesh: credentials are told apart by identity. */
export class BatchKeys {
  readonly #itemKeys: ReadonlySet<string>;
  readonly #credentials = new WeakMap<CallCredentials, number>();
  #nextCredentials = 1;

  /** @throws ConfigError when an item key is one that must never differ inside a batch. */
  constructor(itemMetadata: readonly string[], path = 'coalesce.itemMetadata') {
    for (const key of itemMetadata) {
      if (isReservedKey(key.toLowerCase()))
        throw new ConfigError(path, `"${key}" may not differ inside a batch: it says who the caller is, or belongs to gRPC`);
    }
    this.#itemKeys = new Set([...ITEM_KEYS, ...itemMetadata.map((key) => key.toLowerCase())]);
  }

  /** Undefined: this call can't share a carrier with any other. */
  of(info: CallInfo, metadata: Metadata): Keyed | undefined {
    const { waitForReady, cacheableRequest, idempotentRequest, corked } = metadata.getOptions();
    if (waitForReady || cacheableRequest || corked) return undefined;
    let key = '';
    if (info.host !== undefined) key += `\nhost ${info.host}`;
    if (info.credentials !== undefined) key += `\ncredentials ${this.#credentialsId(info.credentials)}`;
    if (idempotentRequest) key += '\nidempotent';
    let own: (string | Buffer)[] | undefined;
    const map = metadata.getMap();
    for (const name in map) {
      if (name === ACCEPT_KEY) continue; // left by an earlier attempt
      const values = metadata.get(name);
      if (this.#itemKeys.has(name)) {
        own ??= [];
        pushEntries(own, name, values);
      } else {
        for (const value of values) {
          const text = typeof value === 'string' ? value : value.toString('base64');
          key += `\n${name}:${text.length}:${text}`;
        }
      }
    }
    return { key, own };
  }

  /** What the carrier itself sends: the shared part of any of its items. */
  shared(metadata: Metadata): Metadata {
    const shared = metadata.clone();
    for (const name of this.#itemKeys) shared.remove(name);
    shared.remove(ACCEPT_KEY);
    return shared;
  }

  #credentialsId(credentials: CallCredentials): number {
    let id = this.#credentials.get(credentials);
    if (id === undefined) {
      id = this.#nextCredentials++;
      this.#credentials.set(credentials, id);
    }
    return id;
  }
}
