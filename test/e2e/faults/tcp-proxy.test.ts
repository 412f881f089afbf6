import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { TcpProxy } from './tcp-proxy.ts';

/** A server that says back what it hears, and a proxy before it. */
async function stage(): Promise<TcpProxy> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await TcpProxy.start((server.address() as AddressInfo).port);
  onTestFinished(async () => {
    await proxy.close();
    server.close();
  });
  return proxy;
}

async function dial(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  socket.on('error', () => {});
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}

async function echoed(socket: Socket, text: string): Promise<number> {
  const sinceMs = performance.now();
  socket.write(text);
  const [heard] = (await once(socket, 'data')) as [Buffer];
  expect(heard.toString()).toBe(text);
  return performance.now() - sinceMs;
}

describe('TcpProxy', () => {
  test('passes bytes and ends in both directions', async () => {
    const proxy = await stage();
    const socket = await dial(proxy.port);
    await echoed(socket, 'one');
    socket.end();
    await once(socket, 'close');
    await expect.poll(() => proxy.connections).toBe(0);
    expect(proxy.accepted).toBe(1);
  });

  test('delays each direction, also on a connection that stands', async () => {
    const proxy = await stage();
    const socket = await dial(proxy.port);
    proxy.latency(50);
    expect(await echoed(socket, 'late')).toBeGreaterThanOrEqual(99);
  });

  test('swallows without a word; healed, the new connection passes at once and the old one as late as told', async () => {
    const proxy = await stage();
    const old = await dial(proxy.port);
    await echoed(old, 'before');
    proxy.blackhole();
    const answer = echoed(old, 'held');
    const during = await dial(proxy.port);
    during.write('unheard');
    await sleep(50);
    expect([old.bytesRead, during.bytesRead]).toEqual([6, 0]);
    proxy.heal(100);
    await echoed(await dial(proxy.port), 'fresh');
    expect(await answer).toBeGreaterThanOrEqual(149);
    await expect.poll(() => during.bytesRead).toBe(7);
  });

  test('nobody hears of the other end before it is healed', async () => {
    const proxy = await stage();
    const socket = await dial(proxy.port);
    await echoed(socket, 'one');
    proxy.blackhole();
    socket.destroy();
    await sleep(30);
    expect(proxy.connections).toBe(1);
    proxy.heal();
    await expect.poll(() => proxy.connections).toBe(0);
  });

  test('resets what stands and takes what comes', async () => {
    const proxy = await stage();
    const socket = await dial(proxy.port);
    await echoed(socket, 'one');
    const failed = once(socket, 'error');
    proxy.reset();
    expect(await failed).toMatchObject([{ code: 'ECONNRESET' }]);
    await echoed(await dial(proxy.port), 'two');
  });

  test('closes its port, and opens it again', async () => {
    const proxy = await stage();
    const { port } = proxy;
    const socket = await dial(port);
    const closed = once(socket, 'close');
    await proxy.close();
    await closed;
    const refused = connect(port, '127.0.0.1');
    expect(await once(refused, 'error')).toMatchObject([{ code: 'ECONNREFUSED' }]);
    await proxy.open();
    expect(proxy.port).toBe(port);
    await echoed(await dial(port), 'again');
  });
});
