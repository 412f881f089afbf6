/**
 * Which metadata a front node hands on: all that is the caller's or the handler's, nothing that belongs to one hop.
 *
 * @packageDocumentation
 */
import type { Metadata } from '@grpc/grpc-js';

/** HTTP's own, and what grpc-js writes anew on every hop. `authorization` and `cookie` are the caller's: the nodes check them too. */
const HOP: ReadonlySet<string> = new Set([
  'accept-encoding',
  'connection',
  'content-length',
  'content-type',
  'date',
  'host',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'user-agent',
]);
/** gRPC's own that speak of the call and not of a hop. Attempts are counted anew: here another client begins (case Q15). */
const END_TO_END: ReadonlySet<string> = new Set(['grpc-trace-bin', 'grpc-tags-bin', 'grpc-status-details-bin', 'grpc-retry-pushback-ms']);

/**
 * A copy without what belongs to one hop. Marks of inmesh are none but for the neighbours that exchange them: what a node says of
 * batches, of a drain, of a call that it never ran, is not true of the front node.
 */
export function endToEnd(metadata: Metadata): Metadata {
  const kept = metadata.clone();
  for (const key of Object.keys(metadata.getMap())) if (isHop(key)) kept.remove(key);
  return kept;
}

/** True when there is nothing in it. */
export function isEmpty(metadata: Metadata): boolean {
  for (const _key in metadata.getMap()) return false;
  return true;
}

function isHop(key: string): boolean {
  if (key.startsWith('grpc-')) return !END_TO_END.has(key);
  return key.startsWith('inmesh-') || key.startsWith(':') || HOP.has(key);
}
