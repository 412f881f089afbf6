/**
 * `npm run protoc`: puts a protoc (that of PyPI's grpcio-tools) into .cache, for test/codegen/protoc.test.ts, where the system has
 * none. Says so and ends with 0 where it can't be had.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, run } from './process.ts';

const FOLDER = join(ROOT, '.cache/protoc');

/** A command that is protoc. */
export interface Protoc {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** The system's protoc, or the one in .cache; undefined: there is neither. */
export function findProtoc(): Protoc | undefined {
  if (run('protoc', ['--version']).ok) return { command: 'protoc', args: [], env: {} };
  return existsSync(join(FOLDER, 'grpc_tools'))
    ? { command: 'python3', args: ['-m', 'grpc_tools.protoc'], env: { PYTHONPATH: FOLDER } }
    : undefined;
}

if (import.meta.main && findProtoc() === undefined) {
  const { ok, output } = run('python3', [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--timeout',
    '15',
    '--retries',
    '1',
    '--target',
    FOLDER,
    'grpcio-tools',
  ]);
  if (!ok) console.log(`protoc can't be had: ${output.trim().split('\n').at(-1)}`);
}
