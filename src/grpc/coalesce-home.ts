/**
 * The coalescers of one client half, a channel each, for one set of options.
 *
 * Other options make another home; this one goes on for the calls that are in it, and is closed after the last. What is known of the
 * endpoints outlives it: whether they take batches is not a matter of options.
 *
 * @packageDocumentation
 */
import { Asking } from '../batch/asking.ts';
import { Peers } from '../batch/peers.ts';
import type { Clock } from '../clock.ts';
import type { Random } from '../random.ts';
import type { ByteChannel, Door } from './client-call.ts';
import { ChannelCoalescer, type CoalesceShared } from './coalescer.ts';
import { rehearseClients } from './rehearsal.ts';

/** What is known of the endpoints of one channel. */
export interface LearnedPeers {
  readonly peers: Peers;
  readonly asking: Asking;
}

/** What is known of the endpoints of all channels, as long as these live. */
export class PeersByDoor {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #byDoor = new WeakMap<Door, LearnedPeers>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  of(door: Door): LearnedPeers {
    const known = this.#byDoor.get(door);
    if (known !== undefined) return known;
    const learned: LearnedPeers = { peers: new Peers(this.#clock, this.#random), asking: new Asking() };
    this.#byDoor.set(door, learned);
    door.book?.onLost?.((address) => {
      learned.peers.forget(address);
      learned.asking.forget();
    });
    return learned;
  }
}

export class CoalesceHome {
  readonly shared: CoalesceShared;
  readonly #learned: PeersByDoor;
  readonly #byDoor = new WeakMap<Door, ChannelCoalescer>();
  readonly #all = new Set<ChannelCoalescer>();
  /** Something was said that need not be said again. */
  warned = false;

  constructor(shared: CoalesceShared, learned: PeersByDoor) {
    this.shared = shared;
    this.#learned = learned;
  }

  /** The coalescer of a channel. */
  of(door: Door, channel: ByteChannel): ChannelCoalescer {
    const known = this.#byDoor.get(door);
    if (known !== undefined) return known;
    rehearseClients();
    const made = new ChannelCoalescer(this.shared, door, channel, this.#learned.of(door), () => this.#all.delete(made));
    this.#byDoor.set(door, made);
    if (door.onClose !== undefined) this.#all.add(made);
    return made;
  }

  /** Nobody comes any more: tunnels end once they have answered. */
  close(): void {
    for (const coalescer of [...this.#all]) coalescer.close();
  }
}
