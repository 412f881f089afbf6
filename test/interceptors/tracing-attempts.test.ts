import { Metadata } from '@grpc/grpc-js';
import { SpanStatusCode } from '@opentelemetry/api';
import { afterEach, describe, expect, test } from 'vitest';
import { attemptTracingInterceptor, tracingClientInterceptor } from '../../interceptors/tracing.ts';
import { Code } from '../../src/call.ts';
import { attemptContext, type CallInfo, type ClientCall } from '../../src/grpc/client-call.ts';
import { HedgeContext } from '../../src/grpc/hedge-attempt.ts';
import { plainStatus } from '../../src/grpc/refuse.ts';
import type { TelemetryNames } from '../../src/observe/options.ts';
import { callInfo, FakeClientCall, Heard, startTraces, stopTelemetry } from '../src/observe/rig.ts';

afterEach(stopTelemetry);

/** A traced call, and attempts at it. */
function rig(names: TelemetryNames, door: Partial<CallInfo['door']> = {}) {
  const traces = startTraces();
  const options = { names, attemptSpans: 'always' } as const;
  const top = new FakeClientCall();
  const given = callInfo();
  let info: CallInfo = { ...given, door: { ...given.door, ...door } };
  const traced = tracingClientInterceptor(options)(info, (below) => {
    info = below;
    return top;
  });
  traced.start(new Metadata(), new Heard());
  const attempt = (context = attemptContext()) => {
    const below = new FakeClientCall();
    const made: ClientCall = attemptTracingInterceptor(options)({ ...info, attempt: context }, () => below);
    made.start(new Metadata(), new Heard());
    return { below, made, context };
  };
  const attempts = () => traces.spans().filter(({ name }) => name.startsWith('Attempt.'));
  return { ...traces, top, attempt, attempts };
}
const cancelledBy = (details: string) => plainStatus(Code.CANCELLED, details);

describe('tracing, attempts of a hedged call', () => {
  test.each(['semconv', 'grpc', 'both'] as const)('%s: all but the first are hedges', (names) => {
    const { attempt, attempts, top } = rig(names);
    const hedged = new HedgeContext({ tried: undefined }, false);
    for (const { below } of [attempt(hedged), attempt(hedged), attempt(hedged)]) below.end();
    top.end();
    expect(attempts().map(({ attributes }) => attributes['inmesh.hedge'])).toEqual([undefined, true, true]);
  });

  test.each([
    ['semconv', 'a hedge', 'inmesh: another attempt was faster'],
    ['both', 'a retry', 'inmesh: another attempt answered'],
  ] as const)('%s: an attempt that is given up because %s won is no error', (names, _what, details) => {
    const { attempt, attempts, top } = rig(names);
    const { made, below } = attempt();
    below.cancelWithStatus = (_code, words) => below.endWith(cancelledBy(words));
    made.cancelWithStatus(Code.CANCELLED, details);
    top.end();
    const [span] = attempts();
    expect(span?.attributes).toMatchObject({ 'rpc.status_code': 'CANCELLED', 'inmesh.lost': true });
    expect(span?.attributes['error.type']).toBeUndefined();
    expect(span?.status.code).toBe(SpanStatusCode.UNSET);
  });

  test('one that the app has cancelled is an error as ever', () => {
    const { attempt, attempts, top } = rig('semconv');
    const { made } = attempt();
    made.cancelWithStatus(Code.CANCELLED, 'Cancelled on client');
    top.end(Code.CANCELLED);
    expect(attempts()[0]?.attributes).toMatchObject({ 'error.type': 'CANCELLED' });
    expect(attempts()[0]?.attributes['inmesh.lost']).toBeUndefined();
  });
});

describe('tracing, the way of an attempt to its connection', () => {
  const book = (attached: boolean): Partial<CallInfo['door']> => ({ book: { attached, endpoints: [], pick: () => undefined } });

  test('a stream that grpc-js has to open again by itself makes it a transparent retry, and no attempt of its own', () => {
    const { attempt, attempts, top } = rig('grpc');
    const { below, context } = attempt();
    for (const step of ['picking', 'started', 'picking', 'started'] as const) context.watch?.[step]();
    below.end();
    top.end();
    expect(attempts()).toHaveLength(1);
    expect(attempts()[0]?.attributes).toEqual({ 'transparent-retry': true, 'previous-rpc-attempts': 0 });
    expect(attempts()[0]?.events.map(({ name }) => name)).toEqual([]);
  });

  test('names that were known and a connection that was ready are no events', () => {
    const { attempt, attempts, named, top } = rig('grpc', book(true));
    const { below, context } = attempt();
    context.watch?.picking();
    context.watch?.started();
    below.end();
    top.end();
    expect(attempts()[0]?.events).toEqual([]);
    expect(named('Sent.shop.Cart.Add').events).toEqual([]);
  });

  test('a wait for names is told once, on the call; a wait for a connection when the stream opens, on the attempt', () => {
    const { attempt, attempts, named, top } = rig('both', book(false));
    const { below, context } = attempt();
    for (const step of ['picking', 'picking', 'picking', 'started'] as const) context.watch?.[step]();
    below.end();
    top.end();
    expect(attempts()[0]?.events.map(({ name }) => name)).toEqual(['Delayed LB pick complete']);
    expect(named('shop.Cart/Add').events.map(({ name }) => name)).toEqual(['Delayed name resolution complete']);
  });

  test('nothing is written on spans that have ended', () => {
    const { attempt, top } = rig('grpc');
    const { below, made, context } = attempt();
    const { watch } = context;
    expect(watch).toBeDefined();
    below.end();
    top.end();
    expect(context.watch).toBeUndefined();
    made.sendMessageWithContext({}, Buffer.from('late')); // the SDK would complain, and stopTelemetry throw
    below.listener?.onReceiveMessage(Buffer.from('late'));
  });

  test('with the names of the conventions nobody watches it', () => {
    const { attempt } = rig('semconv');
    expect(attempt().context.watch).toBeUndefined();
  });
});
