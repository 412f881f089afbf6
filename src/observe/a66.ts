/**
 * gRPC's own metrics: calls and attempts (gRFC A66), retries (A96).
 *
 * Message sizes are those of the messages as bytes, before compression; where messages are objects (a server, a list of
 * interceptors) they are not known, and not reported. A66 wants no fallback to a global meter provider; here it is the rule, as
 * everywhere in Node.
 *
 * @packageDocumentation
 */
import type { Attributes, Context, Counter, Histogram, Meter } from '@opentelemetry/api';
import { histogramOf, Instruments } from './instruments.ts';
import { TargetTable } from './method-table.ts';
import type { MetricSpec } from './metric-spec.ts';
import { statusText } from './names.ts';
import type { ResolvedMetrics } from './options.ts';

export const GRPC_METHOD = 'grpc.method';
export const GRPC_TARGET = 'grpc.target';
export const GRPC_STATUS = 'grpc.status';
/** Methods that nobody has registered. */
export const GRPC_OTHER = 'other';

/** A66's buckets of latencies, in seconds. */
export const GRPC_LATENCY: readonly number[] = [
  ...[0, 0.00001, 0.00005, 0.0001, 0.0003, 0.0006, 0.0008, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008],
  ...[0.01, 0.013, 0.016, 0.02, 0.025, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5],
  ...[0.65, 0.8, 1, 2, 5, 10, 20, 50, 100],
];
/** A66's buckets of sizes, in bytes. */
export const GRPC_SIZE: readonly number[] = [0, ...[10, 11, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32].map((bits) => 2 ** bits)];
/** A96's buckets of retries and hedges, and those of transparent retries. */
const RETRIES = [1, 2, 3, 4, 5];
const TRANSPARENT_RETRIES = [...RETRIES, 10];

const CALL = [GRPC_METHOD, GRPC_TARGET];
const CALL_END = [...CALL, GRPC_STATUS];
const SERVED_END = [GRPC_METHOD, GRPC_STATUS];

function spec(
  name: string,
  unit: string,
  attributes: readonly string[],
  boundaries: readonly number[] | undefined,
  description: string,
): MetricSpec {
  return boundaries === undefined
    ? { name: `grpc.${name}`, type: 'counter', unit, attributes, description }
    : { name: `grpc.${name}`, type: 'histogram', unit, attributes, description, boundaries };
}

/** Short names of {@link A66}. */
type A66Name = 'started' | 'attempt' | 'sent' | 'received' | 'call' | 'served' | 'server';
/** Short names of {@link A96}. */
type A96Name = 'retries' | 'transparent' | 'hedges' | 'delay';

/** Calls and attempts. */
export const A66: Readonly<Record<A66Name, MetricSpec>> = {
  started: spec('client.attempt.started', '{attempt}', CALL, undefined, 'Attempts started'),
  attempt: spec('client.attempt.duration', 's', CALL_END, GRPC_LATENCY, 'Time of an attempt, from its start to its status'),
  sent: spec('client.attempt.sent_total_compressed_message_size', 'By', CALL_END, GRPC_SIZE, 'Bytes of the request messages of an attempt'),
  received: spec(
    'client.attempt.rcvd_total_compressed_message_size',
    'By',
    CALL_END,
    GRPC_SIZE,
    'Bytes of the response messages of an attempt',
  ),
  call: spec('client.call.duration', 's', CALL_END, GRPC_LATENCY, 'Time of a call as the application sees it'),
  served: spec('server.call.started', '{call}', [GRPC_METHOD], undefined, 'Calls that came in'),
  server: spec('server.call.duration', 's', SERVED_END, GRPC_LATENCY, 'Time of a served call'),
};

/** Retries. A call that had none reports none. */
export const A96: Readonly<Record<A96Name, MetricSpec>> = {
  retries: spec('client.call.retries', '{retry}', CALL, RETRIES, 'Retries of a call that had any'),
  transparent: spec(
    'client.call.transparent_retries',
    '{transparent_retry}',
    CALL,
    TRANSPARENT_RETRIES,
    'Times that a call which no server had seen was sent again, if any',
  ),
  hedges: spec('client.call.hedges', '{hedge}', CALL, RETRIES, 'Hedges of a call that had any'),
  delay: spec('client.call.retry_delay', 's', CALL, GRPC_LATENCY, 'Time of a call in which it waited between two attempts, if any'),
};

/** The labels of one method at one target; on a server without one. */
export class GrpcLabels {
  /** Without a status. */
  readonly base: Attributes;
  readonly #byCode = new Map<number, Attributes>();

  constructor(target: string, method: string) {
    this.base = target === '' ? { [GRPC_METHOD]: method } : { [GRPC_METHOD]: method, [GRPC_TARGET]: canonicalTarget(target) };
  }
  of(code: number): Attributes {
    const known = this.#byCode.get(code);
    if (known !== undefined) return known;
    const status = statusText(code);
    const made = { ...this.base, [GRPC_STATUS]: status === String(code) ? 'UNKNOWN' : status };
    if (status !== String(code)) this.#byCode.set(code, made);
    return made;
  }
}

/** The labels of all methods, bounded. `registered`: whether somebody other than the caller knows the method; else it is `other`. */
export class GrpcLabelTable {
  readonly #table: TargetTable<GrpcLabels>;
  constructor({ maxMethods }: ResolvedMetrics) {
    this.#table = new TargetTable(maxMethods, (target, method) => new GrpcLabels(target, method), GRPC_OTHER);
  }
  get(target: string, path: string, registered: boolean): GrpcLabels {
    const methods = this.#table.at(target);
    return registered ? methods.get(path) : methods.rest;
  }
}

/** Instruments that do nothing while nobody listens, nor where they were not asked for. */
export class GrpcInstruments<K extends string> {
  readonly #instruments: Instruments<Partial<Record<K, Counter | Histogram>>>;

  constructor({ otel }: ResolvedMetrics, specs: Partial<Readonly<Record<K, MetricSpec>>>) {
    this.#instruments = new Instruments(otel, (meter) => instrumentsOf(meter, specs));
  }
  /** True when somebody listens. */
  get live(): boolean {
    return this.#instruments.now !== undefined;
  }
  record(name: K, value: number, labels: Attributes, context?: Context): void {
    const instrument = this.#instruments.now?.[name];
    if (instrument === undefined) return;
    if ('add' in instrument) instrument.add(value, labels, context);
    else instrument.record(value, labels, context);
  }
}

function instrumentsOf<K extends string>(
  meter: Meter,
  specs: Partial<Readonly<Record<K, MetricSpec>>>,
): Partial<Record<K, Counter | Histogram>> {
  const made: Partial<Record<K, Counter | Histogram>> = {};
  for (const [key, { name, unit, description, boundaries }] of Object.entries(specs) as [K, MetricSpec][]) {
    made[key] =
      boundaries === undefined ? meter.createCounter(name, { unit, description }) : histogramOf(meter, name, unit, boundaries, description);
  }
  return made;
}

// What grpc-js would read as a scheme; everything else is a name for DNS.
const SCHEME = /^(dns|ipv4|ipv6|unix|unix-abstract|ip|passthrough|xds):/i;

/** A target with its scheme: `cart:50051` and `dns:cart:50051` are `dns:///cart:50051`; others stay as they are. */
export function canonicalTarget(target: string): string {
  const [scheme] = SCHEME.exec(target) ?? [];
  if (scheme === undefined) return `dns:///${target}`;
  const rest = target.slice(scheme.length);
  return scheme.toLowerCase() === 'dns:' && !rest.startsWith('//') ? `dns:///${rest.replace(/^\//, '')}` : target;
}
