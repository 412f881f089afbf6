/**
 * What `inmesh.v1.MethodPolicy` looks like as an option of a .proto file.
 *
 * Generated from protos/inmesh/v1/policy.proto by scripts/gen-options.ts. Do not edit: run `npm run gen`.
 *
 * @packageDocumentation
 */

/** A field: its number on the wire, its names in a .proto file and in the document, and what it holds. */
export interface FieldShape {
  readonly number: number;
  readonly name: string;
  readonly key: string;
  /** `bool`, `double`, `uint32`, `string`, `duration`, or the name of a message or an enum. */
  readonly type: string;
  readonly many?: 'list' | 'map';
}

/** A value of an enum, and its word in the document. */
export interface WordShape {
  readonly number: number;
  readonly name: string;
  readonly word: string;
}

/** By name of the message. */
export const MESSAGE_SHAPES: Readonly<Record<string, readonly FieldShape[]>> = {
  MethodPolicy: [
    { number: 1, name: 'timeout', key: 'timeout', type: 'duration' },
    { number: 2, name: 'idempotent', key: 'idempotent', type: 'bool' },
    { number: 3, name: 'retry_policy', key: 'retryPolicy', type: 'RetryPolicy' },
    { number: 4, name: 'bulkhead', key: 'bulkhead', type: 'Bulkhead' },
    { number: 5, name: 'coalesce', key: 'coalesce', type: 'CoalesceMode' },
    { number: 6, name: 'batch', key: 'batch', type: 'BatchRule' },
    { number: 7, name: 'hedging_policy', key: 'hedgingPolicy', type: 'HedgingPolicy' },
    { number: 8, name: 'breaker', key: 'breaker', type: 'CircuitBreaker' },
    { number: 9, name: 'limit', key: 'limit', type: 'AdaptiveLimit' },
    { number: 10, name: 'cache', key: 'cache', type: 'Cache' },
    { number: 11, name: 'idle_timeout', key: 'idleTimeout', type: 'duration' },
    { number: 13, name: 'fallback', key: 'fallback', type: 'Fallback' },
  ],
  RetryPolicy: [
    { number: 1, name: 'max_attempts', key: 'maxAttempts', type: 'uint32' },
    { number: 2, name: 'initial_backoff', key: 'initialBackoff', type: 'duration' },
    { number: 3, name: 'max_backoff', key: 'maxBackoff', type: 'duration' },
    { number: 4, name: 'backoff_multiplier', key: 'backoffMultiplier', type: 'double' },
    { number: 5, name: 'retryable_status_codes', key: 'retryableStatusCodes', type: 'string', many: 'list' },
    { number: 6, name: 'per_try_timeout', key: 'perTryTimeout', type: 'duration' },
    { number: 8, name: 'chain_stop', key: 'chainStop', type: 'bool' },
  ],
  Bulkhead: [
    { number: 1, name: 'slots', key: 'slots', type: 'uint32' },
    { number: 2, name: 'queue', key: 'queue', type: 'uint32' },
    { number: 3, name: 'queue_timeout', key: 'queueTimeout', type: 'duration' },
    { number: 4, name: 'partitions', key: 'partitions', type: 'double', many: 'map' },
    { number: 5, name: 'by', key: 'by', type: 'PartitionBy' },
  ],
  BatchRule: [
    { number: 1, name: 'via', key: 'via', type: 'string' },
    { number: 2, name: 'lift', key: 'lift', type: 'KeyLift' },
    { number: 3, name: 'wrap', key: 'wrap', type: 'string' },
    { number: 4, name: 'group_by', key: 'groupBy', type: 'string', many: 'list' },
    { number: 5, name: 'result', key: 'result', type: 'ResultMap' },
    { number: 6, name: 'on_batch_error', key: 'onBatchError', type: 'OnBatchError' },
    { number: 7, name: 'max_items', key: 'maxItems', type: 'uint32' },
  ],
  KeyLift: [
    { number: 1, name: 'from', key: 'from', type: 'string' },
    { number: 2, name: 'to', key: 'to', type: 'string' },
  ],
  ResultMap: [
    { number: 1, name: 'items', key: 'items', type: 'string' },
    { number: 2, name: 'match', key: 'match', type: 'Match' },
    { number: 3, name: 'key', key: 'key', type: 'string' },
    { number: 4, name: 'set', key: 'set', type: 'string' },
    { number: 5, name: 'status', key: 'status', type: 'string' },
    { number: 6, name: 'failed', key: 'failed', type: 'string' },
    { number: 7, name: 'missing', key: 'missing', type: 'Missing' },
    { number: 8, name: 'value', key: 'value', type: 'string' },
    { number: 9, name: 'index', key: 'index', type: 'string' },
    { number: 10, name: 'stream', key: 'stream', type: 'bool' },
  ],
  HedgingPolicy: [
    { number: 1, name: 'max_attempts', key: 'maxAttempts', type: 'uint32' },
    { number: 2, name: 'hedging_delay', key: 'hedgingDelay', type: 'duration' },
    { number: 3, name: 'percentile', key: 'percentile', type: 'double' },
    { number: 4, name: 'non_fatal_status_codes', key: 'nonFatalStatusCodes', type: 'string', many: 'list' },
  ],
  CircuitBreaker: [
    { number: 1, name: 'consecutive_failures', key: 'consecutiveFailures', type: 'uint32' },
    { number: 2, name: 'failure_ratio', key: 'failureRatio', type: 'double' },
    { number: 3, name: 'window', key: 'window', type: 'duration' },
    { number: 4, name: 'minimum_calls', key: 'minimumCalls', type: 'uint32' },
    { number: 5, name: 'open_time', key: 'openTime', type: 'duration' },
    { number: 6, name: 'max_open_time', key: 'maxOpenTime', type: 'duration' },
    { number: 7, name: 'half_open_probes', key: 'halfOpenProbes', type: 'uint32' },
  ],
  AdaptiveLimit: [
    { number: 1, name: 'algorithm', key: 'algorithm', type: 'LimitAlgorithm' },
    { number: 2, name: 'initial', key: 'initial', type: 'uint32' },
    { number: 3, name: 'min', key: 'min', type: 'uint32' },
    { number: 4, name: 'max', key: 'max', type: 'uint32' },
    { number: 5, name: 'queue', key: 'queue', type: 'uint32' },
    { number: 6, name: 'queue_timeout', key: 'queueTimeout', type: 'duration' },
    { number: 7, name: 'partitions', key: 'partitions', type: 'double', many: 'map' },
    { number: 8, name: 'by', key: 'by', type: 'PartitionBy' },
  ],
  Cache: [
    { number: 1, name: 'ttl', key: 'ttl', type: 'duration' },
    { number: 2, name: 'stale_if_error', key: 'staleIfError', type: 'duration' },
    { number: 3, name: 'max_entries', key: 'maxEntries', type: 'uint32' },
    { number: 4, name: 'max_bytes', key: 'maxBytes', type: 'uint32' },
    { number: 5, name: 'single_flight', key: 'singleFlight', type: 'bool' },
    { number: 6, name: 'metadata', key: 'metadata', type: 'string', many: 'list' },
  ],
  Fallback: [
    { number: 1, name: 'on_status', key: 'onStatus', type: 'string', many: 'list' },
    { number: 2, name: 'method', key: 'method', type: 'string' },
    { number: 3, name: 'timeout', key: 'timeout', type: 'duration' },
  ],
};

/** By name of the enum; the unspecified value is no word. */
export const ENUM_WORDS: Readonly<Record<string, readonly WordShape[]>> = {
  CoalesceMode: [
    { number: 1, name: 'COALESCE_MODE_AUTO', word: 'auto' },
    { number: 2, name: 'COALESCE_MODE_NEVER', word: 'never' },
  ],
  PartitionBy: [
    { number: 1, name: 'PARTITION_BY_TENANT', word: 'tenant' },
    { number: 2, name: 'PARTITION_BY_PRIORITY', word: 'priority' },
    { number: 3, name: 'PARTITION_BY_METHOD', word: 'method' },
  ],
  OnBatchError: [
    { number: 1, name: 'ON_BATCH_ERROR_FAIL_ALL', word: 'fail_all' },
    { number: 2, name: 'ON_BATCH_ERROR_RETRY_SINGLES', word: 'retry_singles' },
    { number: 3, name: 'ON_BATCH_ERROR_BISECT', word: 'bisect' },
  ],
  Match: [
    { number: 1, name: 'MATCH_INDEX', word: 'index' },
    { number: 2, name: 'MATCH_KEY', word: 'key' },
    { number: 3, name: 'MATCH_MAP', word: 'map' },
  ],
  Missing: [
    { number: 1, name: 'MISSING_NOT_FOUND', word: 'not_found' },
    { number: 2, name: 'MISSING_DEFAULT_VALUE', word: 'default_value' },
    { number: 3, name: 'MISSING_INTERNAL_ERROR', word: 'internal_error' },
  ],
  LimitAlgorithm: [
    { number: 1, name: 'LIMIT_ALGORITHM_GRADIENT', word: 'gradient' },
    { number: 2, name: 'LIMIT_ALGORITHM_GRADIENT2', word: 'gradient2' },
    { number: 3, name: 'LIMIT_ALGORITHM_VEGAS', word: 'vegas' },
    { number: 4, name: 'LIMIT_ALGORITHM_AIMD', word: 'aimd' },
  ],
};
