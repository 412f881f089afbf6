/**
 * Whether our .proto files still mean what they meant: to those who wrote options and documents with them, and to peers on the wire.
 *
 *     node scripts/breaking.ts             against what was accepted, and against the last commit where there is one; exit 1 if they differ
 *     node scripts/breaking.ts --accept    takes what they say now, for a release or for a change that is meant
 *
 * What was accepted stands in scripts/protos.binpb, so that no history and no network is needed.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { mustRun, type Outcome, ROOT, run } from './process.ts';

const ACCEPTED = 'scripts/protos.binpb';
const FOLDER = 'protos';
/** Where the files of the last commit are laid out. */
const BEFORE = '.cache/breaking';

/** Against what was accepted. */
export function againstAccepted(): Outcome {
  return run('buf', ['breaking', '--against', ACCEPTED]);
}

/** Against the last commit. In a folder without history there is none, which is no failure. */
export function againstLastCommit(): Outcome {
  const listed = run('git', ['ls-tree', '-r', '--name-only', 'HEAD', FOLDER]);
  if (!listed.ok) return { ok: true, output: 'no history here\n' };
  const before = join(ROOT, BEFORE);
  rmSync(before, { recursive: true, force: true });
  for (const file of listed.output.split('\n').filter((name) => name.endsWith('.proto'))) {
    const copy = join(before, file);
    mkdirSync(dirname(copy), { recursive: true });
    writeFileSync(copy, mustRun('git', ['show', `HEAD:${file}`]));
  }
  return run('buf', ['breaking', '--against', join(before, FOLDER)]);
}

if (import.meta.main) {
  const [flag, ...more] = process.argv.slice(2);
  if (more.length > 0 || (flag !== undefined && flag !== '--accept')) {
    console.error('usage: node scripts/breaking.ts [--accept]');
    process.exit(2);
  }
  if (flag === '--accept') mustRun('buf', ['build', '--exclude-source-info', '-o', ACCEPTED]);
  for (const outcome of [againstAccepted(), ...(flag === '--accept' ? [] : [againstLastCommit()])]) {
    process.stdout.write(outcome.output);
    if (!outcome.ok) process.exitCode = 1;
  }
}
