/**
 * A mesh with the policy of a file, which may be watched. Loaded when the first one is asked for.
 *
 * @packageDocumentation
 */
import { type Clock, systemClock } from './clock.ts';
import { ConfigError } from './errors.ts';
import { detachedClock } from './grpc/detached.ts';
import type { Mesh } from './mesh.ts';
import { firstLine, type PolicyInForce } from './mesh-policy.ts';
import type { MeshDependencies } from './mesh-types.ts';
import type { Tell } from './observe/event-log.ts';
import { readPolicyText } from './policy/load.ts';
import type { Policy } from './policy/policy.gen.ts';
import { locate, parsePolicyText } from './policy/policy-text.ts';
import { FileWatch } from './policy/watch.ts';
import { resolveWatchOptions, type WatchOptions, watchedFiles } from './policy/watch-files.ts';

/** What `loadMesh` takes besides the path. */
export interface LoadOptions extends MeshDependencies {
  /**
   * Follows the file: what it says is in force soon after it says it. What is wrong is told, and the policy before stays in force.
   *
   * @defaultValue false
   */
  readonly watch?: boolean | WatchOptions;
}

/** What a watched file is told of its mesh. */
export interface FollowHome {
  readonly reload: (policy: Policy) => void;
  readonly inForce: PolicyInForce;
  readonly tell: Tell;
  readonly warn: (line: string) => void;
}

/** @throws ConfigError (as a rejection) when the file or the policy is wrong. */
export async function openMesh(
  path: string,
  { watch, ...dependencies }: LoadOptions,
  make: (policy: Policy, dependencies: MeshDependencies) => Mesh,
): Promise<Mesh> {
  const settings = resolveWatchOptions(watch, 'options.watch');
  const text = await readPolicyText(path);
  const policy = parsePolicyText(text, path);
  let mesh: Mesh;
  try {
    mesh = make(policy, dependencies);
  } catch (error) {
    throw inText(text, path, error);
  }
  if (settings !== undefined) mesh.follow((home) => follow(path, text, settings, dependencies.clock ?? systemClock, home));
  return mesh;
}

/** Gives what ends it. */
function follow(
  path: string,
  text: string,
  settings: Required<WatchOptions>,
  clock: Clock,
  { reload, inForce, tell, warn }: FollowHome,
): () => void {
  inForce.follows(path);
  const watch = new FileWatch<Policy>({
    ...settings,
    path,
    text,
    clock: detachedClock(clock),
    files: watchedFiles,
    parse: parsePolicyText,
    apply: (policy, read) => {
      try {
        reload(policy);
      } catch (error) {
        throw inText(read, path, error);
      }
    },
    onProblem: (error, refused) => {
      if (!refused) inForce.rejected(error, tell); // what was refused has been told of
      inForce.problem = firstLine(error);
      warn(`policy file ${path}: what it says is not in force, the policy before is: ${firstLine(error)}`);
    },
    onGood: () => {
      if (inForce.view().problem === undefined) return;
      inForce.problem = undefined;
      tell({ kind: 'policy.recovered', subject: path, text: `what ${path} says is in force again` });
    },
    onUnwatched: (error) =>
      warn(`policy file ${path}: its directory can't be watched (${codeOf(error)}); it is read every ${settings.pollMs} ms instead`),
  });
  return () => watch.stop();
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
}

/** An error about a policy that was read from a text, with line and column; any other as it is. */
function inText(text: string, file: string, error: unknown): unknown {
  if (!(error instanceof ConfigError) || !error.path.startsWith('policy.')) return error;
  return new ConfigError(locate(text, file, error.path), error.message.slice(error.path.length + 2));
}
