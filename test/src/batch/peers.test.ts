import { beforeEach, describe, expect, test } from 'vitest';
import { Peers, parseCapability } from '../../../src/batch/peers.ts';
import { seededRandom } from '../../../src/random.ts';
import { FakeClock } from '../../support/fake-clock.ts';

let clock: FakeClock;
let peers: Peers;
beforeEach(() => {
  clock = new FakeClock();
  peers = new Peers(clock, seededRandom(1));
});

describe('capability text', () => {
  test.for([
    ['1;items=1024', 1024],
    ['1', 128],
    ['1; items=7; colour=red', 7],
    ['1;items=0', 1],
    ['1;items=-3', 128],
    ['1;items=9999999', 128],
    ['2;items=5', undefined],
    ['', undefined],
    ['items=5', undefined],
  ] as const)('%s means %s items', ([text, maxItems]) => {
    expect(parseCapability(text)?.maxItems).toBe(maxItems);
  });
});

describe('peers', () => {
  test('know nothing of an endpoint until it has said so', () => {
    expect(peers.any).toBe(false);
    expect(peers.capability('a', '/s/M')).toBeUndefined();
    peers.learn('a', '1;items=5');
    expect(peers.any).toBe(true);
    expect(peers.capability('a', '/s/M')).toEqual({ maxItems: 5, tunnels: false });
    expect(peers.capability('b', '/s/M')).toBeUndefined();
  });

  test('take the latest word, also one that they do not understand', () => {
    peers.learn('a', '1;items=5');
    peers.learn('a', '1;items=6');
    expect(peers.capability('a', '/s/M')).toEqual({ maxItems: 6, tunnels: false });
    peers.learn('a', '2;items=5');
    expect(peers.capability('a', '/s/M')).toBeUndefined();
  });

  test('spare an endpoint that turned a method away, for that method and ten minutes and a bit (K13)', () => {
    peers.learn('a', '1');
    peers.deny('a', '/s/M');
    expect(peers.capability('a', '/s/M')).toBeUndefined();
    expect(peers.capability('a', '/s/N')).toBeDefined();
    clock.advance(599_999);
    expect(peers.capability('a', '/s/M')).toBeUndefined();
    clock.advance(60_001);
    expect(peers.capability('a', '/s/M')).toBeDefined();
  });

  test('spare it for as long as they are told', () => {
    peers.learn('a', '1');
    peers.deny('a', '/s/M', 100);
    clock.advance(110);
    expect(peers.capability('a', '/s/M')).toBeDefined();
  });

  test('list those that are spared, for as long as they are', () => {
    peers.learn('a', '1');
    peers.deny('a', '/s/M', 100);
    peers.deny('/run/a socket', '/s/N', 1000);
    const both = [
      { address: 'a', method: '/s/M' },
      { address: '/run/a socket', method: '/s/N' },
    ];
    expect(peers.denied).toEqual(both);
    clock.advance(110);
    expect(peers.denied).toEqual(both.slice(1));
    peers.forget('/run/a socket');
    expect(peers.denied).toEqual([]);
  });

  test('know who takes tunnels', () => {
    peers.learn('a', '1;items=5');
    expect(peers.anyTunnels).toBe(false);
    peers.learn('a', '1;items=5;tunnels');
    expect([peers.anyTunnels, peers.capability('a', 't')?.tunnels]).toEqual([true, true]);
    peers.learn('a', '1;items=5;tunnels');
    peers.learn('a', '1;items=5');
    expect(peers.anyTunnels).toBe(false);
  });

  test('forget an endpoint whose connection is lost, what it can do and what it turned away', () => {
    peers.learn('a', '1;tunnels');
    peers.learn('b', '1');
    peers.deny('a', '/s/M');
    peers.deny('b', '/s/M');
    peers.forget('a');
    expect([peers.has('a'), peers.has('b'), peers.anyTunnels]).toEqual([false, true, false]);
    peers.learn('a', '1');
    expect(peers.capability('a', '/s/M')).toBeDefined();
    expect(peers.capability('b', '/s/M')).toBeUndefined();
  });

  test('forget the oldest beyond ten thousand', () => {
    for (let i = 0; i <= 10_000; i++) peers.learn(`a${i}`, '1');
    expect(peers.capability('a0', '/s/M')).toBeUndefined();
    expect(peers.capability('a10000', '/s/M')).toBeDefined();
  });
});
