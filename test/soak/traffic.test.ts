import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);
const program = fileURLToPath(new URL('./traffic.ts', import.meta.url));

/** The whole is `npm run soak:traffic`. */
test('TM1 TM2 TM3 TM4: 4,000 calls through splits, faults and mirrors: shares hold, keys stay, nothing fails or alarms', async () => {
  const { stdout, stderr } = await run(process.execPath, [program, '4000'], { timeout: 110_000 });
  expect(stderr).toBe('');
  expect(stdout.split('\n').filter((line) => line.startsWith('mirror'))).toHaveLength(2);
}, 120_000);
