/** Another policy while the program runs: by hand, and from a watched file. */
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigError, createMesh, loadMesh, type Policy } from 'inmesh';

const folder = await mkdtemp(join(tmpdir(), 'inmesh-'));
const file = join(folder, 'inmesh.yaml');
await writeFile(file, 'defaults: { timeout: 2s }\n');

// #region by-hand
const mesh = createMesh({ defaults: { timeout: '2s' } });

const { changed, pending } = mesh.reload({ defaults: { timeout: '1s' }, balance: 'off' });
console.log(changed); // prints [ 'policy.defaults.timeout' ]
console.log(pending); // prints [ 'policy.balance.policy' ]

const wrong: Policy = JSON.parse('{ "defaults": { "timeout": 500 } }');
try {
  mesh.reload(wrong);
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  console.log(error.message); // prints policy.defaults.timeout: expected a duration such as "0.5s", got 500; did you mean "0.5s"?
}
console.log(mesh.policy.defaults?.timeout); // prints 1s
// #endregion

// #region watch
const said: string[] = [];
const watched = await loadMesh(file, { watch: true, warn: (line) => said.push(line) });
const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await sleep(20);
};

await writeFile(`${file}.new`, 'defaults: { timeout: 0.5s }\n');
await rename(`${file}.new`, file); // nobody can read half of it
await until(() => watched.policy.defaults?.timeout === '0.5s');

await writeFile(file, 'defaults: { timeuot: 1s }\n');
await until(() => said.length > 0);
const { reloads, rejected } = watched.stats().policy;
console.log(reloads, rejected, watched.policy.defaults?.timeout); // prints 1 1 0.5s
console.log(watched.overview().policy.problem?.includes('did you mean "timeout"?')); // prints true
// #endregion

await Promise.all([mesh.close(), watched.close()]);
await rm(folder, { recursive: true });
