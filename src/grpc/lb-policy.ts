/**
 * The LB policy `inmesh_peak_ewma` for grpc-js: it connects to every address, publishes them in an endpoint book and lets the
 * book choose.
 *
 * States and errors are those of grpc-js's `round_robin`. Unlike it, connections and statistics outlive a name resolution that
 * brings the same addresses again; names are resolved again and again while there are calls; and connections are watched, those
 * that are made and those that have fallen silent (`src/endpoints`).
 *
 * @packageDocumentation
 */
import { type ChannelOptions, experimental, connectivityState as State } from '@grpc/grpc-js';
import type { ConnectionState } from '../balance/book.ts';
import { Endpoints, isEndpoints } from '../balance/endpoints.ts';
import { type BalanceOptions, type BalanceRules, resolveBalanceOptions } from '../balance/options.ts';
import { type CancelTimer, type Clock, systemClock } from '../clock.ts';
import { AddressHold } from '../endpoints/address-hold.ts';
import type { EndpointRules } from '../endpoints/options.ts';
import { Refresh } from '../endpoints/refresh.ts';
import { Rounds } from '../endpoints/rounds.ts';
import { systemRandom } from '../random.ts';
import type { Connection } from './lb-connection.ts';
import { BookPicker, type Connections, UnreadyPicker } from './lb-picker.ts';
import { settingsOf } from './lb-settings.ts';
import { Slot } from './lb-slot.ts';

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

const NAMES = {
  [State.IDLE]: 'connecting', // it is opened again at once
  [State.CONNECTING]: 'connecting',
  [State.READY]: 'ready',
  [State.TRANSIENT_FAILURE]: 'failing',
  [State.SHUTDOWN]: 'failing',
} as const satisfies Record<State, ConnectionState>;

/** Connections tried beside silent ones at a time, over all endpoints. */
const MAX_TRIES = 8;

/** One instance per channel, made by grpc-js; a channel that was idle gets a new one. */
export class PeakEwmaBalancer implements experimental.LoadBalancer, Connections {
  readonly #helper: experimental.ChannelControlHelper;
  readonly #slots = new Map<string, Slot>();
  #running: Running | undefined;
  #paused = false;
  #lastError = 'none';
  #wasReady = false;
  /** Running while calls wait for the first endpoint to come back. */
  #grace: CancelTimer | undefined;
  /** Running while connections are held for addresses that have gone. */
  #holding: CancelTimer | undefined;
  /** The addresses in the book. */
  #members: readonly string[] = [];

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
      this.#running?.refresh.answered(this.#running.clock.nowMs(), false);
      // What was resolved before is still the best there is.
      if (this.#slots.size === 0) this.#fail(new experimental.UnavailablePicker(endpoints.error), endpoints.error.details);
      return true;
    }
    this.#running ??= this.#begin(options, config.rules);
    const { refresh, hold, clock } = this.#running;
    const nowMs = clock.nowMs();
    refresh.answered(nowMs, true);
    const wanted = new Map(endpoints.value.map((endpoint) => [addressOf(endpoint), endpoint]));
    if (!hold.update(wanted.keys(), nowMs, (address) => this.#slots.get(address)?.state === State.READY)) return false;
    this.#paused = true;
    this.#openSlots(this.#running, wanted, options, resolutionNote);
    this.#paused = false;
    if (this.#slots.size === 0) this.#lastError = `No addresses resolved. Resolution note: ${resolutionNote}`;
    this.#report();
    this.#letGo();
    return true;
  }
  leafAt(address: string): Connection | undefined {
    return this.#slots.get(address)?.connection;
  }
  exitIdle(): void {
    for (const address of this.#running?.hold.listed ?? []) this.#slots.get(address)?.exitIdle();
  }
  resetBackoff(): void {
    // Connections back off by themselves; like round_robin, this policy adds nothing to that.
  }
  destroy(): void {
    this.#paused = true;
    this.#running?.rounds.stop();
    for (const slot of this.#slots.values()) slot.destroy();
    this.#slots.clear();
    this.#endGrace();
    this.#holding?.();
    this.#running?.book.release(this);
  }
  getTypeName(): string {
    return PEAK_EWMA;
  }

  #begin(options: ChannelOptions, balance: BalanceRules): Running {
    const { rules, clock, random } = settingsOf(options);
    const rounds = new Rounds({ busy: () => this.#busy(), round: (nowMs, late) => this.#round(nowMs, late) }, clock);
    const refresh = new Refresh(rules.refreshMs, random);
    return { rules, clock, rounds, refresh, hold: new AddressHold(rules.holdMs), book: this.#bookOf(options, balance, clock) };
  }
  /** The channel's own book; if it brought none, or one that another channel uses, a private one. */
  #bookOf(options: ChannelOptions, rules: BalanceRules, clock: Clock): Endpoints {
    const given: unknown = options[BOOK_OPTION];
    if (isEndpoints(given) && given.claim(this)) return given;
    const own = new Endpoints(rules, clock, systemRandom);
    own.claim(this);
    return own;
  }
  #openSlots(
    { clock, rules, rounds, book }: Running,
    wanted: ReadonlyMap<string, experimental.Endpoint>,
    options: ChannelOptions,
    note: string,
  ): void {
    for (const [address, endpoint] of wanted) {
      if (this.#slots.has(address)) continue;
      const slot = new Slot(address, endpoint, {
        ...{ helper: this.#helper, options, note, clock, counts: book.counts, connectTimeoutMs: rules.connectTimeoutMs },
        picked: () => rounds.used(),
        changed: (changed, state, error) => this.#slotChanged(changed, state, error),
        rebuilt: (rebuilt) => this.#rebuilt(rebuilt),
        mayTry: () => [...this.#slots.values()].filter(({ trying }) => trying).length < MAX_TRIES,
      });
      this.#slots.set(address, slot);
      slot.start();
    }
  }
  #slotChanged({ address }: Slot, state: State, error: string | null): void {
    const running = this.#running;
    if (running === undefined || !this.#slots.has(address)) return;
    if (error !== null) this.#lastError = error;
    if (running.book.find(address)?.ready === true && state !== State.READY) this.#helper.requestReresolution();
    if (state !== State.READY) running.hold.drop(address);
    this.#report();
    this.#letGo();
  }
  /** What was opened on the old connection (tunnels) is to move. A host that is not there any more may have another address. */
  #rebuilt({ address }: Slot): void {
    const endpoint = this.#running?.book.find(address);
    if (endpoint !== undefined) endpoint.rebuilds++;
    this.#running?.book.setReady(address, false);
    this.#helper.requestReresolution();
  }
  #busy(): boolean {
    for (const { connection } of this.#slots.values()) if (connection.inFlight > 0) return true;
    return false;
  }
  #round(nowMs: number, late: boolean): void {
    const running = this.#running;
    if (running === undefined) return;
    if (running.refresh.due(nowMs)) this.#helper.requestReresolution();
    // What came in while this process was held up has not been read yet.
    if (late || !running.rules.rebuild) return;
    for (const [address, slot] of this.#slots) {
      const endpoint = running.book.find(address);
      if (endpoint === undefined) continue;
      const ejected = endpoint.health.ejectedFor === 'silence';
      slot.check({ silentMs: endpoint.silentForMs(nowMs), latencyMs: endpoint.latencyMs(nowMs), ejected }, endpoint.answeredAtMs, nowMs);
    }
  }
  /** Closes what is neither listed nor held. */
  #letGo(): void {
    const running = this.#running;
    if (running === undefined) return;
    const { hold, clock } = running;
    this.#holding?.();
    this.#holding = undefined;
    // While nothing that is listed can be used, what is held can.
    if (hold.holding && this.#anyReady(hold.listed)) {
      const nextMs = hold.expire(clock.nowMs());
      if (nextMs !== undefined) this.#holding = clock.setTimer(() => this.#letGo(), nextMs);
    }
    const kept = new Set([...hold.listed, ...hold.held]);
    for (const [address, slot] of this.#slots) {
      if (kept.has(address)) continue;
      this.#slots.delete(address);
      slot.destroy();
    }
  }
  #anyReady(addresses: Iterable<string>): boolean {
    for (const address of addresses) if (this.#slots.get(address)?.state === State.READY) return true;
    return false;
  }
  /** Publishes addresses and readiness and tells the channel the state of the whole: the best one that an endpoint is in. */
  #report(): void {
    const running = this.#running;
    if (this.#paused || running === undefined) return;
    const { book, hold, clock } = running;
    const members = this.#anyReady(hold.listed) ? [...hold.listed] : [...hold.listed, ...hold.held];
    if (members.join() !== this.#members.join()) book.update(members);
    this.#members = members;
    const states = new Set<State>();
    for (const address of members) {
      const state = this.#slots.get(address)?.state ?? State.IDLE;
      states.add(state);
      book.setReady(address, state === State.READY);
      const endpoint = book.find(address);
      if (endpoint !== undefined) endpoint.state = NAMES[state];
    }
    const ready = states.has(State.READY);
    if (ready) this.#endGrace();
    else if (this.#wasReady && book.graceMs > 0) {
      this.#grace = clock.setTimer(() => {
        this.#grace = undefined;
        this.#report();
      }, book.graceMs);
    }
    this.#wasReady = ready;
    if (ready) this.#helper.updateState(State.READY, new BookPicker(book, this, clock), null);
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

/** What a policy has from its first addresses on. */
interface Running {
  readonly rules: EndpointRules;
  readonly clock: Clock;
  readonly book: Endpoints;
  readonly hold: AddressHold;
  readonly refresh: Refresh;
  readonly rounds: Rounds;
}

/** The key of an endpoint: `host:port`, or all its addresses where one endpoint has several. */
function addressOf(endpoint: experimental.Endpoint): string {
  return endpoint.addresses.map(experimental.subchannelAddressToString).join(',');
}
