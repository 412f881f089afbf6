import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);
const program = fileURLToPath(new URL('./reload.ts', import.meta.url));

/** The whole is `npm run soak:reload`. */
test('F6 100 reloads a second under load, on both sides: no call is lost or told twice, and nothing is left behind', async () => {
  const { stdout, stderr } = await run(process.execPath, ['--no-warnings', '--expose-gc', program, '1'], { timeout: 170_000 });
  expect(stderr).toBe('');
  expect(stdout.split('\n').filter((line) => line.includes('reloads'))).toHaveLength(9);
}, 180_000);
