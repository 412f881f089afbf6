import { describe, expect, test } from 'vitest';
import { decodeRequest, encodeRequest, MAX_TIMEOUT_US } from '../../../src/batch/request-codec.ts';
import { timeoutText } from '../../../src/deadline/wire-timeout.ts';

describe('grpc-timeout', () => {
  test.for<[number, string]>([
    [0, '0m'],
    [0.2, '1m'],
    [1500, '1500m'],
    [99_999_999, '99999999m'],
    [100_000_000, '100000S'],
    [1e11, '1666667M'],
    [1e13, '2777778H'],
    [1e20, '99999999H'],
  ])('D7: %d ms are written as %s', ([ms, expected]) => {
    expect(timeoutText(ms)).toBe(expected);
    expect(expected).toMatch(/^\d{1,8}[HMSmun]$/);
  });
});

describe('the timeout of an item in a batch', () => {
  /** A batch of one item with these bytes as its timeout. */
  const batch = (varint: readonly number[]): Buffer => Buffer.from([0x12, varint.length + 1, 0x18, ...varint]);

  test('D7: a negative one, written as int64, makes the batch malformed, and so does one that no double can count', () => {
    const minusOne = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    expect(() => decodeRequest(batch(minusOne), 10)).toThrow('timeout out of range');
    const two60 = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
    expect(() => decodeRequest(batch(two60), 10)).toThrow('timeout out of range');
    expect(() => decodeRequest(batch([...minusOne.slice(0, 9), 0x80]), 10)).toThrow('number longer than ten bytes');
  });

  test('D7: the longest good one arrives as it is', () => {
    const request = encodeRequest([{ request: Buffer.alloc(0), timeoutUs: MAX_TIMEOUT_US, metadata: undefined }], 0);
    expect(decodeRequest(request, 10).items[0]?.timeoutUs).toBe(MAX_TIMEOUT_US);
  });
});
