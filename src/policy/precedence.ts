/**
 * What wins where several layers of a policy speak of one method: the one place that knows. Rules are made by it, and
 * `explain` tells by it where each of them comes from.
 *
 * @packageDocumentation
 */
import { showPath } from '../input/show.ts';
import type { OriginKind } from '../observe/views.ts';
import type { MethodPolicy } from './policy.gen.ts';

/** One layer, and where it is written. */
export interface PolicyLayer {
  readonly origin: OriginKind;
  readonly says: MethodPolicy;
  /** Where a field of it is written: `policy.services["a.B"].timeout`. */
  where(field: readonly string[]): string;
}

/** A value, and the layer that says it. */
export interface Said<T> {
  readonly value: T;
  readonly by: PolicyLayer;
}

/** Merged field by field; every other message is taken whole from the first layer that has it. */
export const MERGED = 'retryPolicy';

/** A layer that is part of a document; undefined where it is not there. */
export function layerAt(origin: OriginKind, root: string, keys: readonly string[], says: MethodPolicy | undefined): readonly PolicyLayer[] {
  return says === undefined ? [] : [{ origin, says, where: (field) => showPath(root, [...keys, ...field]) }];
}

/** A layer that says one thing, in a place of its own. */
export function layerOf(origin: OriginKind, where: string, says: MethodPolicy | undefined): readonly PolicyLayer[] {
  return says === undefined ? [] : [{ origin, says, where: () => where }];
}

/** The first layer that says something, from the most special one on, wins. */
export function firstSaid<T>(layers: readonly PolicyLayer[], read: (policy: MethodPolicy) => T | undefined): Said<T> | undefined {
  for (const by of layers) {
    const value = read(by.says);
    if (value !== undefined) return { value, by };
  }
  return undefined;
}

/** Who says one field, `['breaker', 'window']`. Undefined: nobody, or not the layer that the whole message is taken from. */
export function saidAt(layers: readonly PolicyLayer[], path: readonly string[]): Said<unknown> | undefined {
  const [message = ''] = path;
  if (message === MERGED) return firstSaid(layers, (policy) => valueAt(policy, path));
  const whole = firstSaid(layers, (policy) => valueAt(policy, [message]));
  const value = whole && valueAt(whole.by.says, path);
  return whole === undefined || value === undefined ? undefined : { value, by: whole.by };
}

/** What stands at a path of a document; undefined: nothing. */
export function valueAt(document: unknown, path: readonly string[]): unknown {
  let at: unknown = document;
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined;
    at = Reflect.get(at, key);
  }
  return at;
}
