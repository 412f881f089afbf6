/** What `inmesh lint` says of two services, one of which calls the other. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const command = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const cwd = fileURLToPath(new URL('.', import.meta.url));

// #region lint
const flags = ['lint', 'lint-web.yaml', 'lint-cart.yaml', '--format', 'json'];
const { stdout, status } = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', command, ...flags], {
  cwd,
  encoding: 'utf8',
});
for (const { code, file, line, message } of JSON.parse(stdout).findings) {
  console.log(`${file}:${line} ${code}`); // prints lint-cart.yaml:3 IM145
  console.log(message); // prints calls of stock.v1.Stock may take 5s, and lint-web.yaml waits 1s for shop.v1.Cart: it never gets them
}
console.log(status); // prints 0
// #endregion
