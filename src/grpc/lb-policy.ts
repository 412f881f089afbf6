/**
 * The LB policy `inmesh_peak_ewma` for grpc-js: it connects to every address, publishes them in an endpoint book and lets the
 * book choose.
 *
 * States, errors and re-resolution are those of grpc-js's `round_robin`; unlike it, connections and statistics outlive a name
 * resolution that brings the same addresses again.
 *
 * @packageDocumentation
 */
import { type ChannelOptions, experimental, connectivityState as State } from '@grpc/grpc-js';
import { Endpoints, isEndpoints } from '../balance/endpoints.ts';
import { type BalanceOptions, type BalanceRules, resolveBalanceOptions } from '../balance/options.ts';
import { type CancelTimer, type Clock, systemClock } from '../clock.ts';
import { systemRandom } from '../random.ts';
import { BookPicker, type Connections, UnreadyPicker } from './lb-picker.ts';

export { attemptOf, withAttempt } from './lb-picker.ts';

/** Name of the policy in a service config: `{"loadBalancingConfig":[{"inmesh_peak_ewma":{}}]}`. */
export const PEAK_EWMA = 'inmesh_peak_ewma';

/** The prefix keeps the option out of the subchannel's arguments, where an object would defeat the sharing of connections. */
const BOOK_OPTION = `${experimental.SUBCHANNEL_ARGS_EXCLUDE_KEY_PREFIX}inmesh.book`;

/** Channel option that makes the policy publish into `book`. A book belongs to one channel. */
export function bookOption(book: Endpoints): ChannelOptions {
  return { [BOOK_OPTION]: book };
}

/** A book with the given options on the real clock. @throws ConfigError on bad options. */
export function newBook(options?: BalanceOptions, path = 'balance'): Endpoints {
  return new Endpoints(resolveBalanceOptions(options, path), systemClock, systemRandom);
}

/** Makes the policy known to grpc-js. Harmless when it is known already, from here or from another copy of inmesh. */
export function registerPeakEwma(): void {
  if (experimental.isLoadBalancerNameRegistered(PEAK_EWMA)) return;
  experimental.registerLoadBalancerType(PEAK_EWMA, PeakEwmaBalancer, PeakEwmaConfig);
}

/** What stands behind the policy's name in a service config: {@link BalanceOptions}, used when the channel brings no book. */
export class PeakEwmaConfig implements experimental.TypedLoadBalancingConfig {
  readonly rules: BalanceRules;

  constructor(rules: BalanceRules = resolveBalanceOptions(undefined, PEAK_EWMA)) {
    this.rules = rules;
  }
  static createFromJson(json: unknown): PeakEwmaConfig {
    return new PeakEwmaConfig(resolveBalanceOptions(json, PEAK_EWMA));
  }
  getLoadBalancerName(): string {
    return PEAK_EWMA;
  }
  toJsonObject(): object {
    return { [PEAK_EWMA]: this.rules };
  }
}

/** One instance per channel, made by grpc-js; a channel that was idle gets a new one. */
export class PeakEwmaBalancer implements experimental.LoadBalancer, Connections {
  readonly #helper: experimental.ChannelControlHelper;
  readonly #clock: Clock = systemClock;
  readonly #leaves = new Map<string, experimental.LeafLoadBalancer>();
  #book: Endpoints | undefined;
  #paused = false;
  #lastError = 'none';
  #wasReady = false;
  /** Running while calls wait for the first endpoint to come back. */
  #grace: CancelTimer | undefined;

  constructor(helper: experimental.ChannelControlHelper) {
    this.#helper = helper;
  }
  updateAddressList(
    endpoints: experimental.StatusOr<experimental.Endpoint[]>,
    config: experimental.TypedLoadBalancingConfig,
    options: ChannelOptions,
    resolutionNote: string,
  ): boolean {
    if (!(config instanceof PeakEwmaConfig)) return false;
    if (!endpoints.ok) {
      // What was resolved before is still the best there is.
      if (this.#leaves.size === 0) this.#fail(new experimental.UnavailablePicker(endpoints.error), endpoints.error.details);
      return true;
    }
    this.#book ??= this.#bookOf(options, config.rules);
    this.#paused = true;
    this.#replaceLeaves(this.#book, endpoints.value, options, resolutionNote);
    this.#paused = false;
    if (this.#leaves.size === 0) this.#lastError = `No addresses resolved. Resolution note: ${resolutionNote}`;
    this.#report();
    return true;
  }
  leafAt(address: string): experimental.LeafLoadBalancer | undefined {
    return this.#leaves.get(address);
  }
  exitIdle(): void {
    for (const leaf of this.#leaves.values()) if (leaf.getConnectivityState() === State.IDLE) leaf.exitIdle();
  }
  resetBackoff(): void {
    // Connections back off by themselves; like round_robin, this policy adds nothing to that.
  }
  destroy(): void {
    this.#paused = true;
    for (const leaf of this.#leaves.values()) leaf.destroy();
    this.#leaves.clear();
    this.#endGrace();
    this.#book?.release(this);
  }
  getTypeName(): string {
    return PEAK_EWMA;
  }

  /** The channel's own book; if it brought none, or one that another channel uses, a private one. */
  #bookOf(options: ChannelOptions, rules: BalanceRules): Endpoints {
    const given: unknown = options[BOOK_OPTION];
    if (isEndpoints(given) && given.claim(this)) return given;
    const own = new Endpoints(rules, this.#clock, systemRandom);
    own.claim(this);
    return own;
  }
  #replaceLeaves(book: Endpoints, endpoints: readonly experimental.Endpoint[], options: ChannelOptions, note: string): void {
    const wanted = new Map(endpoints.map((endpoint) => [addressOf(endpoint), endpoint]));
    book.update(wanted.keys());
    for (const [address, leaf] of this.#leaves) {
      if (wanted.has(address)) continue;
      this.#leaves.delete(address);
      leaf.destroy();
    }
    for (const [address, endpoint] of wanted) {
      if (this.#leaves.has(address)) continue;
      const helper = experimental.createChildChannelControlHelper(this.#helper, {
        updateState: (state, _picker, errorMessage) => this.#leafChanged(address, state, errorMessage),
      });
      const leaf = new experimental.LeafLoadBalancer(endpoint, helper, options, note);
      this.#leaves.set(address, leaf);
      leaf.startConnecting();
    }
  }
  #leafChanged(address: string, state: State, errorMessage: string | null): void {
    if (errorMessage !== null) this.#lastError = errorMessage;
    if (this.#book?.find(address)?.ready === true && state !== State.READY) this.#helper.requestReresolution();
    this.#report();
  }
  /** Publishes readiness and tells the channel the state of the whole: the best one that an endpoint is in. */
  #report(): void {
    const book = this.#book;
    if (this.#paused || book === undefined) return;
    const states = new Set<State>();
    for (const [address, leaf] of this.#leaves) {
      const state = leaf.getConnectivityState();
      states.add(state);
      book.setReady(address, state === State.READY);
    }
    const ready = states.has(State.READY);
    if (ready) this.#endGrace();
    else if (this.#wasReady && book.graceMs > 0) {
      this.#grace = this.#clock.setTimer(() => {
        this.#grace = undefined;
        this.#report();
      }, book.graceMs);
    }
    this.#wasReady = ready;
    if (ready) this.#helper.updateState(State.READY, new BookPicker(book, this, this.#clock), null);
    else if (states.has(State.CONNECTING) || this.#grace !== undefined) this.#queue(State.CONNECTING);
    else if (states.has(State.IDLE) && !states.has(State.TRANSIENT_FAILURE)) this.#queue(State.IDLE);
    else {
      const details = `${PEAK_EWMA}: No connection established. Last error: ${this.#lastError}`;
      this.#fail(new experimental.UnavailablePicker({ details }), details);
    }
    // All connections are kept up, whether there are calls or not.
    this.exitIdle();
  }
  #endGrace(): void {
    this.#grace?.();
    this.#grace = undefined;
  }
  #queue(state: State): void {
    this.#helper.updateState(state, new UnreadyPicker(new experimental.QueuePicker(this)), null);
  }
  #fail(picker: experimental.Picker, errorMessage: string): void {
    this.#helper.updateState(State.TRANSIENT_FAILURE, new UnreadyPicker(picker), errorMessage);
  }
}

/** The key of an endpoint: `host:port`, or all its addresses where one endpoint has several. */
function addressOf(endpoint: experimental.Endpoint): string {
  return endpoint.addresses.map(experimental.subchannelAddressToString).join(',');
}
