import { type Interceptor, Metadata, Server, type ServiceError } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { deadlineInterceptor, deadlineServerInterceptor } from '../../interceptors/standalone/deadline.ts';
import { EchoClient, serve } from '../support/loopback.ts';

describe('deadlines without a mesh', () => {
  test('D3 D4: timeouts of calls, of idle streams and of a server', async () => {
    const server = new Server({ interceptors: [deadlineServerInterceptor({ timeoutMs: 200 })] });
    await using running = await serve({ server, handlers: { say: () => {}, chat: () => {} } });
    const client = (interceptor: Interceptor): EchoClient =>
      new EchoClient({ address: running.address, options: { interceptors: [interceptor] } });
    using hurried = client(deadlineInterceptor({ timeoutMs: 50 }));
    expect((await hurried.say('x')).trailers['inmesh-reason']).toBeUndefined();
    using patient = client(deadlineInterceptor({ idleTimeoutMs: 50 }));
    expect((await patient.say('x')).trailers['inmesh-reason']).toEqual(['server.deadline/timeout']);
    const stream = patient.stub.chat(new Metadata(), {});
    const error = await new Promise<ServiceError>((resolve) => stream.on('error', resolve).on('data', () => {}));
    expect(error.metadata.get('inmesh-reason')).toEqual(['client.deadline/idle']);
  });

  test.for<[() => unknown, string]>([
    [() => deadlineInterceptor({ idleTimeoutMs: 0 }), 'deadline.idleTimeoutMs: expected milliseconds as a number > 0, got 0'],
    [() => deadlineInterceptor({ propagate: 1 as unknown as boolean }), 'deadline.propagate: expected true or false, got 1'],
    [() => deadlineServerInterceptor({ timeoutMs: -1 }), 'deadline.timeoutMs: expected milliseconds as a number > 0, got -1'],
    [() => deadlineServerInterceptor({ lateRejectFraction: 2 }), 'deadline.lateRejectFraction: expected a number >= 0 and <= 1, got 2'],
    [() => deadlineServerInterceptor({ trust: true } as object), 'deadline.trust: unknown option; did you mean trustTraits?'],
  ])('a bad option is refused: %s', ([make, message]) => {
    expect(make).toThrow(message);
  });
});
