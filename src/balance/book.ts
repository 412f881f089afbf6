/**
 * The endpoints of one channel as the balancer, the coalescer and the statistics see them.
 *
 * The LB policy registered with grpc-js publishes endpoints and readiness here, and asks `pick` for plain calls; carriers
 * ask `pick` directly and are pinned to the answer.
 *
 * @packageDocumentation
 */

/** Whether an endpoint can be reached: `connecting` until it is known, `failing` while attempts to connect fail. */
export type ConnectionState = 'connecting' | 'ready' | 'failing';

/** Load and latency of one endpoint. Load is items in flight, whatever carried them. */
export interface EndpointLoad {
  /** `host:port`, the key everywhere. */
  readonly address: string;
  readonly ready: boolean;
  /** Of its connection. */
  readonly state: ConnectionState;
  /** How often its connection had fallen silent and was replaced by a new one. */
  readonly rebuilds: number;
  /** Items in flight. */
  readonly inFlight: number;
  /** Gets no calls but probes: it failed, fell silent or is an outlier. Not heeded while too many are. */
  readonly ejected: boolean;
  /** How often it has been ejected. */
  readonly ejections: number;
  /** Why it is ejected. */
  readonly ejectedFor?: string | undefined;
  /** When it may have calls again, on the clock, as far as is known. */
  readonly ejectedUntilMs?: number | undefined;
  /** Calls and items that it was picked for, since the start. */
  readonly picks?: number;
  /** The same of the last ten seconds. */
  picksLately?(nowMs: number): number;
  /** Peak EWMA of the round trip, decayed to now, in ms. */
  latencyMs(nowMs: number): number;
  /** Share of dropped calls among the last, faded to now; 0 to 1. */
  dropShare(nowMs: number): number;
  /** How long calls have been waiting there while nothing came back, in ms; 0: something did, or it waits longer than for a call. */
  silentForMs(nowMs: number): number;
  /** Takes back a pick that came to nothing. */
  unreserve(): void;
  /** Counts `items` as in flight from now on. */
  started(items: number, nowMs: number): void;
  /**
   * Takes one item out. `latencyMs` undefined: nothing was learned (ignored outcome, never sent). `busy`: it was dropped by an
   * endpoint that answered that it has too much to do, and is well otherwise. Default false.
   */
  ended(nowMs: number, latencyMs: number | undefined, dropped: boolean, busy?: boolean): void;
}

/** The endpoints of one channel. */
export interface EndpointBook {
  /** Endpoints of the last name resolution, ready or not. */
  readonly endpoints: readonly EndpointLoad[];
  /** True while an LB policy publishes here. Without one nothing can be concluded from what the book does not say. */
  readonly attached: boolean;
  /** Has `fn` called with the address of an endpoint that was ready and is not any more, before it comes back. Gives what ends that. */
  onLost?(fn: (address: string) => void): () => void;
  /** A try there was given up because it took too long: a failure of the endpoint. The end of the try is told apart from it. */
  timedOut?(address: string): void;
  /**
   * Chooses a ready endpoint, avoiding `avoid` while there is another; undefined when none is ready. `items`: how many calls go there
   * together; many at once are no probe while single calls may come. Default 1. `sure`: before anything else happens it is started or taken
   * back, so that nobody need look after it at the end of the turn. Default false.
   */
  pick(avoid?: ReadonlySet<string>, items?: number, sure?: boolean): EndpointLoad | undefined;
}
