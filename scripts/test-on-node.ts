/**
 * Runs the unit tests on another version of Node, which it fetches from npm (package `node-<platform>-<arch>`) into .cache.
 *
 *     node scripts/test-on-node.ts 22.23.3 [arguments of vitest]
 *
 * Where npm has no such package this says so and succeeds: it is a check beside the tests, not their condition.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { ROOT, run } from './process.ts';

/** Platforms for which npm carries Node. On the first, which CI runs on, a failure to get it is a failure. */
const CARRIED = ['linux-x64', 'linux-arm64', 'darwin-arm64', 'darwin-x64'];

const [version, ...rest] = process.argv.slice(2);
if (version === undefined || !/^\d+\.\d+\.\d+$/.test(version)) {
  console.error('usage: node scripts/test-on-node.ts VERSION [arguments of vitest], e.g. 22.23.3');
  process.exit(2);
}

function skip(why: string): never {
  console.log(`SKIPPED: unit tests on Node ${version}: ${why}`);
  process.exit(0);
}

const platform = `${process.platform}-${process.arch}`;
if (!CARRIED.includes(platform)) {
  skip(`npm carries no Node for ${platform}`);
}
const home = join(ROOT, `.cache/node-${version}`);
const binary = join(home, `node_modules/node-${platform}/bin/node`);
if (!existsSync(binary)) {
  const args = ['install', '--prefix', home, '--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline'];
  const fetched = run('npm', [...args, `node-${platform}@${version}`]);
  if (!fetched.ok || !existsSync(binary)) {
    if (platform === CARRIED[0]) {
      console.error(`could not fetch Node ${version}:\n${fetched.output}`);
      process.exit(1);
    }
    skip('it could not be fetched');
  }
}

console.log(`unit tests on Node ${version}`);
// Children of tests find the same Node first on their path.
const path = [dirname(binary), join(ROOT, 'node_modules/.bin'), process.env['PATH'] ?? ''].join(delimiter);
const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
const result = spawnSync(binary, [vitest, 'run', '--project', 'engines', '--project', 'unit', ...rest], {
  cwd: ROOT,
  // Laws and the oracle are long, and about our arithmetic, not Node's.
  env: { ...process.env, PATH: path, INMESH_WITHOUT_LAWS: '1' },
  stdio: 'inherit',
});
process.exit(result.status ?? 1);
