import { Metadata } from '@grpc/grpc-js';
import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AlwaysOffSampler } from '@opentelemetry/sdk-trace';
import { afterEach, describe, expect, test } from 'vitest';
import { tracingClientInterceptor } from '../../../interceptors/tracing.ts';
import type { CallRecord } from '../../../src/observe/call-record.ts';
import { carrierSpans, servedCarrierSpans } from '../../../src/observe/carrier-span.ts';
import { callInfo, FakeClientCall, Heard, startTraces, stopTelemetry } from './rig.ts';

const BATCH = '/shop.Cart/AddInmeshBatch';
const TARGET = 'dns:///cart.example:8443';

afterEach(stopTelemetry);

/** `n` traced calls that wait in a batch. */
function items(n: number) {
  const calls = Array.from({ length: n }, () => {
    const lower = new FakeClientCall();
    let record: CallRecord | undefined;
    const made = tracingClientInterceptor()(callInfo(), (info) => {
      record = info.record;
      return lower;
    });
    made.start(new Metadata(), new Heard());
    return { lower, record };
  });
  const end = () => {
    for (const { lower } of calls) lower.end();
  };
  return { records: calls.map(({ record }) => record), end };
}

describe('carrier span, client', () => {
  test('starts a trace of its own, linked with its sampled items both ways', () => {
    const { spans, named, provider } = startTraces();
    const batch = items(3);
    const page = provider.getTracer('app').startSpan('page');
    const carrier = context.with(trace.setSpan(ROOT_CONTEXT, page), () => carrierSpans()(BATCH, TARGET, [...batch.records, undefined]));
    const sent = new Metadata();
    const injected = carrier?.inject(sent);
    carrier?.end(0, '10.0.0.7:50051');
    carrier?.end(14, '10.0.0.8:50051'); // only the first end counts
    batch.end();

    const span = named('shop.Cart/AddInmeshBatch');
    const { traceId, spanId } = span.spanContext();
    const calls = spans().filter((s) => s.name === 'shop.Cart/Add');
    expect(span.kind).toBe(SpanKind.CLIENT);
    expect(span.parentSpanContext).toBeUndefined();
    expect(span.attributes).toEqual({
      'rpc.system.name': 'grpc',
      'rpc.method': 'shop.Cart/AddInmeshBatch',
      'server.address': 'cart.example',
      'server.port': 8443,
      'inmesh.batch.size': 4,
      'rpc.status_code': 'OK',
      'network.peer.address': '10.0.0.7',
      'network.peer.port': 50051,
    });
    expect(span.links.map((link) => link.context.spanId)).toEqual(calls.map((s) => s.spanContext().spanId));
    expect(calls).toHaveLength(3);
    for (const call of calls) {
      expect(call.links.map((link) => link.context)).toEqual([span.spanContext()]);
      expect(call.attributes['inmesh.batch.size']).toBe(4);
    }
    expect(injected?.get('traceparent')).toEqual([`00-${traceId}-${spanId}-01`]);
    expect(sent.getMap()).toEqual({});
  });

  test('the sampler sees the links, of which there are at most 128', () => {
    const { named } = startTraces();
    carrierSpans()(BATCH, TARGET, items(200).records)?.end(0, '');
    const span = named('shop.Cart/AddInmeshBatch');
    expect(span.links).toHaveLength(128);
    expect(span.droppedLinksCount).toBe(0);
    expect(span.attributes['inmesh.batch.size']).toBe(200);
  });

  test('a failed carrier is an error', () => {
    const { named } = startTraces();
    carrierSpans()(BATCH, TARGET, items(2).records)?.end(14, '');
    expect(named('shop.Cart/AddInmeshBatch').status.code).toBe(SpanStatusCode.ERROR);
    expect(named('shop.Cart/AddInmeshBatch').attributes['error.type']).toBe('UNAVAILABLE');
  });

  test('there is none for a lone item, for items not sampled, or without an SDK', () => {
    const start = carrierSpans();
    startTraces();
    expect(start(BATCH, TARGET, items(1).records)).toBeUndefined();
    expect(start(BATCH, TARGET, [undefined, undefined])).toBeUndefined();
    const { records } = items(2);
    stopTelemetry();
    expect(start(BATCH, TARGET, records)).toBeUndefined();
  });

  test('a carrier that is not sampled says so to the server and leaves its items unlinked', () => {
    startTraces();
    const { records, end } = items(2);
    stopTelemetry();
    const { spans } = startTraces(new AlwaysOffSampler());
    const carrier = carrierSpans()(BATCH, TARGET, records);
    expect(carrier?.inject(new Metadata()).get('traceparent')[0]).toMatch(/-00$/);
    carrier?.end(0, '');
    end();
    expect(spans()).toEqual([]);
    expect(records[0]?.span).toMatchObject({ links: [] });
  });
});

describe('carrier span, server', () => {
  const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

  test("hangs under the client's, is active while items start, and takes its trace out of what items inherit", () => {
    const { named } = startTraces();
    const metadata = new Metadata();
    metadata.set('traceparent', parent);
    metadata.set('x-tenant', 'a');
    const served = servedCarrierSpans()(BATCH, metadata, 3, '192.0.2.4:39000');
    const active = served?.run(() => trace.getActiveSpan()?.spanContext().spanId);
    served?.end(0);
    served?.end(13);
    const span = named('shop.Cart/AddInmeshBatch');
    expect(span.kind).toBe(SpanKind.SERVER);
    expect(span.parentSpanContext?.spanId).toBe('b7ad6b7169203331');
    expect(active).toBe(span.spanContext().spanId);
    expect(metadata.getMap()).toEqual({ 'x-tenant': 'a' });
    expect(span.attributes).toEqual({
      'rpc.system.name': 'grpc',
      'rpc.method': 'shop.Cart/AddInmeshBatch',
      'inmesh.batch.size': 3,
      'rpc.status_code': 'OK',
      'network.peer.address': '192.0.2.4',
      'network.peer.port': 39000,
    });
  });

  test('there is none for a carrier that is not traced or not sampled, and no item inherits its trace', () => {
    const { spans } = startTraces();
    const start = servedCarrierSpans();
    expect(start(BATCH, new Metadata(), 2, '')).toBeUndefined();
    const metadata = new Metadata();
    metadata.set('traceparent', parent.replace(/01$/, '00'));
    expect(start(BATCH, metadata, 2, '')).toBeUndefined();
    expect(metadata.getMap()).toEqual({});
    expect(spans()).toEqual([]);
  });
});
