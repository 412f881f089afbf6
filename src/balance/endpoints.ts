/**
 * The endpoints of one channel: what name resolution and connectivity say about them, and the choice among them.
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import type { Random } from '../random.ts';
import type { EndpointBook } from './book.ts';
import { Crowd } from './crowd.ts';
import { Endpoint } from './endpoint.ts';
import type { BalanceRules } from './options.ts';
import { pickOfTwo } from './p2c.ts';

/** Most addresses remembered after they left name resolution. */
const HISTORY_SIZE = 1000;

/** Changes when a policy of an older inmesh could not work with this class. */
const BOOK_VERSION = 1;

/** The book of one channel. State is kept by address, across re-resolution and for a while after an address has gone. */
export class Endpoints implements EndpointBook {
  /** Brand: the LB policy may have been registered by another copy of inmesh, which knows a book it can work with by this. */
  readonly inmeshBook: number = BOOK_VERSION;
  readonly #rules: BalanceRules;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #crowd: Crowd;
  readonly #gone = new Map<string, { readonly endpoint: Endpoint; readonly atMs: number }>();
  #byAddress = new Map<string, Endpoint>();
  #endpoints: readonly Endpoint[] = [];
  #ready: readonly Endpoint[] = [];
  #owner: object | undefined;
  #lost: ((address: string) => void) | undefined;

  constructor(rules: BalanceRules, clock: Clock, random: Random) {
    this.#rules = rules;
    this.#clock = clock;
    this.#random = random;
    this.#crowd = new Crowd(clock);
  }
  /** How long calls wait when the last ready endpoint is lost. */
  get graceMs(): number {
    return this.#rules.graceMs;
  }
  get endpoints(): readonly Endpoint[] {
    return this.#endpoints;
  }
  /** True while an LB policy publishes here. False after calls were made: the policy was not instantiated. */
  get attached(): boolean {
    return this.#owner !== undefined;
  }
  /** Makes `owner` the only one who publishes here. False when another has claimed the book: it belongs to one channel. */
  claim(owner: object): boolean {
    this.#owner ??= owner;
    return this.#owner === owner;
  }
  /** Gives the book back, empty; what was learned is kept like that of addresses that left name resolution. */
  release(owner: object): void {
    if (this.#owner !== owner) return;
    this.update([]);
    this.#owner = undefined;
  }
  /** The addresses of the last name resolution; duplicates count once. New ones are not ready. */
  update(addresses: Iterable<string>): void {
    const nowMs = this.#clock.nowMs();
    const next = new Map<string, Endpoint>();
    for (const address of addresses) next.set(address, next.get(address) ?? this.#recall(address, nowMs));
    for (const [address, endpoint] of this.#byAddress) {
      if (next.has(address)) continue;
      const { ready } = endpoint;
      endpoint.setReady(false);
      this.#gone.set(address, { endpoint, atMs: nowMs });
      if (ready) this.#lost?.(address);
    }
    this.#byAddress = next;
    this.#endpoints = [...next.values()];
    this.#forget(nowMs);
    this.#listReady();
  }
  /** An address is connected, or no longer. Unknown addresses are ignored. */
  setReady(address: string, ready: boolean): void {
    const endpoint = this.#byAddress.get(address);
    if (endpoint === undefined || endpoint.ready === ready) return;
    endpoint.setReady(ready);
    this.#listReady();
    if (!ready) this.#lost?.(address);
  }
  onLost(fn: (address: string) => void): void {
    const before = this.#lost;
    this.#lost = (address) => {
      before?.(address);
      fn(address);
    };
  }
  /** The endpoint at an address of the last name resolution. */
  find(address: string): Endpoint | undefined {
    return this.#byAddress.get(address);
  }
  /** Chooses a ready endpoint and counts the pick as load at once, until it starts or the turn ends. */
  pick(avoid?: ReadonlySet<string>): Endpoint | undefined {
    const endpoint = pickOfTwo(this.#ready, avoid, this.#random, this.#clock.nowMs());
    endpoint?.reserve();
    return endpoint;
  }

  #recall(address: string, nowMs: number): Endpoint {
    const known = this.#byAddress.get(address);
    if (known !== undefined) return known;
    const gone = this.#gone.get(address);
    this.#gone.delete(address);
    if (gone !== undefined && nowMs - gone.atMs <= this.#rules.historyMs) return gone.endpoint;
    return new Endpoint(address, this.#crowd, this.#rules);
  }
  /** Drops the oldest of those that have gone: a map lists its keys in the order they were set. */
  #forget(nowMs: number): void {
    for (const [address, { atMs }] of this.#gone) {
      if (this.#gone.size <= HISTORY_SIZE && nowMs - atMs <= this.#rules.historyMs) return;
      this.#gone.delete(address);
    }
  }
  #listReady(): void {
    this.#ready = this.#endpoints.filter((endpoint) => endpoint.ready);
  }
}

/** True for a book of this copy of inmesh or of another one that speaks the same version. */
export function isEndpoints(value: unknown): value is Endpoints {
  return typeof value === 'object' && value !== null && 'inmeshBook' in value && value.inmeshBook === BOOK_VERSION;
}
