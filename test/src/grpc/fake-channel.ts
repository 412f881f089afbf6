/** A channel above an LB policy, and connections that the test moves from state to state. */
import { type CallCredentials, type ChannelOptions, credentials, experimental, connectivityState as State } from '@grpc/grpc-js';

type Listener = experimental.ConnectivityStateListener;

/** A connection that the test moves from state to state. */
export class FakeSubchannel implements experimental.SubchannelInterface {
  readonly address: string;
  readonly options: ChannelOptions;
  state: State = State.IDLE;
  refs = 0;
  asked = 0;
  readonly #where: experimental.SubchannelAddress;
  readonly #listeners = new Set<Listener>();

  constructor(address: string, options: ChannelOptions, where: experimental.SubchannelAddress) {
    this.address = address;
    this.options = options;
    this.#where = where;
  }
  /** What grpc-js does when it connects: reads the address. */
  connect(): AbortSignal {
    this.move(State.CONNECTING);
    const { signal } = { ...this.#where } as { signal?: AbortSignal };
    if (signal === undefined) throw new Error('no signal in the address');
    signal.addEventListener('abort', () => this.move(State.TRANSIENT_FAILURE, 'aborted'));
    return signal;
  }
  move(state: State, errorMessage?: string): void {
    const previous = this.state;
    this.state = state;
    for (const listener of [...this.#listeners]) listener(this, previous, state, -1, errorMessage);
  }
  getConnectivityState(): State {
    return this.state;
  }
  addConnectivityStateListener(listener: Listener): void {
    this.#listeners.add(listener);
  }
  removeConnectivityStateListener(listener: Listener): void {
    this.#listeners.delete(listener);
  }
  startConnecting(): void {
    this.asked++;
  }
  getAddress(): string {
    return this.address;
  }
  ref(): void {
    this.refs++;
  }
  unref(): void {
    this.refs--;
  }
  getChannelzRef(): ReturnType<experimental.SubchannelInterface['getChannelzRef']> {
    return JSON.parse('{"kind":"subchannel","id":1,"name":"fake"}');
  }
  isHealthy(): boolean {
    return true;
  }
  realSubchannelEquals(other: experimental.SubchannelInterface): boolean {
    return other === this;
  }
  getCallCredentials(): CallCredentials {
    return credentials.createEmpty();
  }
  throttleKeepalive(): void {}
  addHealthStateWatcher(): void {}
  removeHealthStateWatcher(): void {}
  addDataWatcher(): void {}
  getRealSubchannel(): never {
    throw new Error('not a real one');
  }
  getChannel(): never {
    throw new Error('not a real one');
  }
}

/** The channel above the policy. */
export class FakeChannel implements experimental.ChannelControlHelper {
  readonly subchannels: FakeSubchannel[] = [];
  readonly states: State[] = [];
  error: string | null = null;
  picker: experimental.Picker | undefined;
  resolutions = 0;

  createSubchannel(address: experimental.SubchannelAddress, options: ChannelOptions): FakeSubchannel {
    const made = new FakeSubchannel(experimental.subchannelAddressToString(address), options, address);
    this.subchannels.push(made);
    return made;
  }
  updateState(state: State, picker: experimental.Picker, error: string | null): void {
    this.states.push(state);
    this.picker = picker;
    this.error = error;
  }
  requestReresolution(): void {
    this.resolutions++;
  }
  addChannelzChild(): void {}
  removeChannelzChild(): void {}
  /** The newest connection to an address. */
  at(address: string): FakeSubchannel {
    const found = this.subchannels.findLast((subchannel) => subchannel.address === address);
    if (found === undefined) throw new Error(`no subchannel ${address}`);
    return found;
  }
  get state(): State | undefined {
    return this.states.at(-1);
  }
}
