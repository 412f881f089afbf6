/**
 * The endpoints of one channel as the balancer, the coalescer and the statistics see them.
 *
 * The LB policy registered with grpc-js publishes endpoints and readiness here, and asks `pick` for plain calls; carriers
 * ask `pick` directly and are pinned to the answer.
 *
 * @packageDocumentation
 */

/** Load and latency of one endpoint. Load is items in flight, whatever carried them. */
export interface EndpointLoad {
  /** `host:port`, the key everywhere. */
  readonly address: string;
  readonly ready: boolean;
  /** Items in flight. */
  readonly inFlight: number;
  /** Peak EWMA of the round trip, decayed to now, in ms. */
  latencyMs(nowMs: number): number;
  /** Takes back a pick that came to nothing. */
  unreserve(): void;
  /** Counts `items` as in flight from now on. */
  started(items: number, nowMs: number): void;
  /** Takes one item out. `latencyMs` undefined: nothing was learned (ignored outcome, never sent). */
  ended(nowMs: number, latencyMs: number | undefined, dropped: boolean): void;
}

/** The endpoints of one channel. */
export interface EndpointBook {
  /** Endpoints of the last name resolution, ready or not. */
  readonly endpoints: readonly EndpointLoad[];
  /** True while an LB policy publishes here. Without one nothing can be concluded from what the book does not say. */
  readonly attached: boolean;
  /** Has `fn` called with the address of an endpoint that was ready and is not any more, before it comes back. */
  onLost?(fn: (address: string) => void): void;
  /** Chooses a ready endpoint, avoiding `avoid` while there is another; undefined when none is ready. */
  pick(avoid?: ReadonlySet<string>): EndpointLoad | undefined;
}
