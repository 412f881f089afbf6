/**
 * Carriers from a peer that means harm, over the real wire: refused early, with little memory, and at nobody else's cost.
 */
import { once } from 'node:events';
import { connect } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { status as Code, type StatusObject } from '@grpc/grpc-js';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { encodeFrame } from '../../src/batch/request-codec.ts';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { Gate, type RunningServer, serve } from '../support/loopback.ts';
import { forms } from './pair.ts';
import { bytesOf, framed, itemOf, RawPeer, SAY, TUNNEL } from './raw-carriers.ts';

/** grpc-js takes no longer message. */
const LONGEST = 4 << 20;
const WINDOW = 1024;

const serving = createMesh();
let running: RunningServer;
let peer: RawPeer;
/** Texts of the calls that reached a handler. */
let ran: string[] = [];
let gate: Gate;

beforeAll(async () => {
  running = await serve({
    server: new MeshServer({ mesh: serving }),
    handlers: {
      say: ({ request: { text } }, callback) => {
        ran.push(text);
        if (text === 'held') void gate.opened.then(() => callback(null, { text: 'was held' }));
        else callback(null, { text: text.startsWith('big') ? 'x'.repeat(4_000) : `say ${text}` });
      },
    },
  });
  peer = new RawPeer(running.address);
});
afterAll(() => {
  peer[Symbol.dispose]();
  running.kill();
});
beforeEach(() => {
  ran = [];
  gate = new Gate();
  return async () => {
    gate.open();
    // Whatever came, the server is as well as before, and holds nothing.
    expect((await peer.plain(Buffer.from('well'))).text).toBe('say well');
    await expect.poll(() => serving.stats().server.active).toBe(0);
  };
});

/** Resolves when the number has grown, and grows no more. */
async function steady(read: () => number): Promise<void> {
  for (let before = 0; before === 0 || read() > before; ) {
    before = read();
    await new Promise((resolve) => void setTimeout(resolve, 300));
  }
}

const reasonOf = ({ metadata }: StatusObject): string[] => metadata.get('inmesh-reason').map(String);

describe.each(forms)('bombs in a carrier of the form %s', (form) => {
  test('4 MiB of items of two bytes are refused within 50 ms and 50 MB, and none runs (Q2)', async () => {
    const bomb = Buffer.alloc(LONGEST);
    for (let i = 2; i < LONGEST; i += 2) bomb[i] = 0x12;
    bomb.set([0x08, 1]);
    await peer.carrier(form, bomb); // connected, and warm
    const before = process.memoryUsage().rss;
    const grownBytes: number[] = [];
    let bestMs = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 8; i++) {
      const startedMs = performance.now();
      const { status, results } = await peer.carrier(form, bomb);
      bestMs = Math.min(bestMs, performance.now() - startedMs);
      grownBytes.push(process.memoryUsage().rss - before);
      expect(status).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, details: 'inmesh: more than 1024 items' });
      expect(results).toEqual([]);
    }
    expect(ran).toEqual([]);
    expect(bestMs).toBeLessThan(50); // with the 4 MiB on their way through both ends
    // The middle one: when garbage is collected is not ours to say.
    expect((grownBytes.sort((a, b) => a - b)[4] ?? 0) / 2 ** 20).toBeLessThan(50);
  });

  test('what inflates beyond the limit is refused as of a plain call, within 100 MB (Q1)', async () => {
    using gzip = new RawPeer(running.address, { 'grpc.default_compression_algorithm': 2 });
    const bomb = bytesOf(form, [itemOf('x'.repeat(32 << 20))]);
    expect(gzipSync(bomb).length).toBeLessThan(LONGEST);
    const before = process.memoryUsage().rss;
    const { status } = await gzip.carrier(form, bomb);
    expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(100 + 2 * 32); // this end has it whole, too, and sends a copy
    const plain = await gzip.plain(bomb);
    expect([status.code, status.details]).toEqual([plain.code, plain.details]);
    expect(plain.code).toBe(Code.RESOURCE_EXHAUSTED);
    expect(ran).toEqual([]);
  });

  test('an item is never inflated: what says it is compressed is refused, its neighbour runs (Q1)', async () => {
    const bytes = gzipSync('x'.repeat(1_000));
    const items = [itemOf('a'), itemOf('', { request: bytes, metadata: ['grpc-encoding', 'gzip'] })];
    const { results } = await peer.carrier(form, bytesOf(form, items));
    expect(results.map(({ code }) => code).sort()).toEqual([Code.OK, Code.INVALID_ARGUMENT]);
    expect(ran).toEqual(['a']);
  });

  test('an item that brings credentials or keys of ours is refused by itself (Q6, Q15)', async () => {
    const keys = ['authorization', 'Authorization', 'cookie', 'inmesh-unprocessed', 'grpc-timeout', ':path', 'host', 'te', 'a b', ''];
    const { results } = await peer.carrier(form, bytesOf(form, [itemOf('a'), ...keys.map((key) => itemOf('x', { metadata: [key, 'v'] }))]));
    expect(results.map(({ code }) => code).filter((code) => code !== Code.INVALID_ARGUMENT)).toEqual([Code.OK]);
    expect(results).toHaveLength(1 + keys.length);
    expect(ran).toEqual(['a']);
  });

  test('more metadata values than an item may have are refused before anything runs (Q2)', async () => {
    const metadata = Array.from({ length: 2 * 1025 }, () => 'k');
    const { status } = await peer.carrier(form, bytesOf(form, [itemOf('a'), itemOf('b', { metadata })]));
    expect(status).toMatchObject({ code: Code.RESOURCE_EXHAUSTED, details: 'inmesh: more than 1024 metadata values' });
    expect(ran).toEqual([]);
  });

  test('a version that is not known runs nothing', async () => {
    const bytes = bytesOf(form, [itemOf('a')]);
    bytes[1] = 9;
    const { status } = await peer.carrier(form, bytes);
    expect(status.code).toBe(Code.UNIMPLEMENTED);
    expect(ran).toEqual([]);
  });

  test.each([
    ['noise', Buffer.from('ffffffffffffffffffffffff', 'hex')],
    ['a length that lies', Buffer.from([8, 1, 0x12, 0xff, 0xff, 0xff, 0x7f, 1])],
    ['an endless number', Buffer.alloc(64, 0xff)],
    ['a group', Buffer.from([8, 1, 0x0b, 0x0c])],
    ['an item cut short', Buffer.from([8, 1, 0x12, 4, 0x12, 9, 97])],
    ['nothing', Buffer.alloc(0)],
  ])('%s ends that carrier, with fixed words, and nothing else (Q19, Q22)', async (_what, bytes) => {
    const neighbour = await peer.tunnel();
    neighbour.send(encodeFrame([framed(1, 'held')], []));
    await expect.poll(() => ran).toEqual(['held']);
    const { status, results } = await peer.carrier(form, bytes);
    expect([Code.INTERNAL, Code.UNIMPLEMENTED]).toContain(status.code);
    expect(status.details).toMatch(/^inmesh: [a-z0-9 ]+$/);
    expect(reasonOf(status)).toEqual([form === 'tunnel' ? 'server.tunnel/refused' : 'server.batch/refused']);
    expect(results).toEqual([]);
    gate.open();
    await expect.poll(() => neighbour.text(1)).toBe('was held');
    neighbour.stream.end();
    expect((await neighbour.ended).status.code).toBe(Code.OK);
    expect(ran).toEqual(['held']);
  });

  test('a call that nobody can read ends by itself, its neighbours go on (K4)', async () => {
    const items = [itemOf('a'), itemOf('unreadable'), itemOf('b')];
    const { results } = await peer.carrier(form, bytesOf(form, items));
    expect(results.map(({ code }) => code).sort((a, b) => a - b)).toEqual([Code.OK, Code.OK, Code.INTERNAL]);
  });
});

describe('bombs in an envelope', () => {
  test('two items with one id: none runs, and the client is told so (K2)', async () => {
    const bytes = encodeFrame([framed(3, 'a'), framed(3, 'b')], []);
    const { status, results } = await peer.envelope(bytes);
    expect(status.code).toBe(Code.INVALID_ARGUMENT);
    expect(status.metadata.get('inmesh-unprocessed')).toEqual(['1']);
    expect([results, ran]).toEqual([[], []]);
  });

  test('an item’s own path is not read: the envelope’s is what was authorised (Q6)', async () => {
    const { results } = await peer.envelope(encodeFrame([framed(0, 'a', '/loop.Echo/Tell'), framed(1, 'b', TUNNEL)], []));
    expect(results.map(({ response }) => String(response)).sort()).toEqual(['say a', 'say b']);
  });

  test('there is no batch of batches (Q6)', async () => {
    const inner = bytesOf('envelope', [itemOf('inner')]);
    for (const path of [`${SAY}InmeshBatchInmeshBatch`, `${TUNNEL}InmeshBatch`]) {
      expect((await peer.envelope(bytesOf('envelope', [itemOf('', { request: inner })]), path)).status.code).toBe(Code.UNIMPLEMENTED);
    }
    await peer.envelope(bytesOf('envelope', [itemOf('', { request: inner })]));
    expect(ran).not.toContain('inner'); // bytes for the handler's codec, and nothing more
  });
});

describe('bombs in a tunnel', () => {
  test('a batch, a tunnel, a stream or a stranger as an item’s method is not implemented; the rest goes on (Q6)', async () => {
    const paths = [`${SAY}InmeshBatch`, TUNNEL, '/loop.Echo/Count', '/loop.Echo/Chat', '/loop.Echo/say', '__proto__', 'x'.repeat(5_000)];
    const tunnel = await peer.tunnel();
    const inner = bytesOf('envelope', [itemOf('inner')]);
    tunnel.send(encodeFrame([...paths.map((path, id) => framed(id + 1, '', path, { request: inner })), framed(99, 'a')], []));
    await expect.poll(() => tunnel.results.length).toBe(paths.length + 1);
    expect(tunnel.results.filter(({ id }) => id < 99).map(({ code }) => code)).toEqual(paths.map(() => Code.UNIMPLEMENTED));
    expect(tunnel.text(99)).toBe('say a');
    expect(ran).toEqual(['a']);
    tunnel.stream.end();
  });

  test('the first item of a message must name its method: none is kept from the message before', async () => {
    const tunnel = await peer.tunnel();
    tunnel.send(encodeFrame([framed(1, 'a')], []));
    tunnel.send(encodeFrame([framed(2, 'b', '')], []));
    await expect.poll(() => tunnel.results.length).toBe(2);
    expect(tunnel.results[1]?.code).toBe(Code.UNIMPLEMENTED);
    tunnel.stream.end();
  });

  test('two unanswered items with one id end the tunnel, and cancel what ran on it (K2, K21)', async () => {
    const tunnel = await peer.tunnel();
    tunnel.send(encodeFrame([framed(7, 'held')], []));
    tunnel.send(encodeFrame([framed(7, 'second')], []));
    expect((await tunnel.ended).status).toMatchObject({ code: Code.INVALID_ARGUMENT, details: 'inmesh: two items with one id' });
    expect(ran).toEqual(['held']);
    await expect.poll(() => serving.stats().server.active).toBe(0);
  });

  test('more unanswered items than the window are refused one by one; no handler sees them (K16)', async () => {
    const tunnel = await peer.tunnel();
    for (let from = 0; from < 2 * WINDOW; from += 512)
      tunnel.send(
        encodeFrame(
          Array.from({ length: 512 }, (_, i) => framed(from + i + 1, 'held')),
          [],
        ),
      );
    await expect.poll(() => tunnel.results.length).toBe(WINDOW);
    for (const { code, trailers } of tunnel.results) {
      expect(code).toBe(Code.RESOURCE_EXHAUSTED);
      expect(trailers).toContain('server.tunnel/window');
      expect(trailers).toContain('inmesh-unprocessed');
    }
    expect(ran).toHaveLength(WINDOW);
    gate.open();
    await expect.poll(() => tunnel.results.length).toBe(2 * WINDOW);
    tunnel.stream.end();
    expect((await tunnel.ended).status.code).toBe(Code.OK);
  });

  test('cancellations of nobody cost next to nothing, and too many in one message end the tunnel (Q3)', async () => {
    const tunnel = await peer.tunnel();
    const strangers = Array.from({ length: 65_536 }, (_, i) => i + 100);
    tunnel.send(encodeFrame([framed(1, 'held')], []));
    const startedMs = performance.now();
    for (let i = 0; i < 20; i++) tunnel.send(encodeFrame([], strangers));
    tunnel.send(encodeFrame([framed(2, 'a')], [1, 1, 1]));
    await expect.poll(() => tunnel.text(2), { interval: 5 }).toBe('say a');
    expect(performance.now() - startedMs).toBeLessThan(2_000); // 1.3 million of them
    expect(tunnel.results.map(({ id, code }) => [id, code])).toEqual([
      [1, Code.CANCELLED],
      [2, Code.OK],
    ]);
    tunnel.send(encodeFrame([], [...strangers, 1]));
    expect((await tunnel.ended).status).toMatchObject({
      code: Code.RESOURCE_EXHAUSTED,
      details: 'inmesh: more than 65536 cancellations',
    });
  });

  test('a peer that starts and cancels without end has no more handlers at work than the window (Q3)', async () => {
    const tunnel = await peer.tunnel();
    for (let id = 1; id <= 20_000; id += 1_000) {
      const ids = Array.from({ length: 1_000 }, (_, i) => id + i);
      const items = ids.map((one) => framed(one, 'held'));
      tunnel.send(encodeFrame(items, []));
      tunnel.send(encodeFrame([], ids));
    }
    await expect.poll(() => tunnel.results.length, { timeout: 10_000 }).toBe(20_000);
    expect(tunnel.results.every(({ code }) => code === Code.CANCELLED)).toBe(true);
    tunnel.stream.end();
    expect((await tunnel.ended).status.code).toBe(Code.OK);
  });

  test('a peer that reads no answers is not read either (Q3)', async () => {
    const ITEMS = 250;
    const FRAMES = 200;
    const session = connect(`http://127.0.0.1:${running.port}`);
    const headers = { ':method': 'POST', ':path': TUNNEL, 'content-type': 'application/grpc', te: 'trailers' };
    const stream = session.request(headers); // paused, so HTTP/2's window closes; grpc-js's own client would read on
    await once(stream, 'response');
    for (let frame = 0; frame < FRAMES; frame++) {
      const items = Array.from({ length: ITEMS }, (_, i) => framed(frame * ITEMS + i + 1, 'big'));
      stream.write(grpcMessage(encodeFrame(items, [])));
    }
    await steady(() => ran.length);
    expect(ran.length).toBeLessThan((FRAMES * ITEMS) / 4); // the answers to all would be 200 MB
    stream.resume();
    stream.end();
    await once(stream, 'end');
    expect(ran.length).toBeGreaterThan((FRAMES * ITEMS) / 4); // but for those over the window
    session.close();
  }, 30_000);
});

/** With gRPC's prefix. */
function grpcMessage(bytes: Buffer): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}
