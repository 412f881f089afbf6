/**
 * What an error out of an application's policy means as a status. cockatiel's errors are known by their marks, so that it makes
 * no difference which copy of it made them.
 *
 * @packageDocumentation
 */
import { Metadata, type StatusObject } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import { type Refusal, refusal } from '../errors.ts';
import { localStatus } from './refuse.ts';

type Meaning = readonly [mark: string, code: number, reason: string, details: string];

/** The first mark that fits: an isolated circuit's error is a broken circuit's too. */
const MEANINGS: readonly Meaning[] = [
  ['isIsolatedCircuitError', Code.UNAVAILABLE, 'client.policy/isolated', 'the circuit of the policy was opened by hand'],
  ['isBrokenCircuitError', Code.UNAVAILABLE, 'client.policy/broken-circuit', 'the circuit of the policy is open'],
  ['isBulkheadRejectedError', Code.RESOURCE_EXHAUSTED, 'client.policy/bulkhead-full', 'the bulkhead of the policy is full'],
  ['isTaskCancelledError', Code.DEADLINE_EXCEEDED, 'client.policy/timeout', 'the policy gave the call up'],
];

/** @param attempts - How often the call was made; if never, no handler can have run. */
export function policyFailure(error: unknown, method: string, attempts: number): StatusObject {
  const meaning = MEANINGS.find(([mark]) => isObject(error) && Reflect.get(error, mark) === true);
  if (meaning === undefined && isStatus(error)) {
    const { code, details, metadata } = error;
    return { code, details, metadata: metadata instanceof Metadata ? metadata : new Metadata() };
  }
  const [, code, reason, details]: Meaning = meaning ?? ['', Code.INTERNAL, 'client.policy/threw', `the policy threw ${nameOf(error)}`];
  const refused: Refusal = refusal(code, reason, `${details} (${method})`);
  return localStatus({ ...refused, unprocessed: attempts === 0 });
}

/** An error that says which status it means: the transport's, or one that the application made. */
function isStatus(error: unknown): error is { readonly code: number; readonly details: string; readonly metadata?: unknown } {
  if (!isObject(error) || !('code' in error) || !('details' in error)) return false;
  const { code, details } = error;
  return Number.isInteger(code) && Number(code) > Code.OK && Number(code) <= Code.UNAUTHENTICATED && typeof details === 'string';
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Its text may hold anything. */
function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
