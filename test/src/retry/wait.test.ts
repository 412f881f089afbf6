import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Code } from '../../../src/call.ts';
import { retryInfoMs } from '../../../src/retry/retry-info.ts';
import { MAX_WAIT_MS, serverWaitMs, stretched } from '../../../src/retry/wait.ts';
import { play } from './drive.ts';

/** A length-delimited field. */
const field = (number: number, ...content: readonly Buffer[]): Buffer => {
  const bytes = Buffer.concat(content);
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes]);
};
const number = (tag: number, value: number): Buffer => Buffer.concat([varint(tag * 8), varint(value)]);
function varint(value: number): Buffer {
  const out: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...out, rest]);
    out.push((rest % 128) + 128);
  }
}
const any = (type: string, value: Buffer): Buffer =>
  field(3, field(1, Buffer.from(`type.googleapis.com/google.rpc.${type}`)), field(2, value));
const delay = (...duration: readonly Buffer[]): Buffer => field(1, ...duration);
/** A google.rpc.Status as a server sends it. */
const status = (...details: readonly Buffer[]): Buffer => Buffer.concat([number(1, 14), field(2, Buffer.from('try later')), ...details]);
const retryInfo = (seconds: number, nanos = 0): Buffer => status(any('RetryInfo', delay(number(1, seconds), number(2, nanos))));

const wait = (part: Partial<Parameters<typeof serverWaitMs>[0]>): number | undefined =>
  serverWaitMs({ statusDetails: [], retryAfter: [], wallMs: 0, ...part });

describe('RetryInfo', () => {
  test('its delay is read, to the nanosecond', () => {
    expect(retryInfoMs(retryInfo(2, 500_000_000))).toBe(2500);
    expect(retryInfoMs(retryInfo(0, 1))).toBe(1e-6);
    expect(retryInfoMs(status(any('RetryInfo', delay())))).toBe(0);
  });

  test('is found behind other details; the first one counts', () => {
    const help = any('Help', Buffer.from([1, 2, 3]));
    expect(retryInfoMs(status(help, any('RetryInfo', delay(number(1, 1))), any('RetryInfo', delay(number(1, 9)))))).toBe(1000);
  });

  test.each([
    ['no detail', status()],
    ['another detail only', status(any('Help', delay(number(1, 1))))],
    ['no delay in it', status(any('RetryInfo', Buffer.alloc(0)))],
    ['a negative delay', status(any('RetryInfo', delay(Buffer.from([0x08, ...Array(9).fill(0xff), 0x01]))))],
    ['nanos of a second and more', retryInfo(0, 1_000_000_000)],
    ['cut short', retryInfo(2).subarray(0, -1)],
    ['a length past the end', Buffer.from([0x1a, 0x7f, 1])],
    ['a varint without an end', Buffer.alloc(30, 0xff)],
    ['a group', Buffer.from([0x0b])],
    ['too long', Buffer.concat([retryInfo(1), Buffer.alloc(20_000)])],
    ['nothing', Buffer.alloc(0)],
  ])('%s: no delay', (_what, bytes) => {
    expect(retryInfoMs(bytes)).toBeUndefined();
  });

  test('whatever the bytes are, it gives a delay that makes sense, or none', () => {
    const around = fc.tuple(fc.uint8Array({ maxLength: 60 }), fc.nat(200)).map(([noise, at]) => {
      const good = retryInfo(3, 5);
      return Buffer.concat([good.subarray(0, at), noise, good.subarray(at)]);
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), around), (bytes) => {
        const ms = retryInfoMs(bytes);
        expect(ms === undefined || ms >= 0).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('retry-after', () => {
  test('seconds', () => {
    expect(wait({ retryAfter: ['3'] })).toBe(3000);
    expect(wait({ retryAfter: ['0'] })).toBe(0);
  });

  test('a date, against the wall clock; one that is over means at once', () => {
    const wallMs = Date.UTC(1994, 10, 6, 8, 49, 30);
    expect(wait({ retryAfter: ['Sun, 06 Nov 1994 08:49:37 GMT'], wallMs })).toBe(7000);
    expect(wait({ retryAfter: ['Sun, 06 Nov 1994 08:49:00 GMT'], wallMs })).toBe(0);
  });

  test('every date of a century and a half is the one that Date means', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_700_000_000 }), (seconds) => {
        const text = new Date(seconds * 1000).toUTCString();
        expect(wait({ retryAfter: [text], wallMs: 0 })).toBe(seconds * 1000);
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    '',
    '-1',
    '1.5',
    '3s',
    '9999999999',
    'soon',
    '1994-11-06T08:49:37Z',
    'Sun, 06 Nov 94 08:49:37 GMT',
    'Sun, 06 Foo 1994 08:49:37 GMT',
  ])('"%s" says nothing', (text) => {
    expect(wait({ retryAfter: [text] })).toBeUndefined();
  });

  test('two values say nothing', () => {
    expect(wait({ retryAfter: ['1', '1'] })).toBeUndefined();
  });
});

describe('what the server asks for', () => {
  const UNAVAILABLE = { code: Code.UNAVAILABLE };
  const OK = { code: Code.OK };

  test('RetryInfo stands above retry-after, pushback above both, and the backoff below them', () => {
    expect(wait({ statusDetails: [retryInfo(1)], retryAfter: ['2'] })).toBe(1000);
    expect(wait({ statusDetails: [status()], retryAfter: ['2'] })).toBe(2000);
    expect(play({}, [{ ...UNAVAILABLE, pushback: ['70'], waitMs: 1000 }, OK]).waitsMs).toEqual([70]);
    expect(play({}, [{ ...UNAVAILABLE, waitMs: 1000 }, OK]).waitsMs).toEqual([1100]);
    expect(play({}, [UNAVAILABLE, OK]).waitsMs).toEqual([25]);
  });

  test('is kept at least, and stretched by up to a fifth', () => {
    expect([stretched(1000, () => 0), stretched(1000, () => 0.999_999)]).toEqual([1000, expect.closeTo(1200, 0)]);
  });

  test('R10: the backoff starts anew after it', () => {
    const answers = [UNAVAILABLE, { ...UNAVAILABLE, waitMs: 100 }, UNAVAILABLE, OK];
    expect(play({ maxAttempts: 5 }, answers).waitsMs).toEqual([25, 110.00000000000001, 25]);
  });

  test('R41: with less time left the call fails now', () => {
    expect(play({}, [{ ...UNAVAILABLE, waitMs: 1000 }, OK], { deadlineMs: 1000 })).toMatchObject({ attempts: 1, why: 'deadline' });
  });

  test('more than five minutes means "not again"', () => {
    expect(play({}, [{ ...UNAVAILABLE, waitMs: MAX_WAIT_MS + 1 }, OK])).toMatchObject({ attempts: 1, why: 'pushback' });
    expect(play({}, [{ ...UNAVAILABLE, waitMs: MAX_WAIT_MS }, OK]).attempts).toBe(2);
  });

  test('makes no code retryable', () => {
    expect(play({}, [{ code: Code.RESOURCE_EXHAUSTED, waitMs: 1 }, OK])).toMatchObject({ attempts: 1, why: 'code' });
  });
});
