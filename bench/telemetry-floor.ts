/**
 * Process that asks of the SDK what a call with telemetry can't do without, and nothing else: `node bench/telemetry-floor.ts VARIANT`. What
 * ours costs above it is ours. Ends when its parent does.
 *
 * @packageDocumentation
 */
import { Metadata } from '@grpc/grpc-js';
import { context, metrics, propagation, SpanKind, trace } from '@opentelemetry/api';
import { cpuUs, type LayerResult, type Order, tell } from './protocol.ts';
import { startSdk } from './telemetry-sdk.ts';
import type { FloorName } from './telemetry-variants.ts';

const sampled = (process.argv[2] as FloorName) === 'sampled';
startSdk({ traces: sampled ? 'sampled' : 'unsampled', metrics: true });

const tracer = trace.getTracer('floor');
const durations = metrics.getMeter('floor').createHistogram('rpc.client.call.duration', { unit: 's' });
const started = { 'rpc.system.name': 'grpc', 'rpc.method': 'inmesh.bench.Echo/Say', 'server.address': 'fake', 'server.port': 1 };
const ended = { ...started, 'rpc.status_code': 'OK' };
const end = { 'rpc.status_code': 'OK', 'network.peer.address': '127.0.0.1', 'network.peer.port': 1 };
const setter = { set: (carrier: Metadata, key: string, value: string) => carrier.set(key, value) };

/** One span, its context in some metadata, one duration. */
function once(): void {
  const parent = context.active();
  const span = tracer.startSpan('inmesh.bench.Echo/Say', { kind: SpanKind.CLIENT, attributes: started }, parent);
  propagation.inject(trace.setSpan(parent, span), new Metadata(), setter);
  if (sampled) {
    span.setAttributes(end);
    span.end();
  }
  durations.record(0.001, ended);
}

/** As many in a turn as there are calls in flight, as with a client. */
const PER_TURN = 128;

async function slice(calls: number): Promise<LayerResult> {
  const before = cpuUs();
  for (let done = 0; done < calls; ) {
    for (let i = 0; i < PER_TURN && done < calls; i++, done++) once();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { cpuUs: (cpuUs() - before) / calls };
}

process.on('disconnect', () => process.exit(0));
process.on('message', (order: Order) => {
  if (order.do === 'layer') void slice(order.calls).then(tell);
});
tell({ port: 0 });
