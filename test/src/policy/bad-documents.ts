import { expect } from 'vitest';
import { BYTES, TEXTS } from './bad/files.ts';
import { MEANINGS } from './bad/meanings.ts';
import { MESH_FIELDS } from './bad/mesh.ts';
import { METHOD_FIELDS } from './bad/methods.ts';
import type { BadField } from './bad/row.ts';

const cyclic: Record<string, unknown> = {};
cyclic['defaults'] = cyclic;
const throwing = Object.defineProperty({}, 'timeout', { enumerable: true, get: () => expect.fail('a getter threw') });
const DURATION = 'policy.defaults.timeout: expected a duration such as "0.5s", got';
/** A document with that timeout. */
export const timeout = (value: unknown): unknown => ({ defaults: { timeout: value } });
/** A document with that retry policy. */
export const retry = (value: unknown): unknown => ({ defaults: { retryPolicy: value } });
const RETRY = 'policy.defaults.retryPolicy';
const METHOD_KEYS =
  'known keys: timeout, idempotent, retryPolicy, bulkhead, coalesce, batch, hedgingPolicy, breaker, limit, cache, idleTimeout, fallback';
const ROOT_KEYS =
  'known keys: defaults, services, methods, retryBudget, balance, coalesce, deadline, telemetry, server, propagation, adaptiveThrottle, outlierDetection, endpoints, clusters, routes, mirrors, faults';

/** What is wrong, the document, and the whole message. */
export const BAD: readonly (readonly [string, unknown, string])[] = [
  // The whole
  ['nothing', undefined, 'policy: expected an object, got nothing'],
  ['null', null, 'policy: expected an object, got null'],
  ['text', 'auto', 'policy: expected an object, got "auto"'],
  ['a list', [{}], 'policy: expected an object, got a list'],
  ['a function', () => ({}), 'policy: expected an object, got a function'],
  ['a Map', new Map(), 'policy: expected an object, got an instance of Map'],
  ['a class instance', new (class Mine {})(), 'policy: expected an object, got an instance of Mine'],
  ['inherited fields', Object.create({ defaults: {} }), 'policy: expected an object, got an instance of a class'],
  // Unknown keys
  [
    'a key in lower case',
    { methods: { 'a.B/C': { retrypolicy: {} } } },
    'policy.methods["a.B/C"]: unknown key "retrypolicy"; did you mean "retryPolicy"?',
  ],
  ['a key of the proto', retry({ max_attempts: 2 }), `${RETRY}: unknown key "max_attempts"; did you mean "maxAttempts"?`],
  ['swapped letters', timeout('1s') && { defaults: { timoeut: '1s' } }, 'policy.defaults: unknown key "timoeut"; did you mean "timeout"?'],
  ['the beginning of a key', { defaults: { retry: {} } }, 'policy.defaults: unknown key "retry"; did you mean "retryPolicy"?'],
  [
    'a key one level too high',
    { defaults: { maxAttempts: 2 } },
    'policy.defaults: unknown key "maxAttempts"; did you mean "retryPolicy.maxAttempts"?',
  ],
  ['a method key at the top', { timeout: '1s' }, 'policy: unknown key "timeout"; did you mean "defaults.timeout"?'],
  ['a key like no other', { defaults: { foo: 1 } }, `policy.defaults: unknown key "foo"; ${METHOD_KEYS}`],
  ['a method at the top', { 'a.B/C': {} }, 'policy: unknown key "a.B/C"; did you mean methods["a.B/C"]?'],
  ['a service at the top', { 'a.B': {} }, 'policy: unknown key "a.B"; did you mean services["a.B"]?'],
  ['an empty key', { '': 1 }, `policy: unknown key ""; ${ROOT_KEYS}`],
  ['the name of an inherited method', { toString: {} }, `policy: unknown key "toString"; ${ROOT_KEYS}`],
  ['__proto__', JSON.parse('{"__proto__": {"defaults": {}}}'), 'policy.__proto__: this key is reserved by JavaScript'],
  ['__proto__ as service', JSON.parse('{"services": {"__proto__": {}}}'), 'policy.services.__proto__: this key is reserved by JavaScript'],
  ['constructor', { defaults: { constructor: {} } }, 'policy.defaults.constructor: this key is reserved by JavaScript'],
  // Durations
  ['500 where "0.5s" is due', timeout(500), `${DURATION} 500; did you mean "0.5s"?`],
  ['a small number, meant as seconds', timeout(2), `${DURATION} 2; did you mean "2s"?`],
  ['a fraction', timeout(0.25), `${DURATION} 0.25; did you mean "0.25s"?`],
  ['no unit', timeout('0.5'), `${DURATION} "0.5"; did you mean "0.5s"?`],
  ['milliseconds without unit', timeout('500'), `${DURATION} "500"; did you mean "0.5s"?`],
  ['milliseconds', timeout('1500ms'), `${DURATION} "1500ms"; did you mean "1.5s"?`],
  ['minutes', timeout('5m'), `${DURATION} "5m"; did you mean "300s"?`],
  ['a Go duration', timeout('1m30s'), `${DURATION} "1m30s"; did you mean "90s"?`],
  ['words', timeout('2 seconds'), `${DURATION} "2 seconds"; did you mean "2s"?`],
  ['an exponent', timeout('1e3s'), `${DURATION} "1e3s"; did you mean "1000s"?`],
  ['a negative duration', timeout('-1s'), `${DURATION} "-1s"; it cannot be negative`],
  ['a negative number', timeout(-500), `${DURATION} -500; it cannot be negative`],
  ['no digit before the point', timeout('.5s'), `${DURATION} ".5s"; did you mean "0.5s"?`],
  [
    'ten decimals',
    { defaults: { idleTimeout: '0.0000000001s' } },
    `${DURATION.replace('timeout', 'idleTimeout')} "0.0000000001s"; it has at most nine decimals`,
  ],
  ['a space', timeout(' 5s'), `${DURATION} " 5s"; did you mean "5s"?`],
  ['longer than protobuf allows', timeout('999999999999s'), `${DURATION} "999999999999s"`],
  ['NaN', timeout(Number.NaN), `${DURATION} NaN`],
  ['Infinity', timeout(Number.POSITIVE_INFINITY), `${DURATION} Infinity`],
  ['a bigint', timeout(5n), `${DURATION} a bigint`],
  ['a symbol', timeout(Symbol('5s')), `${DURATION} a symbol`],
  ['a Date', timeout(new Date(0)), `${DURATION} an instance of Date`],
  ['an object', timeout({ seconds: 1 }), `${DURATION} an object`],
  ['a long text', timeout('x'.repeat(500)), `${DURATION} "${'x'.repeat(77)}…"`],
  ['control characters', timeout('\u001b[2J\u009b\u202e\n'), `${DURATION} "\\u001b[2J\\u009b\\u202e\\n"`],
  ['no idle timeout at all', { defaults: { idleTimeout: '0s' } }, 'policy.defaults.idleTimeout: expected a duration > "0s", got "0s"'],
  ['too long a ttl', { retryBudget: { ttl: '61s' } }, 'policy.retryBudget.ttl: expected a duration from "1s" to "60s", got "61s"'],
  [
    'B6 two kinds of budget',
    { retryBudget: { ratio: 0.1, throttle: { maxTokens: 10, tokenRatio: 0.1 } } },
    'policy.retryBudget.ratio: expected nothing beside throttle, which takes its place',
  ],
  [
    'B6 a throttle without tokens',
    { retryBudget: { throttle: { maxTokens: 0, tokenRatio: 0.1 } } },
    'policy.retryBudget.throttle.maxTokens: expected a number > 0 and <= 1000, got 0',
  ],
  ['half a throttle', { retryBudget: { throttle: { maxTokens: 10 } } }, 'policy.retryBudget.throttle.tokenRatio: required, but not given'],
  ['a throttle below 1', { adaptiveThrottle: { k: 0.5 } }, 'policy.adaptiveThrottle.k: expected a number from 1 to 1000, got 0.5'],
  ['null for a duration', timeout(null), `${DURATION} null`],
  ['a getter that throws', { defaults: throwing }, `${DURATION} something that cannot be read`],
  // Numbers
  [
    'text where a number is due',
    { methods: { 'a.B/C': { retryPolicy: { maxAttempts: 'x' } } } },
    'policy.methods["a.B/C"].retryPolicy.maxAttempts: expected an integer >= 1, got "x"',
  ],
  ['"0.5s" where a number is due', retry({ maxAttempts: '0.5s' }), `${RETRY}.maxAttempts: expected an integer >= 1, got "0.5s"`],
  ['a number in quotes', retry({ maxAttempts: '3' }), `${RETRY}.maxAttempts: expected an integer >= 1, got "3"; did you mean 3?`],
  ['R39 no attempts', retry({ maxAttempts: 0 }), `${RETRY}.maxAttempts: expected an integer >= 1, got 0`],
  ['R39 a fraction of attempts', retry({ maxAttempts: 2.5 }), `${RETRY}.maxAttempts: expected an integer >= 1, got 2.5`],
  ['more than 32 bits', retry({ maxAttempts: 2 ** 32 }), `${RETRY}.maxAttempts: expected an integer from 1 to 4294967295, got 4294967296`],
  ['R39 no growth', retry({ backoffMultiplier: 0 }), `${RETRY}.backoffMultiplier: expected a number > 0, got 0`],
  [
    'infinite growth',
    retry({ backoffMultiplier: Number.POSITIVE_INFINITY }),
    `${RETRY}.backoffMultiplier: expected a number > 0, got Infinity`,
  ],
  ['a negative ratio', { retryBudget: { ratio: -0.1 } }, 'policy.retryBudget.ratio: expected a number from 0 to 1000, got -0.1'],
  [
    'a negative queue',
    { defaults: { bulkhead: { slots: 1, queue: -1 } } },
    'policy.defaults.bulkhead.queue: expected an integer >= 0, got -1',
  ],
  ['no slots', { defaults: { bulkhead: { queue: 1 } } }, 'policy.defaults.bulkhead.slots: required, but not given'],
  ['batches of one', { coalesce: { maxItems: 1 } }, 'policy.coalesce.maxItems: expected an integer from 2 to 1024, got 1'],
  // Words
  ['a shorthand with a typing error', { coalesce: 'aut' }, 'policy.coalesce: expected "auto" or "never", got "aut"; did you mean "auto"?'],
  [
    'a word in upper case',
    { coalesce: { mode: 'AUTO' } },
    'policy.coalesce.mode: expected "auto" or "never", got "AUTO"; did you mean "auto"?',
  ],
  [
    'a word of the proto',
    { telemetry: { attemptSpans: 'sometimes' } },
    'policy.telemetry.attemptSpans: expected "auto", "always" or "off", got "sometimes"',
  ],
  ['another kind in place of a shorthand', { balance: true }, 'policy.balance: expected "peak_ewma", "off" or an object, got true'],
  [
    'text where a switch is due',
    { telemetry: { traces: 'off' } },
    'policy.telemetry.traces: expected true or false, got "off"; did you mean false?',
  ],
  ['a number where a switch is due', { deadline: { propagate: 1 } }, 'policy.deadline.propagate: expected true or false, got 1'],
  // Status codes
  ['R39 no codes', retry({ retryableStatusCodes: [] }), `${RETRY}.retryableStatusCodes: expected 1 to 10000 elements, got an empty list`],
  [
    'R39 a wrong code',
    retry({ retryableStatusCodes: ['ABORTED', 'UNAVAILBLE'] }),
    `${RETRY}.retryableStatusCodes[1]: expected a gRPC status code such as "UNAVAILABLE", got "UNAVAILBLE"; did you mean "UNAVAILABLE"?`,
  ],
  [
    'a number in quotes as code',
    retry({ retryableStatusCodes: ['14'] }),
    `${RETRY}.retryableStatusCodes[0]: expected a gRPC status code such as "UNAVAILABLE", got "14"; did you mean "UNAVAILABLE"?`,
  ],
  [
    'OK as code',
    retry({ retryableStatusCodes: [0] }),
    `${RETRY}.retryableStatusCodes[0]: expected a gRPC status code such as "UNAVAILABLE", got 0; OK is no failure`,
  ],
  [
    'one code without a list',
    retry({ retryableStatusCodes: 'UNAVAILABLE' }),
    `${RETRY}.retryableStatusCodes: expected a list, got "UNAVAILABLE"`,
  ],
  [
    'a hole in a list',
    retry({ retryableStatusCodes: new Array(1) }),
    `${RETRY}.retryableStatusCodes[0]: expected a gRPC status code such as "UNAVAILABLE", got nothing`,
  ],
  // Names
  [
    'a leading slash',
    { methods: { '/a.B/C': {} } },
    'policy.methods["/a.B/C"]: expected a method such as "pkg.Service/Method", got "/a.B/C"; did you mean "a.B/C"?',
  ],
  [
    'a service among methods',
    { methods: { 'a.B': {} } },
    'policy.methods["a.B"]: expected a method such as "pkg.Service/Method", got "a.B"; a service belongs under services: did you mean services["a.B"]?',
  ],
  [
    'a wildcard',
    { methods: { 'a.B/*': {} } },
    'policy.methods["a.B/*"]: expected a method such as "pkg.Service/Method", got "a.B/*"; a service belongs under services: did you mean services["a.B"]?',
  ],
  [
    'a method among services',
    { services: { 'a.B/C': {} } },
    'policy.services["a.B/C"]: expected a service such as "pkg.Service", got "a.B/C"; a method belongs under methods: did you mean methods["a.B/C"]?',
  ],
  [
    'a service with a slash',
    { services: { 'a.B/': {} } },
    'policy.services["a.B/"]: expected a service such as "pkg.Service", got "a.B/"; did you mean "a.B"?',
  ],
  [
    'a batched name that is none',
    { coalesce: { methods: ['a b'] } },
    'policy.coalesce.methods[0]: expected a method such as "pkg.Service/Method" or a service such as "pkg.Service", got "a b"',
  ],
  [
    'a server limit by service',
    { server: { methodBulkheads: { '/a.B/C': { slots: 1 } } } },
    'policy.server.methodBulkheads["/a.B/C"]: expected a method such as "pkg.Service/Method", got "/a.B/C"; did you mean "a.B/C"?',
  ],
  [
    'who calls as item metadata',
    { coalesce: { itemMetadata: ['Authorization'] } },
    'policy.coalesce.itemMetadata[0]: expected a metadata key such as "x-tenant-hint", got "Authorization"; it tells who is calling, and batches never mix callers',
  ],
  [
    'a reserved key as item metadata',
    { coalesce: { itemMetadata: ['grpc-timeout'] } },
    'policy.coalesce.itemMetadata[0]: expected a metadata key such as "x-tenant-hint", got "grpc-timeout"; that key is reserved',
  ],
  [
    'upper case as item metadata',
    { coalesce: { itemMetadata: ['X-Trace'] } },
    'policy.coalesce.itemMetadata[0]: expected a metadata key such as "x-tenant-hint", got "X-Trace"; did you mean "x-trace"?',
  ],
  // Several fields, several faults
  [
    'waits in the wrong order',
    retry({ initialBackoff: '1s', maxBackoff: '0.5s' }),
    `${RETRY}.initialBackoff: expected at most maxBackoff ("0.5s"), got "1s"`,
  ],
  [
    'waits in the wrong order over two layers',
    { services: { 'a.B': { retryPolicy: { initialBackoff: '1s' } } }, methods: { 'a.B/C': { retryPolicy: { maxBackoff: '0.5s' } } } },
    'policy.methods["a.B/C"].retryPolicy.maxBackoff: expected at least initialBackoff ("1s"), got "0.5s"',
  ],
  [
    'two faults',
    { defaults: { timeout: 500, idempotent: 1 } },
    `${DURATION} 500; did you mean "0.5s"?\npolicy.defaults.idempotent: expected true or false, got 1`,
  ],
  ['a cycle', cyclic, 'policy.defaults: expected an object, got an object that contains itself'],
];

/** One bad field each. */
export const FIELDS: readonly BadField[] = [...METHOD_FIELDS, ...MESH_FIELDS];

/** A document that no mesh takes: an object for createMesh, or the content of a file for loadMesh. */
export interface BadDocument {
  readonly name: string;
  readonly document: { readonly object: unknown } | { readonly content: string | Uint8Array };
  /** How the message begins: with the place, the rule and the value seen. In a file's, FILE stands for its path. */
  readonly message: string;
}

/** All of them. */
export const BAD_DOCUMENTS: readonly BadDocument[] = [
  // createMesh() itself means {}.
  ...BAD.filter(([, object]) => object !== undefined).map(([name, object, message]) => ({ name, document: { object }, message })),
  ...FIELDS.map(({ document, message }) => ({ name: JSON.stringify(document), document: { object: document }, message })),
  ...MEANINGS.map(([object, message]) => ({ name: JSON.stringify(object), document: { object }, message })),
  ...TEXTS.map(([name, content, message]) => ({ name: `a file: ${name}`, document: { content }, message })),
  ...BYTES.map(([name, bytes, message]) => ({ name: `bytes: ${name}`, document: { content: Uint8Array.from(bytes) }, message })),
];
