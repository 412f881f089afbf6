import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../../src/errors.ts';
import { parsePolicy } from '../../../src/policy/parse.ts';
import { BAD, retry, timeout } from './bad-documents.ts';

function faults(input: unknown): string {
  try {
    parsePolicy(input);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'accepted';
}

describe('parsePolicy', () => {
  test.each(BAD)('F2 refuses %s', (_, input, message) => {
    expect(faults(input)).toBe(message);
  });

  test('tells the place of the first fault, by the name given', () => {
    expect(() => parsePolicy({ defaults: { timeout: 1 }, foo: 1 }, 'mesh')).toThrow(
      expect.objectContaining({ path: 'mesh.defaults.timeout', code: 'INMESH_CONFIG' }),
    );
  });

  test('tells twenty faults and counts the rest', () => {
    const lines = faults(Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`zz${i}`, 1]))).split('\n');
    expect(lines).toHaveLength(21);
    expect(lines[20]).toBe('and 10 more');
  });

  test('repeats no more than 80 characters of a key or value', () => {
    const long = 'y'.repeat(100_000);
    const message = faults({ [long]: 1, methods: { [long]: long }, coalesce: { methods: [long], itemMetadata: [long] }, balance: long });
    expect(message).not.toContain('y'.repeat(81));
  });

  test('repeats no more than 80 characters when each is escaped', () => {
    const [, shown = ''] = faults(timeout('\u0001'.repeat(80))).split(' got ');
    expect(shown).toHaveLength(80);
  });

  test('F2 refuses a list of more than 10,000 elements', () => {
    expect(faults({ coalesce: { methods: Array(10_001).fill('a.B/C') } })).toBe(
      'policy.coalesce.methods: expected 0 to 10000 elements, got 10001',
    );
  });

  test('a status code in mixed case is refused with the right name', () => {
    expect(faults(retry({ retryableStatusCodes: ['Unavailable'] }))).toContain('got "Unavailable"; did you mean "UNAVAILABLE"?');
  });

  test('F2 refuses a huge document', () => {
    const methods = Object.fromEntries(Array.from({ length: 60_000 }, (_, i) => [`a.B/C${i}`, { timeout: '1s' }]));
    expect(faults({ methods })).toContain('got the rest of more than 100000 values');
  });

  test('F2 refuses what is nested too deep', () => {
    let deep: unknown = 1;
    for (let i = 0; i < 5000; i++) deep = [deep];
    expect(faults({ defaults: deep })).toBe('policy.defaults: expected an object, got a list');
  });

  test('expands shorthands and status codes, and gives the same again for its result', () => {
    const policy = parsePolicy({ coalesce: 'auto', balance: 'off', ...Object(retry({ retryableStatusCodes: ['unavailable', 10] })) });
    expect(policy).toEqual({
      coalesce: { mode: 'auto' },
      balance: { policy: 'off' },
      defaults: { retryPolicy: { retryableStatusCodes: ['UNAVAILABLE', 'ABORTED'] } },
    });
    expect(parsePolicy(policy)).toEqual(policy);
  });

  test('gives a copy', () => {
    const input = { coalesce: { methods: ['a.B/C'] } };
    const policy = parsePolicy(input);
    input.coalesce.methods.push('a.B/D');
    expect(policy).toEqual({ coalesce: { methods: ['a.B/C'] } });
  });

  test('takes undefined for unset, objects without prototype, and an empty document', () => {
    expect(parsePolicy({ defaults: { timeout: undefined } })).toEqual({ defaults: {} });
    expect(parsePolicy(Object.assign(Object.create(null), { balance: 'off' }))).toEqual({ balance: { policy: 'off' } });
    expect(parsePolicy({})).toEqual({});
  });

  test('R39 takes more than five attempts', () => {
    expect(parsePolicy(retry({ maxAttempts: 10 }))).toEqual(retry({ maxAttempts: 10 }));
  });

  test('takes one object in two places', () => {
    const shared = { timeout: '1s' };
    expect(parsePolicy({ services: { 'a.B': shared, 'a.C': shared } })).toEqual({ services: { 'a.B': shared, 'a.C': shared } });
  });
});
