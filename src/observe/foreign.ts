/**
 * Spans of `@opentelemetry/instrumentation-grpc`, of which no second one is opened for the same call.
 *
 * @packageDocumentation
 */
import type { Span } from '@opentelemetry/api';

const FOREIGN_SCOPE = '@opentelemetry/instrumentation-grpc';

/** True for a span of that kind, open or over, made by instrumentation-grpc. The API hides kind and scope; the SDK's spans have them. */
export function isForeign(span: Span, kind: number): boolean {
  if (!('kind' in span) || span.kind !== kind || !('instrumentationScope' in span)) return false;
  const scope = span.instrumentationScope;
  return typeof scope === 'object' && scope !== null && 'name' in scope && scope.name === FOREIGN_SCOPE;
}
