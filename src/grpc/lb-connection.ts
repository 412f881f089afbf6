/**
 * One connection to one endpoint, as the LB policy holds it: grpc-js's leaf balancer, a watch on its connecting, and a count
 * of the calls on it.
 *
 * grpc-js hands the object that an address is to `net.connect` as it is, and so a `signal` in it too: that is how a connection
 * is ended whose making takes too long. A signal that is not read (an HTTP proxy is in between) ends nothing.
 *
 * @packageDocumentation
 */
import { type ChannelOptions, experimental, connectivityState as State } from '@grpc/grpc-js';
import type { BalanceCounts } from '../balance/counts.ts';
import type { Clock } from '../clock.ts';
import { ConnectWatch } from '../endpoints/connect-watch.ts';

/** What a connection needs. */
export interface ConnectionHome {
  readonly helper: experimental.ChannelControlHelper;
  readonly options: ChannelOptions;
  readonly note: string;
  readonly clock: Clock;
  readonly counts: BalanceCounts;
  /** Longest time for an attempt to connect, in ms. Asked when it begins. */
  timeoutMs(): number;
  changed(connection: Connection, state: State, error: string | null): void;
  /** A call is about to go out on it. */
  picked(): void;
}

/** Options that make a connection of its own: grpc-js shares those whose options are equal. */
const GENERATION_OPTION = 'inmesh.generation';
/** For a connection that is to be made as soon as possible. */
const HASTE = { 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 200 };

let generation = 0;

/** The options for a connection that is shared with nobody. `hasty`: attempts follow each other at once. */
export function unshared(options: ChannelOptions, hasty: boolean): ChannelOptions {
  return { ...options, ...(hasty ? HASTE : {}), [GENERATION_OPTION]: ++generation };
}

interface Watched {
  readonly watch: ConnectWatch;
  readonly address: experimental.SubchannelAddress;
  subchannel: experimental.SubchannelInterface | undefined;
}

export class Connection implements experimental.Picker {
  /** Calls on it now. */
  inFlight = 0;
  /** It has been ready for calls before. */
  wasReady = false;
  /** A call has been started on it. */
  wasUsed = false;
  readonly #home: ConnectionHome;
  readonly #leaf: experimental.LeafLoadBalancer;
  readonly #own: boolean;
  readonly #watched = new Map<string, Watched>();
  /** The one result of all picks: it says nothing of the call. */
  #result: experimental.PickResult | undefined;
  #retired = false;
  /** It counts as open. */
  #open = false;

  constructor(endpoint: experimental.Endpoint, home: ConnectionHome) {
    this.#home = home;
    this.#own = home.options[GENERATION_OPTION] !== undefined;
    const helper = experimental.createChildChannelControlHelper(home.helper, {
      createSubchannel: (address, options) => this.#watch(address, options),
      updateState: (state, _picker, error) => this.#changed(state, error),
    });
    this.#leaf = new experimental.LeafLoadBalancer(endpoint, helper, home.options, home.note);
  }
  get state(): State {
    return this.#leaf.getConnectivityState();
  }
  /** How the present connection came about. Of a shared one that was there before nothing is known. */
  get made(): { readonly tookMs: number; readonly attempts: number } {
    const made = [...this.#watched.values()].filter(({ subchannel }) => subchannel?.getConnectivityState() === State.READY);
    return { tookMs: made[0]?.watch.tookMs ?? 0, attempts: made[0]?.watch.tookAttempts ?? 0 };
  }
  start(): void {
    this.#leaf.startConnecting();
  }
  exitIdle(): void {
    this.#leaf.exitIdle();
  }
  getPicker(): experimental.Picker {
    return this;
  }
  pick(args: experimental.PickArgs): experimental.PickResult {
    this.#home.picked();
    const picked = this.#leaf.getPicker().pick(args);
    if (picked.pickResultType !== experimental.PickResultType.COMPLETE) return picked;
    if (this.#result?.subchannel !== picked.subchannel)
      this.#result = { ...picked, onCallStarted: this.#started, onCallEnded: this.#ended };
    return this.#result;
  }
  /** Lets it go: calls on it end in peace; its socket is closed after them, at once if it is nobody else's. */
  retire(): void {
    if (this.#retired) return;
    this.#retired = true;
    this.#countOpen(false); // gRFC A94 counts that as a disconnection, too
    this.#leaf.destroy();
    this.#closeIdle();
  }

  #watch(address: experimental.SubchannelAddress, options: ChannelOptions): experimental.SubchannelInterface {
    const key = experimental.subchannelAddressToString(address);
    const watched = this.#watched.get(key) ?? this.#watchNew(key, address);
    const subchannel = this.#home.helper.createSubchannel(watched.address, options);
    watched.subchannel = subchannel;
    return subchannel;
  }
  #watchNew(key: string, address: experimental.SubchannelAddress): Watched {
    const { clock, timeoutMs, counts } = this.#home;
    const watch = new ConnectWatch({
      clock,
      timeoutMs,
      counts,
      // Asked of the connection itself: others may share it, and still want it when this channel is closed.
      ready: () => watched.subchannel?.getConnectivityState() === State.READY,
    });
    const signalled = {
      ...address,
      get signal(): AbortSignal {
        return watch.begin();
      },
    };
    const watched: Watched = { watch, address: signalled, subchannel: undefined };
    this.#watched.set(key, watched);
    return watched;
  }
  #changed(state: State, error: string | null): void {
    if (state === State.READY) this.wasReady = true;
    this.#countOpen(state === State.READY && !this.#retired);
    let text = error;
    for (const [address, { watch, subchannel }] of this.#watched) {
      const own = subchannel?.getConnectivityState();
      if (own === State.READY) watch.succeeded();
      else if (own === State.TRANSIENT_FAILURE) watch.failed();
      if (watch.gaveUp && error !== null) text = `${address} was not ready for calls within ${Math.round(watch.limitMs)} ms`;
    }
    this.#home.changed(this, state, text);
  }
  #countOpen(open: boolean): void {
    if (open === this.#open) return;
    this.#open = open;
    const { counts } = this.#home;
    counts.open += open ? 1 : -1;
    if (!open) counts.disconnected++;
  }
  #closeIdle(): void {
    if (!this.#retired || !this.#own || this.inFlight > 0) return;
    for (const { watch } of this.#watched.values()) watch.close();
  }
  readonly #started = (): void => {
    this.inFlight++;
    this.wasUsed = true;
  };
  readonly #ended = (): void => {
    this.inFlight--;
    if (this.#retired) this.#closeIdle();
  };
}
