import { credentials, ServerCredentials, status } from '@grpc/grpc-js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { TcpProxy } from '../e2e/faults/tcp-proxy.ts';
import { slow, until } from '../src/grpc/replicas.ts';
import { makeCertificates } from '../support/certificates.ts';
import { EchoClient, serve } from '../support/loopback.ts';
import { clientOf, DOORS, ipv4, load, pause, proxyTo, replica, say } from './endpoints-stage.ts';
import { coalesceIn } from './pair.ts';

describe('a connection that has gone silent', () => {
  const MARKED: Policy = { defaults: { idempotent: true, retryPolicy: { maxAttempts: 1 } } };

  test.each(DOORS)(
    'X4: is replaced within 500 ms of the heal, though the old one would need seconds (%s)',
    async (_door, optionsOf) => {
      const well = await replica(slow(5));
      const proxy = await proxyTo(well);
      const side = clientOf(ipv4(proxy), MARKED, optionsOf);
      const calls = load(side, 20);
      await pause(500);
      proxy.blackhole();
      await pause(2_500);
      proxy.heal(5_500);
      const healedMs = performance.now();
      const before = well.calls;
      await until(() => well.calls > before);
      expect(performance.now() - healedMs).toBeLessThan(500 + 150);
      await pause(700);
      const outcomes = await calls.stop();
      const good = outcomes.filter(({ error, endedMs }) => error === undefined && endedMs > healedMs);
      expect(Math.min(...good.map(({ endedMs }) => endedMs)) - healedMs).toBeLessThan(500 + 150);
      expect(outcomes.slice(-20).filter(({ error }) => error !== undefined)).toEqual([]);
    },
    15_000,
  );

  test('X4: costs no more than 1.2 s of traffic there, while others serve', async () => {
    const [one, other] = await Promise.all([replica(slow(5)), replica(slow(5))]);
    const proxy = await proxyTo(one);
    const side = clientOf(ipv4(proxy, other), MARKED);
    const calls = load(side, 10);
    await pause(800);
    proxy.blackhole();
    await pause(3_000);
    proxy.heal(5_500);
    const before = one.calls;
    await pause(2_500);
    expect(one.calls).toBeGreaterThan(before);
    const outcomes = await calls.stop();
    // Half of a hundred calls a second go there.
    expect(outcomes.filter(({ error }) => error !== undefined).length).toBeLessThan(1.2 * 50);
    expect(outcomes.slice(-20).filter(({ error }) => error !== undefined)).toEqual([]);
  }, 15_000);

  test('counts as not connected when no other can be made for connectTimeout, so that calls fail at once', async () => {
    const well = await replica();
    const proxy = await proxyTo(well);
    const side = clientOf(ipv4(proxy), { ...MARKED, endpoints: { connectTimeout: '0.8s' } });
    for (let i = 0; i < 10; i++) await say(side);
    await pause(300);
    expect((await say(side)).error).toBeUndefined();
    proxy.blackhole();
    const calls = load(side, 20, 1_500);
    await until(() => side.stats(proxy.address)?.ready === false);
    await pause(1_300);
    const late = await say(side);
    expect(late.error?.code).toBe(status.UNAVAILABLE);
    expect(late.tookMs).toBeLessThan(300);
    await calls.stop();
    proxy.heal();
    await until(() => side.stats(proxy.address)?.ready === true);
    expect((await say(side)).error).toBeUndefined();
    expect(side.stats(proxy.address)?.rebuilds).toBe(1);
  }, 15_000);

  test('is replaced though it was only slow, but loses no call, and the next alarm takes longer', async () => {
    let delayMs = 5;
    const well = await replica((_call, reply) => {
      setTimeout(() => reply(null, Buffer.alloc(0)), delayMs);
    });
    const proxy = await proxyTo(well);
    const side = clientOf(ipv4(proxy), MARKED);
    for (let i = 0; i < 10; i++) {
      expect((await say(side)).error).toBeUndefined();
      await pause(30);
    }
    delayMs = 2_500;
    const long = [say(side, 5_000), say(side, 5_000)];
    await pause(1_700);
    expect(proxy.accepted).toBe(2);
    delayMs = 5;
    expect((await say(side)).error).toBeUndefined();
    for (const { error } of await Promise.all(long)) expect(error).toBeUndefined();
    // A second alarm takes twice the silence.
    delayMs = 1_500;
    await say(side, 5_000);
    expect(proxy.accepted).toBe(2);
  }, 15_000);

  test('is left alone with rebuild: false', async () => {
    const well = await replica();
    const proxy = await proxyTo(well);
    const side = clientOf(ipv4(proxy), { ...MARKED, endpoints: { rebuild: false } });
    for (let i = 0; i < 10; i++) await say(side);
    await pause(300);
    proxy.blackhole();
    const calls = load(side, 20);
    await pause(2_000);
    await calls.stop();
    expect(proxy.accepted).toBe(1);
  });

  test.each(['envelope', 'tunnel'] as const)(
    'X4: items of batches move to the new connection too (%s)',
    async (form) => {
      const serverMesh = createMesh();
      await using running = await serve({ server: new MeshServer({ mesh: serverMesh }) });
      const proxy = await TcpProxy.start(running.port);
      onTestFinished(() => proxy.close());
      const mesh = createMesh({ defaults: { idempotent: true }, coalesce: coalesceIn(form) });
      onTestFinished(() => mesh.close(0));
      using client = new EchoClient({ address: ipv4(proxy), mesh });
      for (let i = 0; i < 20; i++) await client.burst(Array(10).fill('learn'));
      await pause(300);
      expect(mesh.stats().coalesce.tunnels.opened > 0).toBe(form === 'tunnel');
      proxy.blackhole();
      const lost: Promise<unknown>[] = [];
      const timer = setInterval(() => lost.push(client.burst(['a', 'b', 'c'], { deadline: Date.now() + 700 })), 50);
      onTestFinished(() => clearInterval(timer));
      await pause(2_000);
      proxy.heal(5_500);
      const healedMs = performance.now();
      let answered = false;
      while (!answered) answered = (await client.say('again', { deadline: Date.now() + 100 })).code === 'OK';
      expect(performance.now() - healedMs).toBeLessThan(1_500); // 500, and what a busy machine adds; the old connection would need 5,500
      clearInterval(timer);
      await Promise.all(lost);
      const after = await client.burst(Array(20).fill('x'), { deadline: Date.now() + 1_000 });
      expect(after.filter(({ code }) => code !== 'OK')).toEqual([]);
      await serverMesh.close(0);
    },
    15_000,
  );

  test('X4: is found behind TLS, too', async () => {
    const made = makeCertificates();
    await using running = await serve({
      credentials: ServerCredentials.createSsl(null, [{ private_key: made.server.key, cert_chain: made.server.cert }]),
    });
    const proxy = await TcpProxy.start(running.port);
    onTestFinished(() => proxy.close());
    const mesh = createMesh({ defaults: { idempotent: true } });
    onTestFinished(() => mesh.close(0));
    using client = new EchoClient({ address: ipv4(proxy), mesh, credentials: credentials.createSsl(made.ca) });
    for (let i = 0; i < 20; i++) expect((await client.say('a')).code).toBe('OK');
    await pause(300);
    proxy.blackhole();
    const timer = setInterval(() => void client.say('b', { deadline: Date.now() + 700 }), 50);
    onTestFinished(() => clearInterval(timer));
    await pause(2_000);
    proxy.heal(5_500);
    const healedMs = performance.now();
    let answered = false;
    while (!answered) answered = (await client.say('again', { deadline: Date.now() + 100 })).code === 'OK';
    expect(performance.now() - healedMs).toBeLessThan(500 + 300);
  }, 15_000);
});
