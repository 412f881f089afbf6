/**
 * Connect's headers and gRPC's metadata, both ways.
 *
 * What belongs to the protocol (content types, encodings, timeouts) passes by the stack: no behaviour asks for it, and it is not
 * part of a call's question.
 *
 * @packageDocumentation
 */
import { Metadata, type MetadataValue } from '@grpc/grpc-js';
import { TIMEOUT_KEY, timeoutText } from '../deadline/wire-timeout.ts';

/** Connect's own form of {@link TIMEOUT_KEY}: milliseconds, up to ten digits. */
const CONNECT_TIMEOUT_KEY = 'connect-timeout-ms';
const LONGEST_CONNECT_MS = 9_999_999_999;
const CONTENT_TYPE = 'content-type';
const GRPC_CONTENT = 'application/grpc';

const PROTOCOL =
  /^(?:accept-encoding|connect-.*|content-(?:encoding|length|type)|grpc-(?:accept-encoding|encoding|message|status|timeout)|te|user-agent|x-grpc-web|x-user-agent)$/;
/** What grpc-js takes; a header with anything else passes by as well. */
const KEY = /^[0-9a-z_.-]+$/;
const VALUE = /^[ -~]*$/;
const BINARY = '-bin';

/** Headers that are no metadata. */
export type Rest = readonly (readonly [key: string, value: string])[];

const NOTHING: Rest = Object.freeze([]);

/** Metadata made of headers, which stand for it as long as nobody has changed it. */
export class HeaderMetadata extends Metadata {
  readonly rest: Rest;
  #headers: Headers | undefined;

  constructor(headers: Headers) {
    super();
    let rest: (readonly [string, string])[] | undefined;
    headers.forEach((value, key) => {
      if (PROTOCOL.test(key) || !KEY.test(key) || !VALUE.test(value)) {
        rest ??= [];
        rest.push([key, value]);
      } else if (!key.endsWith(BINARY)) super.add(key, value);
      else for (const one of value.split(',')) super.add(key, Buffer.from(one.trim(), 'base64'));
    });
    this.rest = rest ?? NOTHING;
    this.#headers = headers;
  }
  /** Undefined: it was changed. */
  get headers(): Headers | undefined {
    return this.#headers;
  }
  override set(key: string, value: MetadataValue): void {
    this.#headers = undefined;
    super.set(key, value);
  }
  override add(key: string, value: MetadataValue): void {
    this.#headers = undefined;
    super.add(key, value);
  }
  override remove(key: string): void {
    this.#headers = undefined;
    super.remove(key);
  }
  override merge(other: Metadata): void {
    this.#headers = undefined;
    super.merge(other);
  }
}

/** Headers of an answer: those that came, unless somebody has changed their metadata. */
export function headersOf(metadata: Metadata): Headers {
  if (!(metadata instanceof HeaderMetadata)) return joinHeaders(metadata, NOTHING);
  return metadata.headers ?? joinHeaders(metadata, metadata.rest);
}

/** New headers of both parts. */
export function joinHeaders(metadata: Metadata, rest: Rest): Headers {
  const headers = new Headers();
  for (const [key, value] of rest) headers.append(key, value);
  for (const key of Object.keys(metadata.getMap()))
    for (const value of metadata.get(key)) headers.append(key, typeof value === 'string' ? value : unpadded(value));
  return headers;
}

/** As Connect writes bytes. */
function unpadded(value: Buffer): string {
  return value.toString('base64').replace(/=+$/, '');
}

const UNIT_MS: Readonly<Record<string, number>> = { n: 1e-6, u: 1e-3, m: 1, S: 1000, M: 60_000, H: 3_600_000 };

/** How long the headers say that the call may take, in ms, in whichever protocol; undefined: they don't, or make no sense. */
export function timeoutMsOf(headers: Headers): number | undefined {
  // Connect writes what the app gave it, fractions and all.
  const [, amount, unit = ''] = /^(\d{1,20}(?:\.\d{1,20})?)([HMSmun])$/.exec(headers.get(TIMEOUT_KEY) ?? '') ?? [];
  if (amount !== undefined) return Number(amount) * (UNIT_MS[unit] ?? 1);
  const plain = /^\d{1,20}(?:\.\d{1,20})?$/.exec(headers.get(CONNECT_TIMEOUT_KEY) ?? '');
  return plain === null ? undefined : Number(plain[0]);
}

/** Says in the headers how long the call may take, in the words of the protocol that they are written in. */
export function setTimeoutMs(headers: Headers, timeoutMs: number): void {
  if (headers.get(CONTENT_TYPE)?.startsWith(GRPC_CONTENT) === true) headers.set(TIMEOUT_KEY, timeoutText(timeoutMs));
  else headers.set(CONNECT_TIMEOUT_KEY, String(Math.min(LONGEST_CONNECT_MS, Math.ceil(timeoutMs))));
}
