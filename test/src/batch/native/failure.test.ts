/**
 * What becomes of the calls of a batch that failed: a table.
 */
import { describe, expect, test } from 'vitest';
import { remedyFor } from '../../../../src/batch/native/failure.ts';
import { Code } from '../../../../src/call.ts';

const rules = ['fail_all', 'retry_singles', 'bisect'] as const;
const own = ['fail', 'alone', 'halves'] as const;
const all = (remedy: string): readonly string[] => [remedy, remedy, remedy];

describe('a batch that ends with', () => {
  test.each([
    ['INVALID_ARGUMENT', Code.INVALID_ARGUMENT, own],
    ['NOT_FOUND', Code.NOT_FOUND, own],
    ['INTERNAL', Code.INTERNAL, own],
    ['UNKNOWN', Code.UNKNOWN, own],
    ['a code of its own', 1001, own],
    ['UNAVAILABLE', Code.UNAVAILABLE, all('fail')],
    ['DEADLINE_EXCEEDED', Code.DEADLINE_EXCEEDED, all('fail')],
    ['CANCELLED', Code.CANCELLED, all('fail')],
    ['RESOURCE_EXHAUSTED', Code.RESOURCE_EXHAUSTED, all('fail')],
    ['UNIMPLEMENTED', Code.UNIMPLEMENTED, all('alone')],
    ['PERMISSION_DENIED', Code.PERMISSION_DENIED, all('alone')],
    ['UNAUTHENTICATED', Code.UNAUTHENTICATED, all('alone')],
  ])('%s', (_name, code, expected) => {
    expect(rules.map((rule) => remedyFor({ code, tooLarge: false, unprocessed: false }, rule))).toEqual(expected);
  });
  test('a message over the limit goes in halves', () => {
    expect(rules.map((rule) => remedyFor({ code: Code.RESOURCE_EXHAUSTED, tooLarge: true, unprocessed: false }, rule))).toEqual(
      all('halves'),
    );
  });
  test('what no server has run is left to retry', () => {
    expect(rules.map((rule) => remedyFor({ code: Code.INTERNAL, tooLarge: false, unprocessed: true }, rule))).toEqual(all('fail'));
  });
});
