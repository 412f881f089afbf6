/**
 * What tells one version of a policy from another: its hash, and the fields in which two of them differ.
 *
 * @packageDocumentation
 */
import { createHash } from 'node:crypto';
import { isPlain, same } from '../input/same.ts';
import { showPath } from '../input/show.ts';
import type { Policy } from './policy.gen.ts';

/** Fields that are told of one reload; the rest is a number. */
export const MAX_CHANGES = 100;
/** Of the hash; enough to tell versions apart by eye. */
const HASH_DIGITS = 16;

/** Hex digits that are the same for documents that say the same, whatever the order of their keys. */
export function hashOf(policy: Policy): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(policy)))
    .digest('hex')
    .slice(0, HASH_DIGITS);
}

/** Fields whose values differ, in the order of the new document: `policy.methods["a.B/C"].timeout`. Lists differ as a whole. */
export function changesOf(before: Policy, after: Policy): readonly string[] {
  const changes: string[] = [];
  collect(before, after, [], changes);
  return changes;
}

/** What is not there is as good as empty, so that the fields of a new message are told one by one. */
function collect(before: unknown = {}, after: unknown = {}, keys: readonly string[], changes: string[]): void {
  if (same(before, after)) return;
  if (!isRecord(before) || !isRecord(after)) {
    changes.push(showPath('policy', keys));
    return;
  }
  for (const key of new Set([...Object.keys(after), ...Object.keys(before)])) {
    const told = changes.length;
    const [old, now] = [before[key], after[key]];
    collect(old, now, [...keys, key], changes);
    if (changes.length === told && !same(old, now)) changes.push(showPath('policy', [...keys, key])); // an empty message, and none
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && isPlain(value);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sorted(value[key])]),
  );
}
