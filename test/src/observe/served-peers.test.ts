import { describe, expect, test } from 'vitest';
import { ServedPeers } from '../../../src/observe/served-peers.ts';
import { FakeClock } from '../../support/fake-clock.ts';

describe('served peers', () => {
  test('are counted by address without the port', () => {
    const clock = new FakeClock();
    const peers = new ServedPeers(clock);
    for (const peer of ['10.0.0.1:1', '10.0.0.1:2', '[::1]:3', '/run/x.sock']) peers.count(peer, 1, clock.nowMs());
    expect(peers.views().map(({ peer, calls }) => [peer, calls])).toEqual([
      ['10.0.0.1', 2],
      ['::1', 1],
      ['/run/x.sock', 1],
    ]);
    expect(peers.views()[0]?.callsPerSecond).toBeGreaterThan(0);
    clock.advance(11_000);
    expect(peers.views()[0]).toMatchObject({ calls: 2, callsPerSecond: 0 });
  });

  test('the first calls of a second are asked one by one, beyond that one of sixteen for sixteen', () => {
    const clock = new FakeClock();
    const peers = new ServedPeers(clock);
    const weights = Array.from({ length: 1000 }, () => peers.weight(clock.nowMs()));
    expect(weights.slice(0, 64)).toEqual(Array(64).fill(1));
    expect(weights.filter((weight) => weight > 0).length).toBe(64 + 58);
    expect(weights.reduce((sum, weight) => sum + weight, 0)).toBe(64 + 58 * 16);
    clock.advance(1000);
    expect(peers.weight(clock.nowMs())).toBe(1);
  });

  test('a hundred thousand peers take 64 rows, and the rest shares _OTHER', () => {
    const clock = new FakeClock();
    const peers = new ServedPeers(clock);
    for (let i = 0; i < 100_000; i++) peers.count(`10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}:1`, 1, clock.nowMs());
    const views = peers.views();
    expect(views.length).toBe(65);
    expect(views[0]).toMatchObject({ peer: '_OTHER', calls: 99_936 });
  });
});
