/** The README's example, client and server, in the ways in which people build and run CommonJS and TypeScript. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { asHere, type Finished, HERE, type InstalledNode, nodes, runIn } from './stranger.ts';

/** What users have installed who do these things. TypeScript is that of users who do not follow its newest version. */
export const TOOLS: readonly string[] = ['typescript@5.9.3', 'jest@^30.4.0', 'esbuild@^0.28.0'];
/** Libraries on grpc-js that retry by themselves. */
export const RETRIERS: readonly string[] = ['etcd3@^1.1.2', '@temporalio/client@^1.24.0', 'nice-grpc-client-middleware-retry@^3.1.16'];
/** What this repository has too, in the same versions. */
export const LIBRARIES: readonly string[] = [
  ...['@grpc/grpc-js', '@grpc/proto-loader', '@types/node'],
  ...['@nestjs/common', '@nestjs/core', '@nestjs/microservices', 'reflect-metadata', 'rxjs', 'nice-grpc', 'cockatiel'],
].map(asHere);

const GREETED = { code: 0, out: 'Hello world\n24 of 24 in batches\n' };
const NESTED = { code: 0, out: 'Hello world\n1 made, 1 served through the mesh\n' };
/** grpc-js is CommonJS: in a bundle that is an ES module it must be told where `require` comes from. */
const BANNER = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";
/** Jest's own name for what it does not do without Node's flag. */
const NO_ESM = 'Must use import to load ES Module';
/** Compilers take their time on a busy machine. */
const SLOW = { timeout: 300_000 };

const OUR_FILES = ['app.cjs', 'jest.config.cjs', 'jest.transform.cjs', 'retriers.mjs', 'tsconfig.nest.json'];
const FILES: Readonly<Record<string, string>> = {
  'app.ts': 'app.ts.txt',
  'app.mts': 'app.ts.txt',
  'nest.ts': 'nest.ts.txt',
  'nest.mts': 'nest.ts.txt',
  'greeter.test.js': 'greeter.jest.js',
};

/** Jest can `require` ES modules from this Node on. */
const canRequireEsm = ({ name }: InstalledNode): boolean => {
  const [major = 0, minor = 0] = name.replace('Node ', '').split('.').map(Number);
  return major > 24 || (major === 24 && minor >= 9);
};

/** Declares the tests. The project has the package, what is listed above, and greeter.proto. */
export function describeConsumers(project: string): void {
  const runnersOf = nodes();
  const node = (binary: string, ...args: readonly string[]): Promise<Finished> => runIn(project, binary, ...args);
  const tsc = (...args: readonly string[]): Promise<Finished> => node(process.execPath, 'node_modules/typescript/bin/tsc', ...args);
  const built = { code: 0, out: '' };

  beforeAll(() => {
    for (const name of OUR_FILES) cpSync(join(HERE, 'consumers', name), join(project, name));
    for (const [name, from] of Object.entries(FILES)) cpSync(join(HERE, 'consumers', from), join(project, name));
  });

  describe('a program in plain CommonJS', () => {
    test.each(runnersOf)('runs on $name', async ({ binary }) => {
      expect(await node(binary, 'app.cjs')).toEqual(GREETED);
    });
  });

  describe('TypeScript 5.9', SLOW, () => {
    // The package's own types are checked whole where `consumer.ts` is compiled.
    const common = ['--strict', '--target', 'es2023', '--types', 'node', '--skipLibCheck'];

    test('module commonjs: compiles without a word on moduleResolution, and runs', async () => {
      expect(await tsc(...common, '--module', 'commonjs', '--outDir', 'commonjs', 'app.ts')).toEqual(built);
      for (const { binary } of runnersOf) expect(await node(binary, 'commonjs/app.js')).toEqual(GREETED);
    });

    test('module nodenext: compiles and runs, as CommonJS and as an ES module', async () => {
      expect(await tsc(...common, '--module', 'nodenext', '--outDir', 'nodenext', 'app.ts', 'app.mts')).toEqual(built);
      expect(readFileSync(join(project, 'nodenext/app.js'), 'utf8')).toContain('require("inmesh")');
      expect(readFileSync(join(project, 'nodenext/app.mjs'), 'utf8')).toMatch(/^import .* from 'inmesh';$/m);
      for (const { binary } of runnersOf) {
        expect(await node(binary, 'nodenext/app.js')).toEqual(GREETED);
        expect(await node(binary, 'nodenext/app.mjs')).toEqual(GREETED);
      }
    });

    test('module node18: does not let CommonJS import any ES module, and says so', async () => {
      const refused = await tsc(...common, '--noEmit', '--module', 'node18', 'app.ts');
      expect(refused.code).not.toBe(0);
      expect(refused.out).toContain('TS1479');
    });
  });

  describe("NestJS's default tsconfig", SLOW, () => {
    test('an application with the mesh in its channelOptions compiles and runs, as CommonJS and as an ES module', async () => {
      const { compilerOptions }: { compilerOptions: object } = JSON.parse(readFileSync(join(project, 'tsconfig.nest.json'), 'utf8'));
      const files = ['nest.ts', 'nest.mts'];
      writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
      expect(await tsc('-p', '.')).toEqual(built);
      for (const { binary } of runnersOf) {
        expect(await node(binary, 'dist/nest.js')).toEqual(NESTED);
        expect(await node(binary, 'dist/nest.mjs')).toEqual(NESTED);
      }
    });
  });

  describe('Jest', () => {
    const jest = (binary: string, ...args: readonly string[]): Promise<Finished> =>
      node(binary, ...args.slice(0, -1), 'node_modules/jest/bin/jest.js', `--config=${args.at(-1)}`, 'greeter');
    const DEFAULTS = '{}';

    test('with defaults it does not load ES modules, and says so', async () => {
      const { code, out } = await jest(process.execPath, DEFAULTS);
      expect({ code, said: out.includes(NO_ESM) }).toEqual({ code: 1, said: true });
    });

    describe.each(runnersOf)('on $name', (runner) => {
      test(`with --experimental-vm-modules it does${canRequireEsm(runner) ? '' : ' not either'}`, async () => {
        const { code, out } = await jest(runner.binary, '--experimental-vm-modules', DEFAULTS);
        expect(code, out).toBe(canRequireEsm(runner) ? 0 : 1);
      });
      test('with a transform for inmesh it runs without that flag', async () => {
        const { code, out } = await jest(runner.binary, 'jest.config.cjs');
        expect(code, out).toBe(0);
      });
    });
  });

  describe('libraries that retry by themselves', () => {
    test('multiply with the mesh only where both may retry; docs/stacks.md has how each goes off', async () => {
      const { code, out } = await node(process.execPath, '--no-warnings', 'retriers.mjs');
      expect({ code, lines: out.trim().split('\n') }).toEqual({
        code: 0,
        lines: [
          'etcd3: as it comes: 3 unmarked, 9 marked',
          'etcd3: its global policy a noop: 1 unmarked, 3 marked',
          'temporal: its interceptor: 3 unmarked, 9 marked',
          'temporal: no interceptors: 1 unmarked, 3 marked',
          'nice-grpc: retryMiddleware, asked to retry: 3 unmarked, 9 marked',
          'nice-grpc: retryMiddleware, retry: false: 1 unmarked, 3 marked',
          'nice-grpc: without it: 1 unmarked, 3 marked',
        ],
      });
    });
  });

  describe('a bundle of esbuild', () => {
    test.each([
      { form: 'CommonJS', file: 'bundle.cjs', flags: ['--format=cjs'] },
      { form: 'CommonJS, minified', file: 'bundle.min.cjs', flags: ['--format=cjs', '--minify'] },
      { form: 'an ES module with a require', file: 'bundle.mjs', flags: ['--format=esm', `--banner:js=${BANNER}`] },
      { form: 'an ES module, packages left outside', file: 'thin.mjs', flags: ['--format=esm', '--packages=external'] },
    ])('runs as $form', async ({ file, flags }) => {
      const esbuild = ['--bundle', '--platform=node', '--log-level=warning', ...flags, `--outfile=${file}`];
      expect(await runIn(project, 'node_modules/.bin/esbuild', 'app.mts', ...esbuild)).toEqual(built);
      for (const { binary } of runnersOf) expect(await node(binary, file)).toEqual(GREETED);
    });
  });
}
