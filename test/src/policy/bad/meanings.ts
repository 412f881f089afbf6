/** Documents whose parts are right one by one and not together, or that speak of what is not there. */

const CLUSTERS = { one: { target: 'one:1' }, two: { target: 'two:2' } };

/** A document, and the whole message of createMesh. */
export const MEANINGS: readonly (readonly [document: unknown, message: string])[] = [
  [
    { defaults: { breaker: { openTime: '5s', maxOpenTime: '1s' } } },
    'policy.defaults.breaker.maxOpenTime: expected at least openTime ("5s"), got "1s"',
  ],
  [
    { clusters: { a: { target: 'https://user:pw@api:443/x' } } },
    'policy.clusters.a.target: expected a target such as "dns:///host:443" or "host:443", got "https://api:443/x"; did you mean "dns:///api:443"?',
  ],
  [
    { clusters: { a: { target: 'api :443' } } },
    'policy.clusters.a.target: expected a target such as "dns:///host:443" or "host:443", got "api :443"; did you mean "api:443"?',
  ],
  [
    { defaults: { bulkhead: { slots: 10, partitions: { a: 0.6, b: 0.6 }, by: 'tenant' } } },
    'policy.defaults.bulkhead.partitions: expected shares of at most 1 in all, got 1.2',
  ],
  [
    { defaults: { bulkhead: { slots: 10, partitions: { a: 0.6 } } } },
    'policy.defaults.bulkhead.by: is missing; expected "tenant", "priority" or "method", for there are partitions',
  ],
  [
    { defaults: { bulkhead: { slots: 10, by: 'method' } } },
    'policy.defaults.bulkhead.partitions: is missing; expected shares, for by is "method"',
  ],
  [{ defaults: { limit: { min: 50, max: 10 } } }, 'policy.defaults.limit.max: expected a whole number >= 50 and <= 100000, got 10'],
  [{ defaults: { limit: { initial: 500 } } }, 'policy.defaults.limit.initial: expected a whole number >= 1 and <= 200, got 500'],
  [{ defaults: { limit: { by: 'tenant' } } }, 'policy.defaults.limit.partitions: is missing; expected shares, for by is "tenant"'],
  [
    { defaults: { limit: { partitions: { a: 0.5 } } } },
    'policy.defaults.limit.by: is missing; expected "tenant", "priority" or "method", for there are partitions',
  ],
  [
    { server: { bulkhead: { slots: 10, by: 'tenant' } } },
    'policy.server.bulkhead.by: expected server.trustTraits: true beside "tenant", for else every call is for nobody',
  ],
  [
    { server: { limit: { by: 'priority', partitions: { critical: 0.5 } } } },
    'policy.server.limit.by: expected server.trustTraits: true beside "priority", for else every call is for nobody',
  ],
  [
    { server: { bulkhead: { slots: 10, by: 'method', partitions: { '/a.B/C': 0.5 } } } },
    'policy.server.bulkhead.partitions["/a.B/C"]: expected a method such as "pkg.Service/Method", got "/a.B/C"; did you mean "a.B/C"?',
  ],
  [
    { defaults: { idempotent: true, hedgingPolicy: {}, retryPolicy: {} } },
    'policy.defaults.hedgingPolicy: expected no retryPolicy beside it: gRPC A6 allows one of them, and hedging sends failed calls again too',
  ],
  [
    { defaults: { hedgingPolicy: {} } },
    'policy.defaults.hedgingPolicy: expected only for methods that are marked, for a hedged call may run more than once. If that does no harm, say it: defaults: { idempotent: true }',
  ],
  [
    { services: { 'a.B': { hedgingPolicy: {} } } },
    'policy.services["a.B"].hedgingPolicy: expected only for methods that are marked, for a hedged call may run more than once. If that does no harm, say it: services: { "a.B": { idempotent: true } }',
  ],
  [
    { methods: { 'a.B/C': { hedgingPolicy: { maxAttempts: 2 } } } },
    'policy.methods["a.B/C"].hedgingPolicy: expected only for methods that are marked, for a hedged call may run more than once. If that does no harm, say it: methods: { "a.B/C": { idempotent: true } }',
  ],
  [
    { methods: { 'a.B/C': { cache: { ttl: '1s' } } } },
    'policy.methods["a.B/C"].cache: nothing says that a.B/C only reads; if so, say it: methods: { "a.B/C": { idempotent: true, cache: ... } }',
  ],
  [
    { defaults: { cache: { ttl: '1s' } } },
    `policy.defaults.cache: a cache is one method's, one that only reads: it belongs under methods["pkg.Service/Method"]`,
  ],
  [
    { services: { 'a.B': { cache: { ttl: '1s' } } } },
    `policy.services["a.B"].cache: a cache is one method's, one that only reads: it belongs under methods["pkg.Service/Method"]`,
  ],
  [
    { methods: { 'a.B/C': { idempotent: true, cache: { singleFlight: false } } } },
    'policy.methods["a.B/C"].cache: keeps no answer and joins no calls: set ttl, staleIfError or singleFlight',
  ],
  [
    { methods: { 'a.B/C': { idempotent: true, cache: { metadata: ['X-A'] } } } },
    'policy.methods["a.B/C"].cache.metadata[0]: expected a metadata key such as "accept-language", got "X-A"; did you mean "x-a"?',
  ],
  [
    { methods: { 'a.B/C': { fallback: {} } } },
    'policy.methods["a.B/C"].fallback: names no method, and createMesh was given no function: createMesh(policy, { fallbacks: { "a.B/C": (failure, request) => ... } })',
  ],
  [
    { methods: { 'a.B/C': { fallback: { method: 'a.B/C' } } } },
    'policy.methods["a.B/C"].fallback.method: a.B/C cannot stand in for itself',
  ],
  [
    { defaults: { fallback: { method: 'a.B/C' } } },
    `policy.defaults.fallback: a fallback is one method's, with answers of its type: it belongs under methods["pkg.Service/Method"]`,
  ],
  [
    { services: { 'a.B': { fallback: { method: 'a.B/C' } } } },
    `policy.services["a.B"].fallback: a fallback is one method's, with answers of its type: it belongs under methods["pkg.Service/Method"]`,
  ],
  [
    { defaults: { batch: { via: 'B', result: {} } } },
    `policy.defaults.batch: a batch rule is one method's: it belongs under methods["pkg.Service/Method"]`,
  ],
  [
    { services: { 'a.B': { batch: { via: 'B', result: {} } } } },
    `policy.services["a.B"].batch: a batch rule is one method's: it belongs under methods["pkg.Service/Method"]`,
  ],
  [
    { methods: { 'a.B/C': { batch: { via: 'B', result: {} } } } },
    'policy.methods["a.B/C"].batch: needs the descriptors of the service: createMesh(policy, { descriptors }), the output of `buf build` or of proto-loader',
  ],
  [
    { coalesce: { carrier: 'tunnel', requireL7Visibility: true } },
    'policy.coalesce.requireL7Visibility: expected false, got true, for coalesce.carrier is "tunnel", which no proxy can look into; did you mean carrier: "envelope"?',
  ],
  [{ routes: [{ cluster: 'one' }] }, 'policy.routes[0].cluster: no such cluster: "one"; there are none under clusters'],
  [{ clusters: CLUSTERS, routes: [{ cluster: 'tow' }] }, 'policy.routes[0].cluster: no such cluster: "tow"; did you mean "two"?'],
  [{ clusters: CLUSTERS, routes: [{ cluster: 'one', split: [{ weight: 1 }] }] }, 'policy.routes[0]: expected cluster or split, got both'],
  [
    { clusters: CLUSTERS, routes: [{ cluster: 'one', key: { header: 'x-user' } }] },
    'policy.routes[0].key: expected only with split, which it belongs to',
  ],
  [
    { clusters: CLUSTERS, routes: [{ split: [{ cluster: 'one', weight: 0 }, { weight: 0 }] }] },
    'policy.routes[0].split: expected a weight above 0, got none',
  ],
  [
    {
      clusters: CLUSTERS,
      routes: [
        {
          split: [
            { cluster: 'one', weight: 1 },
            { cluster: 'one', weight: 2 },
          ],
        },
      ],
    },
    'policy.routes[0].split[1]: expected each cluster once, got "one" again',
  ],
  [
    { clusters: CLUSTERS, routes: [{ split: [{ weight: 1 }, { weight: 2 }] }] },
    `policy.routes[0].split[1]: expected each cluster once, got the client's own target again`,
  ],
  [
    { clusters: CLUSTERS, routes: [{ split: [{ cluster: 'three', weight: 1 }] }] },
    'policy.routes[0].split[0].cluster: no such cluster: "three"; known are one, two',
  ],
  [
    { clusters: CLUSTERS, routes: [{ split: [{ cluster: 'one', weight: 1 }], key: {} }] },
    'policy.routes[0].key: expected one of header, tenant and field, got none',
  ],
  [
    { clusters: CLUSTERS, routes: [{ split: [{ cluster: 'one', weight: 1 }], key: { header: 'x-a', tenant: true } }] },
    'policy.routes[0].key: expected one of header, tenant and field, got several',
  ],
  [
    { clusters: CLUSTERS, routes: [{ split: [{ cluster: 'one', weight: 1 }], key: { header: 'X-A' } }] },
    'policy.routes[0].key.header: expected a metadata key such as "x-user", got "X-A"; did you mean "x-a"?',
  ],
  [
    { clusters: CLUSTERS, routes: [{ split: [{ cluster: 'one', weight: 1 }], key: { field: 'id' } }] },
    'policy.routes[0].key.field: expected match.methods beside it, for a field belongs to a request',
  ],
  [
    { clusters: CLUSTERS, routes: [{ cluster: 'one', match: { fields: [{ field: 'id' }] } }] },
    'policy.routes[0].match.fields[0].field: expected match.methods beside it, for a field belongs to a request',
  ],
  [
    { clusters: CLUSTERS, routes: [{ cluster: 'one', match: { methods: ['a.B'], fields: [{ field: 'id' }] } }] },
    'policy.routes[0].match.fields[0].field: expected methods in match.methods, got the service "a.B": a field belongs to one request',
  ],
  [
    { clusters: CLUSTERS, routes: [{ cluster: 'one', match: { methods: ['a.B/C'], fields: [{ field: 'id' }] } }] },
    'policy.routes[0].match.fields[0].field: expected descriptors, to find the field: createMesh(policy, { descriptors: readFileSync("image.binpb") }), or what proto-loader gave',
  ],
  [
    { clusters: CLUSTERS, routes: [{ cluster: 'one', match: { headers: [{ name: 'x-a', exact: 'a', prefix: 'b' }] } }] },
    'policy.routes[0].match.headers[0]: expected one of exact, prefix, regex and present, got exact and prefix',
  ],
  [
    { clusters: CLUSTERS, routes: [{ cluster: 'one', match: { headers: [{ name: 'x-bin' }] } }] },
    'policy.routes[0].match.headers[0].name: expected a metadata key such as "x-user", got "x-bin"; the values of "-bin" keys are bytes',
  ],
  [
    { clusters: CLUSTERS, routes: [{ cluster: 'one', match: { headers: [{ name: 'x-a-bin' }] } }] },
    'policy.routes[0].match.headers[0].name: expected a metadata key such as "x-user", got "x-a-bin"; the values of "-bin" keys are bytes',
  ],
  [
    { clusters: CLUSTERS, routes: [{ cluster: 'one', match: { headers: [{ name: 'X-A' }] } }] },
    'policy.routes[0].match.headers[0].name: expected a metadata key such as "x-user", got "X-A"; did you mean "x-a"?',
  ],
  [
    { clusters: CLUSTERS, routes: [{ cluster: 'one', match: { headers: [{ name: 'x-a', regex: '(a+' }] } }] },
    `policy.routes[0].match.headers[0].regex: expected an expression of RE2's syntax without assertions, got a value that is not shown: "(" without ")"`,
  ],
  [
    {
      clusters: CLUSTERS,
      routes: [{ cluster: 'one', match: { methods: ['a.B/C'], fields: [{ field: 'id', exact: '1', present: true }] } }],
    },
    'policy.routes[0].match.fields[0]: expected one of exact, prefix, regex and present, got exact and present',
  ],
  [
    { clusters: CLUSTERS, routes: [{ cluster: 'one', match: { methods: ['a.B/C'], fields: [{ field: 'id', regex: 'a{2,1}' }] } }] },
    `policy.routes[0].match.fields[0].regex: expected an expression of RE2's syntax without assertions, got "a{2,1}": "{2,1}" goes backwards`,
  ],
  [{ mirrors: [{ cluster: 'one' }] }, 'policy.mirrors[0].cluster: no such cluster: "one"; there are none under clusters'],
  [{ clusters: CLUSTERS, mirrors: [{ cluster: 'oen' }] }, 'policy.mirrors[0].cluster: no such cluster: "oen"; did you mean "one"?'],
  [
    { clusters: CLUSTERS, mirrors: [{ cluster: 'one', ignoreFields: ['a'] }] },
    'policy.mirrors[0].ignoreFields: expected only with compare, which it belongs to',
  ],
  [
    { clusters: CLUSTERS, mirrors: [{ cluster: 'one', compare: true }] },
    'policy.mirrors[0].compare: expected services, to read the answers: createMesh(policy, { services: [Greeter.service] })',
  ],
  [
    { clusters: CLUSTERS, mirrors: [{ cluster: 'one', match: { methods: ['a.B/C'], fields: [{ field: 'id' }] } }] },
    'policy.mirrors[0].match.fields: unknown option; known are methods, headers',
  ],
  [{ faults: [{}] }, 'policy.faults[0]: expected a delay or an abort, got neither'],
  [{ faults: [{ percent: 10 }] }, 'policy.faults[0]: expected a delay or an abort, got neither'],
  [
    { faults: [{ abort: 'ABORTED', match: { fields: [{ field: 'a' }] } }] },
    'policy.faults[0].match.fields: unknown option; known are methods, headers',
  ],
  [{ server: { faults: [{ maxActive: 5 }] } }, 'policy.server.faults[0]: expected a delay or an abort, got neither'],
  [
    { defaults: { retryPolicy: { initialBackoff: '2s', maxBackoff: '1s' } } },
    'policy.defaults.retryPolicy.initialBackoff: expected at most maxBackoff ("1s"), got "2s"',
  ],
  [
    { retryBudget: { ttl: '5s', throttle: { maxTokens: 1, tokenRatio: 1 } } },
    'policy.retryBudget.ttl: expected nothing beside throttle, which takes its place',
  ],
  [
    { retryBudget: { minPerSecond: 5, throttle: { maxTokens: 1, tokenRatio: 1 } } },
    'policy.retryBudget.minPerSecond: expected nothing beside throttle, which takes its place',
  ],
];
