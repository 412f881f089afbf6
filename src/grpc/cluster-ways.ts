/**
 * The ways of one client to the clusters of a policy: a channel for each, made when it is first used, with the client's credentials
 * and options unless the cluster has its own.
 *
 * Behind interceptors a call is made by grpc-js on the client's channel. So there the channel itself turns a call to another one,
 * once all interceptors have seen it; whereto stands in the attempt's context, which reaches the channel with the metadata.
 *
 * @packageDocumentation
 */
import {
  type CallCredentials,
  type ChannelCredentials,
  type ChannelInterface,
  type ClientOptions,
  connectivityState,
  type Metadata,
} from '@grpc/grpc-js';
import type { AuthContext, CallListener, ClusterDoor, Door, MessageContext } from './client-call.ts';
import { attemptOf } from './lb-policy.ts';

/** A cluster, as policy and `createMesh` describe it. */
export interface ClusterTarget {
  readonly target: string;
  /** Default: the client's. */
  readonly credentials?: ChannelCredentials;
  /** Over the client's. */
  readonly options?: ClientOptions;
}

/** A channel and its door. */
export interface MadeWay {
  readonly channel: ChannelInterface;
  readonly door: ClusterDoor;
}

/** Makes a channel to a target, and sees to its end with the mesh. */
export type MakeWay = (target: string, credentials: ChannelCredentials, options: ClientOptions) => MadeWay;

/** The ways of one client. */
export interface Ways {
  readonly way: NonNullable<Door['way']>;
  /** Closes those to other clusters than these. */
  readonly retain: (clusters: ReadonlySet<ClusterTarget>) => void;
  readonly close: () => void;
}

/** @param make - Makes a channel of the same kind as the client's own. */
export function waysOf(
  make: MakeWay,
  {
    credentials,
    options,
    kind,
  }: { readonly credentials: ChannelCredentials; readonly options: ClientOptions; readonly kind: Door['kind'] },
): Ways {
  const made = new Map<ClusterTarget, MadeWay>();
  const way = (cluster: ClusterTarget): ClusterDoor => {
    const known = made.get(cluster);
    if (known !== undefined) return known.door;
    const { channel, door } = make(cluster.target, cluster.credentials ?? credentials, { ...options, ...cluster.options });
    const own = { ...door, way, ...(kind === 'interceptors' ? { redirect: channel } : {}) };
    made.set(cluster, { channel, door: own });
    return own;
  };
  const retain = (clusters: ReadonlySet<ClusterTarget>): void => {
    for (const [cluster, { channel }] of made) {
      if (clusters.has(cluster)) continue;
      channel.close();
      made.delete(cluster);
    }
  };
  const close = (): void => {
    for (const { channel } of made.values()) channel.close();
    made.clear();
  };
  return { way, retain, close };
}

/** Lets calls on `channel` go elsewhere: its `createCall` is shadowed on the instance. */
export function redirectable(channel: ChannelInterface): void {
  const create = channel.createCall.bind(channel);
  channel.createCall = (...call) =>
    // A closed channel throws here, and not first when the call starts.
    channel.getConnectivityState(false) === connectivityState.SHUTDOWN ? create(...call) : new TurningCall(create, call);
}

type ChannelCall = ReturnType<ChannelInterface['createCall']>;
type CreateCall = ChannelInterface['createCall'];

/** A call that is made when it starts: only then is known on which channel. */
class TurningCall implements ChannelCall {
  readonly #create: CreateCall;
  readonly #call: Parameters<CreateCall>;
  #credentials: CallCredentials | undefined;
  #made: ChannelCall | undefined;

  constructor(create: CreateCall, call: Parameters<CreateCall>) {
    this.#create = create;
    this.#call = call;
  }
  #lower(elsewhere?: ChannelInterface): ChannelCall {
    if (this.#made !== undefined) return this.#made;
    const made = elsewhere === undefined ? this.#create(...this.#call) : elsewhere.createCall(...this.#call);
    if (this.#credentials !== undefined) made.setCredentials(this.#credentials);
    this.#made = made;
    return made;
  }
  start(metadata: Metadata, listener: CallListener): void {
    this.#lower(attemptOf(metadata)?.redirect).start(metadata, listener);
  }
  setCredentials(credentials: CallCredentials): void {
    this.#credentials = credentials;
    this.#made?.setCredentials(credentials);
  }
  sendMessageWithContext(context: MessageContext, message: Buffer): void {
    this.#lower().sendMessageWithContext(context, message);
  }
  startRead(): void {
    this.#lower().startRead();
  }
  halfClose(): void {
    this.#lower().halfClose();
  }
  cancelWithStatus(code: number, details: string): void {
    this.#lower().cancelWithStatus(code, details);
  }
  getPeer(): string {
    return this.#lower().getPeer();
  }
  getCallNumber(): number {
    return this.#lower().getCallNumber();
  }
  getAuthContext(): AuthContext | null {
    return this.#lower().getAuthContext();
  }
}
