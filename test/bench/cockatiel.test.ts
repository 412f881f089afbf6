import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const BENCH = fileURLToPath(new URL('../../bench/cockatiel.ts', import.meta.url));

describe('the bench of cockatiel policies', () => {
  test('compares every way with bare grpc-js in the same rounds, and no call fails', async () => {
    const args = [BENCH, '--rounds', '1', '--slice-ms', '100', '--callers', '16'];
    const out = await new Promise<string>((resolve, reject) => {
      execFile(process.execPath, args, { timeout: 60_000 }, (error, stdout) => (error === null ? resolve(stdout) : reject(error)));
    });
    const rows = new Map(out.split('\n').map((line) => [line.split(/ +/)[0] ?? '', line.split(/ +/)]));
    expect(rows.get('bare')?.[3]).toBe('1.00');
    for (const name of ['bare', 'by-hand', 'interceptor', 'policies', 'ours', 'ours-wrap']) {
      expect(Number(rows.get(name)?.[1])).toBeGreaterThan(0);
    }
  });
});
