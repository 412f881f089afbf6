/**
 * End of the turn, and no gate: what is made in one turn of the event loop travels together, and nothing else waits.
 * As ioredis, tRPC and viem do.
 *
 * @packageDocumentation
 */
import type { FlushPolicy } from './flush-policy.ts';

export class TickPolicy implements FlushPolicy {
  readonly limit: number = Number.POSITIVE_INFINITY;

  waitUntil(): number {
    return 0;
  }
}
