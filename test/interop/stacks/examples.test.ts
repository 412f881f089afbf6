/** Every program of examples/stacks (`run.ts` of each folder) does what it says, with its stack's real package. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const STACKS = join(ROOT, 'examples/stacks');
const MOST_LINES = 60;
/** What makes each of them that stack. */
const IMPORTS: Readonly<Record<string, string>> = {
  'google-gax': 'google-gax',
  'google-protobuf': './gen/greeter_pb.cjs',
  nestjs: '@nestjs/microservices',
  'nice-grpc': 'nice-grpc',
  'proto-loader': '@grpc/proto-loader',
  'ts-proto': '../gen/greeter.ts',
};

/** Makes `import 'inmesh'` mean the sources, so that the programs run without a build. */
const FROM_SOURCE = `data:text/javascript,${encodeURIComponent(
  `import { registerHooks } from 'node:module';
   const source = ${JSON.stringify(new URL('../../../src/index.ts', import.meta.url).href)};
   registerHooks({ resolve: (name, context, next) => next(name === 'inmesh' ? source : name, context) });`,
)}`;

const folders = readdirSync(STACKS, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== 'gen')
  .map(({ name }) => name);

test('there is one for each of the six stacks', () => {
  expect(folders.sort()).toEqual(Object.keys(IMPORTS));
});

describe.each(folders)('examples/stacks/%s', (folder) => {
  const file = join(STACKS, folder, 'run.ts');
  const text = readFileSync(file, 'utf8');

  test('prints what it says, warns of nothing and ends by itself', async () => {
    const args = ['--disable-warning=ExperimentalWarning', '--import', FROM_SOURCE, file];
    const ran = await new Promise<{ code: number | string; out: string; said: string }>((resolve) => {
      execFile(process.execPath, args, { timeout: 60_000 }, (error, out, said) => resolve({ code: error?.code ?? 0, out, said }));
    });
    expect(ran.said).toBe('');
    expect(ran.out.trim().split('\n')).toEqual([...text.matchAll(/\/\/ prints (.*)$/gm)].map(([, line]) => line));
    expect(ran.code).toBe(0);
  });

  test(`is short, uses its stack, and gives the client its mesh between two marks`, () => {
    expect(text.trim().split('\n').length).toBeLessThanOrEqual(MOST_LINES);
    expect(text).toContain(`from '${IMPORTS[folder]}'`);
    expect(/#region client\n([\s\S]*?)\/\/ #endregion/.exec(text)?.[1]).toMatch(/mesh\.(client|channel)\(/);
  });
});
