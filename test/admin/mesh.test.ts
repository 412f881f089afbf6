import { createServer } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ConfigError, UsageError } from '../../src/errors.ts';
import { createMesh, type Mesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { tunnelPair } from '../grpc/pair.ts';
import { EchoClient, Gate, serve } from '../support/loopback.ts';
import { ask, begin, readUntil, shows, TOKEN } from './stage.ts';

async function calling(policy: Policy = {}): Promise<{ mesh: Mesh; client: EchoClient; kill: () => void; address: string }> {
  const { address, kill } = await serve();
  const mesh = createMesh(policy);
  const client = new EchoClient({ address, mesh });
  onTestFinished(async () => {
    kill();
    await mesh.close();
  });
  return { mesh, client, kill, address };
}

describe('mesh.admin', () => {
  test('shows calls, endpoints, events and metrics of the mesh as they are', async () => {
    const { mesh, client, address } = await calling();
    const server = await mesh.admin.listen({ port: 0 });
    expect(server.url).toBe(`http://127.0.0.1:${server.port}`);
    const tap = await begin(server, '/tap?method=loop.Echo/*');
    await client.burst(['a', 'b', 'c']);
    expect(await readUntil(tap.response, /(data[\s\S]*){3}/)).toContain('"method":"loop.Echo/Say"');
    const { value } = await ask(server, '/overview.json');
    expect(value).toMatchObject({ methods: [{ side: 'client', method: 'loop.Echo/Say', calls: 3, byStatus: { OK: 3 } }] });
    expect((await ask(server, '/clusters.json')).value).toMatchObject([{ target: address, ready: true, picks: 3 }]);
    expect((await ask(server, '/clusters')).text).toContain(address);
    expect((await ask(server, '/metrics.json')).value).toMatchObject({ client: { calls: 3 } });
    expect((await ask(server, '/metrics')).text).toMatch(/^rpc_client_call_duration_seconds_count\{.*rpc_method="loop.Echo\/Say".*\} 3$/m);
    expect((await ask(server, '/events.json')).value).toMatchObject([{ kind: 'endpoint.added' }, { kind: 'endpoint.state' }]);
  });

  test('readyz: 503 when the last endpoint of a target is gone, and says which', async () => {
    const { mesh, client, kill, address } = await calling();
    const server = await mesh.admin.listen({ port: 0 });
    expect((await ask(server, '/readyz')).text).toMatch(/not in use/);
    await client.say('a');
    expect((await ask(server, '/readyz.json')).value).toMatchObject({
      ready: true,
      checks: [{ name: 'mesh' }, { name: address, ok: true }],
    });
    kill();
    await expect.poll(async () => (await ask(server, '/readyz')).status).toBe(503);
    expect((await ask(server, '/readyz')).text).toMatch(new RegExp(`^${address} +not ok +0 of 1 endpoints ready$`, 'm'));
  });

  test('readyz: 503 for a name that nobody can resolve', async () => {
    const mesh = createMesh({}, { warn: () => {} });
    const server = await mesh.admin.listen({ port: 0 });
    using client = new EchoClient({ address: 'dns:///no-such-host.invalid:1', mesh });
    expect((await ask(server, '/readyz')).status).toBe(200);
    await client.say('a');
    await expect.poll(async () => (await ask(server, '/readyz')).status).toBe(503);
    await mesh.close();
  });

  test('a breaker isolated over HTTP refuses calls, and lets them through when released', async () => {
    const { mesh, client } = await calling();
    const server = await mesh.admin.listen({ port: 0, token: TOKEN });
    const tell = (what: string) => ask(server, `/breakers/${what}?method=loop.Echo/Say`, { method: 'POST', headers: shows(TOKEN) });
    await tell('isolate');
    expect(await client.say('a')).toMatchObject({
      code: 'UNAVAILABLE',
      trailers: { 'inmesh-reason': [expect.stringMatching(/^client\.breaker/)] },
    });
    await tell('release');
    expect(await client.say('a')).toMatchObject({ code: 'OK' });
  });

  test('drain: unready at once, tunnels end, and no call is lost', async () => {
    const gate = new Gate();
    await using pair = await tunnelPair('channel', {
      say: ({ request }, callback) => void gate.opened.then(() => callback(null, { text: request.text })),
    });
    const server = await pair.serverMesh.admin.listen({ port: 0, token: TOKEN });
    const slow = pair.client.burst(['x', 'y']);
    await expect.poll(() => pair.serverMesh.stats().server.active).toBe(2);
    expect((await ask(server, '/drain', { method: 'POST', headers: shows(TOKEN) })).value).toEqual({ state: 'draining' });
    expect(pair.serverMesh.state).toBe('draining');
    expect((await ask(server, '/readyz')).status).toBe(503);
    expect((await ask(server, '/overview.json')).value).toMatchObject({ process: { draining: true } });
    gate.open();
    expect((await slow).map(({ code }) => code)).toEqual(['OK', 'OK']);
    await expect.poll(() => pair.mesh.stats().coalesce.tunnels.open).toBe(0);
    expect(await pair.client.say('z')).toMatchObject({ code: 'OK' });
    await pair.serverMesh.close();
  });

  test('drain: connections without tunnels are told to go elsewhere too', async () => {
    const serverMesh = createMesh();
    await using running = await serve({ server: new MeshServer({ mesh: serverMesh }) });
    const mesh = createMesh({ endpoints: { rebuild: false } });
    using client = new EchoClient({ address: running.address, mesh });
    await client.say('a');
    const lost = () => mesh.overview().events.filter(({ kind, text }) => kind === 'endpoint.state' && !/ready/.test(text)).length;
    expect(lost()).toBe(0);
    serverMesh.drain();
    await expect.poll(lost).toBeGreaterThan(0);
    expect(await client.say('b')).toMatchObject({ code: 'OK' });
    await mesh.close();
    await serverMesh.close();
  });

  test('explain tells of the service config of a client, where its target is given', async () => {
    const { address, kill } = await serve();
    const mesh = createMesh({ services: { 'loop.Echo': { idempotent: true } } }, { warn: () => {} });
    const config = { methodConfig: [{ name: [{ service: 'loop.Echo' }], timeout: '3s' }] };
    using _client = new EchoClient({ address, mesh, options: { 'grpc.service_config': JSON.stringify(config) } });
    const timeout = (target?: string) => mesh.explain('loop.Echo/Say', target).values.find(({ field }) => field === 'timeout');
    expect(timeout()).toEqual({ field: 'timeout', value: null, origin: 'built-in', where: 'docs/deadlines.md' });
    expect(timeout(address)).toEqual({
      ...{ field: 'timeout', value: '3s', origin: 'service-config' },
      where: 'serviceConfig.services["loop.Echo"].timeout',
    });
    await mesh.close();
    kill();
  });

  test('close ends the server and its streams', async () => {
    const mesh = createMesh();
    const server = await mesh.admin.listen({ port: 0 });
    const { response } = await begin(server, '/events');
    const ended = new Promise((resolve) => response.on('close', resolve));
    response.on('error', () => {});
    response.resume();
    await mesh.close();
    await ended;
    await expect(ask(server, '/livez')).rejects.toThrow(/ECONNREFUSED/);
    await expect(mesh.admin.listen({ port: 0 })).rejects.toThrow(new UsageError('mesh.admin.listen(): the mesh is closed'));
  });

  test('a server that is being opened while the mesh closes is closed too', async () => {
    const mesh = createMesh();
    const opening = mesh.admin.listen({ port: 0 });
    await mesh.close();
    await expect(ask(await opening, '/livez')).rejects.toThrow(/ECONNREFUSED/);
  });

  test('a port that is taken is named, with what to do; a bad option says so', async () => {
    const taken = createServer();
    const port = await new Promise<number>((resolve) =>
      taken.listen(0, '127.0.0.1', () => resolve((taken.address() as { port: number }).port)),
    );
    const mesh = createMesh();
    await expect(mesh.admin.listen({ port })).rejects.toThrow(
      `mesh.admin.listen(): port ${port} of 127.0.0.1 is taken, maybe by another process that is looked at; give another one, or { port: 0 } for any that is free`,
    );
    await expect(mesh.admin.listen({ host: '192.0.2.1', port: 0, token: TOKEN })).rejects.toThrow(/no such address/);
    await expect(mesh.admin.listen({ prot: 1 } as object)).rejects.toThrow(
      new ConfigError('admin.prot', 'unknown option; did you mean port?'),
    );
    await new Promise((resolve) => taken.close(resolve));
    await expect(mesh.admin.listen({ port })).resolves.toMatchObject({ port });
    await mesh.close();
  });
});
