/** A carrier that dies takes many calls along at once: all that are idempotent are sent again (coalescing 5.6, K17, B rows). */
import { describe, expect, test } from 'vitest';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { EchoClient, serve } from '../support/loopback.ts';
import { coalesceIn, type Form, openTunnel } from './pair.ts';

/** Less than the second for which calls wait when the last endpoint is lost. */
const SOON_BACK = { 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 100 };

const full: readonly (readonly [Form, number, string])[] = [
  ['envelope', 128, 'a full carrier'],
  ['envelope', 1024, 'eight full carriers'],
  ['tunnel', 1024, 'a full window'],
];

describe.each(full)('%s with %i calls out, %s', (form, calls) => {
  async function lose(retryBudget: { ratio: number; minPerSecond: number } | undefined): Promise<{ ok: number; retries: number }> {
    const serving = createMesh();
    const running = await serve({ server: new MeshServer({ mesh: serving }), handlers: { tell: () => {} } });
    const mesh = createMesh(
      { coalesce: coalesceIn(form), defaults: { idempotent: true }, ...(retryBudget === undefined ? {} : { retryBudget }) },
      { warn: () => {} },
    );
    using client = new EchoClient({ address: running.address, mesh, options: SOON_BACK });
    await client.learn();
    if (form === 'tunnel') await openTunnel(mesh, client);
    const burst = client.burst(Array(calls).fill('a'), { method: 'tell' });
    await expect.poll(() => serving.stats().server.active, { timeout: 10_000 }).toBe(calls);
    running.kill();
    await using _again = await serve({ server: new MeshServer(), port: running.port });
    const ok = (await burst).filter(({ code }) => code === 'OK').length;
    const { retries } = mesh.stats().client;
    await mesh.close();
    return { ok, retries };
  }

  test('not one is lost', async () => {
    expect(await lose(undefined)).toEqual({ ok: calls, retries: calls });
  });

  test('no retries allowed: all are lost, and the budget says why', async () => {
    expect(await lose({ ratio: 0, minPerSecond: 0 })).toEqual({ ok: 0, retries: 0 });
  });
});
