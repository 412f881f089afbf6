/**
 * What the admin server needs of a mesh.
 *
 * @packageDocumentation
 */
import type { BreakerHandle } from '../breaker/breakers.ts';
import type { TargetState } from '../grpc/target-states.ts';
import type { MeshStats } from '../mesh-types.ts';
import type { TapFilter, TapListener, TapOptions } from '../observe/taps.ts';
import type { EventView, ExplainView, OverviewView } from '../observe/views.ts';
import type { Policy } from '../policy/policy.gen.ts';

/** Whether a mesh takes calls. */
export type MeshState = 'open' | 'draining' | 'closed';

/** A mesh, as the admin server sees it. */
export interface AdminSource {
  readonly policy: Policy;
  readonly events: {
    since(seq: number): readonly EventView[];
    subscribe(fn: (event: EventView) => void): () => void;
  };
  readonly taps: {
    subscribe(filter: TapFilter, fn: TapListener, options?: TapOptions): () => void;
  };
  state(): MeshState;
  targets(): readonly TargetState[];
  overview(): OverviewView;
  stats(): MeshStats;
  explain(method: string, target?: string): ExplainView;
  drain(): void;
  breaker(method: string): BreakerHandle;
}
