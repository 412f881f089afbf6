/**
 * Metrics of coalescing, on both sides: how large batches are and why they went, where the time of a call in a batch goes,
 * and what could not travel. Attributes are methods and reasons, never values of metadata; `rpc.*` durations stay per call.
 *
 * @packageDocumentation
 */
import type { Attributes, Counter, Histogram, Meter } from '@opentelemetry/api';
import { type GaugeSource, histogramOf, Instruments, SharedGauges } from './instruments.ts';
import { MethodTable } from './method-table.ts';
import {
  BATCH_BYPASS_REASON,
  BATCH_CARRIER,
  BATCH_FLUSH_REASON,
  CLIENT_BATCH_AMBIGUOUS,
  CLIENT_BATCH_BYPASSED,
  CLIENT_BATCH_CARRIER,
  CLIENT_BATCH_DENIED,
  CLIENT_BATCH_LATE,
  CLIENT_BATCH_PARTITIONS,
  CLIENT_BATCH_QUEUE,
  CLIENT_BATCH_SIZE,
  CLIENT_BATCH_TUNNELS,
  CLIENT_BATCH_TURNED_AWAY,
  RPC_METHOD,
  SERVER_BATCH_ITEM,
  SERVER_BATCH_SIZE,
  SERVER_BATCH_TUNNELS,
  SIZE_BOUNDARIES,
  STAGE_BOUNDARIES,
} from './names.ts';
import { type MetricsOptions, type ResolvedMetrics, resolveMetrics } from './options.ts';

/** What takes calls along. */
export type BatchForm = 'envelope' | 'tunnel';

/** States of a client. */
export type ClientBatchGauge = 'denied' | 'partitions' | 'tunnels';
/** States of a server. */
export type ServerBatchGauge = 'tunnels';

const CLIENT_GAUGES = new SharedGauges<ClientBatchGauge>({
  denied: { name: CLIENT_BATCH_DENIED, unit: '{endpoint}', description: 'Endpoints spared batches at present, once for each method' },
  partitions: { name: CLIENT_BATCH_PARTITIONS, unit: '{partition}', description: 'Queues of calls that may share a batch' },
  tunnels: { name: CLIENT_BATCH_TUNNELS, unit: '{tunnel}', description: 'Tunnels open' },
});
const SERVER_GAUGES = new SharedGauges<ServerBatchGauge>({
  tunnels: { name: SERVER_BATCH_TUNNELS, unit: '{tunnel}', description: 'Tunnels served at present' },
});

/** Attribute sets by method and up to two more words, each built once. */
class Labels {
  readonly #keys: readonly [string, string];
  readonly #byMethod: MethodTable<Map<string, Attributes>>;
  readonly #mixed: Map<string, Attributes> = new Map();

  constructor(maxMethods: number, first: string, second = '') {
    this.#keys = [first, second];
    this.#byMethod = new MethodTable(maxMethods, (method) => new Map([['', { [RPC_METHOD]: method }]]));
  }
  /** `path` undefined: calls of several methods. */
  of(path: string | undefined, first = '', second = ''): Attributes {
    const known = path === undefined ? this.#mixed : this.#byMethod.get(path);
    const words = `${first} ${second}`;
    let made = known.get(words);
    if (made === undefined) {
      const [one, two] = this.#keys;
      made = { ...known.get(''), ...(first === '' ? {} : { [one]: first }), ...(second === '' ? {} : { [two]: second }) };
      known.set(words, made);
    }
    return made;
  }
}

interface ClientInstruments {
  readonly size: Histogram;
  readonly queue: Histogram;
  readonly carrier: Histogram;
  readonly bypassed: Counter;
  readonly late: Counter;
  readonly ambiguous: Counter;
  readonly turnedAway: Counter;
}

/** The client's. Every method does nothing while nobody listens; where that is asked often, ask {@link live} first. */
export class ClientBatchMetrics {
  readonly #instruments: Instruments<ClientInstruments>;
  readonly #bySize: Labels;
  readonly #byCarrier: Labels;
  readonly #byReason: Labels;

  /** @param states - Shown as gauges; held weakly. */
  constructor({ otel, maxMethods }: ResolvedMetrics, states: GaugeSource<ClientBatchGauge>) {
    this.#bySize = new Labels(maxMethods, BATCH_CARRIER, BATCH_FLUSH_REASON);
    this.#byCarrier = new Labels(maxMethods, BATCH_CARRIER);
    this.#byReason = new Labels(maxMethods, BATCH_BYPASS_REASON);
    this.#instruments = new Instruments(otel, (meter) => {
      CLIENT_GAUGES.add(meter, states);
      return clientInstruments(meter);
    });
  }

  /** True when somebody listens. */
  get live(): boolean {
    return this.#instruments.now !== undefined;
  }
  /** A batch went out. `path`: its method, undefined on a tunnel. */
  sent(path: string | undefined, form: BatchForm, reason: string, size: number): void {
    this.#instruments.now?.size.record(size, this.#bySize.of(path, form, reason));
  }
  /** A call left the queue after so long, in ms. */
  waited(path: string, form: BatchForm | 'none', ms: number): void {
    this.#instruments.now?.queue.record(seconds(ms), this.#byCarrier.of(path, form));
  }
  /** A call was answered so long after its batch went out, in ms. */
  answered(path: string, form: BatchForm, ms: number): void {
    this.#instruments.now?.carrier.record(seconds(ms), this.#byCarrier.of(path, form));
  }
  /** Calls that may be coalesced went alone. */
  bypassed(path: string, reason: string, calls: number): void {
    this.#instruments.now?.bypassed.add(calls, this.#byReason.of(path, reason));
  }
  /** A result came for a call that had ended. `path`: undefined on a tunnel, which no longer knows. */
  late(path: string | undefined, form: BatchForm): void {
    this.#instruments.now?.late.add(1, this.#byCarrier.of(path, form));
  }
  /** A call may have run, and nobody will ever know. */
  ambiguous(path: string, form: BatchForm): void {
    this.#instruments.now?.ambiguous.add(1, this.#byCarrier.of(path, form));
  }
  /** An endpoint turned a batch of this method away. */
  turnedAway(path: string): void {
    this.#instruments.now?.turnedAway.add(1, this.#byCarrier.of(path));
  }
}

function clientInstruments(meter: Meter): ClientInstruments {
  const counter = (name: string, unit: string, description: string): Counter => meter.createCounter(name, { unit, description });
  return {
    size: histogramOf(meter, CLIENT_BATCH_SIZE, '{item}', SIZE_BOUNDARIES, 'Calls of a batch sent'),
    queue: histogramOf(meter, CLIENT_BATCH_QUEUE, 's', STAGE_BOUNDARIES, 'Time that a call waited for its batch'),
    carrier: histogramOf(
      meter,
      CLIENT_BATCH_CARRIER,
      's',
      STAGE_BOUNDARIES,
      'Time from the sending of a batch to the answer of a call in it',
    ),
    bypassed: counter(CLIENT_BATCH_BYPASSED, '{call}', 'Calls that may be coalesced and went alone'),
    late: counter(CLIENT_BATCH_LATE, '{item}', 'Results for calls that had ended'),
    ambiguous: counter(CLIENT_BATCH_AMBIGUOUS, '{item}', 'Calls of broken batches that may have run'),
    turnedAway: counter(CLIENT_BATCH_TURNED_AWAY, '{batch}', 'Batches that an endpoint did not take'),
  };
}

interface ServerInstruments {
  readonly size: Histogram;
  readonly item: Histogram;
}

/** The server's. */
export class ServerBatchMetrics implements GaugeSource<ServerBatchGauge> {
  readonly #instruments: Instruments<ServerInstruments>;
  readonly #labels: Labels;
  readonly #sources: GaugeSource<ServerBatchGauge>[] = [];

  constructor({ otel, maxMethods }: ResolvedMetrics) {
    this.#labels = new Labels(maxMethods, BATCH_CARRIER);
    this.#instruments = new Instruments(otel, (meter) => {
      SERVER_GAUGES.add(meter, this);
      return {
        size: histogramOf(meter, SERVER_BATCH_SIZE, '{item}', SIZE_BOUNDARIES, 'Calls of a batch taken'),
        item: histogramOf(
          meter,
          SERVER_BATCH_ITEM,
          's',
          STAGE_BOUNDARIES,
          'Time from the arrival of a batch to the result of a call in it',
        ),
      };
    });
  }

  get live(): boolean {
    return this.#instruments.now !== undefined;
  }
  /** Has the states of one server in the gauges. */
  watch(source: GaugeSource<ServerBatchGauge>): void {
    this.#sources.push(source);
  }
  gauges(): { readonly tunnels: number } {
    return { tunnels: this.#sources.reduce((sum, source) => sum + source.gauges().tunnels, 0) };
  }
  /** A batch came. `path`: its method, undefined on a tunnel. */
  taken(path: string | undefined, form: BatchForm, size: number): void {
    this.#instruments.now?.size.record(size, this.#labels.of(path, form));
  }
  /** A call has its result so long after its batch came, in ms. */
  finished(path: string, form: BatchForm, ms: number): void {
    this.#instruments.now?.item.record(seconds(ms), this.#labels.of(path, form));
  }
}

/** The client's metrics of batches; undefined without the OpenTelemetry API. @throws ConfigError on a bad option. */
export function clientBatchMetrics(states: GaugeSource<ClientBatchGauge>, options?: MetricsOptions): ClientBatchMetrics | undefined {
  const resolved = resolveMetrics(options);
  return resolved && new ClientBatchMetrics(resolved, states);
}

/** The server's metrics of batches; undefined without the OpenTelemetry API. @throws ConfigError on a bad option. */
export function serverBatchMetrics(options?: MetricsOptions): ServerBatchMetrics | undefined {
  const resolved = resolveMetrics(options);
  return resolved && new ServerBatchMetrics(resolved);
}

function seconds(ms: number): number {
  return Math.max(0, ms) / 1000;
}
