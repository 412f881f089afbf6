/**
 * Policies: any policy of cockatiel (or with its `execute`) around unary calls.
 *
 * - Scope: per call, above retry and below the bulkhead: a policy wraps the whole call, and each run of it passes the stages below.
 * - Rejects as the policy does: an open circuit UNAVAILABLE, a full bulkhead RESOURCE_EXHAUSTED, a timeout DEADLINE_EXCEEDED, each
 *   with `client.policy/...`; what the call failed with comes through as it is.
 * - Streams pass by. State is the policy's own: one object is one circuit, whatever methods share it.
 * - Source: cockatiel 4 (`IPolicy`).
 *
 * @packageDocumentation
 */
import type { Clock } from '../src/clock.ts';
import { DeadlineQueue } from '../src/deadline/deadline-queue.ts';
import type { CallInfo, ClientInterceptor } from '../src/grpc/client-call.ts';
import type { MethodCodecs } from '../src/grpc/codecs.ts';
import { PolicyCall, type PolicyHome, type UnaryPolicy } from '../src/grpc/policy-call.ts';
import type { PoliciesOf } from '../src/grpc/unary-policies.ts';

/** What the policies behaviour is told. */
export interface PoliciesSettings {
  readonly clock: Clock;
  readonly codecs: MethodCodecs;
  readonly warn: (line: string) => void;
  /** Whether a call is retried below: then a policy that retries too multiplies attempts, and a line says so once. */
  readonly retriedBelow: (info: CallInfo) => boolean;
}

/** The client half; a server has none. */
export function policiesClient(policiesOf: PoliciesOf, { clock, codecs, warn, retriedBelow }: PoliciesSettings): ClientInterceptor {
  const home: PolicyHome = { clock, codecs, expiries: new DeadlineQueue<PolicyCall>(clock, (call) => call.expire()) };
  let told = false;
  return (info, next) => {
    const policies = info.kind === 'unary' || info.kind === undefined ? policiesOf(info.method) : undefined;
    if (policies === undefined) return next(info);
    if (!told && policies.some(retries) && retriedBelow(info)) {
      told = true;
      const name = info.method.slice(1);
      warn(
        `${name} is retried by a policy of yours and by inmesh, and their attempts multiply; leave it to one: methods: { "${name}": { retryPolicy: { maxAttempts: 1 } } }`,
      );
    }
    return new PolicyCall(home, policies, info, next);
  };
}

/** cockatiel's retry policies have an event of their own; a wrapped policy shows its parts. */
function retries(policy: UnaryPolicy): boolean {
  if ('onGiveUp' in policy) return true;
  return 'wrapped' in policy && Array.isArray(policy.wrapped) && policy.wrapped.some(retries);
}
