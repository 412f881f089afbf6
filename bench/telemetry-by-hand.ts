/**
 * What two spans of a call take of the SDK and nothing else, called by hand on both sides: no instrumentation of an SDK can lose less.
 *
 * @packageDocumentation
 */
import { type handleUnaryCall, Metadata, type requestCallback } from '@grpc/grpc-js';
import { context, propagation, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api';
import type { Call, EchoClient, Msg } from './echo.ts';

const NAME = 'inmesh.bench.Echo/Say';
const CALLED = { 'rpc.system.name': 'grpc', 'rpc.method': NAME, 'server.address': '127.0.0.1', 'server.port': 1 };
const ENDED = { 'rpc.status_code': 'OK', 'network.peer.address': '127.0.0.1', 'network.peer.port': 1 };
const setter = { set: (carrier: Metadata, key: string, value: string) => carrier.set(key, value) };
const getter = { keys: () => [], get: (carrier: Metadata, key: string) => carrier.get(key).map(String) };

type SayWithMetadata = (request: Msg, metadata: Metadata, callback: requestCallback<Msg>) => unknown;

/** Its unary method, with a span for each call and its context in the metadata. */
export function tracedSay(client: EchoClient): Call {
  const tracer = trace.getTracer('by-hand');
  const say = client['Say'] as unknown as SayWithMetadata;
  return (request, done) => {
    const parent = context.active();
    const span = tracer.startSpan(NAME, { kind: SpanKind.CLIENT, attributes: CALLED }, parent);
    const metadata = new Metadata();
    propagation.inject(trace.setSpan(parent, span), metadata, setter);
    say.call(client, request, metadata, (error, answer) => {
      span.setAttributes(ENDED);
      span.end();
      done(error, answer);
    });
  };
}

/** A handler inside a span of the caller's trace. */
export function tracedHandler(handler: handleUnaryCall<Msg, Msg>): handleUnaryCall<Msg, Msg> {
  const tracer = trace.getTracer('by-hand');
  return (call, callback) => {
    const parent = propagation.extract(ROOT_CONTEXT, call.metadata, getter);
    const span = tracer.startSpan(NAME, { kind: SpanKind.SERVER, attributes: CALLED }, parent);
    context.with(trace.setSpan(parent, span), () =>
      handler(call, (error, answer) => {
        span.setAttributes(ENDED);
        span.end();
        callback(error, answer);
      }),
    );
  };
}
