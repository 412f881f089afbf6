/** Policies of services that call each other: load and time over the whole chain. */
import { describe, expect, test } from 'vitest';
import { type LintSource, lintPolicies } from '../../src/lint/lint.ts';

/** web calls cart, cart calls stock, stock calls depot. */
const chain = (web: string, cart: string, stock: string): LintSource[] => [
  { file: 'web.yaml', text: `services: { shop.v1.Cart: {} }\n${web}` },
  { file: 'cart.yaml', text: `# inmesh-lint: serves shop.v1.Cart\nservices: { stock.v1.Stock: {} }\n${cart}` },
  { file: 'stock.yaml', text: `server: { methodTimeouts: { stock.v1.Stock/Get: 9s } }\nservices: { depot.v1.Depot: {} }\n${stock}` },
  { file: 'depot.yaml', text: '{} # inmesh-lint: serves depot.v1.Depot, depot.v1.Admin' },
];
const codes = (sources: readonly LintSource[]): string[] => lintPolicies(sources).map(({ code, file, line }) => `${code} ${file}:${line}`);

const TWICE = 'retryBudget: { ratio: 0.5 }';
const RETRIED = 'defaults: { retryPolicy: { chainStop: false, maxAttempts: 2 } } # inmesh-lint: allow IM132';

describe('inmesh lint of several policies', () => {
  test('IM134 tells where the load of a chain passes twice the usual, once', () => {
    const findings = lintPolicies(chain(TWICE, TWICE, TWICE)).filter(({ code }) => code === 'IM134');
    expect(findings).toMatchObject([{ file: 'stock.yaml', line: 3, severity: 'warning' }]);
    expect(findings[0]?.message).toBe(
      'web.yaml -> cart.yaml -> stock.yaml -> depot.v1.Depot: in an outage there 2.5 times the load (hop by hop 1.5, 1.5, 1.5)',
    );
  });

  test('retries that are retried multiply: two hops are enough', () => {
    expect(codes(chain(`${TWICE}\n${RETRIED}`, `${TWICE}\n${RETRIED}`, ''))).toEqual(['IM134 cart.yaml:3']);
  });

  test('defaults are no load to speak of, a hop alone is IM130, and a throttle pays for nothing', () => {
    expect(codes(chain('', '', ''))).toEqual([]);
    expect(codes(chain('retryBudget: { ratio: 3 }', '', ''))).toEqual(['IM130 web.yaml:2']);
    const throttle = 'retryBudget: { throttle: { maxTokens: 10, tokenRatio: 0.1 } }';
    expect(codes(chain(TWICE, throttle, TWICE))).toEqual([]);
  });

  test('services that call each other in a circle end', () => {
    const a = { file: 'a.yaml', text: `# inmesh-lint: serves a.A\nservices: { b.B: {} }\n${TWICE}` };
    const b = { file: 'b.yaml', text: `# inmesh-lint: serves b.B\nservices: { a.A: {} }\n${TWICE}` };
    expect(codes([a, b])).toEqual([]);
  });

  test('IM145 tells of time that callers do not give', () => {
    const findings = lintPolicies(chain('defaults: { timeout: 1s }', 'defaults: { timeout: 5s }', ''));
    expect(findings).toMatchObject([{ code: 'IM145', file: 'cart.yaml', line: 3, path: 'policy.defaults.timeout' }]);
    expect(findings[0]?.message).toBe('calls of stock.v1.Stock may take 5s, and web.yaml waits 1s for shop.v1.Cart: it never gets them');
  });

  test('times in order, or none, are right', () => {
    expect(codes(chain('defaults: { timeout: 5s }', 'defaults: { timeout: 5s }', 'defaults: { timeout: 1s }'))).toEqual([]);
    expect(codes(chain('', 'defaults: { timeout: 5s }', 'defaults: { timeout: 1s }'))).toEqual([]);
  });

  test('a comment allows it', () => {
    const allowed = 'defaults: { timeout: 5s } # inmesh-lint: allow IM145';
    expect(codes(chain('defaults: { timeout: 1s }', allowed, ''))).toEqual([]);
  });

  test('a policy that is none is told, and the others are linted', () => {
    const [web = { file: '', text: '' }, ...others] = chain(TWICE, TWICE, TWICE);
    expect(codes([{ ...web, text: 'a: [' }, ...others])).toEqual(['IM100 web.yaml:1']);
  });
});
