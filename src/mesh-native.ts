/**
 * Native coalescing as a mesh has it: descriptors in, plans and counts out.
 *
 * @packageDocumentation
 */
import type { Catalog } from './batch/native/descriptors.ts';
import type { NativePlan } from './batch/native/plan.ts';
import { nativePlans } from './batch/native/rules.ts';
import { type Descriptors, readDescriptors } from './batch/native/sources.ts';
import { type NativeCounts, noNativeCounts } from './grpc/native-batcher.ts';
import { declaredBy } from './policy/declared.ts';
import { checkHedging } from './policy/hedging.ts';
import type { Policy } from './policy/policy.gen.ts';
import { firstSaid } from './policy/precedence.ts';
import { type DeclaredPolicy, PolicyTable } from './policy/resolve.ts';

/** A policy with what the descriptors add to it. */
export interface NativeBatching {
  /** What the methods' files say (`idempotency_level`) is in it. */
  readonly table: PolicyTable;
  /** Batch rules by path of their methods. */
  readonly plans: ReadonlyMap<string, NativePlan>;
  /** What the plans were made of. */
  readonly facts: unknown;
  readonly counts: NativeCounts;
  /** Whether policy or descriptors name a method. @param path - `/pkg.Service/Method`. */
  readonly knows: (path: string) => boolean;
  /** Undefined: no descriptors were given. */
  readonly catalog: Catalog | undefined;
}

/** What the services' files say, which no policy changes. */
export interface Declared {
  /** Undefined: no descriptors were given. */
  readonly catalog: Catalog | undefined;
  readonly declared: DeclaredPolicy;
}

/** @throws ConfigError when descriptors are none, or what they declare makes no sense. */
export function readDeclared(descriptors: Descriptors | undefined): Declared {
  const catalog: Catalog | undefined = descriptors === undefined ? undefined : readDescriptors(descriptors);
  return { catalog, declared: declaredBy(catalog) };
}

/** @throws ConfigError when a batch rule does not fit the descriptors, or what is not marked should be hedged. */
export function nativeBatching(policy: Policy, { catalog, declared }: Declared, counts: NativeCounts = noNativeCounts()): NativeBatching {
  const table = new PolicyTable(policy, declared);
  checkHedging(policy, catalog !== undefined, (path) => table.method(path).idempotent);
  const knows = (path: string): boolean => table.names(path) || catalog?.method(path) !== undefined;
  const plans = nativePlans(policy, catalog, table);
  const facts = [...plans.keys()].map((path) => {
    return [path, table.method(path).idempotent, firstSaid(table.layers(path), ({ batch }) => batch)?.value];
  });
  return { table, plans, facts, counts, knows, catalog };
}
