/** gRFC A72 between real ends: what grpc's own plugins of other languages put on their spans. */
import { Metadata } from '@grpc/grpc-js';
import { SpanStatusCode } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { afterEach, describe, expect, test } from 'vitest';
import { Code } from '../../src/call.ts';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { startTraces, stopTelemetry, type Traces } from '../src/observe/rig.ts';
import { clientDoors, EchoClient, type Handlers, serve } from '../support/loopback.ts';

afterEach(stopTelemetry);

const eventsOf = ({ events }: ReadableSpan): unknown[] =>
  events.map(({ name, attributes }) => (Object.keys(attributes ?? {}).length === 0 ? name : [name, attributes]));

async function rig(handlers: Partial<Handlers> = {}, policy: Policy = {}, door: (typeof clientDoors)[number] = 'channel') {
  const telemetry = { names: 'grpc' } as const;
  const traces = startTraces();
  const running = await serve({ server: new MeshServer({ mesh: createMesh({ telemetry }) }), handlers });
  const mesh = createMesh({ ...policy, telemetry: { ...telemetry, ...policy.telemetry } });
  const client = new EchoClient({ address: running.address, mesh, door });
  const dispose = async (): Promise<void> => {
    client[Symbol.dispose]();
    await running[Symbol.asyncDispose]();
  };
  return { traces, running, client, [Symbol.asyncDispose]: dispose };
}
const oneOf = async (traces: Traces, name: string): Promise<ReadableSpan> => {
  await expect.poll(() => traces.spans().some((span) => span.name === name)).toBe(true);
  return traces.named(name);
};

describe('A72, client', () => {
  test.each(clientDoors)(
    '%s: the first call of a client waits for names and a connection, and its spans say so; the next does not',
    async (door) => {
      await using made = await rig({}, {}, door);
      const { traces, client } = made;
      await client.say('a');
      const call = await oneOf(traces, 'Sent.loop.Echo.Say');
      expect(eventsOf(call)).toEqual(['Delayed name resolution complete']);
      const attempt = await oneOf(traces, 'Attempt.loop.Echo.Say');
      const names = eventsOf(attempt).map((event) => (Array.isArray(event) ? event[0] : event));
      expect(names.filter((name) => name === 'Delayed LB pick complete')).toHaveLength(1);
      await client.say('b', { method: 'tell' });
      expect(eventsOf(await oneOf(traces, 'Sent.loop.Echo.Tell'))).toEqual([]);
      expect(JSON.stringify(eventsOf(await oneOf(traces, 'Attempt.loop.Echo.Tell')))).not.toContain('Delayed');
    },
  );

  test('messages of both ways are numbered from 0, each way for itself', async () => {
    await using made = await rig();
    const { traces, client } = made;
    await client.learn();
    await new Promise((resolve) => {
      const chat = client.stub.chat(new Metadata(), {});
      let heard = 0;
      chat.on('data', () => (++heard === 2 ? chat.end() : undefined)).on('end', resolve);
      chat.write({ text: 'one' });
      chat.write({ text: 'three' });
    });
    const events = eventsOf(await oneOf(traces, 'Attempt.loop.Echo.Chat'));
    const of = (way: string) => events.filter((event) => Array.isArray(event) && event[0] === way).map((event) => (event as unknown[])[1]);
    const both = [
      { 'sequence-number': 0, 'message-size': 3 },
      { 'sequence-number': 1, 'message-size': 5 },
    ];
    expect(of('Outbound message')).toEqual(both);
    expect(of('Inbound message')).toEqual(both);
    const served = eventsOf(await oneOf(traces, 'Recv.loop.Echo.Chat')).map((event) => (event as unknown[])[0]);
    expect(served.sort()).toEqual(['Inbound message', 'Inbound message', 'Outbound message', 'Outbound message']);
  });

  test('each attempt counts its own messages and says how many were before it; the call is what the app got', async () => {
    let n = 0;
    const say: Handlers['say'] = (_call, callback) =>
      n++ < 2 ? callback({ code: Code.UNAVAILABLE, details: 'card 4111' }) : callback(null, { text: 'x' });
    await using made = await rig({ say }, { defaults: { idempotent: true } });
    const { traces, client } = made;
    expect(await client.say('abc')).toMatchObject({ code: 'OK' });
    const attempts = traces.spans().filter(({ name }) => name === 'Attempt.loop.Echo.Say');
    expect(attempts.map(({ attributes }) => attributes)).toEqual(
      [0, 1, 2].map((before) => ({ 'transparent-retry': false, 'previous-rpc-attempts': before })),
    );
    const sent = ['Outbound message', { 'sequence-number': 0, 'message-size': 3 }];
    for (const attempt of attempts) expect(eventsOf(attempt)).toContainEqual(sent);
    // The details of a status are the application's, and stay out of the description.
    expect(attempts.map(({ status }) => status)).toEqual([
      { code: SpanStatusCode.ERROR, message: 'UNAVAILABLE' },
      { code: SpanStatusCode.ERROR, message: 'UNAVAILABLE' },
      { code: SpanStatusCode.OK },
    ]);
    const call = traces.named('Sent.loop.Echo.Say');
    expect(call.status).toEqual({ code: SpanStatusCode.OK });
    for (const attempt of attempts) expect(attempt.parentSpanContext?.spanId).toBe(call.spanContext().spanId);
  });

  test('what is refused here has no attempt; our own words are in the description', async () => {
    await using made = await rig({}, { defaults: { bulkhead: { slots: 1, queue: 0 } } });
    const { traces, client } = made;
    await client.learn();
    const seen = traces.spans().length;
    await client.burst(['a', 'b']);
    const refused = traces
      .spans()
      .slice(seen)
      .find(({ status }) => status.code === SpanStatusCode.ERROR);
    expect(refused?.name).toBe('Sent.loop.Echo.Say');
    expect(refused?.attributes).toEqual({ 'inmesh.reason': 'client.bulkhead/queue-full' });
    expect(refused?.status.message).toMatch(/^RESOURCE_EXHAUSTED, inmesh: bulkhead of/);
  });

  test('without attempt spans there are no messages either', async () => {
    await using made = await rig({}, { telemetry: { attemptSpans: 'off' } });
    const { traces, client } = made;
    await client.say('a');
    const call = await oneOf(traces, 'Sent.loop.Echo.Say');
    expect(traces.spans().some(({ name }) => name.startsWith('Attempt.'))).toBe(false);
    expect(JSON.stringify(eventsOf(call))).not.toContain('message');
  });
});

describe('A72, server', () => {
  test('every status but OK is an error, with its code for a description', async () => {
    const say: Handlers['say'] = (_call, callback) => callback({ code: Code.NOT_FOUND, details: 'card 4111' });
    await using made = await rig({ say });
    const { traces, client } = made;
    await client.say('a');
    expect((await oneOf(traces, 'Recv.loop.Echo.Say')).status).toEqual({ code: SpanStatusCode.ERROR, message: 'NOT_FOUND' });
  });
});
