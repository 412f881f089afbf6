#!/usr/bin/env node
/**
 * The command `inmesh`. Imports nothing before it knows that this Node can: an old one should say so in a sentence.
 *
 * @packageDocumentation
 */
const LEAST: readonly [number, number] = [22, 12];
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < LEAST[0] || (major === LEAST[0] && minor < LEAST[1])) {
  console.error(`inmesh: needs Node ${LEAST.join('.')} or newer, and this is ${process.versions.node}`);
  process.exitCode = 2;
} else {
  import('./process-io.ts').then(
    ({ runProcess }) => runProcess(process.argv.slice(2)),
    (error: unknown) => {
      console.error(error);
      process.exitCode = 1;
    },
  );
}

export {};
