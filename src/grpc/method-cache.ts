/**
 * The answers of one method: those that are kept, and those that are on their way (single-flight).
 *
 * @packageDocumentation
 */
import { Metadata, type StatusObject } from '@grpc/grpc-js';
import type { CacheRules } from '../cache/options.ts';
import { ResponseCache } from '../cache/response-cache.ts';
import { Code, outcomeOf } from '../call.ts';
import type { Clock } from '../clock.ts';
import { isLate } from '../deadline/arithmetic.ts';
import { DeadlineQueue } from '../deadline/deadline-queue.ts';
import { CacheKeys } from './cache-key.ts';
import type { CachedCall } from './cached-call.ts';
import type { CallListener, ClientCall } from './client-call.ts';
import type { MethodCodecs } from './codecs.ts';

/** Numbers of one cache, for statistics. */
export interface CacheCounts {
  /** Calls answered by a kept answer. */
  hits: number;
  /** Calls that went out. */
  misses: number;
  /** Calls answered by another's call that was out. */
  shared: number;
  /** Calls that failed and were given an old answer. */
  stale: number;
  /** Calls that could not be compared: undeclared metadata, credentials of their own, no serialisers. */
  bypassed: number;
}

/** What all caches of a mesh share. */
export interface CacheSettings {
  readonly clock: Clock;
  readonly codecs: MethodCodecs;
  readonly counts: CacheCounts;
  readonly warn: (line: string) => void;
  /** True: calls of a client that is not known are its one client's. */
  readonly oneClient: boolean;
}

/** An answer that belongs to nobody: each caller gets a copy. */
export interface KeptAnswer {
  readonly headers: Metadata | undefined;
  readonly response: Buffer;
  readonly details: string;
  readonly trailers: Metadata;
}

/** grpc-js's own timer may be this much early. */
const EARLY_MS = 2;

export class MethodCache {
  readonly settings: CacheSettings;
  readonly keys: CacheKeys;
  readonly answers: ResponseCache<KeptAnswer>;
  readonly expiries: DeadlineQueue<CachedCall>;
  readonly flights: Map<string, Flight> = new Map<string, Flight>();
  readonly #singleFlight: boolean;
  #said = false;

  constructor(rules: CacheRules, settings: CacheSettings) {
    this.settings = settings;
    this.keys = new CacheKeys(rules.metadata);
    this.answers = new ResponseCache(rules);
    this.expiries = new DeadlineQueue(settings.clock, (call) => call.expire());
    this.#singleFlight = rules.singleFlight;
  }

  /** Gives the call an answer: a kept one, another call's, or its own. */
  ask(call: CachedCall, key: string): void {
    const { clock, counts } = this.settings;
    const kept = this.answers.fresh(key, clock.nowMs());
    if (kept !== undefined) {
      counts.hits++;
      call.hit(kept);
      return;
    }
    const flight = this.flights.get(key);
    if (flight !== undefined) {
      flight.join(call);
      return;
    }
    counts.misses++;
    const own = new Flight(this, key, call);
    if (this.#singleFlight) this.flights.set(key, own);
    own.begin();
  }

  /** The old answer that a failure of this kind may be replaced by. */
  staleFor(key: string, code: number): KeptAnswer | undefined {
    return outcomeOf(code) === 'dropped' ? this.answers.stale(key, this.settings.clock.nowMs()) : undefined;
  }

  /** A call passes by; the first of the method says why. */
  bypass(why: string | undefined): void {
    this.settings.counts.bypassed++;
    if (this.#said || why === undefined) return;
    this.#said = true;
    this.settings.warn(why);
  }
}

/** One call below, for all who ask the same while it is out. It goes on as long as anyone waits. */
export class Flight implements CallListener {
  readonly #cache: MethodCache;
  readonly #key: string;
  readonly #leader: CachedCall;
  readonly #callers = new Set<CachedCall>();
  #lower: ClientCall | undefined;
  #headers: Metadata | undefined;
  #message: unknown;
  #over = false;

  constructor(cache: MethodCache, key: string, leader: CachedCall) {
    this.#cache = cache;
    this.#key = key;
    this.#leader = leader;
  }

  get lower(): ClientCall | undefined {
    return this.#lower;
  }

  begin(): void {
    this.#callers.add(this.#leader);
    try {
      this.#lower = this.#leader.lead(this);
    } catch (error) {
      this.#end(); // thrown at the call site, as grpc-js has it: no status will come
      throw error;
    }
  }
  join(call: CachedCall): void {
    this.#callers.add(call);
    call.follow(this);
  }
  /** One waits no longer. */
  leave(call: CachedCall, code: number, details: string): void {
    this.#callers.delete(call);
    if (this.#over || this.#callers.size > 0) return;
    this.#end();
    this.#lower?.cancelWithStatus(code, details);
  }

  onReceiveMetadata(metadata: Metadata): void {
    this.#headers = metadata;
  }
  onReceiveMessage(message: unknown): void {
    this.#message = message;
  }
  onReceiveStatus(status: StatusObject): void {
    if (this.#over) return;
    this.#end();
    if (status.code === Code.OK && this.#message !== undefined) this.#succeeded(status);
    else this.#failed(status);
  }

  #end(): void {
    this.#over = true;
    const { flights } = this.#cache;
    if (flights.get(this.#key) === this) flights.delete(this.#key);
  }

  #succeeded(status: StatusObject): void {
    const { answers, settings } = this.#cache;
    const leader = this.#callers.delete(this.#leader) ? this.#leader : undefined;
    const kept = answers.keeps || this.#callers.size > 0 ? this.#keep(status) : undefined;
    if (kept !== undefined) answers.store(this.#key, kept, sizeOf(kept), settings.clock.nowMs());
    leader?.given(this.#headers, this.#message, status);
    for (const call of this.#callers) {
      this.#callers.delete(call);
      if (kept === undefined) {
        call.again(this.#key);
        continue;
      }
      settings.counts.shared++;
      call.answered(kept, 'shared');
    }
  }

  #keep(status: StatusObject): KeptAnswer | undefined {
    const response = this.#leader.bytes(this.#message);
    if (response === undefined) return undefined;
    const headers = this.#headers === undefined ? undefined : withoutOurs(this.#headers);
    return { headers, response: Buffer.from(response), details: status.details, trailers: withoutOurs(status.metadata) };
  }

  #failed(status: StatusObject): void {
    const stale = this.#cache.staleFor(this.#key, status.code);
    const { clock } = this.#cache.settings;
    const itsOwn = status.code === Code.DEADLINE_EXCEEDED && isLate(this.#leader.deadlineMs - EARLY_MS, clock.nowMs());
    for (const call of this.#callers) {
      this.#callers.delete(call);
      if (stale !== undefined) call.answered(stale, 'stale');
      else if (call === this.#leader || !itsOwn) call.failed(call === this.#leader ? status : copyOf(status));
      else call.again(this.#key);
    }
  }
}

function copyOf(status: StatusObject): StatusObject {
  return { ...status, metadata: status.metadata.clone() }; // the brand of our own refusals is copied with it
}

/** What inmesh says of one call holds for that call only. */
function withoutOurs(metadata: Metadata): Metadata {
  const copy = new Metadata();
  for (const key of Object.keys(metadata.getMap())) {
    if (!key.startsWith('inmesh-')) for (const value of metadata.get(key)) copy.add(key, value);
  }
  return copy;
}

function sizeOf({ headers, response, trailers }: KeptAnswer): number {
  let bytes = response.length;
  for (const metadata of [headers, trailers]) {
    for (const [key, value] of Object.entries(metadata?.getMap() ?? {})) bytes += key.length + value.length + 64;
  }
  return bytes;
}
