import { credentials, Metadata } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { CacheKeys } from '../../../src/grpc/cache-key.ts';
import type { CallInfo } from '../../../src/grpc/client-call.ts';
import { metadataOf } from '../../support/loopback.ts';
import { callInfo } from '../observe/rig.ts';

const base: CallInfo = callInfo();
const request = Buffer.from('who?');
const keyOf = (
  part: Partial<CallInfo> = {},
  metadata = new Metadata(),
  bytes = request,
  keys = new CacheKeys(['who']),
): string | undefined => keys.of({ ...base, ...part }, metadata, bytes).key;

describe('CacheKeys', () => {
  test('Q8: whatever may change the answer changes the key', () => {
    const keys = new CacheKeys(['who', 'who-bin']);
    const of = (part: Partial<CallInfo>, metadata = new Metadata(), bytes = request) => keyOf(part, metadata, bytes, keys);
    const all = [
      of({}),
      of({ host: 'a' }),
      of({ host: 'b' }),
      of({ options: { tenant: 'a' } }),
      of({ options: { tenant: 'b' } }),
      of({}, metadataOf({ 'inmesh-tenant': 'a' })),
      of({}, metadataOf({ 'inmesh-tenant': 'b' })),
      of({ door: { ...base.door } }),
      of({}, new Metadata({ waitForReady: true })),
      of({}, metadataOf({ who: 'a' })),
      of({}, metadataOf({ who: ['a', 'b'] })),
      of({}, metadataOf({ who: 'a, b' })),
      of({}, metadataOf({ who: 'a\nwho 1 b'.replace('\n', ' ') })),
      of({}, metadataOf({ 'who-bin': '61' })),
      of({}, new Metadata(), Buffer.from('who')),
      of({}, new Metadata(), Buffer.from([0xff, 0xfe])),
      of({}, new Metadata(), Buffer.from([0xfe, 0xff])),
      of({}, new Metadata(), Buffer.alloc(0)),
    ];
    expect(all.every((key) => key !== undefined)).toBe(true);
    expect(new Set(all).size).toBe(all.length);
    expect(of({})).toBe(all[0]);
  });

  test('the order in which metadata was set does not, nor do traces, request ids, attempts and priorities', () => {
    const keys = new CacheKeys(['a', 'b']);
    const one = metadataOf({
      a: '1',
      b: '2',
      traceparent: 'x',
      'x-request-id': '1',
      'grpc-previous-rpc-attempts': '1',
      'inmesh-priority': 'x',
    });
    const other = metadataOf({ b: '2', a: '1', tracestate: 'y', 'x-request-id': '2' });
    expect(keyOf({}, one, request, keys)).toBe(keyOf({}, other, request, keys));
  });

  test('Q8: undeclared metadata, credentials of the call and large requests have no key', () => {
    expect(new CacheKeys([]).of(base, metadataOf({ cookie: 'x' }), request)).toEqual({ metadata: 'cookie' });
    expect(keyOf({ credentials: credentials.createFromMetadataGenerator(() => {}) })).toBeUndefined();
    expect(keyOf({}, new Metadata(), Buffer.alloc(65_536))).toBeDefined();
    expect(keyOf({}, new Metadata(), Buffer.alloc(65_537))).toBeUndefined();
  });

  test('a key tells nobody what it was made of', () => {
    const key = new CacheKeys(['authorization']).of(base, metadataOf({ authorization: 'secret' }), request).key ?? '';
    expect(key).toMatch(/^[\w+/=]{44}$/);
  });
});
