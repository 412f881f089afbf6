/** The wall clock jumps while calls are out (X16, D8). */
import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { failed, Load } from '../coalescing/load.ts';
import { WORKLOAD } from './play.ts';
import { callerOf, Stage } from './stage.ts';

const HOUR_MS = 3_600_000;
const CALLER = fileURLToPath(new URL('./clock-caller.ts', import.meta.url));

describe('a wall clock that jumps', { timeout: 30_000 }, () => {
  test('X16: an hour forth, two back: no call fails early, none hangs, none takes longer', async () => {
    const stage = await Stage.start();
    const callers = (['mesh', 'coalesced'] as const).map((kind) => callerOf(kind, stage.target));
    const loads = callers.map(({ kind, client }) => new Load(client, { ...WORKLOAD, name: kind }));
    const real = Date.now.bind(Date);
    onTestFinished(() => void vi.restoreAllMocks());
    for (const hours of [0, 1, -1, 0]) {
      vi.spyOn(Date, 'now').mockImplementation(() => real() + hours * HOUR_MS);
      await sleep(500);
    }
    for (const load of loads) {
      const calls = await load.stop();
      expect(failed(calls)).toEqual([]);
      expect(calls.length).toBeGreaterThan(300);
    }
    for (const { mesh } of callers) expect(mesh?.stats().client.active).toBe(0);
  });

  const inNamespace = spawnSync('unshare', ['-T', '--monotonic', '3600', '--boottime', '3600', '--fork', 'true']).status === 0;
  if (!inNamespace)
    console.warn('X16: no time namespace here (it takes root and a kernel that has them): a machine with another boot time is not tried');
  test.skipIf(!inNamespace)('X16: on a machine that booted an hour earlier calls and deadlines are as ever', async () => {
    const stage = await Stage.start();
    const args = ['-T', '--monotonic', '3600', '--boottime', '3600', '--fork', process.execPath, CALLER, stage.target];
    const ran = spawnSync('unshare', args, { encoding: 'utf8', timeout: 20_000 });
    expect(ran.stderr).toBe('');
    expect(JSON.parse(ran.stdout)).toEqual({ fast: Array(20).fill('OK'), late: 'DEADLINE_EXCEEDED', inTime: true, bootedEarlier: true });
  });
});
