import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parsePolicy } from '../../../src/policy/parse.ts';
import { PolicyTable } from '../../../src/policy/resolve.ts';
import { importServiceConfig } from '../../../src/policy/service-config.ts';
import { policyFromServiceConfig } from '../../../src/policy/service-config-document.ts';

const PATHS = ['/a.B/C', '/a.B/D', '/a.X/C', '/a.Y/Z'];
const retryPolicy = { maxAttempts: 4, initialBackoff: '0.1s', maxBackoff: '1s', backoffMultiplier: 3, retryableStatusCodes: ['ABORTED'] };

/** An entry for some names that are in no other. */
const entry = fc.record(
  {
    timeout: fc.integer({ min: 1, max: 9 }).map((seconds) => `${seconds}s`),
    retryPolicy: fc.integer({ min: 2, max: 5 }).map((maxAttempts) => ({ ...retryPolicy, maxAttempts })),
  },
  { requiredKeys: [] },
);
const names = [{}, { service: 'a.B' }, { service: 'a.B', method: 'C' }, { service: 'a.X' }, { service: 'a.X', method: 'C' }];
const config = fc
  .tuple(
    ...names.map((name) =>
      fc.option(
        entry.map((own) => ({ name: [name], ...own })),
        { nil: undefined },
      ),
    ),
  )
  .map((entries) => ({ methodConfig: entries.filter((one) => one !== undefined) }));

describe('policyFromServiceConfig', () => {
  test('the document means for every method what the service config means', () => {
    fc.assert(
      fc.property(config, (json) => {
        const document = new PolicyTable(parsePolicy(policyFromServiceConfig(json).policy));
        const imported = new PolicyTable({}).withServiceConfig(importServiceConfig(json).policy);
        for (const path of PATHS) expect(document.method(path)).toEqual(imported.method(path));
      }),
      { numRuns: 300 },
    );
  });

  test('what an entry leaves open and a wider one says is written out', () => {
    const { policy, diagnostics } = policyFromServiceConfig({
      methodConfig: [
        { name: [{ service: 'a.B' }], timeout: '2s', retryPolicy },
        { name: [{ service: 'a.B', method: 'C' }] },
        { name: [{ service: 'a.X' }] },
      ],
    });
    const builtIn = { maxAttempts: 3, initialBackoff: '0.025s', maxBackoff: '0.25s', backoffMultiplier: 2 };
    expect(policy).toEqual({
      services: { 'a.B': { timeout: '2s', retryPolicy }, 'a.X': {} },
      methods: { 'a.B/C': { timeout: '0s', retryPolicy: { ...builtIn, retryableStatusCodes: ['UNAVAILABLE'] } } },
    });
    expect(diagnostics.map((line) => line.split(':')[0])).toEqual([
      'serviceConfig.methodConfig[0].timeout',
      'serviceConfig.methodConfig[0].retryPolicy',
    ]);
  });

  test('retryThrottling has its place in the document', () => {
    const throttle = { maxTokens: 10, tokenRatio: 0.1 };
    expect(policyFromServiceConfig(JSON.stringify({ retryThrottling: throttle }))).toEqual({
      policy: { retryBudget: { throttle } },
      diagnostics: [],
    });
    const wrong = policyFromServiceConfig({ retryThrottling: { maxTokens: 10 } });
    expect(wrong.policy).toEqual({});
    expect(wrong.diagnostics).toHaveLength(1);
  });

  test('what a document has no words for is told', () => {
    const { diagnostics } = policyFromServiceConfig({
      loadBalancingConfig: [{ round_robin: {} }],
      methodConfig: [{ name: [{ service: 'a.B' }], hedgingPolicy: { maxAttempts: 2 } }, { name: [{ service: 'a.B', method: 'C' }] }],
    });
    expect(diagnostics.slice(1)).toEqual([
      'serviceConfig.loadBalancingConfig: is no part of a policy; leave it in grpc.service_config of the client to keep it',
      "serviceConfig: a.B/C has no hedgingPolicy in gRPC, and inherits a wider one here: a policy can't say none",
    ]);
  });

  test.each([undefined, '{', []])('gives an empty policy for %j', (json) => {
    expect(policyFromServiceConfig(json).policy).toEqual({});
  });
});
