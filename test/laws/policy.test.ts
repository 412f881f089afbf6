import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import type { ExplainedView } from '../../src/observe/views.ts';
import { explain } from '../../src/policy/explain.ts';
import { BUILT_IN } from '../../src/policy/explain-fields.ts';
import { parsePolicy } from '../../src/policy/parse.ts';
import { parsePolicyText } from '../../src/policy/policy-text.ts';
import { valueAt } from '../../src/policy/precedence.ts';
import { PolicyTable } from '../../src/policy/resolve.ts';
import { importServiceConfig } from '../../src/policy/service-config.ts';
import { method, methodPolicy, policy } from './policy-documents.ts';

/** Every key of the document and then some, so that random documents reach its depths. */
const key = fc.oneof(
  fc.constantFrom(
    'defaults',
    'services',
    'methods',
    'coalesce',
    'balance',
    'retryPolicy',
    'timeout',
    'bulkhead',
    'slots',
    'mode',
    'a.B',
    'a.B/C',
  ),
  fc.constantFrom('__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', ''),
  fc.string({ maxLength: 20, unit: 'binary' }),
);
const anything = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 6 },
    fc.jsonValue(),
    fc.constantFrom(
      undefined,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      -0,
      '0.5s',
      'auto',
      'never',
      500,
      10n,
      new Date(0),
      () => 1,
      Symbol.iterator,
    ),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.array(fc.tuple(key, tie('value')), { maxLength: 6 }).map((entries) => {
      const out = {};
      for (const [name, value] of entries)
        Object.defineProperty(out, name, { value, enumerable: true, configurable: true, writable: true });
      return out;
    }),
  ),
})).value;

/** Values by their fields; null is what is not set. What is filled in further on is no part of the rules. */
function documentOf(values: readonly ExplainedView[]): unknown {
  const document = { methods: { 'a.B/C': {} }, services: { 'a.B': {} } };
  const meshFrom = values.findIndex(({ field }) => field === 'retryBudget.ratio');
  const throttled = values.some(({ field }) => field === 'retryBudget.throttle.maxTokens');
  for (const [at, { field, value, origin }] of values.entries()) {
    if (origin === 'built-in' && Object.hasOwn(BUILT_IN, field)) continue;
    if (value === null || /^(batch|cache|fallback)\b/.test(field) || (throttled && /^retryBudget\.(?!throttle)/.test(field))) continue;
    // Retry and hedging of one layer exclude each other.
    const ofMethod = field.startsWith('hedgingPolicy') ? document.services['a.B'] : document.methods['a.B/C'];
    const keys = /^server\.method/.test(field) ? [...field.split('.'), 'a.B/C'] : field.split('.');
    let into: Record<string, unknown> = at < meshFrom ? ofMethod : document;
    for (const key of keys.slice(0, -1)) {
      into[key] ??= {};
      into = into[key] as Record<string, unknown>;
    }
    into[keys.at(-1) ?? ''] = value;
  }
  return document;
}

const untouched = Object.getOwnPropertyNames(Object.prototype).join();

describe('laws of the policy document', () => {
  test('whatever comes in, nothing but a ConfigError comes out, and Object.prototype stays as it is', () => {
    fc.assert(
      fc.property(anything, (input) => {
        try {
          parsePolicy(input);
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
        }
        importServiceConfig(input);
        importServiceConfig({ methodConfig: [input, { name: [input], timeout: input, retryPolicy: input }] });
        expect(Object.getOwnPropertyNames(Object.prototype).join()).toBe(untouched);
      }),
      { numRuns: 2000 },
    );
  });

  test('a valid document comes out as it went in, and by way of JSON text too', () => {
    fc.assert(
      fc.property(policy, (input) => {
        expect(parsePolicy(input)).toEqual(input);
        expect(parsePolicyText(JSON.stringify(input), 'p.json')).toEqual(JSON.parse(JSON.stringify(input)));
      }),
      { numRuns: 300 },
    );
  });

  test('every method of a valid document has rules within their bounds', () => {
    fc.assert(
      fc.property(policy, method, (input, stranger) => {
        const table = new PolicyTable(parsePolicy(input));
        for (const name of [...Object.keys(input.methods ?? {}), stranger]) {
          const { retry, timeoutMs } = table.method(`/${name}`);
          expect(retry.maxAttempts).toBeGreaterThanOrEqual(1);
          expect(retry.maxAttempts).toBeLessThanOrEqual(5);
          expect(retry.initialBackoffMs).toBeGreaterThan(0);
          expect(retry.initialBackoffMs).toBeLessThanOrEqual(retry.maxBackoffMs);
          if (timeoutMs !== undefined) expect(timeoutMs).toBeGreaterThan(0);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('what explain tells of a method, written as a document, makes the same rules', () => {
    fc.assert(
      fc.property(policy, methodPolicy, methodPolicy, methodPolicy, (rest, wide, wider, own) => {
        const table = new PolicyTable(parsePolicy({ ...rest, defaults: wide, services: { 'a.B': wider }, methods: { 'a.B/C': own } }));
        const { values } = explain(table, 'a.B/C');
        for (const { field, origin, where } of values.slice(
          0,
          values.findIndex((row) => row.field === 'retryBudget.ratio'),
        )) {
          const path = field.split('.');
          const said = field.startsWith('retryPolicy.') ? path : path.slice(0, 1);
          const layers = { methods: own, services: wider, defaults: wide };
          const first = Object.entries(layers).find(([, layer]) => valueAt(layer, said) !== undefined);
          if (origin in layers) expect([field, origin]).toEqual([field, first?.[0]]);
          else if (field !== 'coalesce') expect(valueAt(first?.[1], path)).toBeUndefined();
          const keys = [...where.matchAll(/\.([\w$]+)|\["([^"]*)"\]/g)].map(([, plain, quoted]) => plain ?? quoted ?? '');
          if (where.startsWith('policy.')) expect(valueAt(table.policy, keys)).toBeDefined();
        }
        const again = new PolicyTable(parsePolicy(documentOf(values)));
        expect(again.method('/a.B/C')).toEqual(table.method('/a.B/C'));
        for (const part of [
          'retryBudget',
          'adaptiveThrottle',
          'endpoints',
          'coalesce',
          'deadline',
          'traits',
          'telemetry',
          'records',
        ] as const)
          expect(again[part]).toEqual(table[part]);
        expect({ ...again.balance, explicit: false }).toEqual({ ...table.balance, explicit: false });
        const server = ({ server: { methodBulkheads, methodTimeoutsMs, ...others } }: PolicyTable): unknown => ({
          ...others,
          ...{ bulkheadOf: methodBulkheads.get('/a.B/C'), timeoutOf: methodTimeoutsMs.get('/a.B/C') },
        });
        expect(server(again)).toEqual(server(table));
      }),
      { numRuns: 300 },
    );
  });

  test('text that is no YAML ends in a ConfigError as well', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc
            .array(fc.constantFrom('a', ':', ' ', '\n', '-', '&x', '*x', '{', '}', '[', ']', '!!', '"', "'", '#', '|', '?', '<<'))
            .map((parts) => parts.join('')),
        ),
        (text) => {
          try {
            parsePolicyText(text, 'p.yaml');
          } catch (error) {
            expect(error).toBeInstanceOf(ConfigError);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});
