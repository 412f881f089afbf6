/** A handler in a thread that has OpenTelemetry of its own. */
import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { echoDefinition, type Message } from '../support/loopback.ts';

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
propagation.setGlobalPropagator(new W3CTraceContextPropagator());

export const service = echoDefinition;

/** The span that one started here would have for a parent. */
export async function say(): Promise<Message> {
  await Promise.resolve();
  return { text: JSON.stringify(trace.getSpanContext(context.active())) };
}
