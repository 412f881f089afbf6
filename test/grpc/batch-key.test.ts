/**
 * Who may share a carrier: only callers between whom nothing differs but what is an item's own (K3, Q8).
 */
import { AsyncResource } from 'node:async_hooks';
import { CallCredentials, Metadata } from '@grpc/grpc-js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/errors.ts';
import { BatchKeys } from '../../src/grpc/batch-key.ts';
import type { CallInfo } from '../../src/grpc/client-call.ts';
import { UNKNOWN_DOOR } from '../../src/grpc/door.ts';
import { createMesh } from '../../src/mesh.ts';
import { transports } from '../contract/transports.ts';
import { doors, EchoClient, flat, metadataOf } from '../support/loopback.ts';
import { forge } from './forged.ts';

const scope = new AsyncResource('test');
const infoOf = (part: Partial<CallInfo>): CallInfo => ({
  method: '/loop.Echo/Say',
  kind: 'unary',
  deadlineMs: Number.POSITIVE_INFINITY,
  host: undefined,
  credentials: undefined,
  parent: undefined,
  propagateFlags: undefined,
  options: undefined,
  definition: undefined,
  door: UNKNOWN_DOOR,
  attempt: undefined,
  stage: 0,
  bottom: () => {
    throw new Error('never called');
  },
  scope,
  ...part,
});

const CREDENTIALS = [undefined, CallCredentials.createEmpty(), CallCredentials.createEmpty()];
const call = fc.record({
  method: fc.constantFrom('/loop.Echo/Say', '/loop.Echo/Tell'),
  host: fc.constantFrom(undefined, 'one', 'two'),
  credentials: fc.nat(2),
  idempotentRequest: fc.boolean(),
  metadata: fc.dictionary(
    fc.constantFrom('authorization', 'tenant', 'x-blob-bin', 'cookie', 'x-new'),
    fc.array(fc.constantFrom('00', '0000', ''), { minLength: 1, maxLength: 2 }),
  ),
  own: fc.dictionary(fc.constantFrom('traceparent', 'x-request-id'), fc.array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 2 })),
});
type Call = typeof call extends fc.Arbitrary<infer T> ? T : never;

function keyOf(keys: BatchKeys, { method, host, credentials, idempotentRequest, metadata, own }: Call): string | undefined {
  const all = metadataOf({ ...metadata, ...own });
  all.setOptions({ idempotentRequest });
  const keyed = keys.of(infoOf({ method, host, credentials: CREDENTIALS[credentials] }), all);
  // In an envelope all items have one method too; on a tunnel they need not.
  return keyed === undefined ? undefined : `${method}\n${keyed.key}`;
}
const withoutOwn = ({ own: _, metadata, ...rest }: Call): object => ({ ...rest, metadata: flat(metadataOf(metadata)) });

describe('batch key', () => {
  test('two calls share a key only if nothing differs but the own keys of items (K3, Q8)', () => {
    const keys = new BatchKeys([]);
    fc.assert(
      fc.property(call, call, (one, other) => {
        if (keyOf(keys, one) === keyOf(keys, other)) expect(withoutOwn(one)).toEqual(withoutOwn(other));
      }),
      { numRuns: 3_000 },
    );
  });

  test('what differs in the own keys of items only shares a key', () => {
    const keys = new BatchKeys(['x-mine']);
    fc.assert(
      fc.property(call, fc.constantFrom('traceparent', 'tracestate', 'baggage', 'x-request-id', 'x-mine'), (one, name) => {
        expect(keyOf(keys, { ...one, own: { [name]: ['a'] } })).toBe(keyOf(keys, { ...one, own: { [name]: ['b', 'a'] } }));
      }),
    );
  });

  test.for([
    ['authority', { host: 'other' }, {}],
    ['credentials', { credentials: CallCredentials.createEmpty() }, {}],
    ['a value', {}, { tenant: 'b' }],
    ['the case of a value', {}, { tenant: 'A' }],
    ['one value more', {}, { tenant: ['a', 'a'] }],
    ['a key that nobody knows', {}, { tenant: 'a', 'x-new': '' }],
    ['a key less', {}, {}],
    ['binary', {}, { tenant: 'a', 'x-blob-bin': '00' }],
  ] as const)('a difference in %s splits', ([, info, metadata]) => {
    const keys = new BatchKeys([]);
    const base = keys.of(infoOf({}), metadataOf({ tenant: 'a' }))?.key;
    expect(base).toBeDefined();
    const values = Object.keys(info).length > 0 ? { tenant: 'a' } : metadata;
    expect(keys.of(infoOf(info), metadataOf(values))?.key).not.toBe(base);
  });

  test('values cannot be put together so that they look like others', () => {
    const keys = new BatchKeys([]);
    const key = (values: Parameters<typeof metadataOf>[0]): string | undefined => keys.of(infoOf({}), metadataOf(values))?.key;
    expect(key({ a: ['1', '2'] })).not.toBe(key({ a: '1 a:1:2' }));
    expect(key({ a: '', b: '' })).not.toBe(key({ a: ' b:0:' }));
  });

  test.for(['waitForReady', 'cacheableRequest', 'corked'] as const)('a call with the option %s shares with nobody', (option) => {
    const metadata = new Metadata();
    metadata.setOptions({ [option]: true });
    expect(new BatchKeys([]).of(infoOf({}), metadata)).toBeUndefined();
  });

  test("an item's own keys travel with it, the shared ones with the carrier", () => {
    const keys = new BatchKeys(['X-Mine']);
    const metadata = metadataOf({
      tenant: 'a',
      'x-request-id': 'r',
      'x-mine': ['1', '2'],
      traceparent: 't',
      'grpc-previous-rpc-attempts': '1',
    });
    const own = keys.of(infoOf({}), metadata)?.own ?? [];
    expect(own).toEqual(expect.arrayContaining(['x-request-id', 'r', 'x-mine', '1, 2', 'traceparent', 't']));
    expect(own).not.toContain('tenant');
    expect(flat(keys.shared(metadata))).toEqual({ tenant: ['a'] });
  });

  test.for(['authorization', 'Cookie', 'grpc-timeout', 'inmesh-accept', 'host'])('%s may not be made an own key', (key) => {
    expect(() => new BatchKeys([key])).toThrow(ConfigError);
  });
});

describe.each(doors)('what a server gets at door %s', (door) => {
  test('a carrier holds calls of one tenant only (Q8)', async () => {
    await using forged = await forge();
    const mesh = createMesh({ coalesce: 'auto' });
    using client = new EchoClient({ address: forged.address, mesh, door });
    await client.learn();
    const tenants = Array.from({ length: 7 }, (_, i) => `tenant-${i}`);
    for (let round = 0; round < 20; round++) {
      const asked = tenants.flatMap((tenant, i) =>
        Array.from({ length: 1 + ((i + round) % 4) }, (_, n) => ({ tenant, text: `${tenant}/${round}/${n}` })),
      );
      asked.sort((a, b) => a.text.at(-1)?.localeCompare(b.text.at(-1) ?? '') || 0);
      const outcomes = await Promise.all(asked.map(({ tenant, text }) => client.say(text, { metadata: metadataOf({ tenant }) })));
      expect(outcomes.map(({ text }) => text)).toEqual(asked.map(({ text }) => `say ${text}`));
    }
    expect(forged.carriers.length).toBeGreaterThan(20);
    for (const { texts, metadata } of forged.carriers) {
      expect(metadata['tenant']).toHaveLength(1);
      expect(new Set(texts.map((text) => text.split('/')[0]))).toEqual(new Set(metadata['tenant']));
    }
  });

  test('an item brings its own trace and request id, and the carrier none of them', async () => {
    await using forged = await forge();
    const mesh = createMesh({ coalesce: 'auto' });
    using client = new EchoClient({ address: forged.address, mesh, door });
    await client.learn();
    await Promise.all(['a', 'b'].map((id) => client.say(id, { metadata: metadataOf({ 'x-request-id': id, authorization: 'x' }) })));
    expect(forged.carriers[0]?.metadata).toEqual({ authorization: ['x'] });
    expect(forged.carriers[0]?.items.map(({ metadata }) => metadata)).toEqual([
      ['x-request-id', 'a'],
      ['x-request-id', 'b'],
    ]);
  });

  test('calls with different credentials or authorities go apart (K3)', async () => {
    const tls = transports.find(({ name }) => name === 'TLS');
    if (tls === undefined) throw new Error('no TLS');
    await using forged = await forge(undefined, { credentials: tls.serverCredentials() });
    const mesh = createMesh({ coalesce: 'auto' });
    using client = new EchoClient({ address: forged.address, mesh, door, credentials: tls.clientCredentials() });
    await client.learn();
    const credentials = ['one', 'two'].map((token) =>
      CallCredentials.createFromMetadataGenerator((_, callback) => callback(null, metadataOf({ authorization: token }))),
    );
    const calls = ['a', 'b', 'c', 'd'].map((text, i) => {
      const own = credentials[i % 2];
      return client.say(text, own === undefined ? {} : { credentials: own });
    });
    expect((await Promise.all(calls)).map(({ code }) => code)).toEqual(['OK', 'OK', 'OK', 'OK']);
    expect(forged.carriers.map(({ metadata, texts }) => [metadata['authorization'], texts])).toEqual([
      [['one'], ['a', 'c']],
      [['two'], ['b', 'd']],
    ]);
    await Promise.all([client.say('e', { host: 'localhost' }), client.say('f', { host: 'localhost:1' })]);
    expect(forged.carriers).toHaveLength(2);
  });
});
