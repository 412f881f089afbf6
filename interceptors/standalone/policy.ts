/**
 * A cockatiel policy on its own, as a grpc-js interceptor.
 *
 * @packageDocumentation
 */
import type { Interceptor } from '@grpc/grpc-js';
import { systemClock } from '../../src/clock.ts';
import { MethodCodecs } from '../../src/grpc/codecs.ts';
import { asInterceptor } from '../../src/grpc/interceptor-door.ts';
import { policiesBy, type UnaryPolicies } from '../../src/grpc/unary-policies.ts';
import { placed } from '../pipeline.ts';
import { policiesClient } from '../policies.ts';

/**
 * Puts cockatiel policies (`wrap`, `retry`, `circuitBreaker`, `bulkhead`, `timeout`, `fallback`) around unary calls: one for all
 * methods, or by method and service. A failure is thrown to the policy as an error with `code`, `details` and `metadata`.
 *
 * @throws ConfigError when something is no policy.
 */
export function policyInterceptor(policies: UnaryPolicies): Interceptor {
  const intercept = policiesClient(policiesBy(policies), {
    clock: systemClock,
    codecs: new MethodCodecs(),
    warn: (line) => process.emitWarning(line, 'InmeshWarning'),
    retriedBelow: () => false,
  });
  return asInterceptor(placed('policies', intercept));
}
