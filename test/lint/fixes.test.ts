/** `inmesh lint --fix`: one word for another, where it is told which, and nothing else. */
import { fileURLToPath } from 'node:url';
import { loadSync } from '@grpc/proto-loader';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readDescriptors } from '../../src/batch/native/sources.ts';
import { mend } from '../../src/lint/fixes.ts';
import { lintPolicy } from '../../src/lint/lint.ts';

const catalog = readDescriptors(loadSync(fileURLToPath(new URL('../cli/files/protos/shop.proto', import.meta.url)), { keepCase: true }));
const mended = (text: string): string => mend(text, lintPolicy(text, { file: 'p.yaml', catalog })).text;

describe('what lint mends', () => {
  test.each([
    ['defaults: { timeot: 1s }', 'defaults: { timeout: 1s }'],
    ['defaults: { timeout: 500 } # ms', 'defaults: { timeout: "0.5s" } # ms'],
    ['{"defaults": {"timeout": 500}}', '{"defaults": {"timeout": "0.5s"}}'],
    ["defaults: { timeout: '5m' }", 'defaults: { timeout: "300s" }'],
    ['{"defaults": {"retry_policy": {"max_attempts": "3"}}}', '{"defaults": {"retryPolicy": {"max_attempts": "3"}}}'],
    ['defaults: { retryPolicy: { max_attempts: 3, maxBackoff: 1 } }', 'defaults: { retryPolicy: { maxAttempts: 3, maxBackoff: "1s" } }'],
    ['telemetry:\n  traces: yes # please\n', 'telemetry:\n  traces: true # please\n'],
    ['balance: peakEwma', 'balance: peak_ewma'],
    ['services: { shop.v2.Cart: { timeout: 1s } }', 'services: { shop.v1.Cart: { timeout: 1s } }'],
    ['methods: { "shop.v1.Cart/getitem": {} }', 'methods: { "shop.v1.Cart/GetItem": {} }'],
    ['server: { methodTimeouts: { shop.v1.Cart/GetItm: 1s } }', 'server: { methodTimeouts: { shop.v1.Cart/GetItem: 1s } }'],
    ['server: { methodTimeouts: { /shop.v1.Cart/GetItem: 1s } }', 'server: { methodTimeouts: { shop.v1.Cart/GetItem: 1s } }'],
    [
      'coalesce: { methods: [shop.v1.Cart/GetItm, /shop.v1.Cart/GetItem] }',
      'coalesce: { methods: [shop.v1.Cart/GetItm, shop.v1.Cart/GetItem] }',
    ],
    [
      'methods: { shop.v1.Cart/GetItem: { fallback: { method: shop.v1.Cart/PlaceOrdr } } }',
      'methods: { shop.v1.Cart/GetItem: { fallback: { method: shop.v1.Cart/PlaceOrder } } }',
    ],
  ])('%j', (text, better) => {
    expect(mended(text)).toBe(better);
  });

  test.each([
    ['a key that belongs one level deeper', 'defaults: { maxAttempts: 2 }'],
    ['a key whose right name is there too', 'defaults: { timeout: 1s, timeot: 2s }'],
    ['a method whose right name is there too', 'methods: { shop.v1.Cart/GetItem: {}, shop.v1.Cart/GetItm: {} }'],
    ['what has no near name', 'defaults: { foo: 1 }'],
    ['what is no YAML', 'a: ['],
    ['what is right', 'defaults: { timeout: 1s }'],
    ['what was allowed', 'services: { shop.v2.Cart: {} } # inmesh-lint: allow IM110'],
  ])('leaves %s', (_, text) => {
    expect(mended(text)).toBe(text);
  });

  test('never adds a finding that was not there', () => {
    const word = fc.constantFrom(
      'defaults',
      'defualts',
      'timeout',
      'timeot',
      '500',
      '"5"',
      '1s',
      'coalesce',
      'auto',
      'aut',
      'services',
      'shop.v2.Cart',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(word, fc.constantFrom(': ', '{', '}', '[', ']', ', ', '\n', '  '))), (parts) => {
        const text = parts.join('');
        const before = lintPolicy(text, { file: 'p', catalog }).filter(({ code }) => code === 'IM100');
        const after = lintPolicy(mended(text), { file: 'p', catalog }).filter(({ code }) => code === 'IM100');
        expect(after.length).toBe(before.length);
      }),
      { numRuns: 300, seed: 3 },
    );
  });
});
