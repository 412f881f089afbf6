/**
 * Servers that take their leave in every way HTTP/2 has, written on raw HTTP/2: no call that may run twice, or never ran, is lost.
 */
import { constants, createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createMesh } from '../../src/mesh.ts';
import { doors, EchoClient } from '../support/loopback.ts';

const { NGHTTP2_NO_ERROR } = constants;

/** Answers every unary call with its own message, after `delayMs`. */
class RawServer {
  readonly ran: string[] = [];
  readonly #server: Http2Server = createServer();
  readonly #sessions = new Set<ServerHttp2Session>();
  delayMs = 5;

  static async start(): Promise<RawServer> {
    const raw = new RawServer();
    raw.#server.on('session', (session) => {
      raw.#sessions.add(session);
      session.on('close', () => raw.#sessions.delete(session)).on('error', () => undefined);
    });
    raw.#server.on('stream', (stream) => void raw.#answer(stream));
    await new Promise<void>((resolve) => raw.#server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      for (const session of raw.#sessions) session.destroy();
      raw.#server.close();
    });
    return raw;
  }
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }
  async #answer(stream: ServerHttp2Stream): Promise<void> {
    stream.on('error', () => undefined);
    const parts: Buffer[] = [];
    for await (const part of stream) parts.push(part as Buffer);
    const message = Buffer.concat(parts);
    this.ran.push(message.subarray(5).toString());
    await sleep(this.delayMs);
    if (stream.destroyed) return;
    stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(message);
  }
  /** Does this to every connection. */
  each(leave: (session: ServerHttp2Session) => void): void {
    for (const session of this.#sessions) leave(session);
  }
}

const leaves = (session: ServerHttp2Session, lastStream?: number): void => {
  if (!session.destroyed) session.goaway(NGHTTP2_NO_ERROR, lastStream);
};

const ways: readonly [string, (session: ServerHttp2Session) => void][] = [
  ['in peace, streams finish', (session) => session.close()],
  [
    'and closes at once',
    (session) => {
      leaves(session);
      session.destroy();
    },
  ],
  [
    'with a last stream below those it was sent',
    (session) => {
      leaves(session, 1);
      setTimeout(() => session.destroy(), 20);
    },
  ],
  [
    'twice, the second time with a lower last stream',
    (session) => {
      leaves(session, 2 ** 31 - 1);
      setTimeout(() => {
        leaves(session, 1);
        session.destroy();
      }, 10);
    },
  ],
];

describe.for(doors)('GOAWAY, client at the door %s', (door) => {
  test.for(ways)('a server says it %s: no idempotent call is lost (G3)', { timeout: 20_000 }, async ([, leave]) => {
    const [one, other] = await Promise.all([RawServer.start(), RawServer.start()]);
    const mesh = createMesh({ defaults: { idempotent: true } }, { warn: () => undefined });
    const address = `ipv4:${one.address},${other.address}`;
    using client = new EchoClient({ address, mesh, door });
    await client.burst(Array.from({ length: 20 }, (_, i) => `warm ${i}`));
    const outcomes: { readonly code: string }[] = [];
    const calls: Promise<unknown>[] = [];
    for (let i = 0; i < 60; i++) {
      calls.push(client.burst([`${i} a`, `${i} b`, `${i} c`]).then((all) => outcomes.push(...all)));
      if (i === 20) one.each(leave);
      if (i === 40) other.each(leave);
      await sleep(5);
    }
    await Promise.all(calls);
    expect(outcomes.filter(({ code }) => code !== 'OK')).toEqual([]);
    expect(outcomes).toHaveLength(180);
    expect(new Set([...one.ran, ...other.ran]).size).toBe(200);
    expect(one.ran.length).toBeGreaterThan(30);
    expect(other.ran.length).toBeGreaterThan(30);
    await mesh.close();
  });
});
