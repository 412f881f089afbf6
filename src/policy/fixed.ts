/**
 * Fields of a policy that hold from the start to the end of a mesh: a reload leaves them as they are, and says so.
 *
 * Instruments and tracers are the OpenTelemetry API's, made once; which picker a channel has, and how it looks at its connections,
 * is said when the channel is made.
 *
 * @packageDocumentation
 */
import { same } from '../input/same.ts';
import { showPath } from '../input/show.ts';
import type { Policy } from './policy.gen.ts';
import { valueAt } from './precedence.ts';
import { endpointRules, policyBalance, telemetryRules } from './resolve.ts';

/** A policy to be put in force, and what of the document waits for a restart. */
export interface Reloadable {
  readonly policy: Policy;
  /** Fields that have another value in the document than in force, in the order of this file: `policy.balance.policy`. */
  readonly pending: readonly string[];
}

/** By field of the document: where the rules have it. */
const FIXED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  telemetry: {
    traces: 'traces',
    metrics: 'metrics',
    attemptSpans: 'attemptSpans',
    names: 'names',
    grpcTraceBin: 'grpcTraceBin',
    retryMetrics: 'retryMetrics',
    balancerMetrics: 'balancerMetrics',
  },
  balance: { policy: 'policy' },
  endpoints: { refresh: 'refreshMs', connectTimeout: 'connectTimeoutMs', hold: 'holdMs', rebuild: 'rebuild' },
};

/** The document `after` with the fixed fields of `before`. */
export function withFixed(before: Policy, after: Policy): Reloadable {
  const pending: string[] = [];
  const [old, now] = [partsOf(before), partsOf(after)];
  const [oldRules, newRules] = [rulesOf(before), rulesOf(after)];
  const parts: [string, unknown][] = [];
  for (const [name, fields] of Object.entries(FIXED)) {
    const differs = Object.entries(fields).filter(
      ([field, rule]) =>
        !same(valueAt(old, [name, field]), valueAt(now, [name, field])) &&
        !same(valueAt(oldRules, [name, rule]), valueAt(newRules, [name, rule])),
    );
    if (differs.length === 0) continue;
    const part = new Map(Object.entries(valueAt(now, [name]) ?? {}));
    for (const [field] of differs) {
      pending.push(showPath('policy', [name, field]));
      const value = valueAt(old, [name, field]);
      if (value === undefined) part.delete(field);
      else part.set(field, value);
    }
    parts.push([name, part.size === 0 ? undefined : Object.fromEntries(part)]); // undefined is as good as absent
  }
  return { policy: pending.length === 0 ? after : { ...after, ...Object.fromEntries(parts) }, pending };
}

function partsOf(policy: Policy): unknown {
  return { telemetry: policy.telemetry ?? {}, balance: policyBalance(policy), endpoints: policy.endpoints ?? {} };
}

function rulesOf(policy: Policy): unknown {
  const { policy: balance = 'peak_ewma' } = policyBalance(policy);
  return { telemetry: telemetryRules(policy), balance: { policy: balance }, endpoints: endpointRules(policy.endpoints) };
}
