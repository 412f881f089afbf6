import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);
const program = fileURLToPath(new URL('./run.ts', import.meta.url));

/** The whole is `npm run soak`. */
test('12,000 random calls: each caller is told once, and heap, timers and sockets are back where they were', async () => {
  const { stdout, stderr } = await run(process.execPath, ['--expose-gc', program, '12000'], { timeout: 110_000 });
  expect(stderr).toBe('');
  expect(stdout.split('\n').filter((line) => line.includes('calls in'))).toHaveLength(6);
}, 120_000);
