/**
 * When calls go through tunnels.
 *
 * @packageDocumentation
 */

/** `under-load`: where there is load. `always`: from the first call on. */
export type TunnelRule = 'never' | 'under-load' | 'always';

/** Unanswered items that a server takes on one tunnel. */
export const TUNNEL_WINDOW = 1024;

/** What a rule comes to. */
export interface TunnelTimes {
  /** So many calls that may share a carrier, within a second, and a tunnel is opened for them. */
  readonly demand: number;
  /** A tunnel without calls for so long is let go, in ms. */
  readonly idleMs: number;
}

/** An idle tunnel keeps its process alive, as any open call does: not for long, unless it was asked for. */
export function tunnelTimes(rule: Exclude<TunnelRule, 'never'>): TunnelTimes {
  return rule === 'always' ? { demand: 1, idleMs: 60_000 } : { demand: 8, idleMs: 2_000 };
}
