import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inmesh } from './rig.ts';

let cwd = '';
const write = (name: string, text: string): void => writeFileSync(join(cwd, name), text);
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'inmesh-init-'));
  write(
    'config.json',
    JSON.stringify({
      methodConfig: [
        { name: [{ service: 'a.B' }], timeout: '2s' },
        { name: [{ service: 'a.B', method: 'C' }], waitForReady: true },
      ],
      retryThrottling: { maxTokens: 10, tokenRatio: 0.1 },
    }),
  );
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

describe('inmesh init --service-config', () => {
  test('writes a policy that lint finds nothing wrong with, and says above it what is otherwise', async () => {
    expect((await inmesh(['init', '--service-config', 'config.json'], { cwd })).exit).toBe(0);
    const [comments, document] = readFileSync(join(cwd, 'inmesh.yaml'), 'utf8').split('\n\n');
    expect(comments?.split('\n').slice(2)).toEqual([
      '#',
      '# What is otherwise here than there:',
      '# serviceConfig.methodConfig[0].timeout: taken over for calls that come without a deadline; in gRPC it also cuts short those that have a longer one',
      '# serviceConfig.methodConfig[1].waitForReady: is not taken over: grpc-js ignores it too; set it by `new Metadata({ waitForReady: true })`',
    ]);
    expect(document).toBe(
      [
        'services:',
        '  a.B:',
        '    timeout: 2s',
        'methods:',
        '  a.B/C:',
        '    timeout: 0s',
        'retryBudget:',
        '  throttle:',
        '    maxTokens: 10',
        '    tokenRatio: 0.1',
        '',
      ].join('\n'),
    );
    const { exit, out } = await inmesh(['lint', '--strict'], { cwd });
    expect([exit, out]).toEqual([0, 'nothing wrong\n']);
  });

  test.each([
    ['no JSON', '{', 'not JSON'],
    ['a list', '[]', 'expected an object, got an empty list'],
  ])('refuses %s, and writes nothing', async (_, text, problem) => {
    write('bad.json', text);
    const { exit, out, err } = await inmesh(['init', '--print', '--service-config', 'bad.json'], { cwd });
    expect([exit, out]).toEqual([2, '']);
    expect(err).toContain(`--service-config bad.json: ${problem}`);
  });
});
