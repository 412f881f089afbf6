/** A service that declares everything in its .proto file, the same in YAML, and both with a conflict: as a user would run them. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DECLARED, declaredProject } from '../support/declared-project.ts';
import { FROM_SOURCE } from '../support/from-source.ts';

const PROGRAMS = ['proto-only.ts', 'yaml-only.ts', 'both.ts'] as const;
const FILES = ['proto/orders.proto', 'buf.yaml', 'buf.gen.yaml', 'inmesh.yaml', 'conflict.yaml'];
const PAGE = readFileSync(join(import.meta.dirname, '../../docs/declared.md'), 'utf8');

const ran = new Map<string, { readonly stdout: string; readonly stderr: string }>();
let project = '';
beforeAll(async () => {
  project = declaredProject();
  for (const program of PROGRAMS) {
    const args = ['--disable-warning=ExperimentalWarning', '--import', FROM_SOURCE, join(project, program)];
    ran.set(program, await promisify(execFile)(process.execPath, args, { timeout: 60_000 }));
  }
});
afterAll(() => rmSync(project, { recursive: true, force: true }));

/** What a program tells of methods, with a place each. */
const rowsOf = (program: string): string[][] =>
  (ran.get(program)?.stdout ?? '')
    .split('\n')
    .filter((line) => line.startsWith('  '))
    .map((line) => line.trim().split(/ +/));

describe('examples/declared', () => {
  test('buf generate writes what is committed (node test/support/declared-project.ts)', () => {
    const files = (folder: string): [string, string][] =>
      readdirSync(folder).flatMap((name) => (name.endsWith('.ts') ? [[name, readFileSync(join(folder, name), 'utf8')]] : []));
    expect(files(join(project, 'gen'))).toEqual(files(join(DECLARED, 'gen')));
    expect(files(join(project, 'gen')).map(([name]) => name)).toEqual(['orders_inmesh.ts', 'orders_pb.ts']);
  });

  test.each(PROGRAMS)('%s takes three lines, warns of nothing, and prints what docs/declared.md shows', (program) => {
    const { stdout, stderr } = ran.get(program) ?? { stdout: '', stderr: 'did not run' };
    expect(stderr).toBe('');
    expect(PAGE).toContain(`\`\`\`text\n${stdout}\`\`\``);
    const use = /#region use\n([\s\S]*?)\/\/ #endregion/.exec(readFileSync(join(DECLARED, program), 'utf8'))?.[1] ?? '';
    expect(use.trim().split('\n').length).toBe(3);
  });

  test.each(FILES)('%s is shown, as it was used here', (file) => {
    expect(PAGE).toContain(`file=examples/declared/${file}\n${readFileSync(join(project, file), 'utf8').trim()}\n\`\`\``);
  });

  test('the .proto file alone and YAML alone say the same, each with places of its own', () => {
    const [proto, yaml] = [rowsOf('proto-only.ts'), rowsOf('yaml-only.ts')];
    const values = (rows: readonly string[][]): unknown => rows.map(([field, value]) => [field, value]);
    expect(values(proto)).toEqual(values(yaml));
    expect(proto.length).toBe(10);
    for (const [, , place] of proto) expect(place).toMatch(/^(orders\.proto:|idempotency_level)$/);
    for (const [, , place] of yaml) expect(place).toMatch(/^policy\.(methods|services)\["orders\.v1\.Orders/);
  });

  test('both: what the document says of a method or its service wins over the .proto file, and that over the defaults', () => {
    const rows = rowsOf('both.ts');
    const place = (field: string): string =>
      rows
        .find(([name]) => name === field)
        ?.slice(1)
        .join(' ') ?? '';
    expect(place('retryPolicy.maxAttempts')).toBe('2 policy.services["orders.v1.Orders"].retryPolicy.maxAttempts');
    expect(place('timeout')).toBe('2s orders.proto: option (inmesh.v1.file_policy)');
    expect(place('breaker.consecutiveFailures')).toBe('3 policy.defaults.breaker.consecutiveFailures');
    expect(rows.filter(([first]) => first === 'not').map(([, value]) => value)).toEqual(['10s:', '4:', '100:', '200:', '10s:']);
  });
});
