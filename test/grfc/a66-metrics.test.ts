/** The tables of gRFCs A66, A96, A78 (as A94 renames it) and A91, as far as they apply here, against what is registered. */
import { describe, expect, test } from 'vitest';
import { A66, A96, canonicalTarget } from '../../src/observe/a66.ts';
import { A78 } from '../../src/observe/a78.ts';
import type { MetricSpec } from '../../src/observe/metric-spec.ts';

const LATENCY = [
  0, 0.00001, 0.00005, 0.0001, 0.0003, 0.0006, 0.0008, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008, 0.01, 0.013, 0.016, 0.02, 0.025,
  0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5, 0.65, 0.8, 1, 2, 5, 10, 20, 50, 100,
];
const SIZE = [
  0, 1024, 2048, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864, 268_435_456, 1_073_741_824, 4_294_967_296,
];
const METHOD = 'grpc.method';
const TARGET = 'grpc.target';
const STATUS = 'grpc.status';
const DETECTED = 'grpc.lb.outlier_detection.detection_method';

type Row = readonly [name: string, type: string, unit: string, labels: readonly string[], buckets?: readonly number[]];

const rowOf = ({ name, type, unit, attributes, boundaries }: MetricSpec): Row =>
  boundaries === undefined ? [name, type, unit, attributes] : [name, type, unit, attributes, boundaries];
const rowsOf = (specs: Readonly<Record<string, MetricSpec>>): Row[] => Object.values(specs).map(rowOf);

describe('gRFC tables of metrics', () => {
  test('A66: calls and attempts', () => {
    expect(rowsOf(A66)).toEqual([
      ['grpc.client.attempt.started', 'counter', '{attempt}', [METHOD, TARGET]],
      ['grpc.client.attempt.duration', 'histogram', 's', [METHOD, TARGET, STATUS], LATENCY],
      ['grpc.client.attempt.sent_total_compressed_message_size', 'histogram', 'By', [METHOD, TARGET, STATUS], SIZE],
      ['grpc.client.attempt.rcvd_total_compressed_message_size', 'histogram', 'By', [METHOD, TARGET, STATUS], SIZE],
      ['grpc.client.call.duration', 'histogram', 's', [METHOD, TARGET, STATUS], LATENCY],
      ['grpc.server.call.started', 'counter', '{call}', [METHOD]],
      ['grpc.server.call.duration', 'histogram', 's', [METHOD, STATUS], LATENCY],
    ] satisfies Row[]);
  });

  test('A96: retries', () => {
    expect(rowsOf(A96)).toEqual([
      ['grpc.client.call.retries', 'histogram', '{retry}', [METHOD, TARGET], [1, 2, 3, 4, 5]],
      ['grpc.client.call.transparent_retries', 'histogram', '{transparent_retry}', [METHOD, TARGET], [1, 2, 3, 4, 5, 10]],
      ['grpc.client.call.hedges', 'histogram', '{hedge}', [METHOD, TARGET], [1, 2, 3, 4, 5]],
      ['grpc.client.call.retry_delay', 'histogram', 's', [METHOD, TARGET], LATENCY],
    ] satisfies Row[]);
  });

  test('A78, A94, A91: connections and outliers', () => {
    expect(rowsOf(A78)).toEqual([
      ['grpc.subchannel.disconnections', 'counter', '{disconnection}', [TARGET]],
      ['grpc.subchannel.connection_attempts_succeeded', 'counter', '{attempt}', [TARGET]],
      ['grpc.subchannel.connection_attempts_failed', 'counter', '{attempt}', [TARGET]],
      ['grpc.subchannel.open_connections', 'gauge', '{connection}', [TARGET]],
      ['grpc.lb.outlier_detection.ejections_enforced', 'counter', '{ejection}', [TARGET, DETECTED]],
      [
        'grpc.lb.outlier_detection.ejections_unenforced',
        'counter',
        '{ejection}',
        [TARGET, DETECTED, 'grpc.lb.outlier_detection.unenforced_reason'],
      ],
    ] satisfies Row[]);
  });

  test.each([
    ['cart:50051', 'dns:///cart:50051'],
    ['dns:cart:50051', 'dns:///cart:50051'],
    ['dns:/cart:50051', 'dns:///cart:50051'],
    ['dns:///cart:50051', 'dns:///cart:50051'],
    ['dns://8.8.8.8/cart:50051', 'dns://8.8.8.8/cart:50051'],
    ['xds:///cart', 'xds:///cart'],
    ['ipv4:10.0.0.1:80,10.0.0.2:80', 'ipv4:10.0.0.1:80,10.0.0.2:80'],
    ['unix:/run/cart.sock', 'unix:/run/cart.sock'],
    ['[::1]:80', 'dns:///[::1]:80'],
  ])('A66: the canonical form of %s is %s', (target, canonical) => {
    expect(canonicalTarget(target)).toBe(canonical);
  });
});
