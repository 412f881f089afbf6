/**
 * All checks that need no test: format, lint, types, protos, dead code, the package as it would be published.
 *
 *     npm run check            all of them, even after a failure; exit 1 if any failed
 *     npm run check -- types   those whose name contains the word
 */
import { join } from 'node:path';
import { againstAccepted, againstLastCommit } from './breaking.ts';
import { pack } from './pack.ts';
import { type Outcome, ROOT, run, TSC } from './process.ts';

interface Check {
  readonly name: string;
  run(): Outcome;
}

const tool = (name: string, command: string, ...args: readonly string[]): Check => ({ name, run: () => run(command, args) });

let tarball: string | undefined;
/** Packs once for both checks of the package. */
function packed(): string {
  tarball ??= pack(join(ROOT, '.cache/check'));
  return tarball;
}

const checks: readonly Check[] = [
  tool('format and lint', 'biome', 'check', '--error-on-warnings', '--max-diagnostics=100'),
  tool('lock file names every platform', 'node', 'scripts/complete-lock.ts', '--check'),
  tool('types: package', 'node', TSC, '-p', 'tsconfig.json', '--noEmit'),
  tool('types: tests and programs', 'node', TSC, '-p', 'tsconfig.check.json'),
  tool('types: live page', 'node', TSC, '-p', 'src/admin/page'),
  tool('types: test of the live page', 'node', TSC, '-p', 'test/page'),
  tool('protos: lint', 'buf', 'lint'),
  tool('protos: format', 'buf', 'format', '--diff', '--exit-code'),
  tool('protos: build', 'buf', 'build'),
  { name: 'protos: nothing broken since what was accepted', run: againstAccepted },
  { name: 'protos: nothing broken since the last commit', run: againstLastCommit },
  ...['policy', 'options', 'schema'].map((what) => tool(`generated ${what} is fresh`, 'node', `scripts/gen-${what}.ts`, '--check')),
  tool('live page is fresh', 'node', 'scripts/gen-page.ts', '--check'),
  tool('dead code', 'knip'),
  { name: 'package: publint', run: () => run('publint', ['run', packed(), '--strict']) },
  { name: 'package: types as users resolve them', run: () => run('attw', [packed(), '--profile', 'esm-only']) },
];

/** Runs one check; an exception is a failure with its text. */
function attempt(check: Check): Outcome {
  try {
    return check.run();
  } catch (error) {
    return { ok: false, output: error instanceof Error ? error.message : String(error) };
  }
}

const word = process.argv[2] ?? '';
const chosen = checks.filter((check) => check.name.includes(word));
if (chosen.length === 0) {
  console.error(`no check is called "${word}"; there are: ${checks.map((check) => check.name).join(', ')}`);
  process.exit(2);
}
const failed: string[] = [];
for (const check of chosen) {
  const started = performance.now();
  const outcome = attempt(check);
  console.log(`${outcome.ok ? 'ok  ' : 'FAIL'} ${check.name} (${Math.round(performance.now() - started)} ms)`);
  if (!outcome.ok) {
    failed.push(check.name);
    console.log(outcome.output);
  }
}
if (failed.length > 0) {
  console.error(`${failed.length} of ${chosen.length} checks failed: ${failed.join(', ')}`);
  process.exitCode = 1;
}
