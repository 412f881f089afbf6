import { Code as ConnectCode, ConnectError } from '@connectrpc/connect';
import { status as statusCodes } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { errorOf, statusOf } from '../../../src/connect/errors.ts';
import { refusal } from '../../../src/errors.ts';
import { isUnprocessed, localStatus, plainStatus } from '../../../src/grpc/refuse.ts';

/** As Node's errors are. */
const nodeError = (code: string, syscall?: string): Error => Object.assign(new Error(`${syscall} ${code}`), { code, syscall });
const caused = (code: ConnectCode, cause: unknown): ConnectError => new ConnectError('x', code, undefined, undefined, cause);

describe("Connect's errors as statuses", () => {
  test.each([
    ['connection refused', caused(ConnectCode.Unavailable, nodeError('ECONNREFUSED', 'connect'))],
    ['a host that is not there', caused(ConnectCode.Internal, nodeError('EHOSTUNREACH', 'connect'))],
    ['no such name', caused(ConnectCode.Unavailable, nodeError('ENOTFOUND', 'getaddrinfo'))],
    ['the same, a cause deeper', caused(ConnectCode.Internal, new Error('y', { cause: nodeError('ETIMEDOUT', 'connect') }))],
    ['a refused stream', new ConnectError('http/2 stream closed with error code REFUSED_STREAM (0x7)', ConnectCode.Unavailable)],
    [
      "a refused stream in Node's words",
      Object.assign(caused(ConnectCode.Internal, nodeError('ERR_HTTP2_STREAM_ERROR')), {
        rawMessage: 'Stream closed with error code NGHTTP2_REFUSED_STREAM',
      }),
    ],
  ])('%s: UNAVAILABLE, and no server has seen it', (_what, error) => {
    const status = statusOf(error);
    expect(status.code).toBe(statusCodes.UNAVAILABLE);
    expect(isUnprocessed(status)).toBe(true);
    expect(errorOf(status)).toBe(error);
    expect(error.metadata.has('inmesh-unprocessed')).toBe(false);
  });

  test.each([
    ['a socket that was reset', caused(ConnectCode.Aborted, nodeError('ECONNRESET', 'read'))],
    ['a session that broke', caused(ConnectCode.Internal, nodeError('ERR_HTTP2_SESSION_ERROR'))],
    ['a stream that was destroyed', caused(ConnectCode.Aborted, nodeError('ERR_STREAM_DESTROYED'))],
    ['a stream that was reset as cancelled', new ConnectError('http/2 stream closed with error code CANCEL (0x8)', ConnectCode.Canceled)],
    ['a ping without an answer', new ConnectError('PING timed out', ConnectCode.Unavailable)],
  ])('%s: UNAVAILABLE, and nobody knows whether it ran', (_what, error) => {
    const status = statusOf(error);
    expect(status.code).toBe(statusCodes.UNAVAILABLE);
    expect(isUnprocessed(status)).toBe(false);
    expect(errorOf(status)).toBe(error);
  });

  test.each([
    ['a word of the server', new ConnectError('busy', ConnectCode.Aborted), statusCodes.ABORTED],
    ["the server's own cancellation", new ConnectError('no', ConnectCode.Canceled), statusCodes.CANCELLED],
    [
      'a server that asks for calm',
      new ConnectError('http/2 stream closed with error code ENHANCE_YOUR_CALM (0xb)', ConnectCode.ResourceExhausted),
      statusCodes.RESOURCE_EXHAUSTED,
    ],
    ['headers that Node does not take', caused(ConnectCode.Internal, nodeError('ERR_INVALID_CHAR')), statusCodes.INTERNAL],
    ['a cause that is no error', caused(ConnectCode.Internal, 'why'), statusCodes.INTERNAL],
  ])('%s keeps its code', (_what, error, code) => {
    expect(statusOf(error).code).toBe(code);
    expect(isUnprocessed(statusOf(error))).toBe(false);
  });

  test('causes that go round in circles come to an end', () => {
    const one = new Error('one');
    one.cause = new Error('two', { cause: one });
    expect(statusOf(caused(ConnectCode.Internal, one)).code).toBe(statusCodes.INTERNAL);
  });

  test('what is no error of Connect is UNKNOWN, as Connect has it', () => {
    expect(statusOf(new TypeError('oops'))).toMatchObject({ code: statusCodes.UNKNOWN, details: 'oops' });
    expect(statusOf('text')).toMatchObject({ code: statusCodes.UNKNOWN, details: 'text' });
  });
});

describe("statuses as Connect's errors", () => {
  test('a status that somebody has copied keeps its error', () => {
    const error = new ConnectError('x', ConnectCode.NotFound);
    expect(errorOf({ ...statusOf(error) })).toBe(error);
  });

  test('a refusal of ours has its reason', () => {
    const error = errorOf(localStatus(refusal(statusCodes.RESOURCE_EXHAUSTED, 'client.bulkhead/queue-full', 'full')));
    expect(error).toMatchObject({ code: ConnectCode.ResourceExhausted, rawMessage: 'inmesh: full' });
    expect([...error.metadata]).toEqual([['inmesh-reason', 'client.bulkhead/queue-full']]);
  });

  test('codes that Connect does not know are unknown', () => {
    expect(errorOf(plainStatus(42, 'x')).code).toBe(ConnectCode.Unknown);
  });
});
