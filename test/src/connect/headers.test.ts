import { Metadata } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { HeaderMetadata, headersOf, joinHeaders, setTimeoutMs, timeoutMsOf } from '../../../src/connect/headers.ts';

describe('headers and metadata', () => {
  test('what belongs to the protocol is no metadata', () => {
    const protocol = {
      'content-type': 'application/grpc+proto',
      'grpc-timeout': '1S',
      'grpc-accept-encoding': 'gzip',
      'connect-protocol-version': '1',
      te: 'trailers',
      'user-agent': 'x',
    };
    const metadata = new HeaderMetadata(new Headers({ ...protocol, authorization: 'Bearer t', 'grpc-trace-bin': 'AAE=' }));
    expect(metadata.getMap()).toEqual({ authorization: 'Bearer t', 'grpc-trace-bin': Buffer.from([0, 1]) });
    expect(Object.fromEntries(metadata.rest)).toEqual(protocol);
  });

  test.each([
    ['several values of a key', [['x-a', '1, 2'] as const]],
    ['bytes, padded and not', [['x-a-bin', 'AP8B'] as const, ['x-b-bin', 'CQgHBg=='] as const, ['x-c-bin', 'CQgHBg'] as const]],
    ['several values of bytes', [['x-a-bin', 'AP8B, CQgHBg=='] as const]],
    ['nothing', [['x-a', ''] as const]],
    ['what grpc-js would not take', [['x-a', 'caf\u00e9'] as const, ['x-#', 'y'] as const]],
  ])('%s come back as they went', (_what, entries) => {
    const headers = new Headers(entries.map(([key, value]) => [key, value]));
    const metadata = new HeaderMetadata(headers);
    expect(headersOf(metadata)).toBe(headers);
    metadata.set('x-z', 'changed');
    const unpadded = [...headers].map(([key, value]) => [key, key.endsWith('-bin') ? value.replaceAll('=', '') : value]);
    expect([...headersOf(metadata)]).toEqual([...unpadded, ['x-z', 'changed']]);
  });

  test('a clone that somebody has written into brings what is new, with the rest beside it', () => {
    const metadata = new HeaderMetadata(new Headers({ 'content-type': 'application/proto', 'x-a': '1' }));
    const clone = metadata.clone();
    clone.set('x-b', '2');
    expect(Object.fromEntries(joinHeaders(clone, metadata.rest))).toEqual({ 'content-type': 'application/proto', 'x-a': '1', 'x-b': '2' });
  });

  test.each<[string, (metadata: Metadata) => void]>([
    ['set', (metadata) => metadata.set('x-a', '2')],
    ['add', (metadata) => metadata.add('x-a', '2')],
    ['remove', (metadata) => metadata.remove('x-a')],
    [
      'merge',
      (metadata) => {
        const other = new Metadata();
        other.set('x-a', '2');
        metadata.merge(other);
      },
    ],
  ])('%s is seen in the headers, which themselves stay as they were', (_name, change) => {
    const headers = new Headers({ 'content-type': 'application/proto', 'x-a': '1' });
    const metadata = new HeaderMetadata(headers);
    change(metadata);
    expect([...headersOf(metadata)]).not.toEqual([...headers]);
    expect(headersOf(metadata).get('content-type')).toBe('application/proto');
    expect(headers.get('x-a')).toBe('1');
  });

  test('metadata of others is taken as it is', () => {
    const metadata = new Metadata();
    metadata.add('x-a', '1');
    metadata.add('x-a', '2');
    metadata.set('x-b-bin', Buffer.from([0]));
    expect(Object.fromEntries(headersOf(metadata))).toEqual({ 'x-a': '1, 2', 'x-b-bin': 'AA' });
  });
});

describe('timeouts in headers', () => {
  test.each([
    ['grpc-timeout', '1500m', 1500],
    ['grpc-timeout', '1.5m', 1.5],
    ['grpc-timeout', '2S', 2000],
    ['grpc-timeout', '1M', 60_000],
    ['grpc-timeout', '1H', 3_600_000],
    ['grpc-timeout', '2000u', 2],
    ['grpc-timeout', '0m', 0],
    ['connect-timeout-ms', '250', 250],
    ['connect-timeout-ms', '0.5', 0.5],
    ['grpc-timeout', '', undefined],
    ['grpc-timeout', '5', undefined],
    ['grpc-timeout', '-5m', undefined],
    ['grpc-timeout', '5D', undefined],
    ['connect-timeout-ms', 'NaN', undefined],
    ['connect-timeout-ms', '1e9', undefined],
    ['x-timeout', '5', undefined],
  ])('%s: %s is %s ms', (key, value, ms) => {
    expect(timeoutMsOf(new Headers({ [key]: value }))).toBe(ms);
  });

  test.each([
    ['application/grpc+proto', 1500.2, { 'grpc-timeout': '1501m' }],
    ['application/grpc-web+proto', 20, { 'grpc-timeout': '20m' }],
    ['application/proto', 1500.2, { 'connect-timeout-ms': '1501' }],
    ['application/connect+json', 1e12, { 'connect-timeout-ms': '9999999999' }],
  ])('%s, %d ms: %o', (content, ms, written) => {
    const headers = new Headers({ 'content-type': content });
    setTimeoutMs(headers, ms);
    expect(Object.fromEntries(headers)).toEqual({ 'content-type': content, ...written });
  });
});
