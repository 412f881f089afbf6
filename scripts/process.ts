/**
 * Running other programs, for the scripts of this folder.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The project's folder, with a slash at its end. */
export const ROOT: string = fileURLToPath(new URL('..', import.meta.url));

/** TypeScript 7, by its file: the tests' TypeScript 5.9 has a program of the same name, and npm may link either. */
export const TSC: string = `${ROOT}node_modules/typescript/bin/tsc`;

/** What a program said and how it ended. */
export interface Outcome {
  readonly ok: boolean;
  readonly output: string;
}

/** Runs a program of node_modules/.bin (or of the system) to its end and keeps what it says. */
export function run(command: string, args: readonly string[], cwd: string = ROOT): Outcome {
  const env = { ...process.env, PATH: `${ROOT}node_modules/.bin:${process.env['PATH'] ?? ''}` };
  const result = spawnSync(command, args, { cwd, env, encoding: 'utf8', maxBuffer: 1 << 28 });
  const said = `${result.stdout ?? ''}${result.stderr ?? ''}${result.error === undefined ? '' : `${result.error.message}\n`}`;
  return { ok: result.status === 0, output: said };
}

/** Like `run`, but a failure throws with all that was said. */
export function mustRun(command: string, args: readonly string[], cwd: string = ROOT): string {
  const outcome = run(command, args, cwd);
  if (!outcome.ok) {
    throw new Error(`${command} ${args.join(' ')} failed:\n${outcome.output}`);
  }
  return outcome.output;
}
