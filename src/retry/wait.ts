/**
 * How long a server that failed a call asks to be left alone: `RetryInfo` (google.rpc, in `grpc-status-details-bin`) or
 * `retry-after` (RFC 9110). gRFC A6's pushback stands above both, see pushback.ts.
 *
 * A server's word is kept at least, and stretched by up to a fifth, so that callers which were told the same do not come
 * back together. Longer than five minutes means "not again", as a negative pushback does.
 *
 * @packageDocumentation
 */
import type { Random } from '../random.ts';
import { retryInfoMs } from './retry-info.ts';

/** Metadata key of a serialized google.rpc.Status. */
export const STATUS_DETAILS_KEY = 'grpc-status-details-bin';
/** Metadata key of a number of seconds or a date of HTTP. */
export const RETRY_AFTER_KEY = 'retry-after';

/** Longest wait that is done; Envoy's, too, for `retry-after`. */
export const MAX_WAIT_MS = 300_000;
const STRETCH = 0.2;

/** What a failed call's trailers say of waiting. */
export interface ServerWait {
  /** Values of {@link STATUS_DETAILS_KEY}. */
  readonly statusDetails: readonly (string | Uint8Array)[];
  /** Values of {@link RETRY_AFTER_KEY}. */
  readonly retryAfter: readonly (string | Uint8Array)[];
  /** Wall clock, for dates. */
  readonly wallMs: number;
}

/** The wait asked for, in ms; undefined: none, or nothing that can be read. */
export function serverWaitMs({ statusDetails, retryAfter, wallMs }: ServerWait): number | undefined {
  const [details] = statusDetails;
  const told = statusDetails.length === 1 && details instanceof Uint8Array ? retryInfoMs(details) : undefined;
  if (told !== undefined) return told;
  const [after] = retryAfter;
  return retryAfter.length === 1 && typeof after === 'string' ? retryAfterMs(after, wallMs) : undefined;
}

/** The wait, stretched by chance. */
export function stretched(waitMs: number, random: Random): number {
  return waitMs * (1 + STRETCH * random());
}

const SECONDS = /^\d{1,9}$/;
/** The one form of a date that a server may send: `Sun, 06 Nov 1994 08:49:37 GMT`. */
const DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT$/;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function retryAfterMs(text: string, wallMs: number): number | undefined {
  if (SECONDS.test(text)) return Number(text) * 1000;
  const match = DATE.exec(text);
  if (match === null) return undefined;
  const [, day, month = '', year, hour, minute, second] = match;
  const place = MONTHS.indexOf(month);
  if (place < 0) return undefined;
  const days = daysSince1970(Number(year), place + 1, Number(day));
  const atMs = (((days * 24 + Number(hour)) * 60 + Number(minute)) * 60 + Number(second)) * 1000;
  return Math.max(0, atMs - wallMs);
}

/** Days from 1970-01-01 to a day of the Gregorian calendar; the year begins in March, so that the leap day is its last. */
function daysSince1970(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  return 365 * y + Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400) + dayOfYear - 719_468;
}
