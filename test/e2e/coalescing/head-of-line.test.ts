/** One slow call among fast ones in one carrier: results leave as they finish. */
import { describe, expect, test } from 'vitest';
import { type Form, forms } from '../../grpc/pair.ts';
import type { EchoClient } from '../../support/loopback.ts';
import { Fleet } from './fleet.ts';

const FAST = 63;
const SLOW_MS = 2_000;
const ROUNDS = 3;

/** How long the slowest of the fast calls took, in the best of some rounds; and whether the slow ones came back. */
async function best(client: EchoClient): Promise<{ readonly worstMs: number; readonly slow: Promise<boolean> }> {
  for (let i = 0; i < 30; i++) await client.burst(Array(FAST + 1).fill('warm 0'));
  let worstMs = Number.POSITIVE_INFINITY;
  const slow: Promise<{ code: string }>[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const sinceMs = performance.now();
    let lastMs = 0;
    const fast = async (n: number): Promise<void> => {
      const { code } = await client.say(`fast${n} 1`);
      expect(code).toBe('OK');
      lastMs = Math.max(lastMs, performance.now() - sinceMs);
    };
    slow.push(client.say(`slow ${SLOW_MS}`)); // the first of its carrier
    await Promise.all(Array.from({ length: FAST }, (_, n) => fast(n)));
    worstMs = Math.min(worstMs, lastMs);
  }
  return { worstMs, slow: Promise.all(slow).then((ends) => ends.every(({ code }) => code === 'OK')) };
}

describe('head of line', { timeout: 40_000 }, () => {
  test(`1 call of 2 s among ${FAST} of 1 ms: the others take as long as direct ones and 5 ms more at most (K9)`, async () => {
    const fleet = await Fleet.start(['mesh']);
    const measured = new Map<Form | 'none', Awaited<ReturnType<typeof best>>>();
    for (const form of ['none', ...forms] as const) {
      const { client, mesh } = await fleet.client(form);
      measured.set(form, await best(client));
      const { items, tunnels } = mesh.stats().coalesce;
      if (form !== 'none') expect(form === 'tunnel' ? tunnels.items : items).toBeGreaterThan(ROUNDS * FAST);
    }
    const direct = measured.get('none')?.worstMs ?? 0;
    for (const form of forms) expect(measured.get(form)?.worstMs, form).toBeLessThanOrEqual(direct + 5);
    for (const { slow } of measured.values()) expect(await slow).toBe(true);
  });
});
