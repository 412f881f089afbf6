import { describe, expect, test } from 'vitest';
import { type Msg, makeClient, sayOf, TEXT } from '../../bench/echo.ts';
import { summariseCosts, summariseLosses } from '../../bench/telemetry.ts';
import { COST_NAMES, costRecipe, LOSS_NAMES, LOSSES } from '../../bench/telemetry-variants.ts';

describe('bench of telemetry', () => {
  test('the stack with telemetry off answers every call with what it was sent', async () => {
    const client = makeClient('fake', await costRecipe('off'));
    const say = sayOf(client);
    const ids = Array.from({ length: 300 }, (_, i) => i);
    const answers = await Promise.all(
      ids.map(
        (id) =>
          new Promise<Msg | undefined>((resolve, reject) => {
            say({ id, text: TEXT }, (error, answer) => (error === null ? resolve(answer) : reject(error)));
          }),
      ),
    );
    client.close();
    expect(answers).toEqual(ids.map((id) => ({ id, text: TEXT })));
  });

  test('a cost is that of the quietest slices, less that of the same round without telemetry', () => {
    const slices = (quiet: number) => Array.from({ length: 40 }, (_, i) => quiet + i);
    const rounds = [10, 30, 20].map(
      (busy) =>
        new Map([
          ['off' as const, slices(busy)],
          ['sampled' as const, slices(busy + 4)],
        ]),
    );
    const rows = summariseCosts(rounds);
    expect(rows.map(({ variant, addedUs }) => [variant, addedUs])).toEqual([
      ['off', { median: 0, min: 0, max: 0 }],
      ['sampled', { median: 4, min: 4, max: 4 }],
    ]);
    expect(rows[0]?.cpuUs).toEqual({ median: 21, min: 11, max: 31 });
  });

  test('a loss is a share of the calls per second of its own base', () => {
    const cell = (variant: (typeof LOSS_NAMES)[number], callsPerSecond: number, cpuUs: number) => ({
      ...{ variant, callsPerSecond, clientCpuUs: cpuUs / 2, serverCpuUs: cpuUs / 2 },
    });
    const round = [cell('bare', 1000, 100), cell('bare-theirs', 600, 150), cell('mesh', 2000, 100), cell('mesh-ours', 1800, 110)];
    const rows = summariseLosses([round]);
    expect(rows.map(({ variant, lost, cpu }) => [variant, lost.median.toFixed(2), cpu.median.toFixed(2)])).toEqual([
      ['bare', '0.00', '1.00'],
      ['bare-theirs', '0.40', '1.50'],
      ['mesh', '0.00', '1.00'],
      ['mesh-ours', '0.10', '1.10'],
    ]);
  });

  test('every variant has a base that is measured', () => {
    expect(COST_NAMES[0]).toBe('off');
    for (const name of LOSS_NAMES) expect(LOSSES[LOSSES[name].base].base).toBe(LOSSES[name].base);
  });
});
