/**
 * Options of tracing and metrics.
 *
 * @packageDocumentation
 */
import { type Clock, systemClock } from '../clock.ts';
import { ConfigError } from '../errors.ts';
import { show } from '../input/show.ts';
import { loadOtel, type Otel } from './api.ts';
import { type BaggageCounts, noBaggageCounts } from './baggage.ts';

/** When attempts get spans of their own. */
export type AttemptSpans = 'auto' | 'always' | 'off';

/** Whose names spans and metrics have: OpenTelemetry's RPC conventions, gRPC's own, or the former with all that the latter add. */
export type TelemetryNames = 'semconv' | 'grpc' | 'both';

/** What both sides of observation take. */
export interface ObserveOptions {
  /** The OpenTelemetry API to use. @defaultValue the installed `@opentelemetry/api`; nothing is observed without it */
  readonly otel?: Otel | undefined;
  /** @defaultValue the real clock */
  readonly clock?: Clock | undefined;
  /** Whose names spans and metrics have. @defaultValue 'semconv' */
  readonly names?: TelemetryNames | undefined;
}

/** Options of tracing. */
export interface TracingOptions extends ObserveOptions {
  /**
   * `auto`: from a call's second attempt on, the first one's span then being back-dated; `always`: for every attempt (gRFC
   * A72); `off`: never.
   * @defaultValue 'auto'; 'always' where `names` is not 'semconv'
   */
  readonly attemptSpans?: AttemptSpans | undefined;
  /** Request metadata that spans may show, as `rpc.request.metadata.<key>`. Binary keys are refused. @defaultValue none */
  readonly requestMetadata?: readonly string[] | undefined;
  /** Response metadata that spans may show, as `rpc.response.metadata.<key>`. Binary keys are refused. @defaultValue none */
  readonly responseMetadata?: readonly string[] | undefined;
  /**
   * Hand trace context on as `grpc-trace-bin` (OpenCensus' binary form) besides what the registered propagator writes, and take
   * it from calls that bring no other. @defaultValue false
   */
  readonly grpcTraceBin?: boolean | undefined;
  /** Counts members of baggage that were dropped. @internal */
  readonly baggage?: BaggageCounts | undefined;
}

/** Options of metrics. */
export interface MetricsOptions extends ObserveOptions {
  /** Methods told apart, over all targets; later ones are `_OTHER`. Integer >= 1. @defaultValue 1000 */
  readonly maxMethods?: number | undefined;
  /** Record the retries of each call, by gRPC's names (gRFC A96), whatever `names` says. @defaultValue false */
  readonly retryMetrics?: boolean | undefined;
  /**
   * Whether somebody has registered `/pkg.Service/Method`, besides the client's own definition of it. gRPC's metrics call the others
   * `other`. @defaultValue nobody has
   */
  readonly knows?: ((path: string) => boolean) | undefined;
}

/** Tracing options with nothing left open. */
export interface ResolvedTracing {
  readonly otel: Otel;
  readonly clock: Clock;
  readonly names: TelemetryNames;
  /** Also the attributes of the conventions before they were stable (`OTEL_SEMCONV_STABILITY_OPT_IN=rpc/dup`). */
  readonly oldNames: boolean;
  readonly attemptSpans: AttemptSpans;
  readonly requestMetadata: readonly string[];
  readonly responseMetadata: readonly string[];
  readonly grpcTraceBin: boolean;
  readonly baggage: BaggageCounts;
  /** Most links that a span is given (`OTEL_SPAN_LINK_COUNT_LIMIT`). */
  readonly maxLinks: number;
}

/** Metrics options with nothing left open. */
export interface ResolvedMetrics {
  readonly otel: Otel;
  readonly clock: Clock;
  readonly maxMethods: number;
  readonly names: TelemetryNames;
  readonly retryMetrics: boolean;
  readonly knows: (path: string) => boolean;
}

/** Checks and completes the options; undefined when there is no OpenTelemetry API. @throws ConfigError naming the option. */
export function resolveTracing(options: TracingOptions = {}): ResolvedTracing | undefined {
  const names = telemetryNames('tracing.names', options.names);
  const { attemptSpans = names === 'semconv' ? 'auto' : 'always', grpcTraceBin = false } = options;
  if (typeof grpcTraceBin !== 'boolean') throw new ConfigError('tracing.grpcTraceBin', `expected true or false, got ${show(grpcTraceBin)}`);
  if (attemptSpans !== 'auto' && attemptSpans !== 'always' && attemptSpans !== 'off') {
    throw new ConfigError('tracing.attemptSpans', `${JSON.stringify(attemptSpans)} is none of 'auto', 'always', 'off'`);
  }
  const requestMetadata = metadataKeys('tracing.requestMetadata', options.requestMetadata);
  const responseMetadata = metadataKeys('tracing.responseMetadata', options.responseMetadata);
  const otel = options.otel ?? loadOtel();
  if (otel === undefined) return undefined;
  const { clock = systemClock, baggage = noBaggageCounts() } = options;
  const oldNames = names !== 'grpc' && optsIn('rpc/dup');
  return { otel, clock, names, oldNames, attemptSpans, requestMetadata, responseMetadata, grpcTraceBin, baggage, maxLinks: maxLinks() };
}

/** Checks whose names are asked for. @throws ConfigError naming `path`. */
export function telemetryNames(path: string, names: TelemetryNames = 'semconv'): TelemetryNames {
  if (names !== 'semconv' && names !== 'grpc' && names !== 'both') {
    throw new ConfigError(path, `${show(names)} is none of 'semconv', 'grpc', 'both'`);
  }
  return names;
}

/** Whether `OTEL_SEMCONV_STABILITY_OPT_IN`, a list with commas, has this word. */
function optsIn(word: string): boolean {
  return (process.env['OTEL_SEMCONV_STABILITY_OPT_IN'] ?? '').split(',').some((asked) => asked.trim().toLowerCase() === word);
}

/** The SDK's own limit, which it applies to what it is given: links beyond it are not even built. */
function maxLinks(): number {
  const text = process.env['OTEL_SPAN_LINK_COUNT_LIMIT']?.trim() ?? '';
  return /^\d+$/.test(text) ? Number(text) : 128;
}

/** Checks and completes the options; undefined when there is no OpenTelemetry API. @throws ConfigError naming the option. */
export function resolveMetrics(options: MetricsOptions = {}): ResolvedMetrics | undefined {
  const { maxMethods = 1000, retryMetrics = false, knows = () => false, clock = systemClock } = options;
  if (!Number.isInteger(maxMethods) || maxMethods < 1) throw new ConfigError('metrics.maxMethods', `${maxMethods} is not an integer >= 1`);
  if (typeof retryMetrics !== 'boolean') throw new ConfigError('metrics.retryMetrics', `expected true or false, got ${show(retryMetrics)}`);
  const names = telemetryNames('metrics.names', options.names);
  const otel = options.otel ?? loadOtel();
  return otel && { otel, clock, maxMethods, names, retryMetrics, knows };
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
