/**
 * The span of a wait in a queue of ours: a child of the call's, made when the wait is over, and only where there was one. A span
 * and not an event, for in a trace a wait is a length: who looks for the time that a call took sees where it was.
 *
 * @packageDocumentation
 */
/** @ts-ignore: an optional peer, whose types may be absent */
import type { Context, Tracer } from '@opentelemetry/api';
import { KIND_INTERNAL, QUEUE } from './names.ts';

/** What calls wait for. */
export type QueueName = 'bulkhead' | 'limit';

/** Hears of waits of one call. */
export interface WaitLog {
  /** It has waited since `sinceMs`, on `Clock.nowMs`, and does so no more. */
  waited(queue: QueueName, sinceMs: number): void;
}

/** Records one wait. Times in ms since 1970. */
export function recordWait(tracer: Tracer, parent: Context, queue: QueueName, fromMs: number, toMs: number): void {
  if (toMs <= fromMs) return;
  const options = { kind: KIND_INTERNAL, attributes: { [QUEUE]: queue }, startTime: fromMs };
  tracer.startSpan(`inmesh.queue ${queue}`, options, parent).end(toMs);
}
