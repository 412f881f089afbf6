/** `npm start -- --ui`, as a user starts it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { OverviewView } from '../../src/observe/views.ts';

const RUN = fileURLToPath(new URL('../../examples/atlas/run.ts', import.meta.url));
/** Below the range that systems hand out, and not where the example itself is by default. */
const FIRST_PORT = 27_310;

test('--ui leaves the live page open over an act under load, and Ctrl-C ends all of it', { timeout: 60_000 }, async () => {
  const child = spawn(process.execPath, [RUN, '--ui', '--short', '--rate', '5', '--port', String(FIRST_PORT)]);
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  await expect.poll(() => /live page: http:\/\/\S+/.exec(said)?.[0], { timeout: 30_000 }).toBeDefined();
  const url = /live page: (http:\S+)/.exec(said)?.[1] ?? '';
  expect(await (await fetch(url)).text()).toMatch(/^<!doctype html>/);
  const overview = async (): Promise<OverviewView> => (await fetch(`${url}/overview.json`)).json() as Promise<OverviewView>;
  const calls = async (): Promise<number> => (await overview()).methods.reduce((sum, method) => sum + method.calls, 0);
  const before = await calls();
  await expect.poll(calls, { timeout: 10_000 }).toBeGreaterThan(before);
  expect((await overview()).process.service).toBe('atlas-app');
  child.kill('SIGINT');
  const [code] = await once(child, 'exit');
  expect(code).toBe(130);
  await expect(fetch(url)).rejects.toThrow('fetch failed');
  const free = createServer().listen(FIRST_PORT, '127.0.0.1');
  await once(free, 'listening');
  free.close();
});
