/** Ejection where calls travel in batches: it counts items, and finds a silent replica behind carriers and tunnels too. */
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { EndpointStats } from '../../../src/grpc/client-doors.ts';
import { createMesh, type Mesh } from '../../../src/mesh.ts';
import { MeshServer } from '../../../src/mesh-server.ts';
import { coalesceIn, forms } from '../../grpc/pair.ts';
import { EchoClient, type Handlers, type RunningServer, serve } from '../../support/loopback.ts';
import { untilEjected } from './until-ejected.ts';

interface Fleet {
  readonly mesh: Mesh;
  readonly client: EchoClient;
  /** Of the replica with the handler of the test's own. */
  stats(): EndpointStats | undefined;
}

/** Three replicas, the first with a handler of the test's own. */
async function fleet(form: (typeof forms)[number], say: Handlers['say']): Promise<Fleet> {
  const well: Handlers['say'] = (call, callback) => setTimeout(() => callback(null, call.request), 5);
  const running: RunningServer[] = [];
  for (const handler of [say, well, well]) running.push(await serve({ server: new MeshServer(), handlers: { say: handler } }));
  const mesh = createMesh({ coalesce: coalesceIn(form), defaults: { retryPolicy: { maxAttempts: 1 } } });
  const address = `ipv4:${running.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
  const client = new EchoClient({ address, mesh });
  onTestFinished(async () => {
    client[Symbol.dispose]();
    await mesh.close(0);
    for (const replica of running) replica.kill();
  });
  const stats = (): EndpointStats | undefined => mesh.stats().endpoints[address]?.[0];
  for (let i = 0; i < 20 || stats()?.ready !== true; i++) await client.burst(['a', 'b', 'c', 'd', 'e', 'f']);
  return { mesh, client, stats };
}

describe.each(forms)('items in %s', (form) => {
  test('X2: a replica that stops answering is out within 1.2 s, by calls whose deadlines are shorter than its silence', async () => {
    let stopped = false;
    let firstMs: number | undefined;
    const { client, stats } = await fleet(form, (call, callback) => {
      if (!stopped) setTimeout(() => callback(null, call.request), 5);
      else firstMs ??= performance.now();
    });
    stopped = true;
    let over = false;
    const calls = (async () => {
      while (!over) {
        void client.burst(['a', 'b', 'c', 'd'], { deadline: Date.now() + 250 });
        await sleep(4); // so often that batches overlap: whose first answers were slow gets none while the others are idle
      }
    })();
    const { atMs, stoodStillMs } = await untilEjected(() => stats()?.ejected === true);
    over = true;
    await calls;
    // From the first call on that it did not answer: before, nobody can know.
    expect(atMs - (firstMs ?? 0)).toBeLessThanOrEqual(1_200 + 5 * stoodStillMs);
  }, 20_000);

  test('O26: each item counts: a burst of failures in one batch is as many failures', async () => {
    let failing = false;
    const { client, mesh, stats } = await fleet(form, (call, callback) => callback(failing ? { code: 14 } : null, call.request));
    const items = (): number => mesh.stats().coalesce.items + mesh.stats().coalesce.tunnels.items;
    const before = items();
    failing = true;
    const endMs = performance.now() + 10_000;
    while (stats()?.ejected !== true && performance.now() < endMs) {
      // Batches side by side go to several endpoints.
      const bursts = [client.burst(Array<string>(20).fill('a'))];
      await turn();
      bursts.push(client.burst(Array<string>(20).fill('a')));
      await turn();
      bursts.push(client.burst(Array<string>(20).fill('a')));
      await Promise.all(bursts);
    }
    expect(stats()?.ejected).toBe(true);
    expect(items()).toBeGreaterThan(before);
  }, 20_000);
});
