/**
 * Who calls our servers, by address without port. Bounded: addresses beyond the cap share `_OTHER`.
 *
 * Asking grpc-js for a peer costs as much as all else that is recorded of a call. So the first calls of each second are asked, and
 * of those beyond each sixteenth, which then counts for sixteen.
 *
 * @packageDocumentation
 */
import type { Clock } from '../clock.ts';
import { SlidingWindow } from '../math/sliding-window.ts';
import { peerAddress } from './address.ts';
import { OTHER } from './names.ts';
import type { PeerView } from './views.ts';

const MAX_PEERS = 64;
/** Calls of a second that are asked one by one. */
const EXACT = 64;
const EVERY = 16;
const WINDOW_MS = 10_000;

/** Peers of all servers of a mesh. */
export class ServedPeers {
  readonly #clock: Clock;
  readonly #byAddress = new Map<string, { calls: number; readonly lately: SlidingWindow }>();
  #second = -1;
  #calls = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Called once for each call: for how many it counts. 0: it need not be asked. */
  weight(nowMs: number): number {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#calls = 0;
    }
    if (++this.#calls <= EXACT) return 1;
    return this.#calls % EVERY === 0 ? EVERY : 0;
  }

  /** @param peer - As `getPeer` says it. */
  count(peer: string, calls: number, nowMs: number): void {
    const known = this.#of(peerAddress(peer)?.address ?? peer, nowMs);
    known.calls += calls;
    known.lately.add(calls, nowMs);
  }

  /** The busiest first. */
  views(): readonly PeerView[] {
    const nowMs = this.#clock.nowMs();
    return [...this.#byAddress]
      .map(([peer, { calls, lately }]) => ({ peer, calls, callsPerSecond: lately.ratePerSecond(nowMs) }))
      .sort((a, b) => b.callsPerSecond - a.callsPerSecond || b.calls - a.calls);
  }

  #of(address: string, nowMs: number): { calls: number; readonly lately: SlidingWindow } {
    const known = this.#byAddress.get(address);
    if (known !== undefined) return known;
    if (this.#byAddress.size >= MAX_PEERS && address !== OTHER) return this.#of(OTHER, nowMs);
    const made = { calls: 0, lately: new SlidingWindow(WINDOW_MS, 10, nowMs) };
    this.#byAddress.set(address, made);
    return made;
  }
}
