/** Metrics as they come over the wire of OTLP: sums, gauges and explicit histograms, one point after the other. */
import {
  attributesOf,
  bytesOf,
  doubleOf,
  type Fields,
  fieldsOf,
  integerOf,
  messages,
  packedOf,
  type SunkAttributes,
  textOf,
} from './otlp-wire.ts';

/** One point of one metric of one process. */
export interface SunkPoint {
  readonly service: string;
  /** `service.instance.id`: which process of them. */
  readonly instance: string;
  readonly scope: string;
  readonly name: string;
  readonly unit: string;
  readonly kind: 'sum' | 'gauge' | 'histogram';
  readonly cumulative: boolean;
  readonly attributes: SunkAttributes;
  /** The value of a sum or gauge, the sum of a histogram. */
  readonly value: number;
  /** Of a histogram. */
  readonly count: number;
  readonly bounds: readonly number[];
  readonly buckets: readonly number[];
}

/** The points that were sent last: of each process, metric and set of attributes one. */
export class LatestPoints {
  readonly #points = new Map<string, SunkPoint>();

  add(points: readonly SunkPoint[]): void {
    for (const point of points) {
      const { service, instance, scope, name, attributes } = point;
      const sorted = Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1));
      this.#points.set(JSON.stringify([service, instance, scope, name, sorted]), point);
    }
  }

  /** Points of one metric whose attributes hold all of `where`. */
  of(name: string, where: SunkAttributes = {}): SunkPoint[] {
    return this.all().filter(
      (point) => point.name === name && Object.entries(where).every(([key, value]) => point.attributes[key] === value),
    );
  }

  all(): SunkPoint[] {
    return [...this.#points.values()];
  }
}

// Field numbers of opentelemetry/proto/metrics/v1.
export function decodeMetrics(body: Uint8Array): SunkPoint[] {
  return messages(fieldsOf(body), 1).flatMap((resourceMetrics) => {
    const resource = attributesOf(fieldsOf(bytesOf(resourceMetrics, 1)), 1);
    const service = String(resource['service.name']);
    const instance = String(resource['service.instance.id'] ?? '');
    return messages(resourceMetrics, 2).flatMap((scopeMetrics) => {
      const scope = textOf(fieldsOf(bytesOf(scopeMetrics, 1)), 1);
      return messages(scopeMetrics, 2).flatMap((metric) => {
        const named = { service, instance, scope, name: textOf(metric, 1), unit: textOf(metric, 3) };
        return pointsOf(metric).map((point) => ({ ...named, ...point }));
      });
    });
  });
}

type Point = Omit<SunkPoint, 'service' | 'instance' | 'scope' | 'name' | 'unit'>;

const CUMULATIVE = 2n;
const GAUGE = 5;
const SUM = 7;
const HISTOGRAM = 9;

function pointsOf(metric: Fields): Point[] {
  if (metric.has(HISTOGRAM)) {
    const data = fieldsOf(bytesOf(metric, HISTOGRAM));
    const cumulative = integerOf(data, 2) === CUMULATIVE;
    return messages(data, 1).map((point) => ({
      kind: 'histogram',
      cumulative,
      attributes: attributesOf(point, 9),
      value: doubleOf(point, 5) ?? 0,
      count: Number(integerOf(point, 4)),
      bounds: packedOf(point, 7, (view, at) => view.getFloat64(at, true)),
      buckets: packedOf(point, 6, (view, at) => Number(view.getBigUint64(at, true))),
    }));
  }
  const kind = metric.has(SUM) ? 'sum' : 'gauge';
  const data = fieldsOf(bytesOf(metric, kind === 'sum' ? SUM : GAUGE));
  const cumulative = kind === 'sum' && integerOf(data, 2) === CUMULATIVE;
  return messages(data, 1).map((point) => ({
    kind,
    cumulative,
    attributes: attributesOf(point, 7),
    value: doubleOf(point, 4) ?? Number(BigInt.asIntN(64, integerOf(point, 6))),
    count: 0,
    bounds: [],
    buckets: [],
  }));
}
