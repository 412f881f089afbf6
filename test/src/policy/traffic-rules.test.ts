import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../../src/errors.ts';
import { createMesh } from '../../../src/mesh.ts';
import { checkPolicy, parsePolicy } from '../../../src/policy/parse.ts';

const clusters = { canary: { target: 'canary:1' }, shadow: { target: 'shadow:1' } };

describe('traffic in a policy', () => {
  test('a whole document is taken as it is, and parsing it again gives the same', () => {
    const policy = {
      clusters,
      routes: [
        { match: { methods: ['a.B/C', 'a.D'], headers: [{ name: 'x-user', regex: 'qa-.*', invert: true }] }, cluster: 'canary' },
        { split: [{ weight: 90 }, { cluster: 'canary', weight: 10 }], key: { header: 'x-user' } },
      ],
      mirrors: [{ cluster: 'shadow', percent: 0.5, maxInFlight: 8, timeout: '0.5s', compare: true, ignoreFields: ['etag'] }],
      faults: [{ match: { headers: [{ name: 'x-test' }] }, percent: 10, delay: '0.1s', abort: 'UNAVAILABLE', maxActive: 5 }],
      server: { faults: [{ abort: 'INTERNAL' }] },
    };
    const parsed = parsePolicy(policy);
    expect(parsed).toEqual(policy);
    expect(parsePolicy(parsed)).toEqual(parsed);
  });

  test('all faults at once, each with its place, its rule and the nearest name', () => {
    const { problems = [] } = checkPolicy({
      clusters,
      routes: [{ cluster: 'canray' }, { split: [{ weight: 0 }] }, { match: { headers: [{ name: 'x', regex: '(' }] } }],
      mirrors: [{ cluster: 'shaddow' }, { cluster: 'shadow', ignoreFields: ['a'] }],
      faults: [{ percent: 5 }, { match: { fields: [{ field: 'a' }] }, abort: 'ABORTED' }],
      server: { faults: [{}] },
    });
    expect(problems.map(({ keys, problem }) => `${keys.join('.')}: ${problem}`)).toEqual([
      'routes.0.cluster: no such cluster: "canray"; did you mean "canary"?',
      'routes.1.split: expected a weight above 0, got none',
      expect.stringContaining('routes.2.match.headers.0.regex: expected an expression of RE2'),
      'mirrors.0.cluster: no such cluster: "shaddow"; did you mean "shadow"?',
      'mirrors.1.ignoreFields: expected only with compare, which it belongs to',
      'faults.0: expected a delay or an abort, got neither',
      'faults.1.match.fields: unknown option; known are methods, headers',
      'server.faults.0: expected a delay or an abort, got neither',
    ]);
  });

  test.for([
    [{ faults: [{ abort: 'UNAVAILABEL' }] }, /policy\.faults\[0\]\.abort: .*did you mean "UNAVAILABLE"/],
    [{ faults: [{ delay: 5 }] }, /policy\.faults\[0\]\.delay: .*did you mean "5s"/],
    [{ faults: [{ abort: 'INTERNAL', percent: 120 }] }, /policy\.faults\[0\]\.percent: expected a number from 0 to 100, got 120/],
    [{ clusters: { a: {} } }, /policy\.clusters\.a\.target: required/],
    [{ routes: [{ split: [{}] }] }, /policy\.routes\[0\]\.split\[0\]\.weight: required/],
    [{ routes: { cluster: 'a' } }, /policy\.routes: expected a list, got an object/],
    [{ routes: [{ clutser: 'a' }] }, /policy\.routes\[0\]: unknown key "clutser"; did you mean "cluster"\?/],
    [{ mirrors: [{}] }, /policy\.mirrors\[0\]\.cluster: required/],
  ] as const)('%j is refused', ([policy, why]) => {
    expect(() => parsePolicy(policy)).toThrow(why);
    expect(() => parsePolicy(policy)).toThrow(ConfigError);
  });

  test('what createMesh is given for clusters must be theirs', () => {
    expect(() => createMesh({ clusters }, { clusters: { canray: {} } })).toThrow(
      'clusters.canray: policy.clusters has no such cluster; did you mean "canary"?',
    );
    expect(() => createMesh({ clusters }, { clusters: { canary: { credentials: 'tls' as never } } })).toThrow(
      'clusters.canary.credentials: expected channel credentials',
    );
  });

  test('a field without descriptors is an error at the start, with its place', () => {
    const routes = [{ match: { methods: ['a.B/C'], fields: [{ field: 'region', exact: 'eu' }] }, cluster: 'canary' }];
    expect(() => createMesh({ clusters, routes })).toThrow('policy.routes[0].match.fields[0].field: expected descriptors');
  });
});
