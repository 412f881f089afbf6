/**
 * Whether calls should be sent to this process.
 *
 * @packageDocumentation
 */
import type { TargetState } from '../grpc/target-states.ts';
import type { AdminSource } from './source.ts';
import { columns } from './text.ts';

/** One thing that must be well. */
export interface ReadinessCheck {
  /** `mesh`, or a target. */
  readonly name: string;
  readonly ok: boolean;
  readonly text: string;
}

/** The verdict and its reasons. */
export interface Readiness {
  readonly ready: boolean;
  readonly checks: readonly ReadinessCheck[];
}

/**
 * Ready: the mesh takes calls, and no target that calls have gone to is without a ready endpoint. A target that nobody has called
 * yet has no connection, and is not judged.
 *
 * @param exclude - Targets that do not matter.
 */
export function readinessOf(source: Pick<AdminSource, 'state' | 'targets'>, exclude: readonly string[] = []): Readiness {
  const state = source.state();
  const checks = [
    { name: 'mesh', ok: state === 'open', text: state },
    ...source
      .targets()
      .filter(({ target }) => !exclude.includes(target))
      .map(targetCheck),
  ];
  return { ready: checks.every(({ ok }) => ok), checks };
}

function targetCheck({ target, endpoints, ready, failing }: TargetState): ReadinessCheck {
  if (endpoints > 0) return { name: target, ok: ready > 0, text: `${ready} of ${endpoints} endpoints ready` };
  return { name: target, ok: !failing, text: failing ? 'no endpoint can be reached' : 'not in use' };
}

export function readinessText({ ready, checks }: Readiness): string {
  const rows = checks.map(({ name, ok, text }) => [name, ok ? 'ok' : 'not ok', text]);
  return `${ready ? 'ready' : 'not ready'}\n\n${columns(['CHECK', 'STATE', ''], rows)}`;
}
