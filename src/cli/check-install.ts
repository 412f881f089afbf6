/**
 * Is the installation sound: Node, copies of grpc-js and of the OpenTelemetry API, other instrumentation, the policy.
 *
 * @packageDocumentation
 */
import { existsSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { type Checked, inGroup } from './check-types.ts';
import type { Io } from './io.ts';
import { ownVersion } from './package.ts';
import { atLeast, type Copy, findCopies } from './packages.ts';

const GRPC = '@grpc/grpc-js';
const API = '@opentelemetry/api';
const INSTRUMENTATION = '@opentelemetry/instrumentation-grpc';
const LEAST_NODE = [22, 12, 0] as const;
const LEAST_GRPC = [1, 14, 7] as const;
const LEAST_API = [1, 9, 0] as const;

/** Node and packages. */
export async function checkPackages(io: Io): Promise<Checked[]> {
  const fact = inGroup('installation');
  const copies = await findCopies(io.cwd, ['inmesh', GRPC, API, INSTRUMENTATION]);
  const of = (name: string): readonly Copy[] => copies.get(name) ?? [];
  const node = process.versions.node;
  const facts = [
    atLeast(node, LEAST_NODE)
      ? fact('ok', 'Node', node)
      : fact('fail', 'Node', `${node} is older than ${LEAST_NODE.slice(0, 2).join('.')}`, 'inmesh needs Node 22.12 or newer'),
    of('inmesh').length > 1
      ? fact(
          'fail',
          'inmesh',
          `${of('inmesh').length} copies: ${places(io, of('inmesh'))}`,
          'npm dedupe: two meshes do not know of each other',
        )
      : fact('ok', 'inmesh', of('inmesh')[0]?.version ?? ownVersion()),
    grpc(io, of(GRPC)),
    api(io, of(API)),
  ];
  const instrumentation = instrumented(io, of(INSTRUMENTATION));
  return [...facts, ...instrumentation].map((one) => ({ ...one, group: 'installation' }));
}

const places = (io: Io, copies: readonly Copy[]): string =>
  copies.map(({ folder, version }) => `${version} in ${relative(io.cwd, folder) || '.'}`).join(', ');

function grpc(io: Io, copies: readonly Copy[]): Checked {
  const fact = inGroup('installation');
  const [first, ...more] = copies;
  if (first === undefined) return fact('fail', GRPC, 'not installed', `npm i ${GRPC}`);
  const old = copies.find(({ version }) => !atLeast(version, LEAST_GRPC) || !version.startsWith('1.'));
  if (old !== undefined) return fact('fail', GRPC, `${places(io, [old])} does not fit`, `npm i ${GRPC}@^${LEAST_GRPC.join('.')}`);
  if (more.length > 0)
    return fact(
      'fail',
      GRPC,
      `${copies.length} copies: ${places(io, copies)}`,
      'npm dedupe: balancing and interceptors of one copy do not hold for clients of another',
    );
  return fact('ok', GRPC, first.version);
}

function api(io: Io, copies: readonly Copy[]): Checked {
  const fact = inGroup('installation');
  const [first, ...more] = copies;
  if (first === undefined) return fact('skip', API, 'not installed: no spans and no metrics; mesh.stats() is there all the same');
  if (!copies.every(({ version }) => atLeast(version, LEAST_API) && version.startsWith('1.')))
    return fact('fail', API, `${places(io, copies)} does not fit`, `npm i ${API}@^${LEAST_API.join('.')}`);
  // Copies of one major version share their state through a global symbol; the newer one must have made it.
  if (more.length > 0)
    return fact(
      'warn',
      API,
      `${copies.length} copies: ${places(io, copies)}`,
      'npm dedupe: an older copy does not see what a newer one has set up',
    );
  return fact('ok', API, first.version);
}

function instrumented(io: Io, copies: readonly Copy[]): Checked[] {
  const fact = inGroup('installation');
  if (copies.length === 0) return [];
  const disabled = (io.env['OTEL_NODE_DISABLED_INSTRUMENTATIONS'] ?? '').split(',').map((name) => name.trim());
  if (disabled.includes('grpc')) return [fact('ok', 'other instrumentation', `${INSTRUMENTATION} is there, and switched off`)];
  return [
    fact(
      'warn',
      'other instrumentation',
      `${INSTRUMENTATION} is there too: where it is registered, every call is instrumented twice`,
      'OTEL_NODE_DISABLED_INSTRUMENTATIONS=grpc, or leave it out of the SDK',
    ),
  ];
}

/** The policy file that is named, or `inmesh.yaml` where there is one. */
export async function checkPolicyFile(io: Io, named: string | undefined, read: (file: string) => Promise<string>): Promise<Checked[]> {
  const fact = inGroup('policy');
  const file = named ?? 'inmesh.yaml';
  if (named === undefined && !existsSync(resolve(io.cwd, file)))
    return [fact('skip', file, 'not there: createMesh() without a policy has the defaults')];
  const { lintPolicy } = await import('../lint/lint.ts');
  let text: string;
  try {
    text = await read(file);
  } catch (error) {
    return [fact('fail', file, error instanceof Error ? error.message : String(error))];
  }
  const findings = lintPolicy(text, { file });
  const [worst] = findings.filter(({ severity }) => severity === 'error');
  const more = `inmesh lint ${file} tells all of it`;
  if (worst !== undefined) return [fact('fail', file, `${worst.line}:${worst.column} ${worst.code} ${worst.message}`, more)];
  const warnings = findings.filter(({ severity }) => severity === 'warning').length;
  return [warnings === 0 ? fact('ok', file, 'is a policy') : fact('warn', file, `is a policy, with ${warnings} warnings`, more)];
}
