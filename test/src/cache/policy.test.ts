import { describe, expect, test } from 'vitest';
import { cachePlans } from '../../../src/cache/policy.ts';
import { createMesh } from '../../../src/mesh.ts';
import { parsePolicy } from '../../../src/policy/parse.ts';

describe('cachePlans', () => {
  test('rules by path, in milliseconds', () => {
    const policy = parsePolicy({ methods: { 'a.B/C': { cache: { ttl: '1.5s', staleIfError: '60s', maxEntries: 5 } }, 'a.B/D': {} } });
    const plans = cachePlans(policy, () => true);
    expect([...plans.keys()]).toEqual(['/a.B/C']);
    expect(plans.get('/a.B/C')).toMatchObject({ ttlMs: 1500, staleIfErrorMs: 60_000, maxEntries: 5, singleFlight: true });
  });

  test('a method that is not marked is refused at load, with the line to write', () => {
    expect(() => createMesh({ methods: { 'a.B/C': { cache: { ttl: '1s' } } } })).toThrow(
      'policy.methods["a.B/C"].cache: nothing says that a.B/C only reads; if so, say it: methods: { "a.B/C": { idempotent: true, cache: ... } }',
    );
  });

  test.for([{ defaults: { idempotent: true, cache: {} } }, { services: { 'a.B': { idempotent: true, cache: {} } } }])(
    'a cache of many methods at once is refused: %j',
    (policy) => {
      expect(() => createMesh(policy)).toThrow('it belongs under methods["pkg.Service/Method"]');
    },
  );

  test('one that does nothing is refused', () => {
    expect(() => createMesh({ methods: { 'a.B/C': { idempotent: true, cache: { singleFlight: false } } } })).toThrow(
      'policy.methods["a.B/C"].cache: keeps no answer and joins no calls',
    );
  });

  test('metadata that belongs to gRPC is refused', () => {
    expect(() => createMesh({ methods: { 'a.B/C': { idempotent: true, cache: { metadata: ['grpc-timeout'] } } } })).toThrow('reserved');
  });
});
