/**
 * Bulkhead: so many calls in flight, so many waiting, no more; on the client and on the server, all four method kinds.
 *
 * - Scope: one permit per call (client: above retry, so that attempts of one call share it; server: below the deadline).
 * - Rejects with RESOURCE_EXHAUSTED when the queue is full or the wait too long, DEADLINE_EXCEEDED when the call's own time
 *   ends in the queue. Nothing was sent, no handler ran: a retry elsewhere is safe.
 * - Fair: waiting items of batches and waiting calls take turns, and so do the batches.
 * - Streams hold their permit until their status. State: one bulkhead per method, or one for the server.
 * - Source: cockatiel (slots and queue), Netflix concurrency-limits (gate); cases W1-W3, C1, C5.
 *
 * @packageDocumentation
 */
import type { Bulkhead } from '../src/bulkhead/bulkhead.ts';
import type { Clock } from '../src/clock.ts';
import { BulkheadCall, BulkheadServerCall } from '../src/grpc/bulkhead-call.ts';
import type { ClientInterceptor } from '../src/grpc/client-call.ts';
import type { ServerLayer } from '../src/grpc/server-call.ts';

/** What the bulkhead behaviour is told. */
export interface BulkheadSettings {
  readonly clock: Clock;
  /** The bulkhead of a method; undefined: no limit. */
  readonly bulkheadOf: (method: string) => Bulkhead | undefined;
}

/** The client half. */
export function bulkheadClient({ bulkheadOf, clock }: BulkheadSettings): ClientInterceptor {
  return (info, next) => {
    const bulkhead = bulkheadOf(info.method);
    return bulkhead === undefined ? next(info) : new BulkheadCall(bulkhead, info, next, clock);
  };
}

/** The server half. */
export function bulkheadServer({ bulkheadOf, clock }: BulkheadSettings): ServerLayer {
  return (info, call) => {
    const bulkhead = bulkheadOf(info.method);
    return bulkhead === undefined ? call : new BulkheadServerCall(call, bulkhead, info, clock);
  };
}
