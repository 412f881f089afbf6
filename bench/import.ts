/**
 * What `import 'inmesh'` costs a process that starts: CPU beside that of grpc-js itself, whole processes, alternating.
 *
 *     npm run build && node bench/import.ts [--rounds 9]
 *
 * @packageDocumentation
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { spread } from './stats.ts';

const GRPC = "await import('@grpc/grpc-js');";
const PROGRAMS = {
  node: '',
  'grpc-js': GRPC,
  inmesh: `${GRPC} await import('inmesh');`,
  'inmesh, createMesh()': `${GRPC} (await import('inmesh')).createMesh();`,
} as const;
type Name = keyof typeof PROGRAMS;
const NAMES = Object.keys(PROGRAMS) as Name[];
const TELL = 'const { user, system } = process.cpuUsage(); console.log((user + system) / 1000);';

/** CPU of one process from its start, in ms. */
function cpuMs(name: Name, compileCache: string | undefined): number {
  const env = { ...process.env, ...(compileCache === undefined ? {} : { NODE_COMPILE_CACHE: compileCache }) };
  const args = ['--input-type=module', '--eval', `${PROGRAMS[name]} ${TELL}`];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { cwd: import.meta.dirname, env, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return Number(stdout);
}

const { rounds } = parseArgs({ options: { rounds: { type: 'string', default: '9' } } }).values;
const cache = mkdtempSync(join(tmpdir(), 'inmesh-import-'));
console.log(`node ${process.version}, ${rounds} rounds; CPU of the process, beside what grpc-js adds to Node's own`);
for (const [title, folder] of [
  ['nothing compiled before', undefined],
  ['with NODE_COMPILE_CACHE', cache],
] as const) {
  for (const name of NAMES) cpuMs(name, folder);
  const shares = new Map<Name, number[]>(NAMES.map((name) => [name, []]));
  const added = new Map<Name, number[]>(NAMES.map((name) => [name, []]));
  for (let round = 0; round < Number(rounds); round++) {
    const own = new Map(NAMES.map((name) => [name, cpuMs(name, folder)]));
    const node = own.get('node') ?? 0;
    const grpc = (own.get('grpc-js') ?? 0) - node;
    for (const name of NAMES) {
      const ms = (own.get(name) ?? 0) - (name === 'grpc-js' ? node : (own.get('grpc-js') ?? 0));
      added.get(name)?.push(ms);
      shares.get(name)?.push(ms / grpc);
    }
  }
  console.log(`\n${title}`);
  for (const name of NAMES.slice(1)) {
    const { median, min, max } = spread(shares.get(name) ?? []);
    const ms = spread(added.get(name) ?? []).median;
    console.log(
      `  ${name.padEnd(22)}+ ${ms.toFixed(0).padStart(4)} ms  ${median.toFixed(2)} of grpc-js (${min.toFixed(2)}..${max.toFixed(2)})`,
    );
  }
}
rmSync(cache, { recursive: true, force: true });
