/**
 * The four rules that keep engines deterministic and apart (design: rings, clock, chance) are active where they must be.
 *
 * Biome runs with our own settings over a small project of wrong files; whoever drops a rule or a folder sees it here.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BIOME = join(ROOT, 'node_modules/@biomejs/biome/bin/biome');

/** Engines, kernel, bridge, interceptors: one file of each ring. */
const ENGINES = ['src/retry/probe.ts', 'src/balance/deep/probe.ts', 'src/a-new-engine/probe.ts', 'src/kernel-probe.ts'];
const OUTER = ['src/grpc/probe.ts', 'interceptors/probe.ts'];
const FREE = ['test/probe.test.ts', 'bench/probe.ts'];

const CLOCK = `export const seen: unknown[] = [
  Date.now(),
  new Date(),
  performance.now(),
  setTimeout(() => {}, 1),
  setInterval(() => {}, 1),
  setImmediate(() => {}),
  process.hrtime.bigint(),
  globalThis.setTimeout,
];
`;
const CLOCK_IMPORTS = `import { performance as a } from 'node:perf_hooks';
import { setTimeout as b } from 'node:timers';
import { setTimeout as c } from 'node:timers/promises';
export const seen: unknown[] = [a, b, c];
`;
const CHANCE = `export const called: number = Math.random();
export const passedOn: () => number = Math.random;
export const { random } = Math;
`;
const TRANSPORT = `import { Metadata } from '@grpc/grpc-js';
import type { Call } from '@grpc/grpc-js/build/src/call.js';
import { load } from '@grpc/proto-loader';
import { attemptContext } from '../grpc/client-call.ts';
import { retryInterceptor } from '../../interceptors/retry.ts';
export const seen: unknown[] = [Metadata, load, attemptContext, retryInterceptor];
export type Seen = Call;
`;

interface Finding {
  readonly path: string;
  readonly line: number;
  readonly rule: string;
}

interface Report {
  readonly diagnostics: ReadonlyArray<{
    readonly category: string;
    readonly severity: string;
    readonly location: { readonly path: string; readonly start: { readonly line: number } };
  }>;
}

function lint(folder: string): Promise<readonly Finding[]> {
  return new Promise((resolve, reject) => {
    const command = [BIOME, 'lint', '--reporter=json', '--max-diagnostics=none', '.'];
    execFile(process.execPath, command, { cwd: folder, maxBuffer: 1 << 26 }, (_error, stdout, stderr) => {
      try {
        const report: Report = JSON.parse(stdout);
        const errors = report.diagnostics.filter((found) => found.severity === 'error');
        resolve(
          errors.map(({ category, location }) => ({
            path: location.path,
            line: location.start.line,
            rule: category.split('/').at(-1) ?? '',
          })),
        );
      } catch (error) {
        reject(new Error(`biome said: ${stderr}`, { cause: error }));
      }
    });
  });
}

/** One project for each kind of wrong code: the same text in a file of every ring. */
class Probe {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'inmesh-lint-'));
  findings: readonly Finding[] = [];

  constructor(files: Readonly<Record<string, string>>) {
    cpSync(join(ROOT, 'biome.json'), join(this.folder, 'biome.json'));
    cpSync(join(ROOT, '.gitignore'), join(this.folder, '.gitignore'));
    cpSync(join(ROOT, 'scripts/lint'), join(this.folder, 'scripts/lint'), { recursive: true });
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.folder, path)), { recursive: true });
      writeFileSync(join(this.folder, path), text);
    }
  }
  async run(): Promise<void> {
    this.findings = await lint(this.folder);
  }
  /** Lines of a file that a rule names, each once. */
  lines(path: string, ...rules: readonly string[]): readonly number[] {
    const found = this.findings.filter((finding) => finding.path === path && rules.includes(finding.rule));
    return [...new Set(found.map((finding) => finding.line))].sort((a, b) => a - b);
  }
}

const everywhere = (text: string, ...extra: readonly string[]): Record<string, string> =>
  Object.fromEntries([...ENGINES, ...OUTER, ...FREE, ...extra].map((path) => [path, text]));

const clock = new Probe(everywhere(CLOCK, 'src/clock.ts'));
const clockImports = new Probe(everywhere(CLOCK_IMPORTS, 'src/clock.ts'));
const chance = new Probe(everywhere(CHANCE, 'src/random.ts'));
const transport = new Probe(everywhere(TRANSPORT, 'src/mesh.ts', 'src/index.ts'));
const cycle = new Probe({
  'src/retry/a.ts': "import { b } from './b.ts';\nexport const a: unknown = b;\n",
  'src/retry/b.ts': "import { c } from './c.ts';\nexport const b: unknown = c;\n",
  'src/retry/c.ts': "import { a } from './a.ts';\nexport const c: unknown = a;\n",
});
const probes = [clock, clockImports, chance, transport, cycle];

beforeAll(async () => {
  for (const probe of probes) await probe.run();
}, 60_000);
afterAll(() => {
  for (const probe of probes) rmSync(probe.folder, { recursive: true, force: true });
});

describe('lint rule: no real clock', () => {
  test.each([...ENGINES, ...OUTER])('%s may not read time or set timers', (path) => {
    expect(clock.lines(path, 'noRestrictedGlobals', 'plugin')).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
  });
  test.each([...ENGINES, ...OUTER])('%s may not import time or timers', (path) => {
    expect(clockImports.lines(path, 'noRestrictedImports')).toEqual([1, 2, 3]);
  });
  test.each([...FREE, 'src/clock.ts'])('%s may', (path) => {
    expect(clock.lines(path, 'noRestrictedGlobals', 'plugin')).toEqual([]);
    expect(clockImports.lines(path, 'noRestrictedImports')).toEqual([]);
  });
});

describe('lint rule: no Math.random', () => {
  test.each([...ENGINES, ...OUTER])('%s may not draw', (path) => {
    expect(chance.lines(path, 'plugin')).toEqual([1, 2, 3]);
  });
  test.each([...FREE, 'src/random.ts'])('%s may', (path) => {
    expect(chance.lines(path, 'plugin')).toEqual([]);
  });
});

describe('lint rule: an engine has no transport', () => {
  test.each(ENGINES)('%s may import neither grpc-js nor what stands outside of it', (path) => {
    expect(transport.lines(path, 'noRestrictedImports')).toEqual([1, 2, 3, 4, 5]);
  });
  test.each([...OUTER, ...FREE, 'src/mesh.ts', 'src/index.ts'])('%s may', (path) => {
    expect(transport.lines(path, 'noRestrictedImports')).toEqual([]);
  });
});

describe('lint rule: no import cycles', () => {
  test('every file of a cycle is named', () => {
    expect(['a', 'b', 'c'].map((name) => cycle.lines(`src/retry/${name}.ts`, 'noImportCycles'))).toEqual([[1], [1], [1]]);
  });
});
