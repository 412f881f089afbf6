/**
 * `grpc-trace-bin`: a trace context in OpenCensus' binary form, which gRPC's older tracing writes.
 *
 * Version 0, then fields in any order, each its number and its bytes: 0 the trace id (16), 1 the span id (8), 2 the flags (1).
 * Source: opencensus-specs, encodings/BinaryEncoding.md.
 *
 * @packageDocumentation
 */
/** @ts-ignore: an optional peer, whose types may be absent */
import type { SpanContext } from '@opentelemetry/api';

/** The metadata key. */
export const GRPC_TRACE_BIN = 'grpc-trace-bin';

const VERSION = 0;
const TRACE_ID = 0;
const SPAN_ID = 1;
const FLAGS = 2;
const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;
const LENGTH = 1 + (1 + TRACE_ID_BYTES) + (1 + SPAN_ID_BYTES) + (1 + 1);
/** A longer value is nobody's trace context. */
const MAX_LENGTH = 256;

/** The 29 bytes of a trace context. */
export function encodeTraceBin({ traceId, spanId, traceFlags }: SpanContext): Buffer {
  const bytes = Buffer.alloc(LENGTH);
  bytes.write(traceId, 2, TRACE_ID_BYTES, 'hex');
  bytes[18] = SPAN_ID;
  bytes.write(spanId, 19, SPAN_ID_BYTES, 'hex');
  bytes[27] = FLAGS;
  bytes[28] = traceFlags;
  return bytes;
}

/** The trace context in these bytes; undefined when there is none. Fields that are not known end it: nobody can tell how long they are. */
export function decodeTraceBin(value: unknown): SpanContext | undefined {
  if (!(value instanceof Uint8Array) || value.length > MAX_LENGTH || value[0] !== VERSION) return undefined;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  let traceId = '';
  let spanId = '';
  let traceFlags = 0;
  let at = 1;
  while (at < bytes.length) {
    const field = bytes[at++];
    const length = lengthOf(field);
    if (length === 0) break;
    if (at + length > bytes.length) return undefined;
    if (field === TRACE_ID) traceId = bytes.toString('hex', at, at + length);
    else if (field === SPAN_ID) spanId = bytes.toString('hex', at, at + length);
    else traceFlags = bytes[at] ?? 0;
    at += length;
  }
  // Of the flags only the sampling bit has a meaning.
  return isSet(traceId) && isSet(spanId) ? { traceId, spanId, traceFlags: traceFlags & 1, isRemote: true } : undefined;
}

function lengthOf(field: number | undefined): number {
  if (field === TRACE_ID) return TRACE_ID_BYTES;
  if (field === SPAN_ID) return SPAN_ID_BYTES;
  return field === FLAGS ? 1 : 0;
}

function isSet(id: string): boolean {
  return /[^0]/.test(id);
}
