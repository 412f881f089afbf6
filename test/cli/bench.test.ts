/**
 * `bench` and `demo`: bounded, on this machine only, and what they say. O6.
 */
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import {
  loadPackageDefinition,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceClientConstructor,
  status,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runLoad } from '../../src/cli/load.ts';
import { isLoopback } from '../../src/cli/loopback.ts';
import { systemClock } from '../../src/clock.ts';
import { inmesh } from './rig.ts';

const PROTO = fileURLToPath(new URL('files/protos/shop.proto', import.meta.url));
const never = new AbortController().signal;

describe('isLoopback', () => {
  test.each([
    'localhost:1',
    '127.0.0.1:50051',
    '127.9.9.9',
    '[::1]:50051',
    'dns:///localhost:5',
    'ipv4:127.0.0.1:1,127.0.0.2:2',
    'ipv6:[::1]:1',
    'unix:/tmp/x',
    'unix-abstract:x',
    'LOCALHOST:1',
  ])('%s is on this machine', (target) => expect(isLoopback(target)).toBe(true));
  test.each([
    'example.com:443',
    '10.0.0.1:1',
    '127.0.0.1.example.com:1',
    'ipv4:127.0.0.1:1,10.0.0.1:2',
    'xds:///x',
    'dns://127.0.0.1/example.com',
    '[::2]:1',
    '',
    '127.0.0.999',
    'localhost.evil:1',
  ])('%s is not, or nobody knows', (target) => expect(isLoopback(target)).toBe(false));
});

describe('load', () => {
  test('keeps so many calls out at a time, and counts each by its status', async () => {
    let out = 0;
    let most = 0;
    const send = async (): Promise<number> => {
      out++;
      most = Math.max(most, out);
      await new Promise((resolve) => setImmediate(resolve));
      out--;
      return most > 3 ? status.OK : status.UNAVAILABLE;
    };
    const result = await runLoad(send, 4, 50, systemClock, never);
    expect(most).toBe(4);
    const { OK = 0, UNAVAILABLE = 0 } = result.byStatus;
    expect(OK + UNAVAILABLE).toBe(result.calls);
    expect(result.failed).toBe(UNAVAILABLE);
    expect(result.callsPerSecond).toBeCloseTo(result.calls / result.seconds);
  });

  test('ends at the signal', async () => {
    const ended = new AbortController();
    setImmediate(() => ended.abort());
    await runLoad(() => new Promise((resolve) => setImmediate(() => resolve(0))), 2, 60_000, systemClock, ended.signal);
  });
});

describe('inmesh bench', () => {
  let target = '';
  let server: Server;
  const requests: unknown[] = [];

  beforeAll(async () => {
    const loaded = loadPackageDefinition(loadSync(PROTO, { keepCase: true }))['shop'] as unknown as {
      readonly v1: { readonly Cart: ServiceClientConstructor };
    };
    server = new Server();
    const getItem: UntypedHandleCall = (call: { request: unknown }, callback: (error: object | null, reply?: object) => void) => {
      if (requests.length < 5) requests.push(call.request);
      callback(null, { id: '1' });
    };
    const placeOrder: UntypedHandleCall = (_: unknown, callback: (error: object | null) => void) =>
      callback({ code: status.ABORTED, details: 'no', metadata: new Metadata() });
    server.addService(loaded.v1.Cart.service, { GetItem: getItem, PlaceOrder: placeOrder });
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    target = `127.0.0.1:${port}`;
  });
  afterAll(() => server.forceShutdown());

  const bench = (...more: readonly string[]): ReturnType<typeof inmesh> =>
    inmesh(['bench', '-t', target, '-c', '4', '-d', '200ms', ...more]);

  test('calls with the request that --data says, and tells the rate', async () => {
    requests.length = 0;
    const { exit, out } = await bench('-m', 'shop.v1.Cart/GetItem', '--proto', PROTO, '--data', '{"id": "7"}');
    expect(exit).toBe(0);
    expect(requests[0]).toEqual({ id: '7' });
    expect(out).toMatch(
      /^shop\.v1\.Cart\/GetItem at 127\.0\.0\.1:\d+, 4 callers, grpc-js\n[\d.]+k? calls\/s: \d+ in 0\.\d s\nlatency p50 .*\n {2}OK \d+\n$/,
    );
  });

  test('goes through inmesh with --mesh, and gives JSON', async () => {
    const { exit, out } = await bench('-m', '/shop.v1.Cart/GetItem', '--mesh', '--json');
    expect(exit).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ mesh: true, failed: 0, callers: 4, method: 'shop.v1.Cart/GetItem' });
  });

  test('ends with 1 when calls fail', async () => {
    const { exit, out } = await bench('-m', 'shop.v1.Cart/PlaceOrder');
    expect(exit).toBe(1);
    expect(out).toContain('100% failed\n  ABORTED ');
  });

  test.each([
    [['-m', 'shop.v1.Cart/GetItem', '-t', 'example.com:443'], 'is not on this machine'],
    [['-m', 'GetItem'], 'expected pkg.Service/Method'],
    [[], 'expected pkg.Service/Method'],
    [['-m', 'shop.v1.Cart/Get', '--proto', PROTO], 'no method shop.v1.Cart/Get'],
    [['-m', 'shop.v1.Cart/WatchItems', '--proto', PROTO], 'streams'],
    [['-m', 'shop.v1.Cart/GetItem', '--data', '{}'], '--data needs --proto'],
    [['-m', 'shop.v1.Cart/GetItem', '--proto', PROTO, '--data', '{'], '--data is no JSON'],
    [['-m', 'shop.v1.Cart/GetItem', '-c', '5000'], 'from 1 to 1024'],
    [['-m', 'shop.v1.Cart/GetItem', '-d', '1h'], 'from 0.1s to 60s'],
    [['-m', 'shop.v1.Cart/GetItem', '--config', 'nothing.yaml'], 'nothing.yaml: cannot be read'],
  ])('refuses %j', async (flags, said) => {
    expect(await bench(...flags)).toMatchObject({ exit: 2, err: expect.stringContaining(said) });
  });

  test('a server that is not there: exit code 3', async () => {
    const { exit, err } = await inmesh(['bench', '-t', '127.0.0.1:9', '-m', 'a.B/C']);
    expect(exit).toBe(3);
    expect(err).toContain('127.0.0.1:9 is not ready within 5 s');
  });
});

describe('inmesh demo', () => {
  test('serves, calls, can be looked at, and ends by itself', async () => {
    let looked: Promise<unknown> | undefined;
    const { exit, out } = await inmesh(['demo', '--port', '0', '--for', '1500ms', '--json'], {
      onOut(text) {
        const { url }: { url: string } = JSON.parse(text);
        looked = inmesh(['tap', '-n', '3', '--side', 'client', '--json', '--url', url]);
      },
    });
    expect(exit).toBe(0);
    expect(JSON.parse(out)).toEqual({
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+/),
      target: expect.stringMatching(/^ipv4:127/),
    });
    expect(await looked).toMatchObject({ exit: 0, out: expect.stringContaining('demo.v1.Shop/') });
  });

  test('says when the port is taken, and what to do', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const address = taken.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const { exit, err } = await inmesh(['demo', '--port', String(port)]);
    taken.close();
    expect(exit).toBe(1);
    expect(err).toContain(String(port));
    expect(err).toContain('--port');
  });
});
