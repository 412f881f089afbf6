/** Spans of calls made with Connect's client. */
import { SpanKind } from '@opentelemetry/api';
import { afterEach, describe, expect, test } from 'vitest';
import { startTraces, stopTelemetry } from '../observe/rig.ts';
import { all, stage } from './stage.ts';

afterEach(stopTelemetry);

describe('Connect, tracing', () => {
  test('a call has a client span of the stable names, and its server is told of it', async () => {
    const traces = startTraces();
    let traceparent: unknown;
    await using s = await stage({
      handlers: {
        say: (call, callback) => {
          traceparent = call.metadata.get('traceparent')[0];
          callback(null, { text: 'x' });
        },
      },
    });
    await s.client.say({ text: 'x' });
    const span = traces.named('loop.v1.LoopService/Say');
    expect(span.kind).toBe(SpanKind.CLIENT);
    expect(span.attributes).toMatchObject({
      'rpc.system.name': 'grpc',
      'rpc.method': 'loop.v1.LoopService/Say',
      'rpc.status_code': 'OK',
      'server.address': '127.0.0.1',
      'server.port': s.loop.port,
    });
    const { traceId, spanId } = span.spanContext();
    expect(traceparent).toBe(`00-${traceId}-${spanId}-01`);
  });

  test('a stream has one, which ends with it', async () => {
    const traces = startTraces();
    await using s = await stage();
    await all(s.client.count({ text: 'n' }));
    expect(traces.named('loop.v1.LoopService/Count').attributes).toMatchObject({ 'rpc.status_code': 'OK' });
  });
});
