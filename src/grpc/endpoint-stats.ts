/**
 * Endpoints as statistics show them.
 *
 * @packageDocumentation
 */
import type { ConnectionState, EndpointLoad } from '../balance/book.ts';
import type { Clock } from '../clock.ts';

/** One endpoint now. */
export interface EndpointStats {
  readonly address: string;
  readonly ready: boolean;
  /** Whether it can be reached: `connecting` until it is known, `failing` while attempts to connect fail. */
  readonly state: ConnectionState;
  /** How often its connection had fallen silent and was replaced by a new one. */
  readonly rebuilds: number;
  /** Calls and items in flight. */
  readonly inFlight: number;
  /** Peak EWMA of its answers in ms; 0: unknown. */
  readonly latencyMs: number;
  /** Gets no calls but probes, for it failed, fell silent or is an outlier. */
  readonly ejected: boolean;
  /** How often it has been ejected. */
  readonly ejections: number;
  /** Share of dropped calls among the last, 0 to 1. */
  readonly dropShare: number;
  /** Calls and items that it was picked for, since the start. */
  readonly picks: number;
  /** Its share of the picks of its channel in the last ten seconds, 0 to 1. */
  readonly share: number;
  /** Why it is ejected: `failures`, `silence`, `outlier`. */
  readonly ejectedFor?: string;
  /** When it may have calls again, in ms since 1970, as far as is known. */
  readonly ejectedUntilMs?: number;
}

/** The endpoints of one channel, now. */
export function endpointStats(endpoints: readonly EndpointLoad[], clock: Clock): EndpointStats[] {
  const nowMs = clock.nowMs();
  const wallAtZeroMs = clock.wallMs() - nowMs;
  const lately = (endpoint: EndpointLoad): number => endpoint.picksLately?.(nowMs) ?? 0;
  const all = endpoints.reduce((sum, endpoint) => sum + lately(endpoint), 0);
  return endpoints.map((endpoint) => {
    const { address, ready, state, rebuilds, inFlight, ejected, ejections, picks = 0, ejectedFor, ejectedUntilMs } = endpoint;
    return {
      ...{ address, ready, state, rebuilds, inFlight, ejected, ejections, picks },
      latencyMs: endpoint.latencyMs(nowMs),
      dropShare: endpoint.dropShare(nowMs),
      share: all === 0 ? 0 : lately(endpoint) / all,
      ...(ejectedFor === undefined ? {} : { ejectedFor }),
      ...(ejectedUntilMs === undefined ? {} : { ejectedUntilMs: Math.round(wallAtZeroMs + ejectedUntilMs) }),
    };
  });
}
