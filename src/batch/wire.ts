/**
 * Protobuf wire format by hand: only what the carriers need, in one exact buffer.
 *
 * Source: protobuf encoding specification; messages in protos/inmesh/v1/batch.proto.
 *
 * @packageDocumentation
 */

/** A message that does not follow its format, or is over a limit. Fixed texts: nothing of the peer's bytes gets out. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** Length of a varint. Values up to 2^53. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  if (value < 0x10000000) return 4;
  let size = 5;
  for (let rest = Math.floor(value / 0x800000000); rest > 0; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

/** Writes a varint, gives the position behind it. */
export function writeVarint(buffer: Buffer, at: number, value: number): number {
  let position = at;
  let rest = value;
  while (rest >= 0x80) {
    buffer[position++] = (rest % 0x80) | 0x80;
    rest = rest < 0x80000000 ? rest >>> 7 : Math.floor(rest / 0x80);
  }
  buffer[position++] = rest;
  return position;
}

/** Reads fields of one message. Every step is checked against the end: a lie about a length is an error, not a read outside. */
export class Reader {
  readonly buffer: Buffer;
  position: number;
  readonly end: number;

  constructor(buffer: Buffer, from = 0, end: number = buffer.length) {
    this.buffer = buffer;
    this.position = from;
    this.end = end;
  }

  varint(): number {
    const { buffer, end } = this;
    let position = this.position;
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      if (position >= end) throw new WireError('message ends inside a number');
      const byte = buffer[position++] as number;
      if (i < 7 || byte < 0x80) value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        this.position = position;
        return value;
      }
      scale *= 0x80;
    }
    throw new WireError('number longer than ten bytes');
  }

  /** Enters a length-delimited field: gives its end, with the position at its start. */
  delimited(): number {
    const length = this.varint();
    const end = this.position + length;
    if (end > this.end) throw new WireError('field reaches over the end');
    return end;
  }

  bytes(): Buffer {
    const end = this.delimited();
    const slice = this.buffer.subarray(this.position, end);
    this.position = end;
    return slice;
  }

  text(): string {
    const end = this.delimited();
    const text = this.buffer.toString('utf8', this.position, end);
    this.position = end;
    return text;
  }

  /** Passes over a field that is not known (newer peers). */
  skip(wireType: number): void {
    switch (wireType) {
      case 0:
        this.varint();
        return;
      case 1:
        this.position += 8;
        break;
      case 2:
        this.position = this.delimited();
        return;
      case 5:
        this.position += 4;
        break;
      default:
        throw new WireError('unknown wire type');
    }
    if (this.position > this.end) throw new WireError('field reaches over the end');
  }
}
