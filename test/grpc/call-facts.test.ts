/**
 * What lives as long as its call does, and leads to the rest of it, is no literal: see src/grpc/call-facts.ts. That V8 has anything against
 * literals shows in the bench alone; this says that there are none.
 */
import { Metadata } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { makeClient, sayOf } from '../../bench/echo.ts';
import { fakeChannel } from '../../bench/fake-channel.ts';
import { attemptContext, type CallInfo, type ClientInterceptor } from '../../src/grpc/client-call.ts';
import { asInterceptor } from '../../src/grpc/interceptor-door.ts';
import { attemptOf, withAttempt } from '../../src/grpc/lb-picker.ts';

const isLiteral = (value: object): boolean => Object.getPrototypeOf(value) === Object.prototype;

describe('objects of a call', () => {
  test('the context of an attempt, and the options that carry it', () => {
    const attempt = attemptContext({ pin: '127.0.0.1:1' });
    expect(isLiteral(attempt)).toBe(false);
    expect(attempt).toMatchObject({ pin: '127.0.0.1:1', counted: false, streaming: false, picked: '', started: false, over: false });
    const metadata = new Metadata({ waitForReady: true });
    withAttempt(metadata, attempt);
    const another = attemptContext();
    const retried = metadata.clone();
    withAttempt(retried, another);
    expect(isLiteral(retried.getOptions())).toBe(false);
    expect(retried.getOptions().waitForReady).toBe(true);
    expect(attemptOf(retried)).toBe(another);
    expect(attemptOf(metadata)).toBe(attempt);
  });

  test('what is known of it, behind interceptors', async () => {
    const seen: CallInfo[] = [];
    const intercept: ClientInterceptor = (info, next) => {
      seen.push(info);
      return next(info);
    };
    const behaviour = { name: 'probe', from: 1, to: 1, intercept };
    const client = makeClient('127.0.0.1:1', {
      options: { channelOverride: fakeChannel(), interceptors: [asInterceptor(behaviour)] },
    });
    await new Promise<void>((resolve, reject) => sayOf(client)({ id: 1, text: '' }, (error) => (error ? reject(error) : resolve())));
    expect(seen).toHaveLength(1);
    expect(isLiteral(seen[0] as CallInfo)).toBe(false);
  });
});
