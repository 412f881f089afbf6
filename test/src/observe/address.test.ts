import { describe, expect, test } from 'vitest';
import { peerAddress, serverAddress } from '../../../src/observe/address.ts';

describe('serverAddress', () => {
  test.each([
    ['dns:///grpc.io:50051', 'grpc.io', 50051],
    ['dns:grpc.io:50051', 'grpc.io', 50051],
    ['dns://8.8.8.8/grpc.io:50051', 'grpc.io', 50051],
    ['grpc.io:50051', 'grpc.io', 50051],
    ['grpc.io', 'grpc.io', undefined],
    ['localhost:1', 'localhost', 1],
    ['DNS:///grpc.io:443', 'grpc.io', 443],
    ['ipv4:10.0.0.1:80', '10.0.0.1', 80],
    ['ipv4:10.0.0.1:80,10.0.0.2:80', 'ipv4:10.0.0.1:80,10.0.0.2:80', undefined],
    ['ipv6:[::1]:80', '::1', 80],
    ['[2001:db8::1]:443', '2001:db8::1', 443],
    ['[2001:db8::1]', '2001:db8::1', undefined],
    ['2001:db8::1', '2001:db8::1', undefined],
    ['unix:/run/app.sock', '/run/app.sock', undefined],
    ['unix:///run/app.sock', '/run/app.sock', undefined],
    ['unix:app.sock', 'app.sock', undefined],
    ['unix-abstract:app', 'app', undefined],
    ['xds:///cart', 'cart', undefined],
    ['atlas:///a/b', 'atlas:///a/b', undefined],
    ['grpc.io:http', 'grpc.io:http', undefined],
    ['grpc.io:99999', 'grpc.io:99999', undefined],
  ])('%s is %s, %s', (target, address, port) => {
    expect(serverAddress(target)).toEqual({ address, port });
  });

  test('an interceptor that does not know its target says nothing', () => {
    expect(serverAddress('')).toBeUndefined();
  });
});

describe('peerAddress', () => {
  test.each([
    ['10.0.0.7:50051', { address: '10.0.0.7', port: 50051 }],
    ['[::1]:50051', { address: '::1', port: 50051 }],
    ['::ffff:127.0.0.1:39000', { address: '::ffff:127.0.0.1', port: 39000 }],
    ['/run/app.sock', { address: '/run/app.sock', port: undefined }],
    ['dns:///cart:80', undefined],
    ['cart:80', undefined],
    ['localhost:80', undefined],
    ['10.0.0.7:http', undefined],
    ['unknown', undefined],
    ['inmesh', undefined],
    ['', undefined],
  ])('%s is %j', (peer, expected) => {
    expect(peerAddress(peer)).toEqual(expected);
  });
});
