/**
 * Options of tracing and metrics.
 *
 * @packageDocumentation
 */
import { type Clock, systemClock } from '../clock.ts';
import { ConfigError } from '../errors.ts';
import { loadOtel, type Otel } from './api.ts';

/** When attempts get spans of their own. */
export type AttemptSpans = 'auto' | 'always' | 'off';

/** What both sides of observation take. */
export interface ObserveOptions {
  /** The OpenTelemetry API to use. @defaultValue the installed `@opentelemetry/api`; nothing is observed without it */
  readonly otel?: Otel | undefined;
  /** @defaultValue the real clock */
  readonly clock?: Clock | undefined;
}

/** Options of tracing. */
export interface TracingOptions extends ObserveOptions {
  /**
   * `auto`: from a call's second attempt on, the first one's span then being back-dated; `always`: for every attempt (gRFC
   * A72); `off`: never.
   * @defaultValue 'auto'
   */
  readonly attemptSpans?: AttemptSpans | undefined;
  /** Request metadata that spans may show, as `rpc.request.metadata.<key>`. Binary keys are refused. @defaultValue none */
  readonly requestMetadata?: readonly string[] | undefined;
  /** Response metadata that spans may show, as `rpc.response.metadata.<key>`. Binary keys are refused. @defaultValue none */
  readonly responseMetadata?: readonly string[] | undefined;
}

/** Options of metrics. */
export interface MetricsOptions extends ObserveOptions {
  /** Methods told apart; later ones are `_OTHER`. Integer >= 1. @defaultValue 10000 */
  readonly maxMethods?: number | undefined;
}

/** Tracing options with nothing left open. */
export interface ResolvedTracing {
  readonly otel: Otel;
  readonly clock: Clock;
  readonly attemptSpans: AttemptSpans;
  readonly requestMetadata: readonly string[];
  readonly responseMetadata: readonly string[];
}

/** Metrics options with nothing left open. */
export interface ResolvedMetrics {
  readonly otel: Otel;
  readonly clock: Clock;
  readonly maxMethods: number;
}

/** Checks and completes the options; undefined when there is no OpenTelemetry API. @throws ConfigError naming the option. */
export function resolveTracing(options: TracingOptions = {}): ResolvedTracing | undefined {
  const { attemptSpans = 'auto' } = options;
  if (attemptSpans !== 'auto' && attemptSpans !== 'always' && attemptSpans !== 'off') {
    throw new ConfigError('tracing.attemptSpans', `${JSON.stringify(attemptSpans)} is none of 'auto', 'always', 'off'`);
  }
  const requestMetadata = metadataKeys('tracing.requestMetadata', options.requestMetadata);
  const responseMetadata = metadataKeys('tracing.responseMetadata', options.responseMetadata);
  const otel = options.otel ?? loadOtel();
  return otel && { otel, clock: options.clock ?? systemClock, attemptSpans, requestMetadata, responseMetadata };
}

/** Checks and completes the options; undefined when there is no OpenTelemetry API. @throws ConfigError naming the option. */
export function resolveMetrics(options: MetricsOptions = {}): ResolvedMetrics | undefined {
  const { maxMethods = 10_000 } = options;
  if (!Number.isInteger(maxMethods) || maxMethods < 1) throw new ConfigError('metrics.maxMethods', `${maxMethods} is not an integer >= 1`);
  const otel = options.otel ?? loadOtel();
  return otel && { otel, clock: options.clock ?? systemClock, maxMethods };
}

function metadataKeys(path: string, keys: readonly string[] = []): readonly string[] {
  return keys.map((key, i) => {
    const lower = key.toLowerCase();
    if (!/^[0-9a-z_.-]+$/.test(lower))
      throw new ConfigError(`${path}[${i}]`, `${JSON.stringify(key)} is not a metadata key ([0-9a-z_.-]+)`);
    if (lower.endsWith('-bin')) throw new ConfigError(`${path}[${i}]`, `${JSON.stringify(key)} is binary; only text can be shown`);
    return lower;
  });
}
