/**
 * What the plugin wrote compiles: with TypeScript 7 and 5.9, as ES modules and as CommonJS, as strict as can be.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const HERE = import.meta.dirname;
const ROOT = join(HERE, '../..');
const COMPILERS = { 'TypeScript 7': 'node_modules/typescript/bin/tsc', 'TypeScript 5.9': 'node_modules/typescript-5/bin/tsc' };
const MODULES = {
  'ES modules': { type: 'module', options: { module: 'nodenext' } },
  'CommonJS, nodenext': { type: 'commonjs', options: { module: 'nodenext' } },
  CommonJS: { type: 'commonjs', options: { module: 'commonjs' } },
};
const run = promisify(execFile);
let folder = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'inmesh-compile-'));
  cpSync(join(HERE, 'gen'), join(folder, 'gen'), { recursive: true });
  cpSync(join(HERE, 'use.ts.txt'), join(folder, 'use.ts'));
  // What a program installs; of inmesh only the types.
  mkdirSync(join(folder, 'node_modules/inmesh'), { recursive: true });
  for (const name of [
    '@grpc',
    '@bufbuild',
    '@types',
    'undici-types',
    '@opentelemetry',
    'valibot',
    'yaml',
    'protobufjs',
    'long',
    '@protobufjs',
  ])
    symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
  const out = join(folder, 'node_modules/inmesh/dist');
  await run(process.execPath, [join(ROOT, COMPILERS['TypeScript 7']), '-p', ROOT, '--emitDeclarationOnly', '--outDir', out]);
  const types = './dist/src/index.d.ts';
  writeFileSync(
    join(folder, 'node_modules/inmesh/package.json'),
    // TypeScript 5.9's own rules for `module: commonjs` do not know `exports`.
    JSON.stringify({ name: 'inmesh', type: 'module', types, exports: { '.': { types, default: './dist/src/index.js' } } }),
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const cases = Object.entries(COMPILERS).flatMap(([compiler, bin]) =>
  Object.entries(MODULES).map(([modules, { type, options }]) => ({ compiler, bin, modules, type, options })),
);

/** What the compiler says. */
async function compile(bin: string, type: string, options: object): Promise<string> {
  const compilerOptions = {
    target: 'es2022',
    lib: ['es2024', 'esnext.disposable'],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: true,
    noEmit: true,
    allowImportingTsExtensions: true,
    esModuleInterop: true,
    types: ['node'],
    ...options,
  };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type }));
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['gen', 'use.ts'] }));
  return run(process.execPath, [join(ROOT, bin), '-p', folder, '--pretty', 'false']).then(
    () => '',
    (error: { stdout?: string }) => error.stdout ?? String(error),
  );
}

describe('generated code', () => {
  test.each(cases)('compiles with $compiler as $modules', async ({ bin, type, options }) => {
    expect(await compile(bin, type, options)).toBe('');
  });

  test('a batch whose names are wrong does not compile', async () => {
    const shop = join(folder, 'gen/es/shop/v1/shop_inmesh.ts');
    cpSync(join(HERE, 'gen/es/shop/v1/shop_inmesh.ts'), shop);
    writeFileSync(shop, readFileSync(shop, 'utf8').replace(/(ShopBatches = \{[\s\S]*?from: )'name'/, "$1'nam'"));
    const said = await compile(COMPILERS['TypeScript 7'], 'module', { module: 'nodenext' });
    expect(said).toMatch(/shop_inmesh\.ts.*error TS/);
    cpSync(join(HERE, 'gen/es/shop/v1/shop_inmesh.ts'), shop);
  });
});
