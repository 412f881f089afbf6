import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);
const program = fileURLToPath(new URL('./names.ts', import.meta.url));

/** The whole is `node --expose-gc test/soak/names.ts`. */
test('6,000 methods that nobody has heard of: labels stay few, and the heap is flat', async () => {
  const { stdout, stderr } = await run(process.execPath, ['--expose-gc', program, '4000'], { timeout: 110_000 });
  expect(stderr).toBe('');
  expect(stdout).toContain('6000 names');
}, 120_000);
