/**
 * The question that a call asks, as a key: calls share an answer only if everything that may change it is equal. Deny by
 * default: a call with metadata that nobody declared to be part of the question shares nothing (cases Q8, K14).
 *
 * @packageDocumentation
 */
import { hash } from 'node:crypto';
import type { Metadata } from '@grpc/grpc-js';
import { PREVIOUS_ATTEMPTS_KEY } from '../retry/pushback.ts';
import type { CallInfo, Door } from './client-call.ts';
import { tenantOf } from './traits.ts';

/** Differ from call to call by their nature, and say nothing about who asks what. */
const IGNORED: ReadonlySet<string> = new Set([
  'traceparent',
  'tracestate',
  'grpc-trace-bin',
  'x-request-id',
  'inmesh-priority',
  PREVIOUS_ATTEMPTS_KEY,
]);
/** Whom a call is for, as it goes to the server: part of every question. */
const TENANT_KEY = 'inmesh-tenant';
/** A larger request is no question. */
const MAX_REQUEST_BYTES = 65_536;

/** Why a call has no key: the name of the metadata key that nobody declared, or what it has that nobody can compare. */
export type NoKey = { readonly key?: never; readonly metadata?: string };
/** A key, or none. */
export type Asked = { readonly key: string } | NoKey;

const CREDENTIALS: NoKey = {};

/** Makes the keys of one method. Keys are digests: they hold nobody's credentials, and are all of one size. */
export class CacheKeys {
  readonly #declared: ReadonlySet<string>;
  readonly #doors = new WeakMap<Door, number>();
  #lastDoor = 0;

  /** @param declared - Metadata keys that are part of the question, in lower case. */
  constructor(declared: readonly string[]) {
    this.#declared = new Set([...declared, TENANT_KEY]);
  }

  of(info: CallInfo, metadata: Metadata, request: Buffer): Asked {
    // Credentials of a call are made anew for each, from whatever context it is in: they can't be compared.
    if (info.credentials !== undefined || request.length > MAX_REQUEST_BYTES) return CREDENTIALS;
    const { waitForReady = false } = metadata.getOptions();
    const own = [this.#doorOf(info.door), waitForReady, info.host ?? null, tenantOf(info) ?? null];
    let question = JSON.stringify(own);
    for (const name of Object.keys(metadata.getMap()).sort()) {
      if (this.#declared.has(name)) {
        for (const value of metadata.get(name)) {
          const text = typeof value === 'string' ? value : value.toString('base64');
          question += `\n${name} ${text.length} ${text}`;
        }
      } else if (!IGNORED.has(name)) return { metadata: name };
    }
    return { key: hash('sha256', `${question}\n\n${request.toString('latin1')}`, 'base64') };
  }

  /** Two clients may have different credentials, or the same name for different servers. */
  #doorOf(door: Door): number {
    let id = this.#doors.get(door);
    if (id === undefined) {
      id = ++this.#lastDoor;
      this.#doors.set(door, id);
    }
    return id;
  }
}
