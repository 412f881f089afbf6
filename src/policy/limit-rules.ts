/**
 * What a policy says of limits of concurrency, given or found: in the engines' units, and whether it makes sense.
 *
 * @packageDocumentation
 */
import { type BulkheadOptions, resolveBulkheadOptions } from '../bulkhead/options.ts';
import { ConfigError } from '../errors.ts';
import { type AdaptiveLimitRules, resolveLimitOptions } from '../limit/options.ts';
import { durationMs } from './duration.ts';
import { nameProblem } from './names.ts';
import type { Problem } from './parse.ts';
import type { AdaptiveLimit, Bulkhead, LimitAlgorithm, PartitionBy, Policy, ServerPolicy } from './policy.gen.ts';

/** Slots and a bounded queue. */
export interface BulkheadRules extends BulkheadOptions {
  readonly queue: number;
}

/** Bulkhead rules, or undefined for no limit. */
export function bulkheadRules(policy: Bulkhead | undefined): BulkheadRules | undefined {
  if (policy === undefined) return undefined;
  const { queue = 0, queueTimeout, ...rest } = policy;
  return { ...rest, queue, ...(queueTimeout === undefined ? {} : { queueTimeoutMs: durationMs(queueTimeout) }) };
}

/** Rules of an adaptive limit, or undefined for no limit. */
export function limitRules(policy: LimitAlgorithm | AdaptiveLimit | undefined): AdaptiveLimitRules | undefined {
  if (policy === undefined) return undefined;
  const { queueTimeout, ...rest } = typeof policy === 'string' ? { algorithm: policy } : policy;
  return resolveLimitOptions({ ...rest, ...(queueTimeout === undefined ? {} : { queueTimeoutMs: durationMs(queueTimeout) }) }, 'limit');
}

type Keys = readonly string[];
type Limit = Bulkhead | AdaptiveLimit | LimitAlgorithm | undefined;

/** Bounds that contradict each other, shares of more than there is, partitions by what is all the same. */
export function limitProblems({ defaults, services = {}, methods = {}, server = {} }: Policy): Problem[] {
  const problems: Problem[] = [];
  const check = (keys: Keys, limit: Limit, rules: () => unknown, manyMethods: boolean): void => {
    if (typeof limit !== 'object') return;
    const problem = resolved(keys, rules) ?? methodsProblem(keys, limit, manyMethods);
    if (problem !== undefined) problems.push(problem);
  };
  const checkBulkhead = (keys: Keys, limit: Bulkhead | undefined, manyMethods = false): void =>
    check(keys, limit, () => resolveBulkheadOptions(bulkheadRules(limit), 'at'), manyMethods);
  const checkLimit = (keys: Keys, limit: LimitAlgorithm | AdaptiveLimit | undefined, manyMethods = false): void =>
    check(keys, limit, () => limitRules(limit), manyMethods);
  const layers: readonly (readonly [Keys, typeof defaults])[] = [
    [['defaults'], defaults],
    ...Object.entries(services).map(([name, own]) => [['services', name], own] as const),
    ...Object.entries(methods).map(([name, own]) => [['methods', name], own] as const),
  ];
  for (const [keys, own] of layers) {
    checkBulkhead([...keys, 'bulkhead'], own?.bulkhead);
    checkLimit([...keys, 'limit'], own?.limit);
  }
  checkBulkhead(['server', 'bulkhead'], server.bulkhead, true);
  checkLimit(['server', 'limit'], server.limit, true);
  for (const [name, own] of Object.entries(server.methodBulkheads ?? {})) checkBulkhead(['server', 'methodBulkheads', name], own);
  return [...problems, ...traitProblems(server)];
}

/** A server that does not believe what callers say of themselves has nothing to tell them apart by. */
function traitProblems(server: ServerPolicy): Problem[] {
  if (server.trustTraits === true) return [];
  const limits: readonly (readonly [Keys, Limit])[] = [
    [['bulkhead'], server.bulkhead],
    [['limit'], server.limit],
    ...Object.entries(server.methodBulkheads ?? {}).map(([name, own]) => [['methodBulkheads', name], own] as const),
  ];
  return limits.flatMap(([keys, limit]) => {
    if (typeof limit !== 'object' || (limit.by !== 'tenant' && limit.by !== 'priority')) return [];
    return [
      {
        keys: ['server', ...keys, 'by'],
        problem: `expected server.trustTraits: true beside "${limit.by}", for else every call is for nobody`,
      },
    ];
  });
}

/** What the engine has against it. */
function resolved(keys: Keys, rules: () => unknown): Problem | undefined {
  try {
    rules();
    return undefined;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const field = /^\w+\.(\w+)/.exec(error.path)?.[1];
    return { keys: field === undefined ? keys : [...keys, field], problem: error.message.slice(error.path.length + 2) };
  }
}

function methodsProblem(
  keys: Keys,
  limit: { readonly by?: PartitionBy; readonly partitions?: object },
  manyMethods: boolean,
): Problem | undefined {
  if (limit.by !== 'method') return undefined;
  if (!manyMethods) {
    return { keys: [...keys, 'by'], problem: 'expected "tenant" or "priority", got "method", for all calls in here are of one method' };
  }
  for (const name of Object.keys(limit.partitions ?? {})) {
    const problem = nameProblem(name, { method: true, service: false, key: false });
    if (problem !== undefined) return { keys: [...keys, 'partitions', name], problem };
  }
  return undefined;
}
