/**
 * Peers choose the names of methods, applications those of targets: whatever they choose, label sets stay few and memory flat.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Metadata } from '@grpc/grpc-js';
import { metrics as api } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { metricsAttemptInterceptor, metricsClientInterceptor, metricsServerLayer } from '../../../interceptors/metrics.ts';
import { BalanceTotals } from '../../../src/balance/counts.ts';
import { plainStatus } from '../../../src/grpc/refuse.ts';
import { MethodTable, TargetTable } from '../../../src/observe/method-table.ts';
import { CallStory } from '../../../src/observe/story.ts';
import { storyDurations } from '../../../src/observe/story-durations.ts';
import { type Metrics, startMetrics } from './metric-rig.ts';
import { callInfo, FakeClientCall, FakeServerCall, Heard, handlerListener, serverInfo } from './rig.ts';

const MANY = 100_000;
/** Label sets of one instrument: the methods, one `_OTHER` for each target, and one for the rest. */
const MAX_SETS = 2_001;

let telemetry: Metrics;

beforeEach(() => {
  telemetry = startMetrics();
});
afterEach(async () => {
  api.disable();
  await telemetry.provider.shutdown();
});

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** What is on the heap once nothing is left to collect, in MB. */
function heapMb(): number {
  collect();
  collect();
  return process.memoryUsage().heapUsed / 2 ** 20;
}

/** Does it so often, each time with names of its own; how the heap grew after the first tenth, in MB. */
function growthMb(each: (i: number) => void): number {
  let before = 0;
  for (let i = 0; i < MANY; i++) {
    if (i === MANY / 10) before = heapMb();
    each(i);
  }
  return heapMb() - before;
}

async function setsOf(name: string, ...attributes: string[]): Promise<Map<string, number>> {
  const points = await telemetry.points(name);
  expect(points.length).toBeGreaterThan(0);
  expect(points.length).toBeLessThanOrEqual(MAX_SETS);
  return new Map(attributes.map((key) => [key, new Set(points.map((point) => point.attributes[key])).size]));
}

describe(`label sets after ${MANY} names`, () => {
  test('of methods and targets that a mesh calls', async () => {
    const durations = storyDurations({ metrics: true });
    const grown = growthMb((i) => {
      const story = new CallStory('client', `/shop.Cart/Add${i}`, `host-${i}:80`);
      story.code = 0;
      story.heldMs = 1;
      durations?.ended(story, 1);
    });
    expect(grown).toBeLessThan(8);
    const { size } = { size: await setsOf('rpc.client.call.duration', 'rpc.method', 'server.address') };
    expect(size.get('rpc.method')).toBe(1001);
    expect(size.get('server.address')).toBeLessThanOrEqual(1001);
    expect((await setsOf('inmesh.queue.time', 'rpc.method')).get('rpc.method')).toBe(1001);
    const sum = (await telemetry.points('rpc.client.call.duration')).reduce((total, { count }) => total + count, 0);
    expect(sum).toBe(MANY);
  }, 60_000);

  test('of methods that a mesh serves', async () => {
    const durations = storyDurations({ metrics: true });
    const grown = growthMb((i) => {
      const story = new CallStory('server', `/shop.Cart/Add${i}`, '');
      story.code = 12;
      durations?.ended(story, 1);
    });
    expect(grown).toBeLessThan(8);
    expect((await setsOf('rpc.server.call.duration', 'rpc.method')).get('rpc.method')).toBe(1001);
  }, 60_000);

  test("of gRPC's names, of calls and attempts", async () => {
    const options = { names: 'both', retryMetrics: true } as const;
    const call = metricsClientInterceptor(options);
    const attempt = metricsAttemptInterceptor(options);
    const served = metricsServerLayer(options);
    const info = callInfo();
    const status = plainStatus(0, '');
    const metadata = new Metadata();
    const grown = growthMb((i) => {
      const lower = new FakeClientCall();
      const own = { ...info, method: `/shop.Cart/Add${i}`, door: { ...info.door, target: `host-${i}:80` } };
      const made = call(own, (below) => attempt(below, () => lower));
      made.start(metadata, new Heard());
      lower.endWith(status);
      const wire = new FakeServerCall();
      const server = served(serverInfo(own.method), wire);
      server.start(handlerListener(() => {}));
      server.sendStatus(status);
    });
    expect(grown).toBeLessThan(8);
    for (const name of ['grpc.client.call.duration', 'grpc.client.attempt.duration', 'grpc.client.attempt.started']) {
      expect((await setsOf(name, 'grpc.method')).get('grpc.method')).toBe(1001);
    }
    for (const name of ['grpc.server.call.started', 'grpc.server.call.duration']) {
      expect((await setsOf(name, 'grpc.method')).get('grpc.method')).toBe(1001);
    }
  }, 60_000);

  test('of targets whose connections are counted', () => {
    const totals = new BalanceTotals();
    for (let i = 0; i < MANY; i++) totals.of(`host-${i}:80`).connected++;
    const all = totals.all();
    expect(Object.keys(all).length).toBe(1001);
    expect(all['_OTHER']?.connected).toBe(MANY - 1000);
  });
});

describe('tables of methods', () => {
  test('what is known keeps its value when the room is full', () => {
    const table = new MethodTable(2, (method) => ({ method }));
    const first = table.get('/a.B/One');
    table.get('/a.B/Two');
    expect(table.get('/a.B/Three')).toBe(table.get('/a.B/Four'));
    expect(table.get('/a.B/Three').method).toBe('_OTHER');
    expect(table.get('/a.B/One')).toBe(first);
  });

  test('targets share the room for methods, and each has an _OTHER of its own', () => {
    const table = new TargetTable(2, (target, method) => `${target} ${method}`);
    expect(table.at('x').get('/a.B/One')).toBe('x a.B/One');
    expect(table.at('y').get('/a.B/One')).toBe('y a.B/One');
    expect(table.at('y').get('/a.B/Two')).toBe('y _OTHER');
    expect(table.at('x').get('/a.B/Two')).toBe('x _OTHER');
    expect(table.at('x').get('/a.B/One')).toBe('x a.B/One');
    expect(table.at('').get('/a.B/One')).toBe(' _OTHER');
  });
});
