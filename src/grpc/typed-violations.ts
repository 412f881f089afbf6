/**
 * Refusals of requests, field by field, as `google.rpc.BadRequest` in the status's details: what other languages' libraries read.
 *
 * Source: google/rpc/status.proto, google/rpc/error_details.proto.
 *
 * @packageDocumentation
 */
import type { StatusObject } from '@grpc/grpc-js';
import { varintSize, writeVarint } from '../batch/wire.ts';
import { Code } from '../call.ts';
import { refusal, UsageError } from '../errors.ts';
import { show } from '../input/show.ts';
import { localStatus, serverRefusal } from './refuse.ts';

/** One thing that is wrong with a request. */
export interface FieldViolation {
  /** Path of the field, e.g. `items[2].name`; at most 256 characters of it are sent. */
  readonly field: string;
  /** What is wrong with it, for whoever made the call; at most 256 characters of it are sent. */
  readonly problem: string;
}

/** A status has to fit into the trailers, of which some peers take 8 KiB: so many, and no more bytes of them all. */
const MAX_VIOLATIONS = 16;
const MAX_TEXT = 256;
const MAX_BYTES = 4096;
const DETAILS_KEY = 'grpc-status-details-bin';
const BAD_REQUEST = 'type.googleapis.com/google.rpc.BadRequest';

/** What a validator gave, read; undefined: the request may pass. @throws UsageError when it is neither. */
export function readViolations(given: unknown, path: string): readonly FieldViolation[] | undefined {
  if (given === undefined || given === null) return undefined;
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (list.length === 0) return undefined;
  return list.slice(0, MAX_VIOLATIONS).map((one) => {
    if (!isViolation(one))
      throw new UsageError(`the validator of ${path} gave ${show(one)}; expected nothing, { field, problem } or a list of these`);
    return { field: cut(one.field), problem: cut(one.problem) };
  });
}

function isViolation(value: unknown): value is FieldViolation {
  return (
    typeof value === 'object' &&
    value !== null &&
    'field' in value &&
    typeof value.field === 'string' &&
    'problem' in value &&
    typeof value.problem === 'string'
  );
}

const cut = (text: string): string => (text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT - 1)}…`);

/** The status that a call with these violations ends with. */
export function violated(side: 'client' | 'server', violations: readonly FieldViolation[]): StatusObject {
  const details = violations.map(({ field, problem }) => `${field}: ${problem}`).join('; ');
  const refused = refusal(Code.INVALID_ARGUMENT, `${side}.validation/invalid`, cut(details));
  const status = side === 'client' ? localStatus(refused) : { ...serverRefusal(refused) };
  const metadata = status.metadata ?? undefined;
  metadata?.set(DETAILS_KEY, badRequest(refused.code, refused.details, violations));
  return status as StatusObject;
}

/** `google.rpc.Status { code = 1, message = 2, details = 3: Any { type_url = 1, value = 2: BadRequest { field_violations = 1 } } }`. */
function badRequest(code: number, message: string, violations: readonly FieldViolation[]): Buffer {
  let value: Buffer = Buffer.alloc(0);
  for (const { field, problem } of violations) {
    const more = Buffer.concat([value, delimited(1, Buffer.concat([text(1, field), text(2, problem)]))]);
    if (more.length <= MAX_BYTES) value = more;
  }
  const any = Buffer.concat([text(1, BAD_REQUEST), delimited(2, value)]);
  return Buffer.concat([Buffer.from([0x08, code]), text(2, message), delimited(3, any)]);
}

const text = (field: number, value: string): Buffer => delimited(field, Buffer.from(value));

function delimited(field: number, bytes: Buffer): Buffer {
  const head = Buffer.alloc(1 + varintSize(bytes.length));
  head[0] = (field << 3) | 2;
  writeVarint(head, 1, bytes.length);
  return Buffer.concat([head, bytes]);
}
