/**
 * gRPC's metrics of connections (gRFC A78, as A94 names them) and of outlier detection (A91), read off the balancer's counts when
 * somebody collects. Those of weighted round robin have no counterpart here.
 *
 * @packageDocumentation
 */
import type { BalanceCounts } from '../balance/counts.ts';
import { canonicalTarget, GRPC_TARGET } from './a66.ts';
import type { MetricSpec, MetricType, Reading } from './metric-spec.ts';
import { OTHER } from './names.ts';

export const DETECTION_METHOD = 'grpc.lb.outlier_detection.detection_method';
export const UNENFORCED_REASON = 'grpc.lb.outlier_detection.unenforced_reason';

/** Short names of {@link A78}. */
type A78Name = 'disconnections' | 'succeeded' | 'failed' | 'open' | 'enforced' | 'unenforced';

function spec(name: string, type: MetricType, unit: string, labels: readonly string[], description: string): MetricSpec {
  return { name: `grpc.${name}`, type, unit, attributes: [GRPC_TARGET, ...labels], description };
}

/** Connections and outliers. */
export const A78: Readonly<Record<A78Name, MetricSpec>> = {
  disconnections: spec('subchannel.disconnections', 'counter', '{disconnection}', [], 'Connections that were ready and are not any more'),
  succeeded: spec('subchannel.connection_attempts_succeeded', 'counter', '{attempt}', [], 'Attempts to connect that succeeded'),
  failed: spec('subchannel.connection_attempts_failed', 'counter', '{attempt}', [], 'Attempts to connect that failed'),
  open: spec('subchannel.open_connections', 'gauge', '{connection}', [], 'Connections open'),
  enforced: spec('lb.outlier_detection.ejections_enforced', 'counter', '{ejection}', [DETECTION_METHOD], 'Outliers ejected'),
  unenforced: spec(
    'lb.outlier_detection.ejections_unenforced',
    'counter',
    '{ejection}',
    [DETECTION_METHOD, UNENFORCED_REASON],
    'Outliers found out and not ejected',
  ),
};

const RULES = ['success_rate', 'failure_percentage'] as const;

/** The numbers of every target now. @param balance - `mesh.stats().balance` */
export function readBalancer(balance: Readonly<Record<string, BalanceCounts>>): Reading[] {
  return Object.entries(balance).flatMap(([target, counts]): Reading[] => {
    const labels = { [GRPC_TARGET]: target === OTHER ? 'other' : canonicalTarget(target) };
    return [
      { metric: A78.disconnections, labels, value: counts.disconnected },
      { metric: A78.succeeded, labels, value: counts.connected },
      { metric: A78.failed, labels, value: counts.failed },
      { metric: A78.open, labels, value: counts.open },
      ...RULES.flatMap((rule): Reading[] => {
        const by = { ...labels, [DETECTION_METHOD]: rule };
        return [
          { metric: A78.enforced, labels: by, value: counts.ejections[rule] },
          { metric: A78.unenforced, labels: { ...by, [UNENFORCED_REASON]: 'enforcement_percentage' }, value: counts.unenforced[rule] },
        ].filter(({ value }) => value > 0);
      }),
    ];
  });
}
