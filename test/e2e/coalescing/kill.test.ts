/** Replicas that die, and fleets of which only a part has inmesh: what is lost, and what runs twice. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Mesh } from '../../../src/mesh.ts';
import { forms } from '../../grpc/pair.ts';
import { Fleet } from './fleet.ts';
import { type Ended, failed, Load } from './load.ts';

/** Every call ran as often as its kind allows, and those that ended well ran. */
function expectHonest(calls: readonly Ended[], executed: ReadonlyMap<string, number>, atMostOnce: boolean): void {
  const neverRan = calls.filter(({ id, code }) => code === 'OK' && !executed.has(id));
  expect(neverRan).toEqual([]);
  if (atMostOnce) expect(calls.filter(({ id }) => (executed.get(id) ?? 0) > 1)).toEqual([]);
}

/** Calls that went in carriers of any form. */
function carried(mesh: Mesh): number {
  const { items, tunnels } = mesh.stats().coalesce;
  return items + tunnels.items;
}

const ambiguous = ({ trailers }: Ended): boolean => trailers['inmesh-ambiguous']?.[0] === '1';

/** A call that was lost with its carrier says that it may have run; only one that went alone does not. */
function expectMarked(broken: readonly Ended[], mesh: Mesh): void {
  expect(broken.filter(({ code }) => code !== 'UNAVAILABLE')).toEqual([]);
  const { plain } = mesh.stats().coalesce;
  const alone = Object.values(plain).reduce((sum, count) => sum + count, 0);
  expect(broken.filter((call) => !ambiguous(call)).length).toBeLessThanOrEqual(alone);
}

function inFlight(mesh: Mesh, port: number): number {
  return (
    Object.values(mesh.stats().endpoints)
      .flat()
      .find(({ address }) => address.endsWith(`:${port}`))?.inFlight ?? 0
  );
}

describe('replicas as processes', { timeout: 40_000 }, () => {
  test('one of three is killed under load, and comes back: no idempotent call is lost, no other runs twice (K17, R42, X1)', async () => {
    const fleet = await Fleet.start(['mesh', 'mesh', 'mesh']);
    const running = await Promise.all(
      forms.map(async (form) => {
        const { client, mesh } = await fleet.client(form);
        await client.burst(Array(50).fill('learn 0'));
        const pace = { callers: 60 };
        return {
          form,
          mesh,
          marked: new Load(client, { name: `${form}-i`, pace, idempotent: true, takesMs: 10 }),
          unmarked: new Load(client, { name: `${form}-n`, pace, idempotent: false, takesMs: 10 }),
        };
      }),
    );
    await sleep(500);
    const isHit = ({ unmarked }: (typeof running)[number]): boolean => unmarked.calls.some(ambiguous);
    // Again where a busy machine let it die with nothing of some client's carriers in it.
    for (let kills = 0; kills === 0 || (kills < 5 && !running.every(isHit)); kills++) {
      // At a moment at which it has work of every client: what is out comes and goes in batches.
      const { port } = fleet.at(0);
      while (running.some(({ mesh }) => inFlight(mesh, port) < 20)) await sleep(0);
      await fleet.at(0).kill();
      await sleep(300);
      await fleet.again(0);
      await sleep(500);
    }
    for (const { form, mesh, marked, unmarked } of running) {
      const [kept, lost] = await Promise.all([marked.stop(), unmarked.stop()]);
      const executed = fleet.executed();
      expect(failed(kept), form).toEqual([]);
      expectHonest(kept, executed, false);
      expectHonest(lost, executed, true);
      const broken = lost.filter(({ code }) => code !== 'OK');
      expect(broken.length, `${form}: the kill hit something`).toBeGreaterThan(0);
      expect(broken.filter(ambiguous).length, form).toBeGreaterThan(0);
      expectMarked(broken, mesh);
      expect(carried(mesh), form).toBeGreaterThan(kept.length / 2);
    }
  });

  test('half of the replicas have no inmesh: every call runs once, on all of them (K13, K14)', async () => {
    const fleet = await Fleet.start(['mesh', 'plain', 'mesh', 'plain']);
    const running = await Promise.all(
      ([...forms, 'auto'] as const).map(async (form) => {
        const { client, mesh } = await fleet.client(form);
        return { form, mesh, load: new Load(client, { name: form, pace: { callers: 50 }, idempotent: false, takesMs: 5 }) };
      }),
    );
    await sleep(2_000);
    for (const { form, mesh, load } of running) {
      const calls = await load.stop();
      expect(failed(calls), form).toEqual([]);
      expectHonest(calls, fleet.executed(), true);
      const { plain } = mesh.stats().coalesce;
      expect(carried(mesh), form).toBeGreaterThan(calls.length / 10);
      expect(plain.endpoint + plain.alone + plain['no-peer'], form).toBeGreaterThan(calls.length / 10);
    }
  });

  test('rolled back to a server without inmesh and upgraded again, in flight: no idempotent call is lost (K13, K22)', async () => {
    const fleet = await Fleet.start(['mesh', 'mesh']);
    const running = await Promise.all(
      forms.map(async (form) => {
        const { client, mesh } = await fleet.client(form);
        await client.burst(Array(50).fill('learn 0'));
        const marked = new Load(client, { name: `${form}-i`, pace: { callers: 40 }, idempotent: true, takesMs: 10 });
        const unmarked = new Load(client, { name: `${form}-n`, pace: { callers: 40 }, idempotent: false, takesMs: 10 });
        return { form, mesh, marked, unmarked };
      }),
    );
    await sleep(300);
    await fleet.at(0).shutdown();
    await fleet.again(0, 'plain');
    await fleet.at(1).kill();
    await fleet.again(1, 'plain');
    await sleep(300);
    await fleet.at(0).shutdown();
    const before = running.map(({ mesh }) => carried(mesh));
    await fleet.again(0, 'mesh');
    for (const [index, { form, mesh, marked, unmarked }] of running.entries()) {
      const inBatchesAgain = expect.poll(() => carried(mesh), { timeout: 10_000, message: `${form}: batches again after the upgrade` });
      await inBatchesAgain.toBeGreaterThan(before[index] ?? 0);
      const [kept, lost] = await Promise.all([marked.stop(), unmarked.stop()]);
      const executed = fleet.executed();
      expect(failed(kept), form).toEqual([]);
      expectHonest(kept, executed, false);
      expectHonest(lost, executed, true);
      expectMarked(
        lost.filter(({ code }) => code !== 'OK'),
        mesh,
      );
    }
  });
});
