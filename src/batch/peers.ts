/**
 * Which endpoints take batches: learned from their own answers, never guessed, forgotten when they say otherwise or their
 * connection is lost (what comes back may be another version).
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import type { Random } from '../random.ts';

/** What an endpoint has said of itself. */
export interface Capability {
  /** Most items it takes in one batch. */
  readonly maxItems: number;
  /** It takes tunnels. */
  readonly tunnels: boolean;
}

/** How long an endpoint that turned a batch away is spared the next one, in ms; with up to a tenth more, so that clients spread. */
const DENIED_MS = 600_000;
/** Endpoints remembered; the oldest goes. */
const MAX_PEERS = 10_000;

/** Reads `1;items=1024;tunnels`. Undefined: not a version that this side speaks. */
export function parseCapability(text: string): Capability | undefined {
  const [version, ...fields] = text.split(';').map((field) => field.trim());
  if (version !== '1') return undefined;
  let maxItems = 128;
  for (const field of fields) {
    const match = /^items=(\d{1,6})$/.exec(field);
    if (match !== null) maxItems = Math.max(1, Number(match[1]));
  }
  return { maxItems, tunnels: fields.includes('tunnels') };
}

/** The endpoints of one channel, by address. */
export class Peers {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #capable = new Map<string, Capability>();
  readonly #denied = new Map<string, number>();
  #tunnels = 0;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** True when at least one endpoint takes batches. */
  get any(): boolean {
    return this.#capable.size > 0;
  }
  /** True when at least one endpoint takes tunnels. */
  get anyTunnels(): boolean {
    return this.#tunnels > 0;
  }

  /** True when an endpoint has said that it takes batches. */
  has(address: string): boolean {
    return this.#capable.has(address);
  }

  /** What an endpoint can do for a method; undefined: nothing, as far as is known. */
  capability(address: string, method: string): Capability | undefined {
    const capability = this.#capable.get(address);
    if (capability === undefined || this.#denied.size === 0) return capability;
    const key = `${address} ${method}`;
    const untilMs = this.#denied.get(key);
    if (untilMs === undefined) return capability;
    if (this.#clock.nowMs() < untilMs) return undefined;
    this.#denied.delete(key);
    return capability;
  }

  /** An endpoint's answer carried this. */
  learn(address: string, text: string): void {
    const capability = parseCapability(text);
    const known = this.#capable.get(address);
    if (known?.maxItems === capability?.maxItems && known?.tunnels === capability?.tunnels) return;
    this.#drop(address);
    if (capability === undefined) return;
    if (this.#capable.size >= MAX_PEERS) for (const oldest of firstOf(this.#capable)) this.#drop(oldest);
    this.#capable.set(address, capability);
    if (capability.tunnels) this.#tunnels++;
  }

  /** An endpoint turned a batch of this method away. `forMs`: how long it is spared; the default fits a server without batches. */
  deny(address: string, method: string, forMs: number = DENIED_MS): void {
    if (this.#denied.size >= MAX_PEERS) for (const oldest of firstOf(this.#denied)) this.#denied.delete(oldest);
    this.#denied.set(`${address} ${method}`, this.#clock.nowMs() + forMs * (1 + 0.1 * this.#random()));
  }

  /** Endpoints that are spared at present, once for each method. */
  get denied(): { readonly address: string; readonly method: string }[] {
    const nowMs = this.#clock.nowMs();
    const keys = [...this.#denied].filter(([, untilMs]) => nowMs < untilMs).map(([key]) => key);
    // No address has a space in it but for a socket's path; a method never has one.
    return keys.map((key) => ({ address: key.slice(0, key.lastIndexOf(' ')), method: key.slice(key.lastIndexOf(' ') + 1) }));
  }

  /** The connection to an endpoint is lost: whoever comes back there speaks for itself. */
  forget(address: string): void {
    this.#drop(address);
    for (const key of this.#denied.keys()) if (key.startsWith(`${address} `)) this.#denied.delete(key);
  }

  #drop(address: string): void {
    if (this.#capable.get(address)?.tunnels === true) this.#tunnels--;
    this.#capable.delete(address);
  }
}

/** The oldest key, if there is one: a map lists them in the order in which they were set. */
function firstOf(map: ReadonlyMap<string, unknown>): readonly string[] {
  for (const oldest of map.keys()) return [oldest];
  return [];
}
