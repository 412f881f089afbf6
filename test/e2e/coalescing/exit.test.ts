/** A process that has called through tunnels ends by itself. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Fleet } from './fleet.ts';

const CALLER = fileURLToPath(new URL('./caller.ts', import.meta.url));

/** How long the application lived on after its last call. */
async function outlives(port: number, end: 'close' | 'forget'): Promise<{ said: unknown; code: number | null; ms: number }> {
  const child = spawn(process.execPath, [CALLER, String(port), end], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  const sinceMs = performance.now();
  const [code] = (await exited) as [number | null];
  return { said: JSON.parse(said.toString()), code, ms: performance.now() - sinceMs };
}

describe('an application whose tunnels are open', { timeout: 40_000 }, () => {
  test.each([
    ['forget', 3_000],
    ['close', 1_000],
  ] as const)('%s: its process ends within %i ms by itself', async (end, limitMs) => {
    const fleet = await Fleet.start(['mesh']);
    const { said, code, ms } = await outlives(fleet.at(0).port, end);
    expect(said).toMatchObject({ ok: 20 });
    expect((said as { open: number }).open).toBeGreaterThan(0);
    expect(code).toBe(0);
    expect(ms).toBeLessThanOrEqual(limitMs);
  });
});
