import { Metadata, status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { type CancelTimer, type Clock, systemClock } from '../../src/clock.ts';
import { until } from '../src/grpc/replicas.ts';
import { clientOf, DOORS, ipv4, load, ONCE, pause, proxyTo, replica, say, silentPort } from './endpoints-stage.ts';

describe('a peer that accepts connections and stays silent', () => {
  test.each(DOORS)(
    'X3: costs connectTimeout once, then calls fail at once with a reason, and no socket is left (%s)',
    async (_door, optionsOf) => {
      const port = await silentPort();
      const side = clientOf(ipv4(port), { endpoints: { connectTimeout: '0.4s' }, defaults: ONCE }, optionsOf);
      const first = await say(side, 3_000);
      expect(first.error?.code).toBe(status.UNAVAILABLE);
      expect(first.error?.details).toContain(`${port.address} was not ready for calls within 400 ms`);
      expect(first.tookMs).toBeGreaterThan(350);
      expect(first.tookMs).toBeLessThan(1_500);
      for (let i = 0; i < 5; i++) {
        const next = await say(side, 3_000);
        expect(next.error?.code).toBe(status.UNAVAILABLE);
        expect(next.tookMs).toBeLessThan(200);
        await pause(100);
      }
      expect(port.accepted).toBeGreaterThan(1);
      expect(port.open).toBeLessThanOrEqual(1);
      await side.mesh.close();
      await until(() => port.open === 0);
    },
  );

  test('X3: costs 5 s by default', async () => {
    const port = await silentPort();
    const { error, tookMs } = await say(clientOf(ipv4(port), { defaults: ONCE }), 8_000);
    expect(error?.code).toBe(status.UNAVAILABLE);
    expect(tookMs).toBeGreaterThan(4_500);
    expect(tookMs).toBeLessThan(6_500);
  }, 10_000);

  test('X3: does not touch calls to the others, and lets calls wait that want to', async () => {
    const [port, well] = await Promise.all([silentPort(), replica()]);
    const side = clientOf(ipv4(port, well), { endpoints: { connectTimeout: '0.3s' }, defaults: ONCE });
    const outcomes = [];
    for (let i = 0; i < 40; i++) {
      outcomes.push(await say(side));
      await pause(20);
    }
    expect(outcomes.filter(({ error }) => error !== undefined)).toEqual([]);
    expect(Math.max(...outcomes.map(({ tookMs }) => tookMs))).toBeLessThan(500);
    expect(side.stats(port.address)).toMatchObject({ ready: false, state: 'failing' });
    expect(side.stats(well.address)).toMatchObject({ ready: true, state: 'ready', rebuilds: 0 });

    const alone = clientOf(ipv4(port), { endpoints: { connectTimeout: '0.3s' }, defaults: ONCE });
    const patient = await say(alone, 900, new Metadata({ waitForReady: true }));
    expect(patient.error?.code).toBe(status.DEADLINE_EXCEEDED);
  });

  test('is used as soon as it speaks', async () => {
    const well = await replica();
    const proxy = await proxyTo(well);
    proxy.blackhole();
    const side = clientOf(ipv4(proxy), { endpoints: { connectTimeout: '0.3s' }, defaults: ONCE });
    expect((await say(side)).error?.code).toBe(status.UNAVAILABLE);
    proxy.heal();
    await until(() => side.stats(proxy.address)?.ready === true);
    expect((await say(side)).error).toBeUndefined();
  });
});

/** The real clock, and how many of its timers are waiting. */
class CountedClock implements Clock {
  readonly #waiting = new Set<object>();

  get pending(): number {
    return this.#waiting.size;
  }
  nowMs(): number {
    return systemClock.nowMs();
  }
  wallMs(): number {
    return systemClock.wallMs();
  }
  setTimer(fn: () => void, delayMs: number): CancelTimer {
    const timer = {};
    this.#waiting.add(timer);
    const cancel = systemClock.setTimer(() => {
      this.#waiting.delete(timer);
      fn();
    }, delayMs);
    return () => {
      this.#waiting.delete(timer);
      cancel();
    };
  }
  endOfTurn(fn: () => void): void {
    systemClock.endOfTurn(fn);
  }
}

describe('the end of a mesh', () => {
  test('leaves no timer behind, of connections that stand, were lost or are being rebuilt', async () => {
    const [well, lost] = await Promise.all([replica(), replica()]);
    const proxy = await proxyTo(well);
    const clock = new CountedClock();
    const side = clientOf(ipv4(proxy, lost), { endpoints: { connectTimeout: '1s' }, defaults: ONCE }, undefined, clock);
    for (let i = 0; i < 20; i++) await say(side);
    await pause(300);
    lost.stop();
    proxy.blackhole();
    const calls = load(side, 20);
    await until(() => proxy.accepted > 1);
    expect(clock.pending).toBeGreaterThan(0);
    await side.mesh.close(0);
    await calls.stop();
    // The queue of deadlines is let run out, and grpc-js has one more attempt to connect under way, watched.
    await pause(1_100);
    await until(() => clock.pending === 0);
  }, 10_000);

  test('leaves the watch on a connection that is being made, and with it no socket', async () => {
    const port = await silentPort();
    const clock = new CountedClock();
    const side = clientOf(ipv4(port), { endpoints: { connectTimeout: '0.5s' } }, undefined, clock);
    side.client.getChannel().getConnectivityState(true);
    await until(() => port.open === 1);
    await side.mesh.close();
    await until(() => port.open === 0);
    await until(() => clock.pending === 0);
  });
});
