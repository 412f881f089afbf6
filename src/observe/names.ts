/**
 * Names that telemetry uses: OpenTelemetry's stable RPC conventions (semconv 1.45), copied by value so that no package is
 * needed for eight strings, and our own where there is no convention.
 *
 * @packageDocumentation
 */
import { Code, codeName } from '../call.ts';

export const RPC_SYSTEM = 'rpc.system.name';
export const RPC_METHOD = 'rpc.method';
export const RPC_STATUS = 'rpc.status_code';
export const ERROR_TYPE = 'error.type';
export const SERVER_ADDRESS = 'server.address';
export const SERVER_PORT = 'server.port';
export const PEER_ADDRESS = 'network.peer.address';
export const PEER_PORT = 'network.peer.port';
export const REQUEST_METADATA = 'rpc.request.metadata.';
export const RESPONSE_METADATA = 'rpc.response.metadata.';

/** Of the conventions before they were stable, for `OTEL_SEMCONV_STABILITY_OPT_IN=rpc/dup`. */
export const OLD_SYSTEM = 'rpc.system';
export const OLD_SERVICE = 'rpc.service';
export const OLD_STATUS = 'rpc.grpc.status_code';

/** Attempts of the call before this one (gRFC A72). */
export const PREVIOUS_ATTEMPTS = 'previous-rpc-attempts';
/** Set on attempts that are hedges. */
export const HEDGE = 'inmesh.hedge';
/** Set on attempts that were given up because another one answered. */
export const LOST = 'inmesh.lost';
/** What a call waited for: `bulkhead` or `limit`. */
export const QUEUE = 'inmesh.queue';
/** Who refused a call and why, e.g. `client.bulkhead/queue-full`; the text of the `inmesh-reason` trailer. */
export const REASON = 'inmesh.reason';
export const BATCH_SIZE = 'inmesh.batch.size';
export const BATCH_INDEX = 'inmesh.batch.index';
/** Seconds that a call waited in the client's queue before its batch went. */
export const BATCH_WAIT = 'inmesh.batch.wait';
/** Why a batch went out: a `FlushReason`. */
export const BATCH_FLUSH_REASON = 'inmesh.batch.flush_reason';
/** What took a call along: `envelope`, `tunnel`; `none` for one that left the queue alone. */
export const BATCH_CARRIER = 'inmesh.batch.carrier';
/** Why a call that may be coalesced went alone: a key of `mesh.stats().coalesce.plain`. */
export const BATCH_BYPASS_REASON = 'inmesh.batch.bypass_reason';

export const CLIENT_DURATION = 'rpc.client.call.duration';
export const SERVER_DURATION = 'rpc.server.call.duration';
/** Boundaries in seconds that the conventions advise. */
export const DURATION_BOUNDARIES: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

export const CLIENT_BATCH_SIZE = 'inmesh.client.batch.size';
export const CLIENT_BATCH_QUEUE = 'inmesh.client.batch.queue.duration';
export const CLIENT_BATCH_CARRIER = 'inmesh.client.batch.carrier.duration';
export const CLIENT_BATCH_BYPASSED = 'inmesh.client.batch.bypassed';
export const CLIENT_BATCH_LATE = 'inmesh.client.batch.late';
export const CLIENT_BATCH_AMBIGUOUS = 'inmesh.client.batch.ambiguous';
export const CLIENT_BATCH_TURNED_AWAY = 'inmesh.client.batch.turned_away';
export const CLIENT_BATCH_DENIED = 'inmesh.client.batch.denied';
export const CLIENT_BATCH_PARTITIONS = 'inmesh.client.batch.partitions';
export const CLIENT_BATCH_TUNNELS = 'inmesh.client.batch.tunnels';
export const SERVER_BATCH_SIZE = 'inmesh.server.batch.size';
export const SERVER_BATCH_ITEM = 'inmesh.server.batch.item.duration';
export const SERVER_BATCH_TUNNELS = 'inmesh.server.batch.tunnels';
/** Boundaries of batch sizes. */
export const SIZE_BOUNDARIES: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
/** Boundaries in seconds of what may take less than a millisecond. */
export const STAGE_BOUNDARIES: readonly number[] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, ...DURATION_BOUNDARIES];

/** Methods beyond the cap share this name. */
export const OTHER = '_OTHER';

/** `SpanKind` and `SpanStatusCode` of the API, by value: the API may be missing. */
export const KIND_INTERNAL = 0;
export const KIND_SERVER = 1;
export const KIND_CLIENT = 2;
export const STATUS_OK = 1;
export const STATUS_ERROR = 2;
/** The trace id of a span that belongs to no trace, as those of the API without an SDK. */
export const NO_TRACE = '00000000000000000000000000000000';

/** `/pkg.Service/Method` as the conventions write it: `pkg.Service/Method`. */
export function rpcMethod(path: string): string {
  return path.startsWith('/') ? path.slice(1) : path;
}

/** Text of a status code: `UNAVAILABLE`; a number outside the gRPC range as itself. */
export function statusText(code: number): string {
  return codeName(code);
}

/** For a client whatever is not OK is an error. */
export function isClientError(code: number): boolean {
  return code !== Code.OK;
}

/** For a server only what is its own fault is an error: a client's mistake or cancellation is not. */
export function isServerError(code: number): boolean {
  switch (code) {
    case Code.UNKNOWN:
    case Code.DEADLINE_EXCEEDED:
    case Code.UNIMPLEMENTED:
    case Code.INTERNAL:
    case Code.UNAVAILABLE:
    case Code.DATA_LOSS:
      return true;
    default:
      return false;
  }
}
