/** The models that the simulations stand on. */
import { describe, expect, test } from 'vitest';
import { Station, type StationOptions, type Verdict } from '../../bench/sim/station.ts';
import { VirtualTime } from '../../bench/sim/virtual-time.ts';
import { seededRandom } from '../../src/random.ts';

describe('VirtualTime', () => {
  test('lets things happen in the order of their times, and of their making where these are equal', () => {
    const time = new VirtualTime();
    const random = seededRandom(1);
    const happened: number[] = [];
    for (let i = 0; i < 1_000; i++) {
      const atMs = Math.floor(random() * 100);
      time.at(atMs, () => happened.push(1_000 * atMs + i));
    }
    time.run(100);
    expect(happened).toEqual([...happened].sort((a, b) => a - b));
    expect(happened.length).toBe(1_000);
    expect(time.nowMs()).toBe(100);
  });

  test('forgets what is cancelled, and does not run ahead', () => {
    const time = new VirtualTime();
    const happened: string[] = [];
    const cancel = time.setTimer(() => happened.push('cancelled'), 5);
    time.setTimer(() => time.setTimer(() => happened.push('second'), 5), 5);
    time.setTimer(() => happened.push('later'), 11);
    cancel();
    time.run(10);
    expect(happened).toEqual(['second']);
  });
});

describe('Station', () => {
  /** What becomes of jobs, with the time at which their callers hear it. */
  function stage(options: Partial<StationOptions> = {}): {
    time: VirtualTime;
    station: Station;
    heard: string[];
    offer: (expiresMs?: number) => void;
  } {
    const time = new VirtualTime();
    const station = new Station(time, { slots: 2, serviceMs: () => 10, dropLate: true, ...options });
    const heard: string[] = [];
    const offer = (expiresMs = Number.POSITIVE_INFINITY): void => {
      station.offer({ expiresMs, done: (verdict: Verdict) => heard.push(`${verdict} at ${time.nowMs()}`) });
    };
    return { time, station, heard, offer };
  }

  test('serves in order, as many at a time as it has slots', () => {
    const { time, heard, offer } = stage();
    for (let i = 0; i < 3; i++) offer();
    time.run(100);
    expect(heard).toEqual(['ok at 10', 'ok at 10', 'ok at 20']);
  });

  test.each([
    [true, ['ok at 10', 'late at 10', 'ok at 10', 'ok at 20']],
    [false, ['ok at 10', 'ok at 10', 'ok at 20', 'ok at 20']],
  ])('drops what is late: %s', (dropLate, expected) => {
    const { time, heard, offer } = stage({ dropLate });
    for (const expiresMs of [50, 50, 5, 50]) offer(expiresMs);
    time.run(100);
    expect(heard).toEqual(expected);
  });

  test('ends nothing while it stands still', () => {
    const { time, station, heard, offer } = stage();
    offer();
    time.run(5);
    station.stall(100);
    offer();
    time.run(200);
    expect(heard).toEqual(['ok at 105', 'ok at 115']);
  });

  test('dies with all it has, and what comes then hears so at once', () => {
    const { time, station, heard, offer } = stage();
    for (let i = 0; i < 3; i++) offer();
    time.run(5);
    station.kill();
    offer();
    time.run(20);
    station.revive();
    offer();
    time.run(100);
    expect(heard).toEqual(['down at 5', 'down at 5', 'down at 5', 'down at 5', 'ok at 30']);
  });

  test('refuses what is over its limit', () => {
    const { time, heard, offer } = stage({ limit: 2 });
    for (let i = 0; i < 3; i++) offer();
    time.run(100);
    expect(heard).toEqual(['full at 0', 'ok at 10', 'ok at 10']);
  });
});
