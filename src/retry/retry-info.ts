/**
 * Reads `retry_delay` out of a serialized google.rpc.Status.
 *
 * A few bytes of three small messages are looked at, so this is by hand: no protobuf library is asked for. Whatever the bytes
 * are, it ends soon and gives a delay or nothing.
 *
 * @packageDocumentation
 */

/** More is no error detail; grpc-js's own limit for all metadata is 16 KiB. */
const MAX_BYTES = 16_384;
const TYPE_URL = '/google.rpc.RetryInfo';
const MAX_SECONDS = 315_576_000_000;

const DETAILS = 3;
const ANY_TYPE = 1;
const ANY_VALUE = 2;
const RETRY_DELAY = 1;
const SECONDS = 1;
const NANOS = 2;

/** The delay in ms that the first `google.rpc.RetryInfo` asks for; undefined: there is none, or it makes no sense. */
export function retryInfoMs(status: Uint8Array): number | undefined {
  if (status.length > MAX_BYTES) return undefined;
  for (const detail of fields(status)) {
    if (detail.number !== DETAILS || detail.bytes === undefined) continue;
    let type = '';
    let value: Uint8Array | undefined;
    for (const { number, bytes } of fields(detail.bytes)) {
      if (number === ANY_TYPE && bytes !== undefined) type = new TextDecoder().decode(bytes);
      if (number === ANY_VALUE && bytes !== undefined) value = bytes;
    }
    if (type.endsWith(TYPE_URL)) return value === undefined ? undefined : delayMs(value);
  }
  return undefined;
}

function delayMs(retryInfo: Uint8Array): number | undefined {
  for (const { number, bytes } of fields(retryInfo)) {
    if (number !== RETRY_DELAY || bytes === undefined) continue;
    let seconds = 0;
    let nanos = 0;
    for (const field of fields(bytes)) {
      if (field.number === SECONDS) seconds = field.varint;
      if (field.number === NANOS) nanos = field.varint;
    }
    const good = seconds <= MAX_SECONDS && nanos < 1e9;
    return good ? seconds * 1000 + nanos / 1e6 : undefined;
  }
  return undefined;
}

interface Field {
  readonly number: number;
  /** Of a length-delimited field. */
  readonly bytes: Uint8Array | undefined;
  /** Of a varint; a negative one is huge here. */
  readonly varint: number;
}

/** The fields of a message in order, as far as they can be read. */
function* fields(bytes: Uint8Array): Generator<Field> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) return Number.NaN;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return Number.NaN;
  };
  while (at < bytes.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0: {
        const value = varint();
        if (Number.isNaN(value)) return;
        yield { number, bytes: undefined, varint: value };
        break;
      }
      case 1:
        at += 8;
        break;
      case 2: {
        const length = varint();
        if (!(length <= bytes.length - at)) return;
        yield { number, bytes: bytes.subarray(at, at + length), varint: 0 };
        at += length;
        break;
      }
      case 5:
        at += 4;
        break;
      default:
        return; // NaN, a group, or no protobuf at all
    }
  }
}
