import { Metadata } from '@grpc/grpc-js';
import { context, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { suppressTracing } from '@opentelemetry/core';
import { AlwaysOffSampler } from '@opentelemetry/sdk-trace';
import { afterEach, describe, expect, test } from 'vitest';
import { attemptTracingInterceptor, tracingClientInterceptor, tracingServerLayer } from '../../interceptors/tracing.ts';
import { Code, codeName } from '../../src/call.ts';
import { ConfigError, refusal } from '../../src/errors.ts';
import type { CallInfo } from '../../src/grpc/client-call.ts';
import { localStatus, plainStatus, serverRefusal } from '../../src/grpc/refuse.ts';
import type { AttemptSpans, TracingOptions } from '../../src/observe/options.ts';
import {
  attemptInfo,
  callInfo,
  FakeClientCall,
  FakeServerCall,
  Heard,
  handlerListener,
  serverInfo,
  startTraces,
  stopTelemetry,
} from '../src/observe/rig.ts';
import { FakeClock } from '../support/fake-clock.ts';

const CALL = 'shop.Cart/Add';
const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

afterEach(stopTelemetry);

/** One client call through the interceptor onto a fake lower half. */
function call(options?: TracingOptions, info = callInfo()) {
  const lower = new FakeClientCall();
  const heard = new Heard();
  const sent = new Metadata();
  let seen: CallInfo | undefined;
  const made = tracingClientInterceptor(options)(info, (below) => {
    seen = below;
    return lower;
  });
  made.start(sent, heard);
  return { lower, heard, sent, made, seen: () => seen ?? info };
}

describe('tracing, client', () => {
  const server = { 'server.address': 'cart.example', 'server.port': 8443 };
  const peer = { 'network.peer.address': '10.0.0.7', 'network.peer.port': 50051 };
  const base = { 'rpc.system.name': 'grpc', 'rpc.method': CALL, ...server };
  const refused = refusal(Code.RESOURCE_EXHAUSTED, 'client.bulkhead/queue-full', '5 slots taken, 0 may wait');

  test.each([
    { what: 'OK', status: plainStatus(0, ''), attributes: { 'rpc.status_code': 'OK' }, end: { code: SpanStatusCode.UNSET } },
    {
      what: "a failure, whose details are the application's and stay out",
      status: plainStatus(Code.UNAVAILABLE, 'card 4111'),
      attributes: { 'rpc.status_code': 'UNAVAILABLE', 'error.type': 'UNAVAILABLE' },
      end: { code: SpanStatusCode.ERROR },
    },
    {
      what: 'NOT_FOUND, an error for a client',
      status: plainStatus(Code.NOT_FOUND, ''),
      attributes: { 'rpc.status_code': 'NOT_FOUND', 'error.type': 'NOT_FOUND' },
      end: { code: SpanStatusCode.ERROR },
    },
    {
      what: 'a refusal of ours, with its reason and words',
      status: localStatus(refused),
      attributes: {
        'rpc.status_code': 'RESOURCE_EXHAUSTED',
        'error.type': 'RESOURCE_EXHAUSTED',
        'inmesh.reason': 'client.bulkhead/queue-full',
      },
      end: { code: SpanStatusCode.ERROR, message: 'inmesh: 5 slots taken, 0 may wait' },
    },
    {
      what: 'a code that gRPC does not know',
      status: plainStatus(77, ''),
      attributes: { 'rpc.status_code': '77', 'error.type': '77' },
      end: { code: SpanStatusCode.ERROR },
    },
  ])('records one CLIENT span for $what', ({ status, attributes, end }) => {
    const { spans } = startTraces();
    const { lower, heard } = call();
    lower.endWith(status);
    expect(spans()).toHaveLength(1);
    const [span] = spans();
    expect(span?.name).toBe(CALL);
    expect(span?.kind).toBe(SpanKind.CLIENT);
    expect(span?.parentSpanContext).toBeUndefined();
    expect(span?.attributes).toEqual({ ...base, ...peer, ...attributes });
    expect(span?.status).toEqual(end);
    expect(span?.instrumentationScope.name).toBe('inmesh');
    expect(heard.statuses).toEqual([status]);
  });

  test('names, kind and attributes are there when the sampler decides', () => {
    const asked: unknown[] = [];
    startTraces({
      shouldSample: (_context, _traceId, name, kind, attributes) => {
        asked.push({ name, kind, attributes: { ...attributes } });
        return { decision: 0 };
      },
      toString: () => 'asks',
    });
    call();
    expect(asked).toEqual([{ name: CALL, kind: SpanKind.CLIENT, attributes: base }]);
  });

  test('the span covers the call on the mesh clock', () => {
    const { named } = startTraces();
    const clock = new FakeClock();
    const { lower } = call({ clock });
    clock.advance(1234.5);
    clock.wallOffsetMs -= 60_000; // the wall clock jumps back: no matter
    lower.end();
    expect(named(CALL).duration).toEqual([1, 234_500_000]);
    expect(clock.pending).toBe(0);
  });

  test('is a child of what is active at the call site, and hands itself on in a clone of the metadata', () => {
    const { named, provider } = startTraces();
    const outer = provider.getTracer('app').startSpan('page');
    const { lower, sent } = context.with(trace.setSpan(ROOT_CONTEXT, outer), () => call());
    lower.end();
    const span = named(CALL);
    expect(span.parentSpanContext?.spanId).toBe(outer.spanContext().spanId);
    const { traceId, spanId } = span.spanContext();
    expect(lower.metadata.get('traceparent')).toEqual([`00-${traceId}-${spanId}-01`]);
    expect(sent.getMap()).toEqual({});
  });

  test("metadata that is the call's own is not cloned, and nobody below has to", () => {
    startTraces();
    const { lower, sent, seen } = call({}, { ...callInfo(), ownsMetadata: true });
    expect(lower.metadata).toBe(sent);
    expect(sent.get('traceparent')).toHaveLength(1);
    expect(call().seen().ownsMetadata).toBe(true);
    expect(seen().ownsMetadata).toBe(true);
  });

  test('with grpcTraceBin the trace goes out in both forms, and is taken from either', () => {
    const { named } = startTraces();
    const { lower } = call({ grpcTraceBin: true });
    lower.end();
    const { traceId } = named(CALL).spanContext();
    const binary = lower.metadata.get('grpc-trace-bin')[0];
    expect(Buffer.isBuffer(binary) && binary.toString('hex')).toContain(traceId);
    const metadata = new Metadata();
    metadata.set('grpc-trace-bin', Buffer.from(String(Buffer.isBuffer(binary) && binary.toString('hex')), 'hex'));
    const wire = new FakeServerCall();
    tracingServerLayer({ grpcTraceBin: true })(serverInfo('/shop.Cart/Get'), wire).start(handlerListener(() => {}));
    wire.listener?.onReceiveMetadata(metadata);
    wire.listener?.onCancel();
    expect(named('shop.Cart/Get').parentSpanContext).toMatchObject({ traceId, isRemote: true });
  });

  test('an unsampled call has no span, hands the decision on, and its answer passes by', () => {
    const { spans } = startTraces(new AlwaysOffSampler());
    const { lower, heard, seen } = call();
    expect(lower.metadata.get('traceparent')[0]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect(lower.listener).toBe(heard);
    expect(seen().record).toBeUndefined();
    lower.end();
    expect(spans()).toEqual([]);
  });

  test('without an SDK no layer is built and the metadata is left alone', () => {
    const info = callInfo();
    const { made, lower, sent, seen } = call(undefined, info);
    expect(made).toBe(lower);
    expect(lower.metadata).toBe(sent);
    expect(seen()).toBe(info);
  });

  test('a propagator without an SDK still hands on what is active', () => {
    startTraces();
    trace.disable();
    const remote = propagation.extract(ROOT_CONTEXT, { traceparent: PARENT });
    const { lower } = context.with(remote, () => call());
    expect(lower.metadata.get('traceparent')).toEqual([PARENT]);
  });

  test("an exporter's own calls are not traced", () => {
    const { spans } = startTraces();
    const { made, lower } = context.with(suppressTracing(ROOT_CONTEXT), () => call());
    expect(made).toBe(lower);
    lower.end();
    expect(spans()).toEqual([]);
    expect(lower.metadata.getMap()).toEqual({});
  });

  test('a cancelled call ends as CANCELLED, a call never sent has no peer', () => {
    const { named } = startTraces();
    const { lower, made } = call();
    lower.peer = 'dns:///cart.example:8443'; // what grpc-js says before a pick
    made.cancelWithStatus(Code.CANCELLED, 'by the app');
    expect(named(CALL).attributes).toEqual({ ...base, 'rpc.status_code': 'CANCELLED', 'error.type': 'CANCELLED' });
  });

  test('shows only allow-listed metadata, never binary', () => {
    const { named } = startTraces();
    const lower = new FakeClientCall();
    const sent = new Metadata();
    sent.set('x-tenant', 'a');
    sent.add('x-tenant', 'b');
    sent.set('authorization', 'secret');
    const made = tracingClientInterceptor({ requestMetadata: ['X-Tenant'], responseMetadata: ['x-zone', 'x-none'] })(
      callInfo(),
      () => lower,
    );
    made.start(sent, new Heard());
    const answer = new Metadata();
    answer.set('x-zone', 'eu-1');
    answer.set('set-cookie', 'secret');
    lower.listener?.onReceiveMetadata(answer);
    lower.end();
    expect(named(CALL).attributes).toMatchObject({ 'rpc.request.metadata.x-tenant': ['a', 'b'], 'rpc.response.metadata.x-zone': ['eu-1'] });
    expect(JSON.stringify(named(CALL).attributes)).not.toMatch(/secret|x-none/);
  });

  test.each([
    [{ attemptSpans: 'allways' }, 'tracing.attemptSpans: "allways"'],
    [{ names: 'otel' }, 'tracing.names: "otel" is none of'],
    [{ grpcTraceBin: 'yes' }, 'tracing.grpcTraceBin: expected true or false, got "yes"'],
    [{ requestMetadata: ['x-a', 'x-b-bin'] }, 'tracing.requestMetadata[1]: "x-b-bin"'],
    [{ responseMetadata: ['a key'] }, 'tracing.responseMetadata[0]: "a key"'],
  ])('refuses %j', (options, message) => {
    const bad = options as TracingOptions;
    for (const make of [tracingClientInterceptor, attemptTracingInterceptor, tracingServerLayer]) {
      expect(() => make(bad)).toThrow(ConfigError);
      expect(() => make(bad)).toThrow(message);
    }
  });
});

/** A traced call and a way to make attempts at it. */
function attempts(attemptSpans?: AttemptSpans) {
  const traces = startTraces();
  const clock = new FakeClock();
  const options = { clock, attemptSpans };
  const { lower, seen } = call(options);
  const intercept = attemptTracingInterceptor(options);
  const attempt = (picked: string) => {
    const below = new FakeClientCall();
    let info = seen();
    const made = intercept(attemptInfo(info, picked), (given) => {
      info = given;
      return below;
    });
    const listener = new Heard();
    made.start(new Metadata(), listener);
    return { below, info, listener };
  };
  const shown = () =>
    traces
      .spans()
      .filter((span) => span.name === `Attempt.${CALL}`)
      .map((span) => ({
        code: span.attributes['rpc.status_code'],
        before: span.attributes['previous-rpc-attempts'],
        ms: span.duration[1] / 1e6,
      }));
  return { ...traces, clock, call: lower, record: seen().record, attempt, shown };
}

describe('tracing, attempts', () => {
  test('a call that succeeds at once has no attempt span', () => {
    const { attempt, shown, call: top, record } = attempts();
    attempt('10.0.0.1:80').below.end();
    top.end();
    expect(shown()).toEqual([]);
    expect(record?.call.attempts).toBe(1);
  });

  test('from the second attempt on each has one, the first with its true times', () => {
    const { attempt, shown, named, spans, call: top, clock } = attempts();
    const first = attempt('10.0.0.1:80');
    clock.advance(10);
    first.below.end(Code.UNAVAILABLE);
    clock.advance(25);
    const second = attempt('10.0.0.2:80');
    clock.advance(5);
    second.below.end();
    top.end();
    expect(shown()).toEqual([
      { code: 'UNAVAILABLE', before: 0, ms: 10 },
      { code: 'OK', before: 1, ms: 5 },
    ]);
    const parent = named(CALL);
    const [one, two] = spans().filter((span) => span.name.startsWith('Attempt.'));
    expect(one?.startTime).toEqual(parent.startTime);
    expect(one?.status.code).toBe(SpanStatusCode.ERROR);
    expect(one?.attributes).toEqual({
      'rpc.system.name': 'grpc',
      'rpc.method': CALL,
      'previous-rpc-attempts': 0,
      'rpc.status_code': 'UNAVAILABLE',
      'error.type': 'UNAVAILABLE',
      'network.peer.address': '10.0.0.1',
      'network.peer.port': 80,
    });
    for (const span of [one, two]) {
      expect(span?.kind).toBe(SpanKind.CLIENT);
      expect(span?.parentSpanContext?.spanId).toBe(parent.spanContext().spanId);
    }
    // What a retry healed is no error of the call.
    expect(parent.status.code).toBe(SpanStatusCode.UNSET);
  });

  test('the first of two that run at the same time ends when it ends', () => {
    const { attempt, shown, call: top, clock } = attempts();
    const first = attempt('10.0.0.1:80');
    clock.advance(10);
    const second = attempt('10.0.0.2:80');
    clock.advance(10);
    second.below.end();
    clock.advance(10);
    first.below.end(Code.CANCELLED);
    top.end();
    expect(shown()).toEqual([
      { code: 'OK', before: 1, ms: 10 },
      { code: 'CANCELLED', before: 0, ms: 30 },
    ]);
  });

  test('an attempt with a span is what the wire and the layers below see as the parent', () => {
    const { attempt, spans, record } = attempts('always');
    const { below, info, listener } = attempt('10.0.0.1:80');
    expect(info.record?.span).not.toBe(record?.span);
    expect(info.record?.call).toBe(record?.call);
    below.end();
    const [span] = spans();
    expect(span?.spanContext().spanId).toBe(info.record?.span.spanContext().spanId);
    expect(below.metadata.get('traceparent')[0]).toContain(span?.spanContext().spanId);
    expect(listener.statuses).toHaveLength(1);
  });

  test('off: never', () => {
    const { attempt, shown } = attempts('off');
    attempt('10.0.0.1:80').below.end(Code.UNAVAILABLE);
    attempt('10.0.0.2:80').below.end();
    expect(shown()).toEqual([]);
  });

  test('an untraced call passes through', () => {
    const lower = new FakeClientCall();
    expect(attemptTracingInterceptor()(callInfo(), () => lower)).toBe(lower);
  });
});

/** One served call through the layer. */
function serve(options?: TracingOptions, info = serverInfo(), metadata = new Metadata()) {
  const wire = new FakeServerCall();
  const made = tracingServerLayer(options)(info, wire);
  const active: (string | undefined)[] = [];
  made.start(handlerListener((hook) => active.push(`${hook} ${trace.getActiveSpan()?.spanContext().spanId}`)));
  wire.listener?.onReceiveMetadata(metadata);
  wire.listener?.onReceiveMessage({});
  wire.listener?.onReceiveHalfClose();
  return { wire, made, active };
}

function from(traceparent: string): Metadata {
  const metadata = new Metadata();
  metadata.set('traceparent', traceparent);
  return metadata;
}

describe('tracing, server', () => {
  const base = { 'rpc.system.name': 'grpc', 'rpc.method': CALL, 'network.peer.address': '192.0.2.4', 'network.peer.port': 39000 };

  test("records one SERVER span under the caller's, and the handler runs in it", () => {
    const { named } = startTraces();
    const { made, wire, active } = serve(undefined, serverInfo(), from(PARENT));
    made.sendStatus(plainStatus(0, ''));
    wire.listener?.onCancel(); // comes after every call
    const span = named(CALL);
    const { spanId } = span.spanContext();
    expect(span.kind).toBe(SpanKind.SERVER);
    expect(span.parentSpanContext).toMatchObject({ spanId: 'b7ad6b7169203331', isRemote: true });
    expect(span.attributes).toEqual({ ...base, 'rpc.status_code': 'OK' });
    expect(active).toEqual([`metadata ${spanId}`, `message ${spanId}`, `halfClose ${spanId}`, 'cancel undefined']);
    expect(wire.statuses.map(({ code }) => code)).toEqual([0]);
  });

  const SERVER_ERRORS = ['UNKNOWN', 'DEADLINE_EXCEEDED', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS'];
  test.each(Object.values(Code).map((code) => ({ code, name: codeName(code), error: SERVER_ERRORS.includes(codeName(code)) })))(
    '$name is an error of the server: $error',
    ({ code, name, error }) => {
      const { named } = startTraces();
      serve().made.sendStatus({ code, details: 'card 4111' });
      const span = named(CALL);
      expect(span.status).toEqual({ code: error ? SpanStatusCode.ERROR : SpanStatusCode.UNSET });
      expect(span.attributes).toEqual({ ...base, 'rpc.status_code': name, ...(error && { 'error.type': name }) });
    },
  );

  test('a refusal names its reason', () => {
    const { spans } = startTraces();
    serve().made.sendStatus(serverRefusal(refusal(Code.RESOURCE_EXHAUSTED, 'server.bulkhead/queue-full', 'no')));
    expect(spans()[0]?.attributes['inmesh.reason']).toBe('server.bulkhead/queue-full');
  });

  test.each([
    { deadlineInMs: 50, code: 'DEADLINE_EXCEEDED', status: { code: SpanStatusCode.ERROR } },
    { deadlineInMs: 500, code: 'CANCELLED', status: { code: SpanStatusCode.UNSET } },
    { deadlineInMs: Number.POSITIVE_INFINITY, code: 'CANCELLED', status: { code: SpanStatusCode.UNSET } },
  ])('a call cut off after 100 ms of $deadlineInMs ends once, as $code', ({ deadlineInMs, code, status }) => {
    const { named } = startTraces();
    const clock = new FakeClock();
    const { made, wire } = serve({ clock });
    wire.deadline = clock.wallMs() + deadlineInMs;
    clock.advance(100);
    wire.listener?.onCancel();
    made.sendStatus(plainStatus(0, '')); // a handler that did not notice
    expect(named(CALL).attributes['rpc.status_code']).toBe(code);
    expect(named(CALL).status).toEqual(status);
  });

  test('an item has a span of its own under its caller, says which it is, and links to the carrier', () => {
    const { named, provider } = startTraces();
    const carrier = provider.getTracer('app').startSpan('carrier');
    const { made, active } = context.with(trace.setSpan(ROOT_CONTEXT, carrier), () =>
      serve(undefined, serverInfo('/shop.Cart/Add', { index: 3, size: 7 }), from(PARENT)),
    );
    made.sendStatus(plainStatus(0, ''));
    const span = named(CALL);
    expect(span.attributes).toEqual({ ...base, 'rpc.status_code': 'OK', 'inmesh.batch.index': 3, 'inmesh.batch.size': 7 });
    expect(span.parentSpanContext?.spanId).toBe('b7ad6b7169203331');
    expect(span.links.map((link) => link.context.spanId)).toEqual([carrier.spanContext().spanId]);
    expect(active[0]).toBe(`metadata ${span.spanContext().spanId}`);
  });

  test('an item that says nothing of a trace is a root: it is no child of its carrier', () => {
    const { named, provider } = startTraces();
    const carrier = provider.getTracer('app').startSpan('carrier');
    const { made } = context.with(trace.setSpan(ROOT_CONTEXT, carrier), () =>
      serve(undefined, serverInfo('/shop.Cart/Add', { index: 0, size: 2 })),
    );
    made.sendStatus(plainStatus(0, ''));
    expect(named(CALL).parentSpanContext).toBeUndefined();
  });

  test('unsampled: no span, but what the handler calls is told so', () => {
    const { spans } = startTraces(new AlwaysOffSampler());
    const { made, active } = serve(undefined, serverInfo(), from(PARENT.replace(/01$/, '00')));
    made.sendStatus(plainStatus(0, ''));
    expect(spans()).toEqual([]);
    expect(active[0]).toMatch(/^metadata [0-9a-f]{16}$/);
  });

  test('without an SDK everything passes through', () => {
    const { made, wire, active } = serve(undefined, serverInfo(), from(PARENT));
    made.sendStatus(plainStatus(5, ''));
    wire.listener?.onCancel();
    expect(active).toEqual(['metadata undefined', 'message undefined', 'halfClose undefined', 'cancel undefined']);
    expect(wire.statuses.map(({ code }) => code)).toEqual([5]);
  });

  test('shows only allow-listed metadata', () => {
    const { named } = startTraces();
    const metadata = from(PARENT);
    metadata.set('x-tenant', 'a');
    metadata.set('authorization', 'secret');
    const { made } = serve({ requestMetadata: ['x-tenant'], responseMetadata: ['x-zone'] }, serverInfo(), metadata);
    const answer = new Metadata();
    answer.set('x-zone', 'eu-1');
    made.sendMetadata(answer);
    made.sendStatus(plainStatus(0, ''));
    expect(named(CALL).attributes).toMatchObject({ 'rpc.request.metadata.x-tenant': ['a'], 'rpc.response.metadata.x-zone': ['eu-1'] });
    expect(JSON.stringify(named(CALL).attributes)).not.toContain('secret');
  });
});
