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
import { PolicyTable } from './policy/resolve.ts';

/** A policy with what the descriptors add to it. */
export interface NativeBatching {
  /** What the methods' files say (`idempotency_level`) is in it. */
  readonly table: PolicyTable;
  /** Batch rules by path of their methods. */
  readonly plans: ReadonlyMap<string, NativePlan>;
  readonly counts: NativeCounts;
  /** Whether policy or descriptors name a method. @param path - `/pkg.Service/Method`. */
  readonly knows: (path: string) => boolean;
  /** Undefined: no descriptors were given. */
  readonly catalog: Catalog | undefined;
}

/** @throws ConfigError when descriptors are none, a batch rule does not fit them, or what is not marked should be hedged. */
export function nativeBatching(policy: Policy, descriptors: Descriptors | undefined): NativeBatching {
  const catalog: Catalog | undefined = descriptors === undefined ? undefined : readDescriptors(descriptors);
  const table = new PolicyTable(policy, declaredBy(catalog));
  checkHedging(policy, catalog !== undefined, (path) => table.method(path).idempotent);
  const knows = (path: string): boolean => table.names(path) || catalog?.method(path) !== undefined;
  return { table, plans: nativePlans(policy, catalog, table), counts: noNativeCounts(), knows, catalog };
}
