import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const BENCH = fileURLToPath(new URL('../../bench/native.ts', import.meta.url));

describe('the bench of native batches', () => {
  test('compares every way with a hand-written dataloader, in the same rounds, and merges', async () => {
    const args = [BENCH, '--rounds', '1', '--slice-ms', '100', '--callers', '32'];
    const out = await new Promise<string>((resolve, reject) => {
      execFile(process.execPath, args, { timeout: 60_000 }, (error, stdout) => (error === null ? resolve(stdout) : reject(error)));
    });
    const rows = new Map(out.split('\n').map((line) => [line.split(/ +/)[0] ?? '', line.split(/ +/)]));
    expect(rows.get('dataloader')?.[4]).toBe('1.00');
    for (const name of ['dataloader', 'native-interceptors', 'native-channel', 'native-wrap']) {
      expect(Number(rows.get(name)?.[1])).toBeGreaterThan(0);
      expect(Number(rows.get(name)?.[2])).toBeGreaterThan(4);
    }
    expect(Number(rows.get('bare')?.[1])).toBeGreaterThan(0);
  });
});
