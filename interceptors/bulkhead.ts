/**
 * Bulkhead: so many calls in flight, so many waiting, no more; on the client and on the server, all four method kinds.
 *
 * - Scope: one permit per call (client: above retry, so that attempts of one call share it; server: below the deadline).
 * - Rejects with RESOURCE_EXHAUSTED when the queue is full, the wait too long or a more important call takes the place,
 *   DEADLINE_EXCEEDED when the call's own time ends in the queue. Nothing was sent, no handler ran: a retry elsewhere is safe.
 * - Fair: waiting items of batches and waiting calls take turns, and so do the batches; partitions keep their shares.
 * - Streams hold their permit until their status. State: one bulkhead per method, per method and tenant, or one for the server.
 * - Source: cockatiel (slots and queue), Netflix concurrency-limits (gate, partitions); cases W1-W7, C1, C5.
 *
 * @packageDocumentation
 */
import type { Bulkhead } from '../src/bulkhead/bulkhead.ts';
import type { Clock } from '../src/clock.ts';
import { BulkheadCall, BulkheadServerCall } from '../src/grpc/bulkhead-call.ts';
import type { CallInfo, ClientInterceptor } from '../src/grpc/client-call.ts';
import type { ServerInfo, ServerLayer } from '../src/grpc/server-call.ts';

/** What the client half is told. */
export interface BulkheadSettings {
  readonly clock: Clock;
  /** The bulkhead of a call; undefined: no limit. */
  readonly bulkheadOf: (info: CallInfo) => Bulkhead | undefined;
}

/** The client half. */
export function bulkheadClient({ bulkheadOf, clock }: BulkheadSettings): ClientInterceptor {
  return (info, next) => {
    const bulkhead = bulkheadOf(info);
    return bulkhead === undefined ? next(info) : new BulkheadCall(bulkhead, info, next, clock);
  };
}

/** What the server half is told. */
export interface ServerBulkheadSettings {
  readonly clock: Clock;
  /** The bulkhead of a call; undefined: no limit. Asked in the call's own context. */
  readonly bulkheadOf: (info: ServerInfo) => Bulkhead | undefined;
  /** Methods that are not limited get no layer. Default: all may be. */
  readonly limits?: (method: string) => boolean;
}

/** The server half. */
export function bulkheadServer({ bulkheadOf, limits = () => true, clock }: ServerBulkheadSettings): ServerLayer {
  return (info, call) => (limits(info.method) ? new BulkheadServerCall(call, bulkheadOf, info, clock) : call);
}
