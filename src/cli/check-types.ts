/**
 * What `check` finds out, one fact at a time.
 *
 * @packageDocumentation
 */

/** `warn` does not fail the command, `skip` is what could not be found out. */
export type Verdict = 'ok' | 'warn' | 'fail' | 'skip';

/** One fact. */
export interface Checked {
  /** The heading under which it stands. */
  readonly group: string;
  readonly what: string;
  readonly verdict: Verdict;
  /** What is there. */
  readonly detail: string;
  /** What to do. */
  readonly hint?: string;
}

/** Makes facts of one group. */
export function inGroup(group: string): (verdict: Verdict, what: string, detail: string, hint?: string) => Checked {
  return (verdict, what, detail, hint) => ({ group, what, verdict, detail, ...(hint === undefined ? {} : { hint }) });
}
