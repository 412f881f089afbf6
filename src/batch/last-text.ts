/**
 * A text that comes again and again: decoded once, and compared from then on.
 *
 * @packageDocumentation
 */
import type { Reader } from './wire.ts';

/** Longer ones are decoded each time: they are not what this is for, and are not kept. */
const MAX_BYTES = 256;

export class LastText {
  #bytes: Buffer = Buffer.alloc(0);
  #text = '';

  /** What `reader.text()` gives. @throws WireError as it does. */
  read(reader: Reader): string {
    const end = reader.delimited();
    const from = reader.position;
    reader.position = end;
    if (this.#isAt(reader.buffer, from, end)) return this.#text;
    const text = reader.buffer.toString('utf8', from, end);
    if (end - from <= MAX_BYTES) {
      this.#bytes = Buffer.from(reader.buffer.subarray(from, end)); // a copy: the message must not live on for it
      this.#text = text;
    }
    return text;
  }

  #isAt(buffer: Buffer, from: number, end: number): boolean {
    const bytes = this.#bytes;
    if (end - from !== bytes.length) return false;
    for (let i = 0; i < bytes.length; i++) if (buffer[from + i] !== bytes[i]) return false;
    return true;
  }
}
