/** What an exporter sends must not make telemetry of its own, nor more load where exporting is in trouble. */
import { context, ROOT_CONTEXT } from '@opentelemetry/api';
import { suppressTracing } from '@opentelemetry/core';
import { afterEach, describe, expect, test } from 'vitest';
import { tracingInterceptor } from '../../interceptors/index.ts';
import { exporterCalls, tracingClientInterceptor } from '../../interceptors/tracing.ts';
import { Code } from '../../src/call.ts';
import type { CallInfo } from '../../src/grpc/client-call.ts';
import { createMesh } from '../../src/mesh.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { pair } from '../grpc/pair.ts';
import { callInfo, FakeClientCall, startTraces, stopTelemetry } from '../src/observe/rig.ts';
import { clientDoors, EchoClient, type Handlers, serve } from '../support/loopback.ts';

afterEach(stopTelemetry);

/** As `BatchSpanProcessor` and the metric readers call their exporters. */
const asExporter = <T>(fn: () => T): T => context.with(suppressTracing(ROOT_CONTEXT), fn);
const withTraces = [true, false];

describe("exporters' calls", () => {
  test.each(withTraces)('traces %s: go on with the wish to be sent once and alone, all else as it was', (traces) => {
    startTraces();
    const intercept = traces ? tracingClientInterceptor() : exporterCalls({});
    const info: CallInfo = { ...callInfo(), options: { tenant: 'a', idempotent: true } };
    const seen: CallInfo[] = [];
    const next = (below: CallInfo) => {
      seen.push(below);
      return new FakeClientCall();
    };
    asExporter(() => intercept(info, next));
    intercept(info, next);
    const wish = { tenant: 'a', idempotent: true, retry: false, coalesce: 'never', cache: 'never' };
    expect(seen[0]).toEqual({ ...info, options: wish, record: undefined, ownsMetadata: undefined });
    expect(seen[1]?.options).toEqual({ tenant: 'a', idempotent: true });
  });

  describe.each(clientDoors)('%s', (door) => {
    test.each(withTraces)('traces %s: are neither traced nor retried', async (traces) => {
      const { spans } = startTraces();
      let served = 0;
      const say: Handlers['say'] = (_call, callback) => {
        served++;
        callback({ code: Code.UNAVAILABLE });
      };
      await using running = await serve({ handlers: { say } });
      const mesh = createMesh({ defaults: { idempotent: true }, telemetry: { traces } });
      using client = new EchoClient({ address: running.address, mesh, door });
      expect(await asExporter(() => client.say('spans'))).toMatchObject({ code: 'UNAVAILABLE' });
      expect(served).toBe(1);
      expect(spans()).toEqual([]);
      expect(await client.say('app')).toMatchObject({ code: 'UNAVAILABLE' });
      expect(served).toBe(4); // the same call of the app's: three attempts
    });

    test('are not hedged', async () => {
      startTraces();
      let served = 0;
      const say: Handlers['say'] = (_call, callback) => {
        served++;
        setTimeout(() => callback(null, { text: '' }), 40);
      };
      await using running = await serve({ handlers: { say } });
      const policy: Policy = { defaults: { idempotent: true, hedgingPolicy: { maxAttempts: 2, hedgingDelay: '0.005s' } } };
      using client = new EchoClient({ address: running.address, mesh: createMesh(policy), door });
      await client.say('app');
      expect(served).toBe(2);
      await asExporter(() => client.say('spans'));
      expect(served).toBe(3);
    });
  });

  test("where traces are off, an interceptor of the application's for them is still welcome", async () => {
    const { spans } = startTraces();
    await using running = await serve();
    const options = { interceptors: [tracingInterceptor()] };
    using client = new EchoClient({ address: running.address, mesh: createMesh({ telemetry: { traces: false } }), options });
    expect(await client.say('a')).toMatchObject({ code: 'OK' });
    expect(spans().map(({ name }) => name)).toEqual(['loop.Echo/Say']);
  });

  test('are not batched', async () => {
    await using both = await pair('channel');
    startTraces();
    const { serverMesh, client } = both;
    const { items } = serverMesh.stats().server;
    await asExporter(() => client.burst(['a', 'b', 'c']));
    expect(serverMesh.stats().server.items).toBe(items);
    await client.burst(['a', 'b', 'c']);
    expect(serverMesh.stats().server.items).toBe(items + 3);
  });
});
