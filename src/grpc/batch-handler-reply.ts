/**
 * What a batch handler gave back, read for each of its calls.
 *
 * @packageDocumentation
 */
import { types } from 'node:util';
import { Metadata } from '@grpc/grpc-js';
import { Code } from '../call.ts';
import { REASON_KEY, refusal } from '../errors.ts';

/**
 * One reply: a response, or an error, which is told by its class, so that no response can be taken for one. An error has the
 * `code`, `details` and `metadata` of grpc-js's `ServerErrorResponse`.
 */
export type BatchReply<Response> = Response | Error | { readonly error: Error };

/** How one call ends. */
export interface ItemReply {
  readonly value?: unknown;
  readonly error?: { readonly code: number; readonly details: string; readonly metadata?: Metadata | undefined };
}

/** How the calls of a run end. */
export interface Ending {
  /** The status of all of them; undefined: each has its own. */
  readonly code: number | undefined;
  of(index: number): ItemReply;
}

/** Something was thrown: it ends every call of the run. */
export function failure(thrown: unknown): Ending {
  const reply = { error: statusOf(thrown) };
  return { code: reply.error.code, of: () => reply };
}

/** Reads what was returned. A list of another length has no order that can be trusted. */
export function readReplies(replies: unknown, size: number): Ending {
  if (!Array.isArray(replies)) return broken('the batch handler gave no list of replies');
  if (replies.length !== size) return broken(`the batch handler gave ${replies.length} replies for ${size} calls`);
  return { code: undefined, of: (index) => readReply(replies[index]) };
}

function readReply(reply: unknown): ItemReply {
  if (isError(reply)) return { error: statusOf(reply) };
  if (reply === undefined || reply === null) return NO_REPLY.of(0);
  if (typeof reply === 'object' && 'error' in reply && isError(reply.error)) return { error: statusOf(reply.error) };
  return { value: reply };
}

/** The status of an error; nothing of the text of one without a code gets out (case Q19). */
function statusOf(thrown: unknown): NonNullable<ItemReply['error']> {
  const { code, details, message, metadata } = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as Record<string, unknown>;
  if (typeof code !== 'number' || !Number.isInteger(code) || code <= Code.OK || code > Code.UNAUTHENTICATED) {
    return { code: Code.UNKNOWN, details: 'Unknown error' };
  }
  const text = typeof details === 'string' ? details : typeof message === 'string' ? message : '';
  return { code, details: text, ...(isMetadata(metadata) ? { metadata } : {}) };
}

/** Also one of another realm (a test runner's, a vm's). */
function isError(value: unknown): boolean {
  return value instanceof Error || types.isNativeError(value);
}

/** By shape: it may be of another copy of grpc-js. */
function isMetadata(value: unknown): value is Metadata {
  return typeof value === 'object' && value !== null && 'toHttp2Headers' in value;
}

/** The handler broke its contract. It has run, so a second try is not ours to offer. */
function broken(problem: string): Ending {
  const { code, details, reason } = refusal(Code.INTERNAL, 'server.gather/bad-replies', problem);
  const of = (): ItemReply => {
    const metadata = new Metadata();
    metadata.set(REASON_KEY, reason);
    return { error: { code, details, metadata } };
  };
  return { code, of };
}

const NO_REPLY: Ending = broken('the batch handler gave no reply for this call');
