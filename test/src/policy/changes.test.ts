import { describe, expect, test } from 'vitest';
import { same } from '../../../src/input/same.ts';
import { changesOf, hashOf } from '../../../src/policy/changes.ts';
import { withFixed } from '../../../src/policy/fixed.ts';
import { parsePolicy } from '../../../src/policy/parse.ts';
import type { Policy } from '../../../src/policy/policy.gen.ts';

describe('what tells policies apart', () => {
  test('the hash is that of what a document says, whatever the order of its keys and however it is written', () => {
    const one = parsePolicy({ coalesce: 'auto', methods: { 'a.B/C': { timeout: '1s', idempotent: true } } });
    const two = parsePolicy({ methods: { 'a.B/C': { idempotent: true, timeout: '1s' } }, coalesce: { mode: 'auto' } });
    expect(hashOf(one)).toBe(hashOf(two));
    expect(hashOf(one)).toMatch(/^[0-9a-f]{16}$/);
    expect(hashOf(parsePolicy({ coalesce: 'auto' }))).not.toBe(hashOf(parsePolicy({ coalesce: 'never' })));
  });

  test.each<[string, Policy, Policy, readonly string[]]>([
    ['nothing', { defaults: { timeout: '1s' } }, { defaults: { timeout: '1s' } }, []],
    ['a field', { defaults: { timeout: '1s' } }, { defaults: { timeout: '2s' } }, ['policy.defaults.timeout']],
    ['a field of a new message', {}, { defaults: { retryPolicy: { maxAttempts: 2 } } }, ['policy.defaults.retryPolicy.maxAttempts']],
    ['a field that has gone', { methods: { 'a.B/C': { idempotent: true } } }, {}, ['policy.methods["a.B/C"].idempotent']],
    ['an empty message', {}, { methods: { 'a.B/C': {} } }, ['policy.methods["a.B/C"]']],
    ['a list, as a whole', { faults: [{ percent: 1 }] }, { faults: [{ percent: 2 }] }, ['policy.faults']],
    ['a value in place of a message', { coalesce: 'auto' }, { coalesce: { mode: 'auto' } }, ['policy.coalesce']],
  ])('differs in %s', (_what, before, after, fields) => {
    expect(changesOf(before, after)).toEqual(fields);
    expect(changesOf(before, after).length === 0).toBe(same(before, after));
  });

  test('F3 fixed fields stay only where their effect would change', () => {
    const before = parsePolicy({ telemetry: { names: 'grpc' }, balance: 'off' });
    const after = parsePolicy({ telemetry: { names: 'semconv', accessLog: 'all' }, balance: { policy: 'off', decay: '1s' } });
    const { policy, pending } = withFixed(before, after);
    expect(pending).toEqual(['policy.telemetry.names']); // attemptSpans has its default by the name, and stays with it
    expect(policy).toEqual({ telemetry: { names: 'grpc', accessLog: 'all' }, balance: { policy: 'off', decay: '1s' } });
    const explicit = parsePolicy({ telemetry: { traces: true, names: 'grpc' }, endpoints: { hold: '10s' }, balance: { policy: 'off' } });
    expect(withFixed(before, explicit)).toEqual({ policy: explicit, pending: [] });
  });
});
