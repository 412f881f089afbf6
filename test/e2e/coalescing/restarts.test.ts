/** Roll-outs under load: servers that are restarted, age, drain and stand still. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { forms } from '../../grpc/pair.ts';
import { Fleet } from './fleet.ts';
import { failed, Load } from './load.ts';

describe('roll-outs', { timeout: 40_000 }, () => {
  test.each(forms)(
    '%s: three replicas restarted in turn, connections of 2 s at most, 400 calls a second for 8 s: 0 errors (G2, G4)',
    async (form) => {
      const options = { 'grpc.max_connection_age_ms': 2000, 'grpc.max_connection_age_grace_ms': 4000 };
      const fleet = await Fleet.start(['mesh', 'mesh', 'mesh'], options);
      const { client, mesh } = await fleet.client(form);
      for (let i = 0; i < 20; i++) await client.burst(Array(20).fill('learn 0'));
      const pace = { perSecond: 200 };
      const marked = new Load(client, { name: 'i', pace, idempotent: true, takesMs: 20 });
      const unmarked = new Load(client, { name: 'n', pace, idempotent: false, takesMs: 20 });
      const untilMs = performance.now() + 8_000;
      for (const index of [0, 1, 2]) {
        await sleep(1_000);
        await fleet.at(index).shutdown();
        await fleet.again(index, 'mesh', options);
      }
      await sleep(Math.max(0, untilMs - performance.now()));
      const [kept, lost] = await Promise.all([marked.stop(), unmarked.stop()]);
      expect([failed(kept).slice(0, 5), failed(lost).slice(0, 5)]).toEqual([[], []]);
      const executed = fleet.executed();
      expect(lost.filter(({ id }) => executed.get(id) !== 1)).toEqual([]);
      const { items, tunnels } = mesh.stats().coalesce;
      if (form === 'tunnel') expect(tunnels.opened).toBeGreaterThan(6); // rotated with their connections
      expect(form === 'tunnel' ? tunnels.items : items).toBeGreaterThan(kept.length / 10);
    },
  );

  test('an idle tunnel lets tryShutdown() return within 200 ms, a loaded one finishes what it took (K19)', async () => {
    const fleet = await Fleet.start(['mesh', 'mesh']);
    const { client, mesh } = await fleet.client('tunnel');
    await client.learn();
    await expect.poll(() => client.burst(Array(50).fill('learn 0')).then(() => mesh.stats().coalesce.tunnels.open)).toBeGreaterThan(1);
    expect(await fleet.at(0).shutdown()).toBeLessThanOrEqual(200);
    const calls = Array.from({ length: 200 }, (_, n) => client.say(`n${n} 400`));
    await expect.poll(() => fleet.executed().size).toBe(201); // all of them, and "learn"
    const tookMs = await fleet.at(1).shutdown();
    expect((await Promise.all(calls)).filter(({ code }) => code !== 'OK')).toEqual([]);
    expect(tookMs).toBeLessThan(2_000);
    for (let n = 0; n < 200; n++) expect(fleet.executed().get(`n${n}`)).toBe(1);
  });

  test.each(forms)(
    '%s: a server that stands still delays its callers to their deadline and no longer, the others are served (X2)',
    async (form) => {
      const fleet = await Fleet.start(['mesh', 'mesh']);
      const { client, mesh } = await fleet.client(form);
      await client.burst(Array(50).fill('learn 0'));
      const load = new Load(client, { name: 'n', pace: { perSecond: 400 }, idempotent: true, takesMs: 1, deadlineMs: 500 });
      await sleep(500);
      fleet.at(0).freeze();
      const frozenMs = performance.now();
      await sleep(2_000);
      fleet.at(0).thaw();
      const thawedMs = performance.now();
      await sleep(1_000);
      const calls = await load.stop();
      const late = calls.filter(({ code }) => code !== 'OK');
      // As a rule some; none where the balancer had its reasons to leave the server alone just then.
      for (const { code } of late) expect(code).toBe('DEADLINE_EXCEEDED');
      expect(Math.max(...calls.map(({ tookMs }) => tookMs))).toBeLessThan(500 + 500);
      const meanwhile = calls.filter(({ atMs }) => atMs > frozenMs && atMs < thawedMs - 500);
      expect(meanwhile.filter(({ code }) => code === 'OK').length).toBeGreaterThan(meanwhile.length / 2);
      // What the server finds when it goes on is late and answered by nobody; whoever comes then is served.
      expect(failed(calls.filter(({ atMs }) => atMs > thawedMs + 200))).toEqual([]);
      expect(mesh.stats().client.active).toBe(0);
    },
  );
});
