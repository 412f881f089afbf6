/**
 * What a dead connection looks like under grpc-js 1.14.7, and that calls of idempotent methods survive it, plain and in
 * batches (R42, M5).
 */
import { once } from 'node:events';
import { createServer, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { Metadata } from '@grpc/grpc-js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Code } from '../../src/call.ts';
import { lostWithCarrier, retryCodeOf } from '../../src/grpc/lost-connection.ts';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { EchoClient, Gate, serve } from '../support/loopback.ts';
import { coalesceIn, openTunnel } from './pair.ts';

/** Less than the second for which calls wait when the last endpoint is lost. */
const SOON_BACK = { 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 100 };

const status = (code: number, details: string): { code: number; details: string; metadata: Metadata } => ({
  code,
  details,
  metadata: new Metadata(),
});

/** Ways in which a server's half of an HTTP/2 connection ends, and the statuses that bare grpc-js makes of them. */
const ends: readonly { what: string; end: (session: ServerHttp2Session, socket: Socket) => void; seen: RegExp }[] = [
  { what: 'the socket is closed', end: (_, socket) => socket.destroy(), seen: /^UNAVAILABLE Connection dropped$/ },
  { what: 'the socket is reset', end: (_, socket) => socket.resetAndDestroy(), seen: /^UNAVAILABLE read ECONNRESET$/ },
  {
    what: 'GOAWAY with INTERNAL_ERROR, as after rapid resets (M5)',
    end: (session) => session.goaway(2),
    seen: /^INTERNAL Received RST_STREAM with code 2 triggered by internal client error: Session closed with error code 2$/,
  },
  {
    what: 'GOAWAY with PROTOCOL_ERROR',
    end: (session) => session.goaway(1),
    seen: /^INTERNAL Received RST_STREAM with code 1$/,
  },
  { what: 'GOAWAY with CANCEL, as of forceShutdown()', end: (session) => session.goaway(8), seen: /^CANCELLED Call cancelled$/ },
  {
    what: 'destroyed, as after max_connection_age_grace',
    end: (session) => session.destroy(),
    seen: /^(INTERNAL Received RST_STREAM with code 0 \(Call ended without gRPC status\)|UNAVAILABLE Connection dropped)$/,
  },
];

describe('status of a call whose connection died', () => {
  test.each(ends)('$what: retry takes it for UNAVAILABLE (R42, M5)', async ({ end, seen }) => {
    const server = createServer();
    onTestFinished(() => void server.close());
    const session = once(server, 'session') as Promise<[ServerHttp2Session]>;
    const socket = once(server, 'connection') as Promise<[Socket]>;
    let streams = 0;
    const all = new Gate();
    server.on('sessionError', () => {});
    server.on('stream', (stream) => {
      stream.on('error', () => {});
      if (++streams === 10) all.open();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    using client = new EchoClient({ address: `127.0.0.1:${(server.address() as AddressInfo).port}` });
    const calls = client.burst(Array(10).fill('a'));
    await all.opened;
    const [open] = await session;
    open.on('error', () => {});
    onTestFinished(() => open.destroy());
    end(open, (await socket)[0]);
    for (const { code, details } of await calls) {
      expect(`${code} ${details}`).toMatch(seen);
      expect(retryCodeOf(status(Code[code as keyof typeof Code], details))).toBe(Code.UNAVAILABLE);
    }
  });

  test.each([
    [Code.INTERNAL, 'out of cheese'],
    [Code.INTERNAL, 'upstream: Received RST_STREAM with code 2'],
    [Code.CANCELLED, 'Cancelled on client'],
    [Code.CANCELLED, 'Cancelled'],
    [Code.RESOURCE_EXHAUSTED, 'Bandwidth exhausted or memory limit exceeded'],
    [Code.UNKNOWN, 'Received RST_STREAM with code 2'],
  ])('%d %s stays what it is', (code, details) => {
    expect(retryCodeOf(status(code, details))).toBe(code);
    expect(lostWithCarrier(status(code, details))).toBe(false);
  });
});

describe.each(['none', 'envelope', 'tunnel'] as const)('a server that is shut down by force, calls out: %s', (form) => {
  /** Calls that are out when the server goes; one on its port answers those that come again. */
  async function outcomes(idempotent: boolean): Promise<{ codes: Record<string, number>; trailers: unknown }> {
    const serverMesh = createMesh();
    const running = await serve({ server: new MeshServer({ mesh: serverMesh }), handlers: { tell: () => {} } });
    const mesh = createMesh({ coalesce: form === 'none' ? 'never' : coalesceIn(form) }, { warn: () => {} });
    using client = new EchoClient({ address: running.address, mesh, options: SOON_BACK });
    await client.learn();
    if (form === 'tunnel') await openTunnel(mesh, client);
    const calls = client.burst(Array(50).fill('a'), { method: 'tell', inmesh: { idempotent } });
    await expect.poll(() => serverMesh.stats().server.active).toBe(50);
    running.kill();
    await using _again = await serve({ server: new MeshServer(), port: running.port });
    const ended = await calls;
    await mesh.close();
    const codes: Record<string, number> = {};
    for (const { code } of ended) codes[code] = (codes[code] ?? 0) + 1;
    return { codes, trailers: ended[0]?.trailers };
  }

  test('idempotent: none is lost (R42, X14)', async () => {
    expect((await outcomes(true)).codes).toEqual({ OK: 50 });
  });

  test('unmarked: each fails once, with its own status (R42)', async () => {
    const { codes, trailers } = await outcomes(false);
    expect(codes).toEqual(form === 'tunnel' ? { UNAVAILABLE: 50 } : { CANCELLED: 50 });
    expect(trailers).toEqual(form === 'none' ? {} : { 'inmesh-ambiguous': ['1'] });
  });
});
