/**
 * The endpoints of one channel: what name resolution and connectivity say about them, and the choice among them.
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import { same } from '../input/same.ts';
import { OutlierDetector } from '../outlier/detector.ts';
import type { OutlierHost } from '../outlier/host.ts';
import type { Random } from '../random.ts';
import type { EndpointBook } from './book.ts';
import type { OnEndpointChange } from './changes.ts';
import { type BalanceCounts, noBalanceCounts } from './counts.ts';
import { Crowd } from './crowd.ts';
import { Endpoint } from './endpoint.ts';
import type { BalanceRules } from './options.ts';
import { leastOf, pickOfTwo } from './p2c.ts';

/** Most addresses remembered after they left name resolution. */
const HISTORY_SIZE = 1000;

/** Endpoints are looked at for silence and due probes so often, in ms, while there are picks; without, there is no hurry. */
const LOOK_EVERY_MS = 100;
/** From so long after its time on, in ms, a whole batch may be the probe: no single call has come. */
const NO_SINGLE_CALL_MS = 1_000;
const NONE: readonly Endpoint[] = [];

/** Changes when a policy of an older inmesh could not work with this class. */
const BOOK_VERSION = 3;

/** The book of one channel. State is kept by address, across re-resolution and for a while after an address has gone. */
export class Endpoints implements EndpointBook {
  /** Brand: the LB policy may have been registered by another copy of inmesh, which knows a book it can work with by this. */
  readonly inmeshBook: number = BOOK_VERSION;
  #rules: BalanceRules;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #crowd: Crowd;
  readonly #gone = new Map<string, { readonly endpoint: Endpoint; readonly atMs: number }>();
  readonly #outliers: OutlierDetector;
  #byAddress = new Map<string, Endpoint>();
  #endpoints: readonly Endpoint[] = NONE;
  #hosts: ReadonlySet<OutlierHost> = new Set();
  #ready: readonly Endpoint[] = NONE;
  /** Those ready and not ejected; all that are ready when that leaves too few. */
  #pickable: readonly Endpoint[] = NONE;
  /** Ejected ones of which one call may find out whether they are well again. */
  #due: readonly Endpoint[] = NONE;
  #owner: object | undefined;
  readonly #onLost = new Set<(address: string) => void>();

  /** @param counts - Counts along. Default: some of its own. */
  constructor(rules: BalanceRules, clock: Clock, random: Random, counts: BalanceCounts = noBalanceCounts()) {
    this.#rules = rules;
    this.#clock = clock;
    this.#random = random;
    this.#crowd = new Crowd(clock, counts);
    this.#outliers = new OutlierDetector(random, counts);
    this.#outliers.configure(rules.outlierDetection, this.#hosts, clock.nowMs());
    this.#crowd.counting = this.#outliers.counting;
  }
  /** What has happened so far, for metrics; other channels to the target may count here too. */
  get counts(): BalanceCounts {
    return this.#crowd.counts;
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
    for (const address of next.keys()) if (!this.#byAddress.has(address)) this.#crowd.changed?.({ what: 'added', address });
    for (const [address, endpoint] of this.#byAddress) {
      if (next.has(address)) continue;
      const { ready } = endpoint;
      endpoint.setReady(false);
      endpoint.health.forget(nowMs);
      endpoint.told = undefined;
      this.#crowd.changed?.({ what: 'removed', address });
      this.#gone.set(address, { endpoint, atMs: nowMs });
      if (ready) this.#lost(address);
    }
    this.#byAddress = next;
    this.#endpoints = [...next.values()];
    this.#hosts = new Set(this.#endpoints.map(({ health }) => health.host));
    this.#forget(nowMs);
    this.#listReady();
  }
  /** An address is connected, or no longer. Unknown addresses are ignored. */
  setReady(address: string, ready: boolean): void {
    const endpoint = this.#byAddress.get(address);
    if (endpoint === undefined || endpoint.ready === ready) return;
    endpoint.setReady(ready);
    if (ready) endpoint.health.reconnected(this.#clock.nowMs());
    this.#listReady();
    if (!ready) this.#lost(address);
  }
  onLost(fn: (address: string) => void): () => void {
    const listener = (address: string): void => fn(address); // the same function twice is two listeners
    this.#onLost.add(listener);
    return () => void this.#onLost.delete(listener);
  }
  /** Takes other rules, from the next pick on. What was learned of the endpoints stays. */
  retune(rules: BalanceRules): void {
    const before = this.#rules;
    this.#rules = rules;
    for (const endpoint of this.#byAddress.values()) endpoint.retune(rules);
    for (const { endpoint } of this.#gone.values()) endpoint.retune(rules);
    if (!same(before.outlierDetection, rules.outlierDetection)) {
      this.#outliers.configure(rules.outlierDetection, this.#hosts, this.#clock.nowMs());
      this.#crowd.counting = this.#outliers.counting;
    }
    this.#listReady();
  }
  /** Has `fn` told what happens to endpoints. Of an ejection it hears with the next pick. */
  onChange(fn: OnEndpointChange): void {
    this.#crowd.changed = fn;
  }
  /** The endpoint at an address of the last name resolution. */
  find(address: string): Endpoint | undefined {
    return this.#byAddress.get(address);
  }
  /** A try there was given up because it took too long. Its end teaches nothing more. */
  timedOut(address: string): void {
    this.#byAddress.get(address)?.timedOut(this.#clock.nowMs());
  }
  /** Chooses a ready endpoint and counts the pick as load at once, until it starts or the turn ends. */
  pick(avoid?: ReadonlySet<string>, items = 1, sure = false): Endpoint | undefined {
    const nowMs = this.#clock.nowMs();
    if (nowMs >= this.#crowd.lookAtMs) this.#look(nowMs);
    const endpoint = this.#probe(avoid, items, nowMs) ?? this.#withRoom(avoid, items, nowMs);
    endpoint?.reserve(sure);
    return endpoint;
  }
  /** True while every endpoint that could be picked has all the calls that it may have. */
  get full(): boolean {
    return this.#pickable.length > 0 && this.#pickable.every(({ load }) => load >= this.#rules.maxInFlight);
  }

  /** The better of two; where that is full, the best of those that are not. */
  #withRoom(avoid: ReadonlySet<string> | undefined, items: number, nowMs: number): Endpoint | undefined {
    const endpoint = pickOfTwo(this.#pickable, avoid, this.#random, nowMs);
    const most = this.#rules.maxInFlight - items;
    if (endpoint === undefined || endpoint.load <= most) return endpoint;
    return leastOf(this.#pickable, avoid, ({ load }) => load <= most, nowMs);
  }
  /** The endpoint whose probe is due. Not for a call that has been tried elsewhere: it has failed often enough. */
  #probe(avoid: ReadonlySet<string> | undefined, items: number, nowMs: number): Endpoint | undefined {
    if (this.#due.length === 0 || (avoid !== undefined && avoid.size > 0)) return undefined;
    const dueMs = items === 1 ? nowMs : nowMs - NO_SINGLE_CALL_MS;
    for (const endpoint of this.#due) if (endpoint.health.canProbe(dueMs) && endpoint.health.probe(nowMs)) return endpoint;
    if (items === 1) this.#due = NONE;
    return undefined;
  }
  /** Finds out who is ejected and who may be probed. No timer does that: only the next pick wants to know. */
  #look(nowMs: number): void {
    this.#crowd.lookAtMs = nowMs + LOOK_EVERY_MS;
    this.#outliers.tick(this.#hosts, nowMs);
    let ejected = 0;
    for (const endpoint of this.#ready) {
      endpoint.judge(nowMs);
      if (endpoint.ejected) ejected++;
      if (endpoint.ejectedFor !== endpoint.told) this.#tell(endpoint);
    }
    const left = this.#ready.length - ejected;
    const panic = left === 0 || left < this.#rules.outlierDetection.panicThreshold * this.#ready.length;
    const heeded = ejected > 0 && !panic;
    this.#pickable = heeded ? this.#ready.filter((endpoint) => !endpoint.ejected) : this.#ready;
    this.#due = heeded ? this.#ready.filter((endpoint) => endpoint.health.canProbe(nowMs)) : NONE;
  }
  #tell(endpoint: Endpoint): void {
    const { address, ejectedFor: why } = endpoint;
    endpoint.told = why;
    this.#crowd.changed?.(why === undefined ? { what: 'back', address } : { what: 'ejected', address, why });
  }
  #recall(address: string, nowMs: number): Endpoint {
    const known = this.#byAddress.get(address);
    if (known !== undefined) return known;
    const gone = this.#gone.get(address);
    this.#gone.delete(address);
    if (gone !== undefined && nowMs - gone.atMs <= this.#rules.historyMs) return gone.endpoint;
    return new Endpoint(address, this.#crowd, this.#rules, this.#clock);
  }
  /** Drops the oldest of those that have gone: a map lists its keys in the order they were set. */
  #forget(nowMs: number): void {
    for (const [address, { atMs }] of this.#gone) {
      if (this.#gone.size <= HISTORY_SIZE && nowMs - atMs <= this.#rules.historyMs) return;
      this.#gone.delete(address);
    }
  }
  #lost(address: string): void {
    for (const listener of this.#onLost) listener(address);
  }
  #listReady(): void {
    this.#ready = this.#endpoints.filter((endpoint) => endpoint.ready);
    this.#look(this.#clock.nowMs());
  }
}

/** True for a book of this copy of inmesh or of another one that speaks the same version. */
export function isEndpoints(value: unknown): value is Endpoints {
  return typeof value === 'object' && value !== null && 'inmeshBook' in value && value.inmeshBook === BOOK_VERSION;
}
