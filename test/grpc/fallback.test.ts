/**
 * Servers that don't take batches, no longer, or answer them wrongly: no call is lost or gets another's answer (K2, K13).
 */
import { Server, status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { encodeReply } from '../../src/batch/reply-codec.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { seededRandom } from '../../src/random.ts';
import { type Door, doors, EchoClient, metadataOf, type Outcome, serve } from '../support/loopback.ts';
import { answerWell, type CarrierStream, forge, resultOf } from './forged.ts';
import { coalesceIn } from './pair.ts';

const TEXTS = ['a', 'b', 'c'];
const GOOD = TEXTS.map((text) => `OK say ${text}`);
/** The last message of a carrier. */
function finish(stream: CarrierStream, message: Buffer): void {
  stream.write(message);
  stream.end();
}
const words = (outcomes: readonly Outcome[]): string[] => outcomes.map(({ code, text }) => (text === undefined ? code : `${code} ${text}`));

function open(address: string, door: Door): { mesh: Mesh; client: EchoClient } {
  const mesh = createMesh({ coalesce: 'auto' });
  return { mesh, client: new EchoClient({ address, mesh, door }) };
}

describe.each(doors)('at door %s', (door) => {
  test('a server without inmesh gets plain calls only (K13)', async () => {
    await using running = await serve();
    const { mesh, client } = open(running.address, door);
    using _ = client;
    for (let round = 0; round < 3; round++) expect(words(await client.burst(TEXTS))).toEqual(GOOD);
    expect(mesh.stats().coalesce).toMatchObject({ carriers: 0, turnedAway: 0, plain: { 'no-peer': 9 } });
    expect(mesh.stats().client).toMatchObject({ calls: 9, attempts: 9, failed: 0 });
  });

  test("replies keep below the client's own limit, and nothing runs twice (K11, K17, Q23)", async () => {
    const runs = new Map<string, number>();
    await using running = await serve({
      server: new MeshServer(),
      handlers: {
        say: (call, callback) => {
          const { text } = call.request;
          runs.set(text, (runs.get(text) ?? 0) + 1);
          callback(null, { text: 'x'.repeat(100) });
        },
      },
    });
    const mesh = createMesh({ coalesce: coalesceIn('envelope') });
    using client = new EchoClient({ address: running.address, mesh, door, options: { 'grpc.max_receive_message_length': 1000 } });
    await client.learn();
    runs.clear();
    const texts = Array.from({ length: 40 }, (_, index) => `text ${index}`);
    const codes = new Set((await client.burst(texts)).map(({ code }) => code));
    expect(mesh.stats().coalesce.carriers).toBe(1);
    expect([...runs.values()]).toEqual(texts.map(() => 1));
    expect([...codes]).toEqual(['OK']);
    await mesh.close();
  });

  test('a fleet of which one has no inmesh: batches to the two, plain calls to the one (K13)', async () => {
    let plainCalls = 0;
    await using one = await serve({ server: new MeshServer() });
    await using two = await serve({ server: new MeshServer() });
    await using three = await serve({
      handlers: {
        say: (call, callback) => {
          plainCalls++;
          callback(null, { text: `say ${call.request.text}` });
        },
      },
    });
    // Latencies are forgotten at once: all look equally quick, and chance alone decides.
    const mesh = createMesh(
      { coalesce: coalesceIn('envelope'), balance: { policy: 'peak_ewma', decay: '0.0001s' } },
      { random: seededRandom(7) },
    );
    const address = `ipv4:${[one, two, three].map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
    using client = new EchoClient({ address, mesh, door });
    // Until each has been met: an endpoint's own answers say what it can.
    for (let round = 0; round < 60; round++) expect(words(await client.burst(TEXTS))).toEqual(GOOD);
    const { carriers, plain } = mesh.stats().coalesce;
    expect(carriers).toBeGreaterThan(0);
    // What a server can never biases the choice: this one has its share.

    expect(plainCalls).toBeGreaterThan(10);
    expect(carriers * 3 + plain.endpoint + plain['no-peer']).toBe(180);
    expect(mesh.stats().coalesce.turnedAway).toBe(0);
    expect(mesh.stats().client).toMatchObject({ failed: 0, retries: 0 });
  });

  test('a server that is rolled back to one without inmesh loses no call: with its connection goes what it said of itself (K13)', async () => {
    const before = await serve({ server: new MeshServer() });
    const { mesh, client } = open(before.address, door);
    using _ = client;
    await client.learn();
    expect(words(await client.burst(TEXTS))).toEqual(GOOD);
    before.kill();
    await using after = await serve({ server: new Server(), port: before.port });
    await expect.poll(async () => (await client.say('there?')).code, { timeout: 10_000 }).toBe('OK');
    const { carriers } = mesh.stats().coalesce;
    expect(words(await client.burst(TEXTS))).toEqual(GOOD);
    expect(mesh.stats().coalesce).toMatchObject({ carriers, turnedAway: 0, plain: { fallback: 0 } });
    expect(after.port).toBe(before.port);
  });

  test.for([
    ['UNIMPLEMENTED', status.UNIMPLEMENTED, 'no such path'],
    ['PERMISSION_DENIED', status.PERMISSION_DENIED, 'not this path'],
    ['UNAUTHENTICATED', status.UNAUTHENTICATED, 'who are you'],
    ['RESOURCE_EXHAUSTED for its size', status.RESOURCE_EXHAUSTED, 'Received message larger than max (9 vs 8)'],
  ] as const)('a batch refused with %s goes out call by call', async ([, code, details]) => {
    await using forged = await forge((stream) => stream.emit('error', { code, details }));
    const { client } = open(forged.address, door);
    using _ = client;
    await client.learn();
    expect(words(await client.burst(TEXTS))).toEqual(GOOD);
    expect(forged.carriers).toHaveLength(1);
    expect(forged.plain).toEqual(TEXTS);
  });

  test('a batch that may have run is not sent again, and its calls say so', async () => {
    await using forged = await forge((stream) => stream.emit('error', { code: status.UNAVAILABLE, details: 'broken' }));
    const { client } = open(forged.address, door);
    using _ = client;
    await client.learn();
    for (const outcome of await client.burst(TEXTS)) {
      expect(outcome).toMatchObject({ code: 'UNAVAILABLE', details: 'broken', trailers: { 'inmesh-ambiguous': ['1'] } });
    }
    expect(forged.plain).toEqual([]);
  });

  const INTERNAL = ['INTERNAL', 'INTERNAL', 'INTERNAL'];
  const say = (...ids: number[]) => ids.map((id) => resultOf(id, `say ${TEXTS[id] ?? 'nobody'}`));
  const replies: readonly (readonly [name: string, reply: (stream: CarrierStream) => void, outcomes: readonly string[]])[] = [
    ['in another order', (stream) => finish(stream, encodeReply(say(2, 0, 1), true)), GOOD],
    [
      'in several messages',
      (stream) => {
        stream.write(encodeReply(say(1), false));
        stream.write(encodeReply([], false));
        stream.write(encodeReply(say(2), false));
        finish(stream, encodeReply(say(0), true));
      },
      GOOD,
    ],
    ['without one of them', (stream) => finish(stream, encodeReply(say(0, 2), true)), ['OK say a', 'INTERNAL', 'OK say c']],
    [
      'with one twice, the first counts',
      (stream) => finish(stream, encodeReply([...say(0, 1), resultOf(1, 'other'), ...say(2)], true)),
      GOOD,
    ],
    ['with one that nobody asked for', (stream) => finish(stream, encodeReply(say(0, 77, 1, 2), true)), GOOD],
    ['with nothing in it', (stream) => finish(stream, encodeReply([], true)), INTERNAL],
    ['with no message at all', (stream) => stream.end(), INTERNAL],
    ['with bytes that mean nothing', (stream) => finish(stream, Buffer.from('not a reply')), INTERNAL],
    [
      'with good results and then nonsense',
      (stream) => {
        stream.write(encodeReply(say(1), false));
        finish(stream, Buffer.from([0xff]));
      },
      ['INTERNAL', 'OK say b', 'INTERNAL'],
    ],
    [
      'that calls itself the last, without one of them, and never ends',
      (stream) => stream.write(encodeReply(say(0, 2), true)),
      ['OK say a', 'INTERNAL', 'OK say c'],
    ],
    [
      'with some results and then an error',
      (stream) => {
        stream.write(encodeReply(say(1), false));
        stream.emit('error', { code: status.ABORTED, details: 'stop' });
      },
      ['ABORTED', 'OK say b', 'ABORTED'],
    ],
    [
      'with metadata that is not allowed',
      (stream) => finish(stream, encodeReply([...say(0, 1), resultOf(2, 'say c', { trailers: ['Bad Key', 'x'] })], true)),
      ['OK say a', 'OK say b', 'INTERNAL'],
    ],
  ];
  test.for(replies)('a reply %s (K2)', async ([, reply, outcomes]) => {
    await using forged = await forge(reply);
    const { mesh, client } = open(forged.address, door);
    using _ = client;
    await client.learn();
    const got = await client.burst(TEXTS);
    expect(words(got)).toEqual(outcomes);
    expect(forged.plain).toEqual([]);
    expect(mesh.stats().client.active).toBe(0);
    expect(
      Object.values(mesh.stats().endpoints)
        .flat()
        .map(({ inFlight }) => inFlight),
    ).toEqual([0]);
  });

  test('headers and trailers of each are its own', async () => {
    await using forged = await forge((stream, texts) => {
      stream.sendMetadata(metadataOf({ 'x-shared': 'by all' }));
      const results = texts.map((text, id) => resultOf(id, `say ${text}`, { headers: ['x-head', text], trailers: ['x-trail', text] }));
      finish(stream, encodeReply(results, true));
    });
    const { client } = open(forged.address, door);
    using _ = client;
    await client.learn();
    const outcomes = await client.burst(TEXTS);
    expect(outcomes.map(({ headers }) => headers)).toEqual(TEXTS.map((text) => ({ 'x-shared': ['by all'], 'x-head': [text] })));
    expect(outcomes.map(({ trailers }) => trailers)).toEqual(TEXTS.map((text) => ({ 'x-trail': [text] })));
  });

  test('the forged server is a good one where it wants to be', async () => {
    await using forged = await forge(answerWell);
    const { client } = open(forged.address, door);
    using _ = client;
    await client.learn();
    expect(words(await client.burst(TEXTS))).toEqual(GOOD);
    expect(forged.carriers.map(({ texts }) => texts)).toEqual([TEXTS]);
  });
});
