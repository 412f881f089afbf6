/**
 * The duration histograms of the RPC conventions, `rpc.client.call.duration` and `rpc.server.call.duration`, in seconds.
 *
 * Instruments are made at the first use, and again when the application registers another provider: one made before
 * the application's provider would stay without effect for ever.
 *
 * @packageDocumentation
 */
import type { Attributes, Context, Histogram, MeterProvider } from '@opentelemetry/api';
import { type Otel, SCOPE, scopeVersion } from './api.ts';
import { MethodTable } from './method-table.ts';
import { DURATION_BOUNDARIES, ERROR_TYPE, RPC_METHOD, RPC_STATUS, RPC_SYSTEM, statusText } from './names.ts';
import type { ResolvedMetrics } from './options.ts';

/** What tells the client's histogram from the server's. */
export interface DurationKind {
  readonly name: string;
  readonly description: string;
  /** Whether this side counts the code as an error, and so gives it an `error.type`. */
  readonly isError: (code: number) => boolean;
}

/** One of the two histograms. */
export class Durations {
  readonly #otel: Otel;
  readonly #kind: DurationKind;
  readonly #version = scopeVersion();
  #provider: MeterProvider | undefined;
  #histogram: Histogram | undefined;

  constructor(options: ResolvedMetrics, kind: DurationKind) {
    this.#otel = options.otel;
    this.#kind = kind;
  }

  /** True when somebody listens: without a meter provider there is no reason to time a call. */
  get live(): boolean {
    return this.#instrument() !== undefined;
  }

  /** Records one call. `context` carries its span, for exemplars. */
  record(labels: MethodLabels, code: number, durationMs: number, context?: Context): void {
    this.#instrument()?.record(Math.max(0, durationMs) / 1000, labels.of(code), context);
  }

  #instrument(): Histogram | undefined {
    const provider = this.#otel.metrics.getMeterProvider();
    if (provider === this.#provider) return this.#histogram;
    this.#provider = provider;
    const meter = provider.getMeter(SCOPE, this.#version);
    const { name, description } = this.#kind;
    const advice = { explicitBucketBoundaries: [...DURATION_BOUNDARIES] };
    this.#histogram = meter === this.#otel.createNoopMeter() ? undefined : meter.createHistogram(name, { description, unit: 's', advice });
    return this.#histogram;
  }
}

/** The labels of one method at one target, by status code; built once. */
export class MethodLabels {
  readonly #base: Attributes;
  readonly #isError: (code: number) => boolean;
  readonly #byCode = new Map<number, Attributes>();

  constructor(rpcMethod: string, server: Attributes, isError: (code: number) => boolean) {
    this.#base = { [RPC_SYSTEM]: 'grpc', [RPC_METHOD]: rpcMethod, ...server };
    this.#isError = isError;
  }
  of(code: number): Attributes {
    const known = this.#byCode.get(code);
    if (known !== undefined) return known;
    const status = statusText(code);
    const made = { ...this.#base, [RPC_STATUS]: status, ...(this.#isError(code) ? { [ERROR_TYPE]: status } : undefined) };
    // A code outside gRPC's range is the application's invention, of which there may be many.
    if (status !== String(code)) this.#byCode.set(code, made);
    return made;
  }
}

/** The labels of all methods at one target. `server`: `server.address` and `server.port`, empty on a server. */
export function methodLabels(options: ResolvedMetrics, kind: DurationKind, server: Attributes): MethodTable<MethodLabels> {
  return new MethodTable(options.maxMethods, (rpcMethod) => new MethodLabels(rpcMethod, server, kind.isError));
}
