/**
 * What `inmesh lint` finds: for each code a document that has it and one, hardly different, that has not. O6.
 */
import { fileURLToPath } from 'node:url';
import { loadSync } from '@grpc/proto-loader';
import { describe, expect, test } from 'vitest';
import { readDescriptors } from '../../src/batch/native/sources.ts';
import { type Finding, LINT_CODES, type LintCode } from '../../src/lint/codes.ts';
import { lintPolicy } from '../../src/lint/lint.ts';

const catalog = readDescriptors(loadSync(fileURLToPath(new URL('../cli/files/protos/shop.proto', import.meta.url)), { keepCase: true }));

const lint = (text: string, described = true): Finding[] => lintPolicy(text, { file: 'p.yaml', ...(described ? { catalog } : {}) });
const codes = (text: string, described = true): LintCode[] => lint(text, described).map(({ code }) => code);

/** A batch rule that fits the service, but for what is said otherwise. */
const batch = (more: string, via = 'BatchGetItems'): string =>
  `methods: { shop.v1.Cart/GetItem: { batch: { via: ${via}, lift: { from: id, to: ids }, result: { items: items, match: key, key: id }${more} } } }`;

interface Case {
  readonly code: LintCode;
  readonly bad: string;
  /** What stands at the place that is told. */
  readonly at: string;
  readonly good: string;
  /** Without .proto files. */
  readonly alone?: boolean;
}

/** Settings that do nothing, each with what gives them something to do. */
const IDLE = (
  [
    ['defaults: { breaker: { window: 5s } }', 'window', 'defaults: { breaker: { window: 5s, failureRatio: 0.5 } }'],
    ['defaults: { breaker: { minimumCalls: 5 } }', 'minimumCalls', 'defaults: { breaker: { minimumCalls: 5, failureRatio: 0.5 } }'],
    [
      'defaults: { bulkhead: { slots: 1, queueTimeout: 1s } }',
      'queueTimeout',
      'defaults: { bulkhead: { slots: 1, queue: 1, queueTimeout: 1s } }',
    ],
    ['defaults: { limit: { queue: 0, queueTimeout: 1s } }', 'queueTimeout', 'defaults: { limit: { queue: 1, queueTimeout: 1s } }'],
    [
      'defaults: { retryPolicy: { maxAttempts: 1, maxBackoff: 1s } }',
      'maxBackoff',
      'defaults: { retryPolicy: { maxAttempts: 2, maxBackoff: 1s } }',
    ],
    [
      'methods: { shop.v1.Cart/GetItem: { hedgingPolicy: { hedgingDelay: 1s, percentile: 0.9 } } }',
      'percentile',
      'methods: { shop.v1.Cart/GetItem: { hedgingPolicy: { percentile: 0.9 } } }',
    ],
    ['coalesce: { linger: 0.01s }', 'linger', 'coalesce: { linger: 0.01s, flush: window }'],
    ['coalesce: { flush: tick, maxCarriers: 2 }', 'maxCarriers', 'coalesce: { maxCarriers: 2 }'],
    ['balance: { policy: off, decay: 5s }', 'decay', 'balance: { decay: 5s }'],
    ['{ balance: off, outlierDetection: {} }', 'outlierDetection', 'outlierDetection: {}'],
    ['telemetry: { accessLogPerSecond: 5 }', 'accessLogPerSecond', 'telemetry: { accessLogPerSecond: 5, accessLog: all }'],
    ['server: { carriers: false, tunnels: false, maxItems: 5 }', 'maxItems', 'server: { carriers: false, maxItems: 5 }'],
    [
      'server: { faults: [{ abort: ABORTED, percent: 1, maxActive: 5 }] }',
      'maxActive',
      'server: { faults: [{ delay: 1s, maxActive: 5 }] }',
    ],
  ] as const
).map(([bad, at, good]) => ({ code: 'IM170', bad, at, good }) as const);

/** They need several policies: chains.test.ts. */
const OF_SEVERAL: ReadonlySet<string> = new Set(['IM134', 'IM145']);

const CASES: readonly Case[] = [
  { code: 'IM100', bad: 'a: [', at: '', good: '{}' },
  { code: 'IM101', bad: 'defaults: { timeot: 1s }', at: 'timeot', good: 'defaults: { timeout: 1s }' },
  {
    code: 'IM102',
    bad: 'methods: { shop.v1.Cart/GetItem: { fallback: { method: shop.v1.Cart/GetItem } } }',
    at: 'method: shop',
    good: 'methods: { shop.v1.Cart/GetItem: { fallback: { method: shop.v1.Cart/PlaceOrder } } }',
  },
  {
    code: 'IM102',
    bad: 'defaults: { fallback: { onStatus: [UNAVAILABLE] } }',
    at: 'fallback',
    good: 'methods: { shop.v1.Cart/GetItem: { fallback: { onStatus: [UNAVAILABLE] } } }',
  },
  { code: 'IM110', bad: 'services: { shop.v2.Cart: { timeout: 1s } }', at: 'shop.v2', good: 'services: { shop.v1.Cart: { timeout: 1s } }' },
  {
    code: 'IM110',
    bad: 'server: { methodTimeouts: { shop.Cart/GetItem: 1s } }',
    at: 'shop.Cart',
    good: 'server: { methodTimeouts: { grpc.health.v1.Health/Check: 1s } }',
  },
  {
    code: 'IM111',
    bad: 'methods: { shop.v1.Cart/GetItm: { timeout: 1s } }',
    at: 'shop.v1',
    good: 'methods: { shop.v1.Cart/GetItem: { timeout: 1s } }',
  },
  {
    code: 'IM111',
    bad: 'coalesce: { methods: [shop.v1.Cart/Nothing] }',
    at: 'shop.v1',
    good: 'coalesce: { methods: [shop.v1.Cart/PlaceOrder, shop.v1.Cart] }',
  },
  {
    code: 'IM112',
    bad: 'methods: { shop.v1.Cart/WatchItems: { coalesce: auto } }',
    at: 'coalesce',
    good: 'methods: { shop.v1.Cart/WatchItems: { coalesce: never } }',
  },
  {
    code: 'IM120',
    bad: 'methods: { shop.v1.Cart/PlaceOrder: { retryPolicy: { retryableStatusCodes: [UNAVAILABLE, ABORTED] } } }',
    at: 'retryableStatusCodes',
    good: 'methods: { shop.v1.Cart/GetItem: { retryPolicy: { retryableStatusCodes: [UNAVAILABLE, ABORTED] } } }',
  },
  {
    code: 'IM120',
    bad: 'defaults: { retryPolicy: { perTryTimeout: 1s } }',
    at: 'perTryTimeout',
    good: '{ defaults: { retryPolicy: { perTryTimeout: 1s } }, methods: { a.B/C: { idempotent: true } } }',
    alone: true,
  },
  {
    code: 'IM121',
    bad: 'methods: { shop.v1.Cart/PlaceOrder: { hedgingPolicy: { maxAttempts: 2 } } }',
    at: 'hedgingPolicy',
    good: 'methods: { shop.v1.Cart/GetItem: { hedgingPolicy: { maxAttempts: 2 } } }',
  },
  {
    code: 'IM122',
    bad: 'methods: { shop.v1.Cart/PlaceOrder: { cache: { ttl: 1s } } }',
    at: 'cache',
    good: 'methods: { shop.v1.Cart/GetItem: { cache: { ttl: 1s } } }',
  },
  {
    code: 'IM130',
    bad: '{ defaults: { retryPolicy: { maxAttempts: 4 } }, retryBudget: { ratio: 2 } }',
    at: 'retryPolicy',
    good: '{ defaults: { retryPolicy: { maxAttempts: 2 } }, retryBudget: { ratio: 2 } }',
  },
  { code: 'IM130', bad: 'retryBudget: { ratio: 2 }', at: 'ratio', good: 'retryBudget: { ratio: 1 }' },
  {
    code: 'IM131',
    bad: '{ defaults: { retryPolicy: { maxAttempts: 4 } }, retryBudget: { ratio: 0, minPerSecond: 0 } }',
    at: 'retryPolicy',
    good: '{ defaults: { retryPolicy: { maxAttempts: 4 } }, retryBudget: { ratio: 0, minPerSecond: 1 } }',
  },
  {
    code: 'IM132',
    bad: 'defaults: { retryPolicy: { chainStop: false } }',
    at: 'chainStop',
    good: 'defaults: { retryPolicy: { chainStop: false, maxAttempts: 1 } }',
  },
  {
    code: 'IM133',
    bad: 'methods: { shop.v1.Cart/GetItem: { hedgingPolicy: { hedgingDelay: 0s } } }',
    at: 'hedgingDelay',
    good: 'methods: { shop.v1.Cart/GetItem: { hedgingPolicy: { hedgingDelay: 0.01s } } }',
  },
  {
    code: 'IM140',
    bad: '{ defaults: { timeout: 1s }, methods: { shop.v1.Cart/GetItem: { retryPolicy: { perTryTimeout: 1s } } } }',
    at: 'perTryTimeout',
    good: '{ defaults: { timeout: 1s }, methods: { shop.v1.Cart/GetItem: { retryPolicy: { perTryTimeout: 0.9s } } } }',
  },
  {
    code: 'IM140',
    bad: '{ defaults: { retryPolicy: { perTryTimeout: 2s } }, methods: { shop.v1.Cart/GetItem: { timeout: 1s } } }',
    at: 'timeout: 1s',
    good: '{ defaults: { retryPolicy: { perTryTimeout: 2s } }, methods: { shop.v1.Cart/GetItem: { timeout: 3s } } }',
  },
  {
    code: 'IM141',
    bad: 'methods: { shop.v1.Cart/GetItem: { timeout: 1s, hedgingPolicy: { hedgingDelay: 1s } } }',
    at: 'hedgingDelay',
    good: 'methods: { shop.v1.Cart/GetItem: { timeout: 1s, hedgingPolicy: { hedgingDelay: 0.1s } } }',
  },
  {
    code: 'IM142',
    bad: 'defaults: { timeout: 1s, bulkhead: { slots: 1, queueTimeout: 1s } }',
    at: 'queueTimeout',
    good: 'defaults: { timeout: 1s, bulkhead: { slots: 1, queueTimeout: 0.5s } }',
  },
  {
    code: 'IM142',
    bad: 'defaults: { timeout: 1s, limit: { queue: 1, queueTimeout: 1s } }',
    at: 'queueTimeout',
    good: 'defaults: { timeout: 1s, limit: { queue: 1, queueTimeout: 0.5s } }',
  },
  {
    code: 'IM143',
    bad: 'defaults: { timeout: 1s, retryPolicy: { initialBackoff: 2s } }',
    at: 'initialBackoff',
    good: 'defaults: { timeout: 2s, retryPolicy: { initialBackoff: 0.5s } }',
  },
  {
    code: 'IM144',
    bad: '{ defaults: { timeout: 1s }, deadline: { hopMargin: 1s } }',
    at: 'timeout',
    good: '{ defaults: { timeout: 1s }, deadline: { hopMargin: 0.1s } }',
  },
  {
    code: 'IM160',
    bad: 'faults: [{ abort: UNAVAILABLE }]',
    at: '\\{ abort',
    good: 'faults: [{ abort: UNAVAILABLE, percent: 1 }, { delay: 1s }, { abort: ABORTED, match: { methods: [shop.v1.Cart] } }]',
  },
  {
    code: 'IM111',
    bad: 'mirrors: [{ cluster: x, match: { methods: [shop.v1.Cart/Get] } }]\nclusters: { x: { target: "dns:///x:1" } }',
    at: 'shop.v1',
    good: 'mirrors: [{ cluster: x, match: { methods: [shop.v1.Cart/GetItem] } }]\nclusters: { x: { target: "dns:///x:1" } }',
  },
  {
    code: 'IM146',
    bad: 'outlierDetection: { baseEjectionTime: 10s, maxEjectionTime: 5s }',
    at: 'maxEjectionTime',
    good: 'outlierDetection: { baseEjectionTime: 10s, maxEjectionTime: 10s }',
  },
  {
    code: 'IM161',
    bad: '{ clusters: { x: { target: "dns:///x:1" } }, routes: [{ match: { methods: [shop.v1.Cart/GetItem] }, split: [{ cluster: x, weight: 1 }], key: { field: idd } }] }',
    at: 'field: idd',
    good: '{ clusters: { x: { target: "dns:///x:1" } }, routes: [{ match: { methods: [shop.v1.Cart/GetItem] }, split: [{ cluster: x, weight: 1 }], key: { field: id } }] }',
  },
  {
    code: 'IM161',
    bad: '{ clusters: { x: { target: "dns:///x:1" } }, routes: [{ cluster: x, match: { methods: [shop.v1.Cart/GetItem], fields: [{ field: name, exact: a }] } }] }',
    at: 'field: name',
    good: '{ clusters: { x: { target: "dns:///x:1" } }, routes: [{ cluster: x, match: { methods: [shop.v1.Cart/GetItem], fields: [{ field: id, exact: a }] } }] }',
  },
  {
    code: 'IM162',
    bad: '{ clusters: { x: { target: "dns:///x:1" } }, routes: [{ match: { headers: [] } }, { match: { methods: [shop.v1.Cart] }, cluster: x }] }',
    at: '\\{ match: \\{ methods',
    good: '{ clusters: { x: { target: "dns:///x:1" } }, routes: [{ match: { methods: [shop.v1.Cart] }, cluster: x }, {}] }',
  },
  {
    code: 'IM163',
    bad: 'clusters: { x: { target: "dns:///x:1" } }',
    at: 'x:',
    good: '{ clusters: { x: { target: "dns:///x:1" } }, mirrors: [{ cluster: x }] }',
  },
  ...IDLE,
  { code: 'IM150', bad: batch('', 'BatchGetThings'), at: 'via', good: batch('') },
  { code: 'IM151', bad: batch(''), at: 'batch', good: '{}', alone: true },
  { code: 'IM152', bad: batch(', onBatchError: fail_all'), at: 'onBatchError', good: batch(', onBatchError: bisect') },
];

describe('inmesh lint', () => {
  test.each(CASES)('$code is found in $bad', ({ code, bad, at, alone = false }) => {
    const found = lint(bad, !alone).filter((finding) => finding.code === code);
    expect(found).toHaveLength(1);
    const [{ line, column, severity, file } = { line: 0, column: 0, severity: 'info', file: '' }] = found;
    expect({ line, severity, file }).toEqual({ line: 1, severity: LINT_CODES[code].severity, file: 'p.yaml' });
    if (at !== '') expect(bad.slice(column - 1)).toMatch(new RegExp(`^"?${at}`));
  });

  test.each(CASES)('$code is not found in $good', ({ code, good, alone = false }) => {
    expect(codes(good, !alone)).not.toContain(code);
    expect(codes(good, !alone)).not.toContain('IM101');
  });

  test('has a case for every code', () => {
    expect(Object.keys(LINT_CODES).filter((code) => !OF_SEVERAL.has(code) && !CASES.some((one) => one.code === code))).toEqual([]);
  });

  test.each([
    ['methods: { shop.v1.Cart/getitem: { timeout: 1s } }', 'did you mean "shop.v1.Cart/GetItem"?'],
    ['methods: { shop.v2.Cart/GetItm: { timeout: 1s } }', 'did you mean "shop.v1.Cart/GetItem"?'],
    ['services: { Cart: { timeout: 1s } }', 'did you mean "shop.v1.Cart"?'],
    ['defaults: { timeout: 5 }', 'did you mean "5s"?'],
  ])('knows what was meant by %s', (text, fix) => {
    expect(lint(text).map((finding) => finding.fix)).toEqual([fix]);
  });

  test('cuts no value in two that it repeats', () => {
    expect(lint('defaults: { timeout: "a; b" }')[0]?.message).toMatch(/got "a; b"$/);
  });

  test('says nothing of names without .proto files', () => {
    expect(codes('methods: { any.Where/Thing: { timeout: 1s } }', false)).toEqual([]);
  });

  test.each([
    ['retryBudget: { ratio: 9 } # inmesh-lint: allow IM130', []],
    ['# inmesh-lint: allow IM110, IM130\nretryBudget: { ratio: 9 }', []],
    ['retryBudget: { ratio: 9 } # inmesh-lint: allow IM131', ['IM130']],
    ['coalesce: never # inmesh-lint: allow IM130\nretryBudget: { ratio: 9 }', ['IM130']],
    ['# inmesh-lint: allow IM130\n\nretryBudget: { ratio: 9 }', ['IM130']],
  ])('passes over what a comment allows: %j', (text, found) => {
    expect(codes(text)).toEqual(found);
  });

  test('tells findings in the order of the lines, each once', () => {
    const text = [
      'retryBudget: { ratio: 9 }',
      'services: { shop.v2.Cart: {} }',
      'methods: { shop.v1.Cart/X: {}, shop.v1.Cart/Y: {} }',
    ].join('\n');
    expect(lint(text).map(({ code, line }) => `${code}:${line}`)).toEqual(['IM130:1', 'IM110:2', 'IM111:3', 'IM111:3']);
  });

  test.each(['', '# nothing', 'a: &a [*a]', '- 1', '"x"', 'null', '\u0000', 'x: *y', `a: ${'['.repeat(500)}`])(
    'takes any text: %j',
    (text) => {
      expect(lint(text).length).toBeGreaterThan(0);
    },
  );
});
