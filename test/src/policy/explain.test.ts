import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { resolveCacheOptions } from '../../../src/cache/options.ts';
import { codeName } from '../../../src/call.ts';
import { ConfigError } from '../../../src/errors.ts';
import { resolveFallbackOptions } from '../../../src/fallback/options.ts';
import type { ExplainedView } from '../../../src/observe/views.ts';
import { durationMs } from '../../../src/policy/duration.ts';
import { explain } from '../../../src/policy/explain.ts';
import { BUILT_IN } from '../../../src/policy/explain-fields.ts';
import { parsePolicy } from '../../../src/policy/parse.ts';
import type { MethodPolicy, Policy } from '../../../src/policy/policy.gen.ts';
import { PolicyTable } from '../../../src/policy/resolve.ts';
import { importServiceConfig } from '../../../src/policy/service-config.ts';

const PROTO = readFileSync(new URL('../../../protos/inmesh/v1/policy.proto', import.meta.url), 'utf8');
const camel = (name: string): string => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

const rowsOf = (policy: Policy, method = 'a.B/C'): readonly ExplainedView[] => explain(new PolicyTable(parsePolicy(policy)), method).values;
const rowOf = (rows: readonly ExplainedView[], field: string): ExplainedView | undefined => rows.find((row) => row.field === field);

describe('explain: where a value comes from', () => {
  /** Each says the timeout, so that the first one there is wins. */
  const layers: readonly { origin: string; where: string; policy?: Policy; declared?: MethodPolicy; config?: object }[] = [
    { origin: 'methods', where: 'policy.methods["a.B/C"].timeout', policy: { methods: { 'a.B/C': { timeout: '1s' } } } },
    { origin: 'services', where: 'policy.services["a.B"].timeout', policy: { services: { 'a.B': { timeout: '2s' } } } },
    { origin: 'declared', where: 'idempotency_level of a.B/C', declared: { timeout: '3s' } },
    {
      origin: 'service-config',
      where: 'serviceConfig.methods["a.B/C"].timeout',
      config: { methodConfig: [{ name: [{ service: 'a.B', method: 'C' }], timeout: '4s' }] },
    },
    { origin: 'defaults', where: 'policy.defaults.timeout', policy: { defaults: { timeout: '5s' } } },
    { origin: 'built-in', where: 'docs/deadlines.md' },
  ];

  test.each(layers.map((layer, from) => ({ ...layer, from })))(
    '$origin is told where no layer above it speaks',
    ({ from, origin, where }) => {
      const speaking = layers.slice(from);
      const declared = speaking.flatMap(({ declared: says, where: place }) => (says === undefined ? [] : [{ says, where: place }]));
      const config = speaking.find((layer) => layer.config !== undefined)?.config ?? {};
      const policy = parsePolicy(Object.assign({}, ...speaking.map((layer) => layer.policy)));
      const table = new PolicyTable(policy, () => declared).withServiceConfig(importServiceConfig(config).policy);
      const value = origin === 'built-in' ? null : `${from + 1}s`;
      expect(rowOf(explain(table, 'a.B/C').values, 'timeout')).toEqual({ field: 'timeout', value, origin, where });
      expect(table.method('/a.B/C').timeoutMs ?? null).toBe(value === null ? null : durationMs(value));
    },
  );

  test('retryPolicy is merged field by field, any other message is taken whole', () => {
    const rows = rowsOf({
      defaults: { retryPolicy: { maxAttempts: 4, chainStop: false }, breaker: { window: '5s', minimumCalls: 7 } },
      methods: { 'a.B/C': { retryPolicy: { maxAttempts: 2 }, breaker: { window: '6s' } } },
    });
    expect(rowOf(rows, 'retryPolicy.maxAttempts')).toMatchObject({ value: 2, origin: 'methods' });
    expect(rowOf(rows, 'retryPolicy.chainStop')).toMatchObject({ value: false, origin: 'defaults' });
    expect(rowOf(rows, 'breaker.window')).toMatchObject({ value: '6s', origin: 'methods' });
    expect(rowOf(rows, 'breaker.minimumCalls')).toMatchObject({ value: 20, origin: 'built-in' });
  });

  test('whether calls merge may be said in five places', () => {
    const who = (policy: Policy) => rowOf(rowsOf(policy), 'coalesce');
    const coalesce = { methods: ['a.B'] };
    expect(who({ coalesce, methods: { 'a.B/C': { coalesce: 'never' } } })).toMatchObject({ value: 'never', origin: 'methods' });
    expect(who({ coalesce, defaults: { coalesce: 'never' } })).toMatchObject({ value: 'auto', where: 'policy.coalesce.methods' });
    expect(who({ coalesce: 'auto', defaults: { coalesce: 'never' } })).toMatchObject({ value: 'never', origin: 'defaults' });
    expect(who({ coalesce: 'auto' })).toMatchObject({ value: 'auto', origin: 'policy', where: 'policy.coalesce.mode' });
    expect(who({})).toMatchObject({ value: 'never', origin: 'built-in', where: 'docs/coalescing.md' });
  });

  test('what holds for the whole mesh is told with it; of tables by method only its own entry', () => {
    const rows = rowsOf({
      balance: 'off',
      server: { methodTimeouts: { 'a.B/C': '1s', 'a.B/D': '2s' } },
      outlierDetection: { interval: '5s' },
    });
    expect(rowOf(rows, 'balance.policy')).toEqual({
      field: 'balance.policy',
      value: 'off',
      origin: 'policy',
      where: 'policy.balance.policy',
    });
    expect(rowOf(rows, 'outlierDetection.interval')).toMatchObject({ value: '5s', origin: 'policy' });
    expect(rowOf(rows, 'server.methodTimeouts')).toMatchObject({ value: '1s', where: 'policy.server.methodTimeouts["a.B/C"]' });
  });

  test('what is in force is told, not what was asked for: five attempts at most', () => {
    expect(rowOf(rowsOf({ defaults: { retryPolicy: { maxAttempts: 9 } } }), 'retryPolicy.maxAttempts')).toMatchObject({
      value: 5,
      origin: 'defaults',
    });
    expect(rowOf(rowsOf({ defaults: { timeout: '0s' } }), 'timeout')).toMatchObject({ value: '0s', origin: 'defaults' });
  });

  test('a client with a service config of its own keeps what is declared of its methods', () => {
    const table = new PolicyTable({}, () => [{ where: 'idempotency_level', says: { idempotent: true } }]).withServiceConfig({
      defaults: { timeout: '1s' },
    });
    expect(table.method('/a.B/C')).toMatchObject({ idempotent: true, timeoutMs: 1000 });
  });

  test.each(['', 'a.B', 'a.B/C/D', 'a b/c', '__proto__'])('%o is no method', (name) => {
    expect(() => rowsOf({}, name)).toThrow(ConfigError);
  });
  test('a slash in front does no harm', () => {
    expect(explain(new PolicyTable({}), '/a.B/C')).toEqual(explain(new PolicyTable({}), 'a.B/C'));
  });
});

describe('explain: what is told', () => {
  /** Fields of each message of policy.proto, with their comments. */
  const messages = new Map(
    [...PROTO.matchAll(/^message (\w+) \{\n([\s\S]*?)^\}/gm)].map(([, message = '', body = '']) => [
      message,
      [...body.matchAll(/((?: {2}\/\/[^\n]*\n)*) {2}(?:optional |repeated )?([\w.]+(?:<[^>]*>)?) (\w+) = \d+/g)].map(
        ([, comment = '', type = '', name = '']) => ({
          ...{ comment, type, name: camel(name) },
        }),
      ),
    ]),
  );
  /** A document in which every message is there, where it can be empty. */
  const FULL: Policy = {
    methods: {
      'a.B/C': {
        bulkhead: { slots: 1 },
        hedgingPolicy: {},
        breaker: {},
        limit: {},
        cache: {},
        fallback: {},
        batch: { via: 'D', result: {} },
      },
    },
    adaptiveThrottle: {},
    outlierDetection: { successRateEjection: {}, failurePercentageEjection: {} },
    server: { bulkhead: { slots: 1 }, limit: {}, authorization: { file: 'f' } },
  };

  test('every field of a method and of the mesh, once', () => {
    const told = rowsOf(FULL).map(({ field }) => field);
    expect(new Set(told).size).toBe(told.length);
    const top = (message: string): readonly string[] => messages.get(message)?.map(({ name }) => name) ?? [];
    const missing = [...top('MethodPolicy'), ...top('Policy')].filter(
      (name) =>
        !['defaults', 'services', 'methods'].includes(name) && !told.some((field) => field === name || field.startsWith(`${name}.`)),
    );
    expect(messages.size).toBeGreaterThan(20);
    expect(missing).toEqual([]);
    expect(rowsOf({}).filter(({ origin }) => origin !== 'built-in')).toEqual([]);
  });

  /** The last part of a field's path is its name, the part before it tells the message. */
  const documented = [...messages].flatMap(([message, fields]) =>
    fields.flatMap(({ comment, name }) => {
      const [, text] =
        /Default (\[[^\]]*\]|\d+(?:\.\d+)?s?|true|false|[A-Z][A-Z_0-9]+)/.exec(comment.replaceAll(/\n\s*\/\/ ?/g, ' ')) ?? [];
      return text === undefined ? [] : [{ title: `${message}.${name}`, message, name, text }];
    }),
  );
  const HOLDERS: Readonly<Record<string, string>> = {
    RetryPolicy: 'retryPolicy',
    HedgingPolicy: 'hedgingPolicy',
    Bulkhead: 'bulkhead',
    CircuitBreaker: 'breaker',
    AdaptiveLimit: 'limit',
    Cache: 'cache',
    Fallback: 'fallback',
    ResultMap: 'batch.result',
    RetryBudget: 'retryBudget',
    AdaptiveThrottle: 'adaptiveThrottle',
    OutlierDetection: 'outlierDetection',
    SuccessRateEjection: 'outlierDetection.successRateEjection',
    FailurePercentageEjection: 'outlierDetection.failurePercentageEjection',
    Endpoints: 'endpoints',
    Balance: 'balance',
    Coalesce: 'coalesce',
    DeadlinePolicy: 'deadline',
    Propagation: 'propagation',
    Telemetry: 'telemetry',
    Authorization: 'server.authorization',
    ServerPolicy: 'server',
  };
  const checkable = documented.filter(({ message }) => HOLDERS[message] !== undefined);

  test.each(checkable)('the default of $title is the one in policy.proto: $text', ({ message, name, text }) => {
    const { value, origin } = rowOf(rowsOf(FULL), `${HOLDERS[message]}.${name}`) ?? {};
    // Depends on flush; Coalesce.max_items is told there.
    if (name === 'linger') return;
    expect(origin).toBe('built-in');
    const shown = Array.isArray(value) ? `[${value.join(', ')}]` : String(value);
    expect(shown.toLowerCase()).toBe(text.toLowerCase());
  });
  test('there are many', () => expect(checkable.length).toBeGreaterThan(40));

  test('what is filled in further on has the defaults of the engines', () => {
    const cache = resolveCacheOptions({}, '');
    const { codes, timeoutMs } = resolveFallbackOptions({ method: '/a.B/D' }, '');
    expect(BUILT_IN).toMatchObject({
      'cache.maxEntries': cache.maxEntries,
      'cache.maxBytes': cache.maxBytes,
      'cache.singleFlight': cache.singleFlight,
      'cache.metadata': cache.metadata,
      'fallback.onStatus': [...codes].map(codeName),
      'fallback.timeout': `${timeoutMs / 1000}s`,
    });
  });

  test('each default is documented on a page that exists', () => {
    const pages = new Set([...rowsOf({}), ...rowsOf(FULL)].filter(({ origin }) => origin === 'built-in').map(({ where }) => where));
    expect(pages.size).toBeGreaterThan(10);
    expect([...pages].filter((page) => !existsSync(new URL(`../../../${page}`, import.meta.url)))).toEqual([]);
  });
});
