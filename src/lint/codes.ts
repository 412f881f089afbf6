/**
 * What `inmesh lint` can find. A code keeps its meaning; new ones are added, none is used again.
 *
 * @packageDocumentation
 */

/** `error`: inmesh would refuse the policy, or do something else than it says. `warning`: allowed, and hardly meant. `info`: good to know. */
export type Severity = 'error' | 'warning' | 'info';

/** A code. */
export type LintCode =
  | 'IM100'
  | 'IM101'
  | 'IM102'
  | 'IM110'
  | 'IM111'
  | 'IM112'
  | 'IM120'
  | 'IM121'
  | 'IM122'
  | 'IM130'
  | 'IM131'
  | 'IM132'
  | 'IM133'
  | 'IM134'
  | 'IM140'
  | 'IM141'
  | 'IM142'
  | 'IM143'
  | 'IM144'
  | 'IM145'
  | 'IM146'
  | 'IM150'
  | 'IM151'
  | 'IM152'
  | 'IM160'
  | 'IM161'
  | 'IM162'
  | 'IM163'
  | 'IM170';

/** One kind of finding. */
export interface CodeEntry {
  readonly severity: Severity;
  /** One sentence, without what it was found in. */
  readonly about: string;
}

/** All of them. */
export const LINT_CODES: Readonly<Record<LintCode, CodeEntry>> = {
  IM100: { severity: 'error', about: 'the file is no YAML, or empty' },
  IM101: { severity: 'error', about: 'a key or a value that the policy does not have' },
  IM102: { severity: 'error', about: 'createMesh() refuses the policy' },
  IM110: { severity: 'error', about: 'a service that the .proto files do not have' },
  IM111: { severity: 'error', about: 'a method that its service does not have' },
  IM112: { severity: 'warning', about: 'a setting for unary calls on a method that streams' },
  IM120: { severity: 'warning', about: 'retries after which a call may run twice, on methods that are not marked idempotent' },
  IM121: { severity: 'error', about: 'hedging of methods that are not marked idempotent' },
  IM122: { severity: 'error', about: 'a cache for a method that nothing says only reads' },
  IM130: { severity: 'warning', about: 'in an outage, more than twice the load: attempts times what the budget allows' },
  IM131: { severity: 'warning', about: 'attempts that the budget never pays for' },
  IM132: { severity: 'warning', about: 'retries that multiply from hop to hop (chainStop: false)' },
  IM133: { severity: 'warning', about: 'hedges that do not wait: every call is sent several times at once' },
  IM134: { severity: 'warning', about: 'over a chain of services, more than twice the load in an outage' },
  IM140: { severity: 'warning', about: 'perTryTimeout that is not shorter than the timeout' },
  IM141: { severity: 'warning', about: 'hedgingDelay that is not shorter than the timeout: no hedge is ever sent' },
  IM142: { severity: 'warning', about: 'queueTimeout that is not shorter than the timeout' },
  IM143: { severity: 'warning', about: 'initialBackoff that is not shorter than the timeout: no retry is ever made' },
  IM144: { severity: 'warning', about: 'hopMargin that takes all of the timeout' },
  IM145: { severity: 'warning', about: 'a service that gives its own calls more time than its callers give it' },
  IM146: { severity: 'warning', about: 'maxEjectionTime that is shorter than baseEjectionTime, which then holds' },
  IM150: { severity: 'error', about: 'a batch rule that does not fit its methods' },
  IM151: { severity: 'info', about: 'a batch rule that could not be checked, for want of descriptors' },
  IM152: { severity: 'warning', about: 'an atomic batch: one bad request fails all calls that were merged with it' },
  IM160: { severity: 'warning', about: 'a fault that ends every call of every method' },
  IM161: { severity: 'error', about: 'a field to match or to split by that the request does not have' },
  IM162: { severity: 'warning', about: 'a route behind one that takes every call' },
  IM163: { severity: 'warning', about: 'a cluster that nothing is sent to' },
  IM170: { severity: 'warning', about: 'a setting that does nothing, because of what stands beside it' },
};

/** Something that was found. */
export interface Finding {
  readonly code: LintCode;
  readonly severity: Severity;
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** Where in the document: `policy.methods["a.B/C"].timeout`. */
  readonly path: string;
  readonly message: string;
  /** What to write instead, or what to do. */
  readonly fix?: string;
}
