/** Unary calls of Connect's real client over the gRPC protocol, through a mesh, at a server of grpc-js. */
import { getEventListeners } from 'node:events';
import { toBinary } from '@bufbuild/protobuf';
import { AnySchema, anyPack, type StringValue, StringValueSchema } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import { Metadata, status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { connectInterceptor } from '../../../src/connect/index.ts';
import { createMesh } from '../../../src/mesh.ts';
import { errorOf, failing, type Handler, SAY, say } from './calls.ts';
import { connectClient, gate, type LoopClient, stage } from './stage.ts';

describe('Connect, unary: what the app sends and gets', () => {
  test('headers go out and headers and trailers come back, bytes among them', async () => {
    let seen = new Metadata();
    const handler: Handler = (call, callback) => {
      seen = call.metadata;
      const headers = new Metadata();
      headers.set('x-head', 'one');
      headers.set('x-head-bin', Buffer.from([0, 255, 1]));
      call.sendMetadata(headers);
      const trailers = new Metadata();
      trailers.set('x-tail', 'two');
      trailers.set('x-tail-bin', Buffer.from([9, 8, 7, 6]));
      callback(null, { text: 'x' }, trailers);
    };
    await using s = await stage({ handlers: { say: handler } });
    const got = async (client: LoopClient): Promise<string[]> => {
      const lines: string[] = [];
      const line = ([key, value]: [string, string]): string => `${key}: ${value}`;
      const unlike = ([key]: [string, string]): boolean => key !== 'date';
      await client.say(
        { text: 'x' },
        {
          headers: { 'x-app': 'yes', 'x-app-bin': Buffer.from([1, 2, 3, 4]).toString('base64'), authorization: 'Bearer t' },
          onHeader: (headers) => lines.push(...[...headers].filter(unlike).map(line)),
          onTrailer: (trailers) => lines.push(...[...trailers].filter(unlike).map(line)),
        },
      );
      return lines.sort();
    };
    const mine = await got(s.client);
    const { 'user-agent': mineAgent, ...mineSeen } = seen.getMap();
    const bare = await got(s.bare);
    const { 'user-agent': agent, ...bareSeen } = seen.getMap();
    expect(mine).toEqual(bare);
    expect(mine).toContain('x-head-bin: AP8B');
    expect(mineSeen).toEqual(bareSeen);
    expect(mineAgent).toBe(agent);
    expect(mineSeen).toMatchObject({ 'x-app': 'yes', 'x-app-bin': Buffer.from([1, 2, 3, 4]), authorization: 'Bearer t' });
  });

  test('an error of the server passes as Connect made it: code, words, metadata, details', async () => {
    const any = toBinary(AnySchema, anyPack(StringValueSchema, { $typeName: 'google.protobuf.StringValue', value: 'why' } as StringValue));
    const details = Buffer.concat([Buffer.from([8, 9, 18, 2]), Buffer.from('no'), Buffer.from([26, any.length]), any]);
    const metadata = new Metadata();
    metadata.set('grpc-status-details-bin', details);
    metadata.set('x-why', 'because');
    const handler: Handler = (_call, callback) => callback({ code: status.FAILED_PRECONDITION, details: 'no', metadata });
    await using s = await stage({ handlers: { say: handler } });
    const [mine, bare] = await Promise.all([s.client, s.bare].map((client) => errorOf(client.say({ text: 'x' }))));
    for (const error of [mine, bare]) {
      expect(error).toBeInstanceOf(ConnectError);
      expect(error).toMatchObject({ code: Code.FailedPrecondition, rawMessage: 'no' });
      expect(error?.metadata.get('x-why')).toBe('because');
      expect(error?.findDetails(StringValueSchema).map(({ value }) => value)).toEqual(['why']);
    }
    expect([...(mine?.metadata.keys() ?? [])]).toEqual([...(bare?.metadata.keys() ?? [])]);
  });

  test('a refusal of the mesh is a ConnectError that says who and why', async () => {
    await using s = await stage({ policy: say({ bulkhead: { slots: 1, queue: 0 } }), handlers: { say: () => {} } });
    const first = errorOf(s.client.say({ text: 'x' }));
    const refused = await errorOf(s.client.say({ text: 'x' }));
    expect(refused).toBeInstanceOf(ConnectError);
    expect(refused.code).toBe(Code.ResourceExhausted);
    expect(refused.metadata.get('inmesh-reason')).toBe('client.bulkhead/queue-full');
    s.loop.server.forceShutdown();
    await first;
  });

  test('interceptors above see a call, those below each attempt', async () => {
    const { handler, calls } = failing(2);
    const seen: string[] = [];
    const noting =
      (where: string): Interceptor =>
      (next) =>
      (request) => {
        seen.push(where);
        return next(request);
      };
    await using s = await stage({
      policy: say({ idempotent: true }),
      handlers: { say: handler },
      above: [noting('above')],
      below: [noting('below')],
    });
    expect((await s.client.say({ text: 'x' })).text).toBe('answer 3');
    expect(seen).toEqual(['above', 'below', 'below', 'below']);
    expect(calls.length).toBe(3);
  });

  test('what an interceptor above puts into headers goes with each attempt', async () => {
    const { handler, calls } = failing(1);
    const above: Interceptor = (next) => (request) => {
      request.header.set('x-late', 'v');
      return next(request);
    };
    await using s = await stage({ policy: say({ idempotent: true }), handlers: { say: handler }, above: [above] });
    await s.client.say({ text: 'x' });
    expect(calls.map(({ metadata }) => metadata.get('x-late'))).toEqual([['v'], ['v']]);
  });

  test('a mesh below a mesh is refused: retries would be squared', async () => {
    const mesh = createMesh();
    await using s = await stage({ below: [connectInterceptor(mesh)] });
    await expect(s.client.say({ text: 'x' })).rejects.toThrow(/connectInterceptor\(\) is twice/);
    await mesh.close();
  });

  test('a closed mesh refuses', async () => {
    await using s = await stage();
    await s.mesh.close();
    const error = await errorOf(s.client.say({ text: 'x' }));
    expect(error.code).toBe(Code.Unavailable);
    expect(error.metadata.get('inmesh-reason')).toBe('client.mesh/closed');
  });

  test('counts, and the name of the method, are those of any other client', async () => {
    await using s = await stage({ handlers: { say: failing(1, status.NOT_FOUND).handler } });
    await errorOf(s.client.say({ text: 'x' }));
    await s.client.say({ text: 'x' });
    expect(s.mesh.stats().client).toMatchObject({ calls: 2, active: 0, byCode: { NOT_FOUND: 1, OK: 1 } });
    expect(JSON.stringify(s.mesh.overview())).toContain(SAY);
  });
});

describe('Connect, unary: cancellation', () => {
  test("the app's signal ends the call at the server, and its reason is what the app gets", async () => {
    const cancelled = gate();
    const handler: Handler = (call) => {
      call.on('cancelled', () => cancelled.open());
      abort.abort();
    };
    const abort = new AbortController();
    await using s = await stage({ handlers: { say: handler } });
    const error = await errorOf(s.client.say({ text: 'x' }, { signal: abort.signal }));
    expect(error.code).toBe(Code.Canceled);
    await cancelled.opened;
    await expect.poll(() => s.mesh.stats().client).toMatchObject({ active: 0, byCode: { CANCELLED: 1 } });
  });

  test('a signal that has spoken before sends nothing', async () => {
    let calls = 0;
    await using s = await stage({ handlers: { say: () => calls++ } });
    const error = await errorOf(s.client.say({ text: 'x' }, { signal: AbortSignal.abort() }));
    expect(error.code).toBe(Code.Canceled);
    expect(s.mesh.stats().client.active).toBe(0);
    expect(calls).toBe(0);
  });

  test('a call that waits for its turn leaves the queue', async () => {
    let calls = 0;
    const held = gate();
    const handler: Handler = (_call, callback) => {
      calls++;
      void held.opened.then(() => callback(null, { text: 'x' }));
    };
    await using s = await stage({ policy: say({ bulkhead: { slots: 1, queue: 10 } }), handlers: { say: handler } });
    const first = s.client.say({ text: 'x' });
    await expect.poll(() => calls).toBe(1);
    const abort = new AbortController();
    const second = errorOf(s.client.say({ text: 'x' }, { signal: abort.signal }));
    await expect.poll(() => s.mesh.stats().client.active).toBe(2);
    abort.abort();
    expect((await second).code).toBe(Code.Canceled);
    held.open();
    await first;
    await expect.poll(() => s.mesh.stats().client.active).toBe(0);
    expect(calls).toBe(1);
  });

  test('no listener is left on the signal of a call that is over', async () => {
    const signals: AbortSignal[] = [];
    const above: Interceptor = (next) => async (request) => {
      signals.push(request.signal);
      const before = getEventListeners(request.signal, 'abort').length;
      const response = await next(request);
      expect(getEventListeners(request.signal, 'abort').length).toBe(before);
      return response;
    };
    await using s = await stage({ above: [above] });
    await s.client.say({ text: 'x' });
    expect(signals.length).toBe(1);
  });
});

describe("Connect, unary: Connect's own protocol", () => {
  test('is told the time that is left in its own words', async () => {
    const seen: (string | null)[] = [];
    const below: Interceptor = () => (request) => {
      seen.push(request.header.get('connect-timeout-ms'), request.header.get('grpc-timeout'));
      return Promise.reject(new ConnectError('enough', Code.Aborted));
    };
    const mesh = createMesh(say({ timeout: '0.5s' }));
    const client = connectClient('http://127.0.0.1:1', [connectInterceptor(mesh), below]);
    await errorOf(client.say({ text: 'x' }));
    expect(Number(seen[0])).toBeGreaterThan(300);
    expect(Number(seen[0])).toBeLessThanOrEqual(501);
    expect(seen[1]).toBe(null);
    await mesh.close();
  });
});
