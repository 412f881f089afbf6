/** Waits in our queues, as spans. */
import { Metadata } from '@grpc/grpc-js';
import { SpanKind, trace } from '@opentelemetry/api';
import { AlwaysOffSampler } from '@opentelemetry/sdk-trace';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bulkheadClient, bulkheadServer } from '../../interceptors/bulkhead.ts';
import { limitClient, limitServer } from '../../interceptors/limit.ts';
import { tracingClientInterceptor, tracingServerLayer } from '../../interceptors/tracing.ts';
import { Bulkhead } from '../../src/bulkhead/bulkhead.ts';
import { Code } from '../../src/call.ts';
import type { ClientInterceptor } from '../../src/grpc/client-call.ts';
import type { ServerLayer } from '../../src/grpc/server-call.ts';
import { AdaptiveLimiter } from '../../src/limit/limiter.ts';
import { createAlgorithm, resolveLimitOptions } from '../../src/limit/options.ts';
import { systemRandom } from '../../src/random.ts';
import {
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

const clock = new FakeClock();
afterEach(() => {
  stopTelemetry();
  expect(clock.pending).toBe(0);
});
beforeEach(() => clock.advance(1000)); // not at 0

const room = { slots: 1, queue: 2, queueTimeoutMs: 50 };
const limiter = (): AdaptiveLimiter => {
  const rules = resolveLimitOptions({ algorithm: 'aimd', min: 1, max: 1, initial: 1, queue: 2, queueTimeoutMs: 50 }, 'limit');
  return new AdaptiveLimiter(rules, createAlgorithm(rules, systemRandom), clock);
};

interface Queue {
  readonly queue: 'bulkhead' | 'limit';
  readonly client: () => ClientInterceptor;
  readonly server: () => ServerLayer;
}
const queues: readonly Queue[] = [
  {
    queue: 'bulkhead',
    client: () => {
      const bulkhead = new Bulkhead(room, clock);
      return bulkheadClient({ clock, bulkheadOf: () => bulkhead });
    },
    server: () => {
      const bulkhead = new Bulkhead(room, clock);
      return bulkheadServer({ clock, bulkheadOf: () => bulkhead });
    },
  },
  {
    queue: 'limit',
    client: () => {
      const limit = limiter();
      return limitClient({ clock, limitOf: () => limit });
    },
    server: () => {
      const limit = limiter();
      return limitServer({ clock, limitOf: () => limit });
    },
  },
];

/** Client calls through tracing and the queue. */
function calls({ client }: Queue) {
  const tracing = tracingClientInterceptor({ clock });
  const queue = client();
  return () => {
    const lower = new FakeClientCall();
    const made = tracing(callInfo(), (info) => queue(info, () => lower));
    made.start(new Metadata(), new Heard());
    return { made, lower };
  };
}

describe.each(queues)('waits for a $queue, client', (queue) => {
  const name = `inmesh.queue ${queue.queue}`;

  test("a call that waited has a span for it under its own, as long as the wait; one that didn't has none", () => {
    const { spans, named } = startTraces();
    const call = calls(queue);
    const first = call();
    const second = call();
    clock.advance(20);
    first.lower.end();
    clock.advance(5);
    second.lower.end();
    const wait = named(name);
    expect(spans()).toHaveLength(3);
    expect(wait.kind).toBe(SpanKind.INTERNAL);
    expect(wait.attributes).toEqual({ 'inmesh.queue': queue.queue });
    expect(wait.duration).toEqual([0, 20_000_000]);
    const waited = spans().at(-1);
    expect(wait.parentSpanContext?.spanId).toBe(waited?.spanContext().spanId);
    expect(wait.startTime).toEqual(waited?.startTime);
    expect(waited?.duration).toEqual([0, 25_000_000]);
  });

  test('so have one that waited in vain and one that is given up meanwhile', () => {
    const { spans } = startTraces();
    const call = calls(queue);
    const first = call();
    call();
    const third = call();
    clock.advance(10);
    third.made.cancelWithStatus(Code.CANCELLED, 'by the app');
    clock.advance(40);
    first.lower.end();
    const waits = spans().filter((span) => span.name === name);
    expect(waits.map(({ duration }) => duration[1] / 1e6)).toEqual([10, 50]);
  });

  test('a call that is not sampled has none', () => {
    const { spans } = startTraces(new AlwaysOffSampler());
    const call = calls(queue);
    const first = call();
    const second = call();
    clock.advance(20);
    first.lower.end();
    second.lower.end();
    expect(spans()).toEqual([]);
  });
});

describe.each(queues)('waits for a $queue, server', (queue) => {
  test('a call that waited has a span for it under its own, and its handler runs in its own', () => {
    const { named, spans } = startTraces();
    const tracing = tracingServerLayer({ clock });
    const layer = queue.server();
    const active: (string | undefined)[] = [];
    const served = () => {
      const wire = new FakeServerCall();
      const info = serverInfo();
      const made = layer(info, tracing(info, wire));
      made.start(handlerListener((hook) => hook === 'metadata' && active.push(trace.getActiveSpan()?.spanContext().spanId)));
      wire.listener?.onReceiveMetadata(new Metadata());
      return made;
    };
    const first = served();
    const second = served();
    clock.advance(20);
    first.sendStatus({ code: 0, details: '', metadata: null });
    second.sendStatus({ code: 0, details: '', metadata: null });
    const wait = named(`inmesh.queue ${queue.queue}`);
    expect(wait.duration).toEqual([0, 20_000_000]);
    const [one, two] = spans().filter(({ name }) => name === 'shop.Cart/Add');
    expect(wait.parentSpanContext?.spanId).toBe(two?.spanContext().spanId);
    expect(active).toEqual([one?.spanContext().spanId, two?.spanContext().spanId]);
  });
});
