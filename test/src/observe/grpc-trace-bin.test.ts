import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeTraceBin, encodeTraceBin } from '../../../src/observe/grpc-trace-bin.ts';

const TRACE = '404142434445464748494a4b4c4d4e4f';
const SPAN = '6162636465666768';
/** The example of opencensus-specs, encodings/BinaryEncoding.md. */
const EXAMPLE = `0000${TRACE}01${SPAN}0201`;
const bytes = (hex: string): Buffer => Buffer.from(hex, 'hex');

describe('grpc-trace-bin', () => {
  test("writes the specification's example", () => {
    expect(encodeTraceBin({ traceId: TRACE, spanId: SPAN, traceFlags: 1 }).toString('hex')).toBe(EXAMPLE);
  });

  test.each([
    ['the example', EXAMPLE, 1],
    ['not sampled', `0000${TRACE}01${SPAN}0200`, 0],
    ['no flags', `0000${TRACE}01${SPAN}`, 0],
    ['flags that nobody knows', `0000${TRACE}01${SPAN}02ff`, 1],
    ['another order', `00020101${SPAN}00${TRACE}`, 1],
    ['a field that nobody knows, at the end', `${EXAMPLE}07aabb`, 1],
  ])('reads %s', (_what, hex, traceFlags) => {
    expect(decodeTraceBin(bytes(hex))).toEqual({ traceId: TRACE, spanId: SPAN, traceFlags, isRemote: true });
  });

  test.each([
    ['nothing', ''],
    ['the version alone', '00'],
    ['another version', `0100${TRACE}01${SPAN}0201`],
    ['a trace id cut off', `0000${TRACE.slice(2)}`],
    ['a span id cut off', `0000${TRACE}01${SPAN.slice(2)}`],
    ['flags cut off', `0000${TRACE}01${SPAN}02`],
    ['no span id', `0000${TRACE}0201`],
    ['a field that nobody knows, first', `0007${EXAMPLE.slice(2)}`],
    ['a trace id of zeros', `0000${'0'.repeat(32)}01${SPAN}0201`],
    ['a span id of zeros', `0000${TRACE}01${'0'.repeat(16)}0201`],
    ['a value beyond all sense', EXAMPLE + '07'.repeat(300)],
  ])('does not read %s', (_what, hex) => {
    expect(decodeTraceBin(bytes(hex))).toBeUndefined();
  });

  test('does not read what is not bytes', () => {
    for (const value of [undefined, EXAMPLE, [0, 0]]) expect(decodeTraceBin(value)).toBeUndefined();
  });

  test('law: what is written is read, and no bytes make it throw', () => {
    const id = (length: number) =>
      fc
        .uint8Array({ minLength: length, maxLength: length })
        .map((raw) => Buffer.from(raw).toString('hex'))
        .filter((hex) => /[^0]/.test(hex));
    fc.assert(
      fc.property(id(16), id(8), fc.constantFrom(0, 1), (traceId, spanId, traceFlags) => {
        expect(decodeTraceBin(encodeTraceBin({ traceId, spanId, traceFlags }))).toEqual({ traceId, spanId, traceFlags, isRemote: true });
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (raw) => {
        const read = decodeTraceBin(raw);
        if (read !== undefined) expect(read.traceId).toMatch(/^[0-9a-f]{32}$/);
      }),
    );
  });
});
