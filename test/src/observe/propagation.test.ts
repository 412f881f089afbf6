import { Metadata } from '@grpc/grpc-js';
import * as api from '@opentelemetry/api';
import { context, propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core';
import { afterEach, describe, expect, test } from 'vitest';
import { noBaggageCounts } from '../../../src/observe/baggage.ts';
import { encodeTraceBin } from '../../../src/observe/grpc-trace-bin.ts';
import { Propagation } from '../../../src/observe/propagation.ts';

const W3C = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 };
const BIN = { traceId: '404142434445464748494a4b4c4d4e4f', spanId: '6162636465666768', traceFlags: 1 };
const parentOf = ({ traceId, spanId, traceFlags }: api.SpanContext): string => `00-${traceId}-${spanId}-0${traceFlags}`;

afterEach(() => {
  propagation.disable();
  context.disable();
});

function rig({ grpcTraceBin = false, propagator = true as boolean | api.TextMapPropagator } = {}) {
  propagation.disable();
  const usual = new CompositePropagator({ propagators: [new W3CTraceContextPropagator(), new W3CBaggagePropagator()] });
  if (propagator !== false) propagation.setGlobalPropagator(propagator === true ? usual : propagator);
  const baggage = noBaggageCounts();
  return { baggage, it: new Propagation({ otel: api, grpcTraceBin, baggage }) };
}
const inTrace = trace.setSpanContext(ROOT_CONTEXT, W3C);
const spanOf = (found: api.Context) => trace.getSpanContext(found);

describe('propagation', () => {
  test('the registered propagator writes and reads; grpc-trace-bin only on request', () => {
    const { it } = rig();
    const metadata = new Metadata();
    it.inject(inTrace, metadata);
    expect(metadata.getMap()).toEqual({ traceparent: parentOf(W3C) });
    expect(spanOf(it.extract(metadata))).toEqual({ ...W3C, isRemote: true });
    metadata.remove('traceparent');
    metadata.set('grpc-trace-bin', encodeTraceBin(BIN));
    expect(it.extract(metadata)).toBe(ROOT_CONTEXT);
  });

  test('on request it writes both, and reads the other where the propagator finds nothing', () => {
    const { it } = rig({ grpcTraceBin: true });
    const metadata = new Metadata();
    it.inject(inTrace, metadata);
    expect(metadata.getMap()).toEqual({ traceparent: parentOf(W3C), 'grpc-trace-bin': encodeTraceBin(W3C) });
    metadata.set('grpc-trace-bin', encodeTraceBin(BIN));
    expect(spanOf(it.extract(metadata))?.traceId).toBe(W3C.traceId);
    metadata.remove('traceparent');
    expect(spanOf(it.extract(metadata))).toEqual({ ...BIN, isRemote: true });
    metadata.set('grpc-trace-bin', Buffer.from([9, 9]));
    expect(it.extract(metadata)).toBe(ROOT_CONTEXT);
  });

  test('grpc-trace-bin needs no propagator, and nothing is written for a call of no trace', () => {
    const { it } = rig({ grpcTraceBin: true, propagator: false });
    const metadata = new Metadata();
    it.inject(ROOT_CONTEXT, metadata);
    expect(metadata.getMap()).toEqual({});
    it.inject(inTrace, metadata);
    expect(metadata.getMap()).toEqual({ 'grpc-trace-bin': encodeTraceBin(W3C) });
  });

  test('strip takes out all of it, and leaves the rest', () => {
    const { it } = rig();
    const metadata = new Metadata();
    for (const key of ['traceparent', 'tracestate', 'baggage', 'x-tenant']) metadata.set(key, 'a');
    metadata.set('grpc-trace-bin', encodeTraceBin(BIN));
    it.strip(metadata);
    expect(metadata.getMap()).toEqual({ 'x-tenant': 'a' });
  });

  const entries = (n: number, bytes: number) =>
    Object.fromEntries(Array.from({ length: n }, (_, i) => [`k${i}`, { value: 'v'.repeat(bytes) }]));

  test('baggage that we send is cut to what W3C has everybody carry, by whole members, and counted', () => {
    const { it, baggage } = rig();
    const metadata = new Metadata();
    it.inject(propagation.setBaggage(ROOT_CONTEXT, propagation.createBaggage(entries(10, 1000))), metadata);
    const text = String(metadata.get('baggage')[0]);
    // OpenTelemetry's own propagator may cut first; together no more goes out than may.
    expect(text.length).toBeLessThanOrEqual(8192);
    expect(text.split(',').every((member) => /^k\d=v{1000}$/.test(member))).toBe(true);
    expect(text.split(',').length + baggage.sentDropped).toBeLessThanOrEqual(10);
    const own: api.TextMapPropagator = {
      inject: (_context, carrier, setter) => setter.set(carrier, 'baggage', `a=1,b=${'2'.repeat(9000)},c=3`),
      extract: (found) => found,
      fields: () => ['baggage'],
    };
    const other = rig({ propagator: own });
    other.it.inject(ROOT_CONTEXT, metadata);
    expect(metadata.get('baggage')).toEqual(['a=1,c=3']);
    expect(other.baggage).toEqual({ sentDropped: 1, receivedDropped: 0 });
  });

  test('baggage that a peer sends, in one header or several, is cut and counted the same way', () => {
    const { it, baggage } = rig();
    const metadata = new Metadata();
    metadata.set('traceparent', parentOf(W3C));
    metadata.add('baggage', 'a=1');
    metadata.add('baggage', `b=${'2'.repeat(9000)}`);
    metadata.add('baggage', 'c=3');
    const found = it.extract(metadata);
    expect(
      propagation
        .getBaggage(found)
        ?.getAllEntries()
        .map(([key]) => key),
    ).toEqual(['a', 'c']);
    expect(spanOf(found)?.traceId).toBe(W3C.traceId);
    expect(baggage).toEqual({ sentDropped: 0, receivedDropped: 1 });
    metadata.set('baggage', 'x'.repeat(9000));
    expect(propagation.getBaggage(it.extract(metadata))).toBeUndefined();
    expect(baggage.receivedDropped).toBe(2);
  });

  test("another header of a peer's that is too long is not looked at, nor are bytes", () => {
    const asked: unknown[] = [];
    const { it } = rig({
      propagator: {
        inject: () => {},
        extract: (found, carrier, getter) => {
          for (const key of ['x-long', 'x-raw-bin', 'x-none', 'x-short']) asked.push(getter.get(carrier, key));
          asked.push(getter.keys(carrier).sort());
          return found;
        },
        fields: () => [],
      },
    });
    const metadata = new Metadata();
    metadata.set('x-long', 'a'.repeat(8193));
    metadata.set('x-short', 'a');
    metadata.set('x-raw-bin', Buffer.from('a'));
    it.extract(metadata);
    expect(asked).toEqual([undefined, undefined, undefined, 'a', ['x-long', 'x-raw-bin', 'x-short']]);
  });

  test('a propagator that throws, or writes what metadata does not take, fails no call', () => {
    const thrower: api.TextMapPropagator = {
      inject: (_context, carrier, setter) => setter.set(carrier, 'x-bad', 'line\nbreak'),
      extract: () => {
        throw new Error('no');
      },
      fields: () => [],
    };
    const { it } = rig({ propagator: thrower });
    const metadata = new Metadata();
    it.inject(inTrace, metadata);
    expect(metadata.getMap()).toEqual({});
    expect(it.extract(metadata)).toBe(ROOT_CONTEXT);
  });
});
