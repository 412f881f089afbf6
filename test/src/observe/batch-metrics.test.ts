import { metrics } from '@opentelemetry/api';
import { afterEach, describe, expect, test } from 'vitest';
import { emptyCounts } from '../../../src/grpc/coalesce-stats.ts';
import { CoalesceWatch, type WatchedItem } from '../../../src/grpc/coalesce-watch.ts';
import { clientBatchMetrics, serverBatchMetrics } from '../../../src/observe/batch-metrics.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { type Metrics, startMetrics } from './metric-rig.ts';
import { stopTelemetry } from './rig.ts';

afterEach(stopTelemetry);

const PATH = '/a.B/C';
const states = { gauges: () => ({ denied: 1, partitions: 2, tunnels: 3 }) };

/** Name, unit and type of all that there is. */
async function listed({ all }: Metrics): Promise<string[]> {
  return (await all()).map(({ name, unit, type }) => `${name} ${unit} ${type}`).sort();
}

function useAll(maxMethods?: number, path = PATH): void {
  const client = clientBatchMetrics(states, { maxMethods });
  client?.sent(path, 'envelope', 'full', 7);
  client?.sent(undefined, 'tunnel', 'tick', 9);
  client?.waited(path, 'none', 2);
  client?.answered(path, 'tunnel', 40);
  client?.bypassed(path, 'alone', 3);
  client?.late(undefined, 'tunnel');
  client?.ambiguous(path, 'envelope');
  client?.turnedAway(path);
  const server = serverBatchMetrics({ maxMethods });
  server?.watch({ gauges: () => ({ tunnels: 5 }) });
  server?.taken(path, 'envelope', 4);
  server?.finished(path, 'envelope', 3);
  server?.watch({ gauges: () => ({ tunnels: 6 }) });
}

describe('metrics of batches', () => {
  test('have these names, units and types', async () => {
    const seen = startMetrics();
    useAll();
    expect(await listed(seen)).toEqual([
      'inmesh.client.batch.ambiguous {item} COUNTER',
      'inmesh.client.batch.bypassed {call} COUNTER',
      'inmesh.client.batch.carrier.duration s HISTOGRAM',
      'inmesh.client.batch.denied {endpoint} OBSERVABLE_UP_DOWN_COUNTER',
      'inmesh.client.batch.late {item} COUNTER',
      'inmesh.client.batch.partitions {partition} OBSERVABLE_UP_DOWN_COUNTER',
      'inmesh.client.batch.queue.duration s HISTOGRAM',
      'inmesh.client.batch.size {item} HISTOGRAM',
      'inmesh.client.batch.tunnels {tunnel} OBSERVABLE_UP_DOWN_COUNTER',
      'inmesh.client.batch.turned_away {batch} COUNTER',
      'inmesh.server.batch.item.duration s HISTOGRAM',
      'inmesh.server.batch.size {item} HISTOGRAM',
      'inmesh.server.batch.tunnels {tunnel} OBSERVABLE_UP_DOWN_COUNTER',
    ]);
  });

  test('have these attributes, values and boundaries', async () => {
    const seen = startMetrics();
    useAll();
    const method = { 'rpc.method': 'a.B/C' };
    const carrier = (name: string) => ({ 'inmesh.batch.carrier': name });
    const reason = (name: string) => ({ 'inmesh.batch.flush_reason': name });
    const client = async (name: string) => (await seen.points(`inmesh.client.batch.${name}`)).map((point) => ({ ...point }));
    expect(await client('size')).toEqual([
      { attributes: { ...method, ...carrier('envelope'), ...reason('full') }, count: 1, sum: 7 },
      { attributes: { ...carrier('tunnel'), ...reason('tick') }, count: 1, sum: 9 },
    ]);
    expect(await client('queue.duration')).toEqual([{ attributes: { ...method, ...carrier('none') }, count: 1, sum: 0.002 }]);
    expect(await client('carrier.duration')).toEqual([{ attributes: { ...method, ...carrier('tunnel') }, count: 1, sum: 0.04 }]);
    expect(await client('bypassed')).toMatchObject([{ attributes: { ...method, 'inmesh.batch.bypass_reason': 'alone' }, count: 3 }]);
    expect(await client('late')).toMatchObject([{ attributes: carrier('tunnel'), count: 1 }]);
    expect(await client('ambiguous')).toMatchObject([{ attributes: { ...method, ...carrier('envelope') }, count: 1 }]);
    expect(await client('turned_away')).toEqual([{ attributes: method, count: 1, sum: undefined }]);
    const server = async (name: string) => seen.points(`inmesh.server.batch.${name}`);
    expect(await server('size')).toEqual([{ attributes: { ...method, ...carrier('envelope') }, count: 1, sum: 4 }]);
    expect(await server('item.duration')).toEqual([{ attributes: { ...method, ...carrier('envelope') }, count: 1, sum: 0.003 }]);
    expect(await server('tunnels')).toEqual([{ attributes: {}, count: 11, sum: undefined }]);
    const all = await seen.all();
    expect(all.find(({ name }) => name.endsWith('batch.size'))?.boundaries).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]);
    const stage = all.find(({ name }) => name.endsWith('queue.duration'))?.boundaries;
    expect(stage?.slice(0, 6)).toEqual([0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005]);
    expect(stage?.at(-1)).toBe(10);
  });

  test('methods beyond the cap share _OTHER', async () => {
    const seen = startMetrics();
    const client = clientBatchMetrics(states, { maxMethods: 1 });
    for (const path of ['/a.B/C', '/a.B/D', '/a.B/E']) client?.turnedAway(path);
    expect(
      (await seen.points('inmesh.client.batch.turned_away')).map(({ attributes, count }) => [attributes['rpc.method'], count]),
    ).toEqual([
      ['a.B/C', 1],
      ['_OTHER', 2],
    ]);
  });

  test('the gauges are sums over all meshes of a provider, each counted once', async () => {
    const seen = startMetrics();
    const other = { gauges: () => ({ denied: 10, partitions: 20, tunnels: 30 }) };
    for (const source of [states, states, other]) clientBatchMetrics(source)?.turnedAway(PATH);
    const gauge = async (name: string) => (await seen.points(`inmesh.client.batch.${name}`)).map(({ count }) => count);
    expect([await gauge('denied'), await gauge('partitions'), await gauge('tunnels')]).toEqual([[11], [22], [33]]);
  });

  test('no instrument is made before the first use, none without a provider, new ones for another provider', async () => {
    const client = clientBatchMetrics(states);
    client?.turnedAway(PATH);
    expect(client?.live).toBe(false);
    const first = startMetrics();
    expect(await listed(first)).toEqual([]);
    client?.turnedAway(PATH);
    expect(client?.live).toBe(true);
    metrics.disable();
    const second = startMetrics();
    client?.turnedAway(PATH);
    client?.turnedAway(PATH);
    for (const [seen, count] of [
      [first, 1],
      [second, 2],
    ] as const) {
      expect(await seen.points('inmesh.client.batch.turned_away')).toMatchObject([{ count }]);
      expect(await seen.points('inmesh.client.batch.tunnels')).toMatchObject([{ count: 3 }]);
    }
  });
});

describe('while nobody listens', () => {
  /** A clock that counts how often it is asked. */
  class CountingClock extends FakeClock {
    asked = 0;
    override nowMs(): number {
      this.asked++;
      return super.nowMs();
    }
  }

  function watched(): { clock: CountingClock; watch: CoalesceWatch; items: WatchedItem[] } {
    const clock = new CountingClock();
    const counts = emptyCounts();
    const watch = new CoalesceWatch(counts, clock, clientBatchMetrics(counts.channels, { clock }));
    clock.asked = 0;
    const item = (): WatchedItem => ({ path: PATH, record: undefined, sentMs: watch.queued(undefined), outBy: undefined, outMs: 0 });
    return { clock, watch, items: [item(), item()] };
  }

  test('the clock is not asked, and no item is timed', () => {
    const { clock, watch, items } = watched();
    watch.together(items, 'envelope', 'tick');
    watch.together(items, 'tunnel', 'tick');
    for (const item of items) watch.unaccompanied(item);
    expect(clock.asked).toBe(0);
    expect(items.map(({ sentMs, outBy, outMs }) => [sentMs, outBy, outMs])).toEqual([
      [0, undefined, 0],
      [0, undefined, 0],
    ]);
  });

  test('with a listener it is: the same calls are timed', () => {
    startMetrics();
    const { clock, watch, items } = watched();
    watch.together(items, 'envelope', 'tick');
    expect(clock.asked).toBe(3); // once for each item that is queued, once for the batch
    expect(items.map(({ outBy }) => outBy)).toEqual(['envelope', 'envelope']);
  });
});
