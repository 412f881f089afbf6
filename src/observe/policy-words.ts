/**
 * What people are told in a terminal of the policy that is in force. The page has its own words: it imports nothing.
 *
 * @packageDocumentation
 */
import type { PolicyView } from './views.ts';

const SHORT = 8;

/** Enough of a hash to tell versions apart. */
export function shortHash(hash: string): string {
  return hash.slice(0, SHORT);
}

/** Why what was last asked for is not, or not wholly, in force. Undefined: it is. */
export function policyTrouble({ file = 'the policy', problem, pending }: PolicyView): string | undefined {
  if (problem !== undefined) return `${file} is not in force: ${problem}`;
  if (pending.length === 0) return undefined;
  const more = pending.length > 1 ? ` and ${pending.length - 1} more` : '';
  return `waits for a restart: ${pending[0]}${more}`;
}
