import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);
const program = fileURLToPath(new URL('./cancelled.ts', import.meta.url));

/** The whole is `npm run soak:cancelled`. */
test('24,000 calls given up alone, in envelopes and in tunnels: each caller is told once, the kept ones are answered, and the heap is flat', async () => {
  const { stdout, stderr } = await run(process.execPath, ['--expose-gc', program, '24000'], { timeout: 110_000 });
  expect(stderr).toBe('');
  expect(stdout.split('\n').filter((line) => line.includes('heap'))).toHaveLength(3);
}, 120_000);
