import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { ask, begin } from './stage.ts';

const ENTRY = fileURLToPath(new URL('exit-entry.ts', import.meta.url));

function start(how: string) {
  const child = fork(ENTRY, [how], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'], execArgv: ['--disable-warning=ExperimentalWarning'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

test('a program ends by itself though it is looked at, with a stream open', async () => {
  const child = start('leave');
  const [url] = (await once(child, 'message')) as [string];
  const { response } = await begin({ url }, '/events');
  response.on('error', () => {});
  response.resume();
  expect((await ask({ url }, '/livez')).status).toBe(200);
  child.send('now');
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
});

test('keepAlive: it goes on', async () => {
  const child = start('stay');
  const [url] = (await once(child, 'message')) as [string];
  child.send('now');
  await once(child, 'disconnect');
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect((await ask({ url }, '/livez')).status).toBe(200);
  expect(child.exitCode).toBeNull();
});
