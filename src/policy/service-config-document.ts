/**
 * A gRPC service config as a policy document, for those who move from one to the other.
 *
 * In a service config the most special entry stands alone, in a document it inherits what it does not say. So what an entry leaves open,
 * and a wider one says, is written out.
 *
 * @packageDocumentation
 */
import { secondsText } from './duration.ts';
import { retryRules } from './method-rules.ts';
import type { MethodPolicy, Policy, RetryPolicy } from './policy.gen.ts';
import { importServiceConfig } from './service-config.ts';

/** A document, and what is otherwise in it than in the service config. */
export interface ConvertedConfig {
  readonly policy: Policy;
  /** One sentence each, beginning with its path in the service config. */
  readonly diagnostics: readonly string[];
}

/**
 * The policy that says what a service config says: `createMesh({ ...policyFromServiceConfig(json).policy, coalesce: 'auto' })`.
 *
 * @param json - The service config, or its JSON text as in the channel option `grpc.service_config`. Never throws: what cannot be read
 * is told in `diagnostics` and left out.
 */
export function policyFromServiceConfig(json: unknown): ConvertedConfig {
  const { policy, diagnostics: told, rest, throttle } = importServiceConfig(json);
  const { defaults } = policy;
  // The document has a place for it, which a client's config has not.
  const diagnostics = told.filter((line) => throttle === undefined || !line.startsWith('serviceConfig.retryThrottling:'));
  const { loadBalancingConfig: chosen } = rest;
  if (Array.isArray(chosen) && chosen.length > 0)
    diagnostics.push('serviceConfig.loadBalancingConfig: is no part of a policy; leave it in grpc.service_config of the client to keep it');

  const services = closeAll(policy.services, () => [defaults], diagnostics);
  const methods = closeAll(policy.methods, (name) => [policy.services?.[name.slice(0, name.indexOf('/'))], defaults], diagnostics);
  return {
    policy: {
      ...(defaults === undefined ? {} : { defaults }),
      ...(services === undefined ? {} : { services }),
      ...(methods === undefined ? {} : { methods }),
      ...(throttle === undefined ? {} : { retryBudget: { throttle } }),
    },
    diagnostics,
  };
}

type Entries = Readonly<Record<string, MethodPolicy>>;

function closeAll(
  entries: Entries | undefined,
  wider: (name: string) => readonly (MethodPolicy | undefined)[],
  diagnostics: string[],
): Entries | undefined {
  const closed = Object.entries(entries ?? {}).map(([name, own]) => {
    const above = wider(name);
    if (own.hedgingPolicy === undefined && above.some((one) => one?.hedgingPolicy !== undefined))
      diagnostics.push(`serviceConfig: ${name} has no hedgingPolicy in gRPC, and inherits a wider one here: a policy can't say none`);
    return [name, close(own, above)] as const;
  });
  return closed.length === 0 ? undefined : Object.fromEntries(closed);
}

function close(own: MethodPolicy, above: readonly (MethodPolicy | undefined)[]): MethodPolicy {
  const open = (field: 'timeout' | 'retryPolicy'): boolean => own[field] === undefined && above.some((one) => one?.[field] !== undefined);
  return {
    ...own,
    ...(open('timeout') ? { timeout: '0s' } : {}),
    ...(open('retryPolicy') ? { retryPolicy: builtIn() } : {}),
  };
}

/** What holds where nobody says anything. */
function builtIn(): RetryPolicy {
  const { maxAttempts, initialBackoffMs, maxBackoffMs, backoffMultiplier } = retryRules({});
  return {
    maxAttempts,
    initialBackoff: secondsText(initialBackoffMs / 1000),
    maxBackoff: secondsText(maxBackoffMs / 1000),
    backoffMultiplier,
    retryableStatusCodes: ['UNAVAILABLE'],
  };
}
