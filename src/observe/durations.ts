/**
 * The duration histograms of the RPC conventions, `rpc.client.call.duration` and `rpc.server.call.duration`, in seconds, and how much
 * of it calls waited in queues of ours.
 *
 * @packageDocumentation
 */
import type { Attributes, Context, Histogram } from '@opentelemetry/api';
import { A66, A96, GrpcInstruments, type GrpcLabels } from './a66.ts';
import { serverAttributes } from './address.ts';
import type { AttemptTally } from './attempt-tally.ts';
import { histogramOf, Instruments } from './instruments.ts';
import { MethodTable, TargetTable } from './method-table.ts';
import {
  CLIENT_DURATION,
  DURATION_BOUNDARIES,
  ERROR_TYPE,
  isClientError,
  isServerError,
  RPC_METHOD,
  RPC_STATUS,
  RPC_SYSTEM,
  SERVER_DURATION,
  STAGE_BOUNDARIES,
  statusText,
} from './names.ts';
import type { ResolvedMetrics } from './options.ts';
import { observeReadings, type ReadingSource } from './own-gauges.ts';
import { QUEUE_TIME, SIDE } from './own-metrics.ts';
import type { Side } from './views.ts';

/** What tells the client's histogram from the server's. */
export interface DurationKind {
  readonly side: Side;
  readonly name: string;
  readonly description: string;
  /** Whether this side counts the code as an error, and so gives it an `error.type`. */
  readonly isError: (code: number) => boolean;
}

/** Outgoing calls. */
export const CALLED: DurationKind = {
  ...{ side: 'client', name: CLIENT_DURATION, description: 'Duration of outgoing calls' },
  isError: isClientError,
};
/** Incoming calls. */
export const SERVED: DurationKind = {
  ...{ side: 'server', name: SERVER_DURATION, description: 'Duration of incoming calls' },
  isError: isServerError,
};

interface DurationInstruments {
  /** Undefined: only gRPC's names were asked for. */
  readonly duration: Histogram | undefined;
  readonly queue: Histogram;
}

/** The histograms of one side. */
export class Durations {
  readonly #instruments: Instruments<DurationInstruments>;
  readonly #kind: DurationKind;
  /** Undefined: nobody asked for gRPC's names. */
  readonly #calls: GrpcInstruments<'call' | 'served' | 'server'> | undefined;
  readonly #retries: GrpcInstruments<keyof typeof A96> | undefined;

  /** @param source - Numbers to be shown beside them; held weakly. */
  constructor(options: ResolvedMetrics, kind: DurationKind, source?: ReadingSource) {
    const { otel, names, retryMetrics } = options;
    const { side, name, description } = kind;
    this.#kind = kind;
    if (names !== 'semconv') {
      const { call, served, server } = A66;
      this.#calls = new GrpcInstruments(options, side === 'client' ? { call } : { served, server });
    }
    if (retryMetrics && side === 'client') this.#retries = new GrpcInstruments(options, A96);
    this.#instruments = new Instruments(otel, (meter) => {
      if (source !== undefined) observeReadings(meter, source);
      return {
        duration: names === 'grpc' ? undefined : histogramOf(meter, name, 's', DURATION_BOUNDARIES, description),
        queue: histogramOf(meter, QUEUE_TIME.name, QUEUE_TIME.unit, STAGE_BOUNDARIES, QUEUE_TIME.description),
      };
    });
  }

  /** True when somebody listens: without a meter provider there is no reason to time a call. */
  get live(): boolean {
    return this.#instruments.now !== undefined;
  }

  /** Records one call. `heldMs`: how long it waited for limits; `context` carries its span, for exemplars. */
  record(labels: MethodLabels, code: number, durationMs: number, heldMs: number, context?: Context): void {
    const instruments = this.#instruments.now;
    if (instruments === undefined) return;
    instruments.duration?.record(durationMs > 0 ? durationMs / 1000 : 0, labels.of(code), context);
    if (heldMs > 0) instruments.queue.record(heldMs / 1000, labels.queue, context);
  }

  /** Whether calls need the labels of gRPC's names, and counts of their attempts. */
  get wants(): { readonly grpc: boolean; readonly tally: boolean } {
    return { grpc: this.#calls !== undefined || this.#retries !== undefined, tally: this.#retries !== undefined };
  }

  /** A call has come in. */
  began(labels: GrpcLabels): void {
    this.#calls?.record('served', 1, labels.base);
  }

  /** Records one call by gRPC's names. */
  recordGrpc(labels: GrpcLabels, code: number, durationMs: number, tally: AttemptTally | undefined, context?: Context): void {
    this.#calls?.record(this.#kind.side === 'client' ? 'call' : 'server', Math.max(0, durationMs) / 1000, labels.of(code), context);
    if (tally === undefined || this.#retries === undefined) return;
    const { retries, transparent, hedges, delayMs } = tally;
    // A96: what there was none of is not reported.
    if (retries > 0) this.#retries.record('retries', retries, labels.base, context);
    if (transparent > 0) this.#retries.record('transparent', transparent, labels.base, context);
    if (hedges > 0) this.#retries.record('hedges', hedges, labels.base, context);
    if (delayMs > 0) this.#retries.record('delay', delayMs / 1000, labels.base, context);
  }
}

/** The labels of one method at one target, by status code; built once. */
export class MethodLabels {
  /** Of what it waited. */
  readonly queue: Attributes;
  readonly #rpcMethod: string;
  readonly #server: Attributes;
  readonly #isError: (code: number) => boolean;
  readonly #byCode = new Map<number, Attributes>();

  constructor(rpcMethod: string, server: Attributes, { isError, side }: DurationKind) {
    this.queue = { [SIDE]: side, [RPC_METHOD]: rpcMethod };
    this.#rpcMethod = rpcMethod;
    this.#server = server;
    this.#isError = isError;
  }
  of(code: number): Attributes {
    const known = this.#byCode.get(code);
    if (known !== undefined) return known;
    const status = statusText(code);
    // In the order of their names: the SDK sorts them for each recording, which is most of its cost.
    const made = {
      ...(this.#isError(code) ? { [ERROR_TYPE]: status } : undefined),
      [RPC_METHOD]: this.#rpcMethod,
      [RPC_STATUS]: status,
      [RPC_SYSTEM]: 'grpc',
      ...this.#server,
    };
    // A code outside gRPC's range is the application's invention, of which there may be many.
    if (status !== String(code)) this.#byCode.set(code, made);
    return made;
  }
}

/** The labels of all methods that are called, by target. */
export function calledLabels({ maxMethods }: ResolvedMetrics, kind: DurationKind): TargetTable<MethodLabels> {
  return new TargetTable(maxMethods, (target, rpcMethod) => new MethodLabels(rpcMethod, serverAttributes(target), kind));
}

/** The labels of all methods that are served. */
export function servedLabels({ maxMethods }: ResolvedMetrics, kind: DurationKind): MethodTable<MethodLabels> {
  return new MethodTable(maxMethods, (rpcMethod) => new MethodLabels(rpcMethod, {}, kind));
}
