import { describe, expect, test } from 'vitest';
import { Code } from '../../../src/call.ts';
import { parsePolicy } from '../../../src/policy/parse.ts';
import type { Policy } from '../../../src/policy/policy.gen.ts';
import { type DeclaredPolicy, PolicyTable } from '../../../src/policy/resolve.ts';

const table = (policy: Policy, declared?: DeclaredPolicy): PolicyTable => new PolicyTable(parsePolicy(policy), declared);

describe('PolicyTable: defaults', () => {
  const empty = table({});

  test('a method nobody speaks of: no deadline, no limit, retries of unprocessed calls, no batches', () => {
    expect(empty.method('/a.B/C')).toEqual({
      idempotent: false,
      retry: {
        maxAttempts: 3,
        initialBackoffMs: 25,
        maxBackoffMs: 250,
        backoffMultiplier: 2,
        retryableCodes: new Set([Code.UNAVAILABLE]),
        chainStop: true,
      },
      coalesce: 'never',
    });
  });

  test('everything else', () => {
    expect(empty.retryBudget).toEqual({ ratio: 0.2, minPerSecond: 10, ttlMs: 10_000 });
    expect(empty.balance).toMatchObject({ policy: 'peak_ewma', explicit: false, decayMs: 10_000 });
    expect(empty.coalesce).toMatchObject({ maxItems: 128, maxBytes: 524_288, maxCarriers: 8, itemMetadata: [], flush: 'natural' });
    expect(empty.coalesce.lingerMs).toBeUndefined();
    expect(empty.deadline).toEqual({ propagate: true, hopMarginMs: 0 });
    expect(empty.telemetry).toMatchObject({ traces: true, metrics: true, attemptSpans: 'auto', names: 'semconv', grpcTraceBin: false });
    expect(empty.traits).toEqual({ priority: true, tenant: true });
    expect(empty.server).toEqual({
      methodBulkheads: new Map(),
      methodTimeoutsMs: new Map(),
      lateRejectFraction: 1,
      trustTraits: false,
      carriers: true,
      tunnels: true,
      maxItems: 1024,
    });
  });

  test('what the policy says, in milliseconds', () => {
    const full = table({
      retryBudget: { ratio: 0, minPerSecond: 0, ttl: '5s' },
      balance: { policy: 'peak_ewma', decay: '2.5s' },
      coalesce: { maxItems: 2, maxBytes: 1024, maxCarriers: 1, itemMetadata: ['x-a'], flush: 'window', linger: '0.0025s' },
      deadline: { propagate: false, hopMargin: '0.005s' },
      telemetry: { traces: false, metrics: false, attemptSpans: 'off', names: 'grpc', grpcTraceBin: true },
      server: {
        bulkhead: { slots: 9 },
        methodBulkheads: { 'a.B/C': { slots: 1, queue: 2, queueTimeout: '0.1s' } },
        defaultTimeout: '3s',
        methodTimeouts: { 'a.B/C': '1s', 'a.B/D': '0s' },
        lateRejectFraction: 0.5,
        trustTraits: true,
        carriers: false,
        maxItems: 1,
      },
      propagation: { tenant: false },
    });
    expect(full.retryBudget).toEqual({ ratio: 0, minPerSecond: 0, ttlMs: 5000 });
    expect(full.balance).toMatchObject({ policy: 'peak_ewma', explicit: true, decayMs: 2500 });
    expect(full.coalesce).toMatchObject({
      maxItems: 2,
      maxBytes: 1024,
      maxCarriers: 1,
      itemMetadata: ['x-a'],
      flush: 'window',
      lingerMs: 2.5,
    });
    expect(full.deadline).toEqual({ propagate: false, hopMarginMs: 5 });
    expect(full.telemetry).toMatchObject({ traces: false, metrics: false, attemptSpans: 'off', names: 'grpc', grpcTraceBin: true });
    expect(full.traits).toEqual({ priority: true, tenant: false });
    expect(full.server).toEqual({
      timeoutMs: 3000,
      methodTimeoutsMs: new Map([
        ['/a.B/C', 1000],
        ['/a.B/D', undefined],
      ]),
      lateRejectFraction: 0.5,
      trustTraits: true,
      bulkhead: { slots: 9, queue: 0 },
      methodBulkheads: new Map([['/a.B/C', { slots: 1, queue: 2, queueTimeoutMs: 100 }]]),
      carriers: false,
      tunnels: true,
      maxItems: 1,
    });
  });
});

describe('PolicyTable: precedence', () => {
  test('D3: a timeout of 0s takes a method out of what a wider policy says', () => {
    const opted = table({ defaults: { timeout: '1s', idleTimeout: '5s' }, methods: { 'a.B/C': { timeout: '0s' } } });
    expect(opted.method('/a.B/C').timeoutMs).toBeUndefined();
    expect(opted.method('/a.B/D').timeoutMs).toBe(1000);
    expect(opted.method('/a.B/D').idleTimeoutMs).toBe(5000);
  });

  const layers: Policy = {
    defaults: { timeout: '1s', idempotent: true, retryPolicy: { maxAttempts: 2, backoffMultiplier: 3 } },
    services: { 'a.B': { timeout: '2s', bulkhead: { slots: 7, queue: 3 }, retryPolicy: { maxAttempts: 4 } } },
    methods: { 'a.B/C': { idempotent: false, bulkhead: { slots: 1 }, retryPolicy: { maxBackoff: '0.01s' } } },
  };

  test('method over service over defaults over built-in, field by field', () => {
    expect(table(layers).method('/a.B/C')).toEqual({
      timeoutMs: 2000,
      idempotent: false,
      bulkhead: { slots: 1, queue: 0 },
      retry: {
        maxAttempts: 4,
        initialBackoffMs: 10,
        maxBackoffMs: 10,
        backoffMultiplier: 3,
        retryableCodes: new Set([Code.UNAVAILABLE]),
        chainStop: true,
      },
      coalesce: 'never',
    });
    expect(table(layers).method('/a.B/D')).toMatchObject({ timeoutMs: 2000, idempotent: true, bulkhead: { slots: 7, queue: 3 } });
    expect(table(layers).method('/a.X/C')).toMatchObject({ timeoutMs: 1000, idempotent: true, retry: { maxAttempts: 2 } });
  });

  test('what a .proto file declares stands between service and defaults', () => {
    const declared = table(layers, (path) => (path === '/a.B/D' ? [{ where: 'here', says: { timeout: '9s', idempotent: false } }] : []));
    expect(declared.method('/a.B/D')).toMatchObject({ timeoutMs: 2000, idempotent: false });
    expect(declared.method('/a.B/E')).toMatchObject({ timeoutMs: 2000, idempotent: true });
  });

  test('R39 more than five attempts count as five; codes come by name in either case, or number', () => {
    const { retry } = table({ defaults: { retryPolicy: { maxAttempts: 10, retryableStatusCodes: ['aborted', 'UNAVAILABLE', 4] } } }).method(
      '/a.B/C',
    );
    expect(retry.maxAttempts).toBe(5);
    expect(retry.retryableCodes).toEqual(new Set([Code.ABORTED, Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED]));
  });

  test('a first wait above the default longest wait lifts it', () => {
    expect(table({ defaults: { retryPolicy: { initialBackoff: '1s' } } }).method('/a.B/C').retry).toMatchObject({
      initialBackoffMs: 1000,
      maxBackoffMs: 1000,
    });
  });

  test.each<[string, Policy, 'auto' | 'never']>([
    ['mode auto', { coalesce: 'auto' }, 'auto'],
    ['mode never', { coalesce: 'never' }, 'never'],
    ['limits alone', { coalesce: { maxItems: 4 } }, 'never'],
    ['the method named', { coalesce: { methods: ['a.B/C'] } }, 'auto'],
    ['its service named', { coalesce: { methods: ['a.B'] } }, 'auto'],
    ['another method named', { coalesce: { methods: ['a.B/D'] } }, 'never'],
    ['auto with another method named', { coalesce: { mode: 'auto', methods: ['a.B/D'] } }, 'never'],
    ['never with the method named', { coalesce: { mode: 'never', methods: ['a.B/C'] } }, 'never'],
    ['the method against the mode', { coalesce: 'auto', methods: { 'a.B/C': { coalesce: 'never' } } }, 'never'],
    ['the method for itself', { methods: { 'a.B/C': { coalesce: 'auto' } } }, 'auto'],
    ['the service against the list', { coalesce: { methods: ['a.B/C'] }, services: { 'a.B': { coalesce: 'never' } } }, 'never'],
    ['the list against the defaults', { coalesce: { methods: ['a.B/C'] }, defaults: { coalesce: 'never' } }, 'auto'],
    ['the defaults against the mode', { coalesce: 'auto', defaults: { coalesce: 'never' } }, 'never'],
  ])('coalesce: %s', (_, policy, expected) => {
    expect(table(policy).method('/a.B/C').coalesce).toBe(expected);
  });

  test('takes a policy with its shorthands as well', () => {
    const raw = new PolicyTable({ coalesce: 'auto', balance: 'off' });
    expect([raw.method('/a.B/C').coalesce, raw.balance.policy]).toEqual(['auto', 'off']);
  });

  test('names of inherited methods are names like any other', () => {
    expect(table({ services: { 'a.B': { timeout: '1s' } } }).method('/toString/constructor').timeoutMs).toBeUndefined();
  });
});

describe('PolicyTable: cache', () => {
  test('gives the same object for the same path, and computes it once', () => {
    let asked = 0;
    const counted = table({}, () => {
      asked++;
      return [];
    });
    expect(counted.method('/a.B/C')).toBe(counted.method('/a.B/C'));
    expect(asked).toBe(1);
  });

  test('lets the oldest go after 10,000 paths', () => {
    let asked = 0;
    const counted = table({}, () => {
      asked++;
      return [];
    });
    for (let i = 0; i <= 10_000; i++) counted.method(`/a.B/C${i}`);
    counted.method('/a.B/C1');
    expect(asked).toBe(10_001);
    counted.method('/a.B/C0');
    expect(asked).toBe(10_002);
  });
});
