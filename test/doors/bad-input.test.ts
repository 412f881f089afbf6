import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bulkheadInterceptor, coalesceInterceptor, deadlineInterceptor, retryInterceptor } from '../../interceptors/index.ts';
import { ConfigError, UsageError } from '../../src/errors.ts';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import type { Policy } from '../../src/policy/policy.gen.ts';
import { doors, EchoClient, echo, echoDefinition, serve } from '../support/loopback.ts';

/** What a wrong program passes, past the compiler. */
const wrong = <T>(value: unknown): T => value as T;

describe('a wrong policy', () => {
  test.for<[string, unknown, string]>([
    ['an unknown key', { defualts: {} }, 'policy: unknown key "defualts"; did you mean "defaults"?'],
    [
      'an unknown key of a method',
      { methods: { 'a.B/C': { retry: {} } } },
      'policy.methods["a.B/C"]: unknown key "retry"; did you mean "retryPolicy"?',
    ],
    ['500 where "0.5s" is due', { defaults: { timeout: 500 } }, 'policy.defaults.timeout: '],
    ['milliseconds as text', { defaults: { timeout: '500ms' } }, 'policy.defaults.timeout: '],
    ['a word that is none', { coalesce: 'always' }, 'policy.coalesce: '],
  ])('%s is refused when the mesh is made', ([, policy, message]) => {
    expect(() => createMesh(wrong<Policy>(policy))).toThrow(ConfigError);
    expect(() => createMesh(wrong<Policy>(policy))).toThrow(message);
  });

  test('500 where "0.5s" is due says what was meant', () => {
    expect(() => createMesh(wrong<Policy>({ defaults: { timeout: 500 } }))).toThrow(/500.*"0\.5s"/);
  });
});

describe('wrong options of a single behaviour', () => {
  test.for<[string, () => unknown, string]>([
    [
      '"0.5s" where 500 is due',
      () => retryInterceptor({ initialBackoffMs: wrong('0.5s') }),
      'retry.initialBackoffMs: expected milliseconds as a number > 0, got "0.5s"; did you mean 500?',
    ],
    [
      'an unknown option of retry',
      () => retryInterceptor(wrong({ maxAttemps: 2 })),
      'retry.maxAttemps: unknown option; did you mean maxAttempts?',
    ],
    [
      'a method without its slash',
      () => retryInterceptor({ idempotentMethods: ['loop.Echo/Say'] }),
      'retry.idempotentMethods[0]: expected a path like "/pkg.Service/Method", got "loop.Echo/Say"; did you mean "/loop.Echo/Say"?',
    ],
    [
      'one method instead of a list',
      () => retryInterceptor({ idempotentMethods: wrong('/loop.Echo/Say') }),
      'retry.idempotentMethods: expected a list of paths, got "/loop.Echo/Say"',
    ],
    [
      'a predicate that is none',
      () => retryInterceptor({ retryOnResponse: wrong('stale') }),
      'retry.retryOnResponse: expected a function, got "stale"',
    ],
    [
      'a throttle in words of the policy',
      () => retryInterceptor({ adaptiveThrottle: wrong({ window: '10s' }) }),
      'retry.adaptiveThrottle.window: unknown option; did you mean windowMs?',
    ],
    [
      'two kinds of budget',
      () => retryInterceptor({ budget: { ratio: 0.1, throttle: { maxTokens: 10, tokenRatio: 0.1 } } }),
      'retry.budget.ratio: expected nothing beside throttle, which takes the place of the other fields',
    ],
    [
      'a timeout as text',
      () => deadlineInterceptor({ timeoutMs: wrong('2s') }),
      'deadline.timeoutMs: expected milliseconds as a number > 0, got "2s"; did you mean 2000?',
    ],
    ['a timeout of 0', () => deadlineInterceptor({ timeoutMs: 0 }), 'deadline.timeoutMs: expected milliseconds as a number > 0, got 0'],
    [
      'an unknown option of deadline',
      () => deadlineInterceptor(wrong({ timeout: 500 })),
      'deadline.timeout: unknown option; did you mean timeoutMs?',
    ],
    [
      'a margin as text',
      () => deadlineInterceptor({ hopMarginMs: wrong('0.1s') }),
      'deadline.hopMarginMs: expected milliseconds as a number >= 0, got "0.1s"; did you mean 100?',
    ],
    ['propagate as text', () => deadlineInterceptor({ propagate: wrong('no') }), 'deadline.propagate: expected true or false, got "no"'],
    ['a bulkhead without slots', () => bulkheadInterceptor(wrong({})), 'bulkhead.slots: '],
    [
      'coalescing without a channel',
      () => coalesceInterceptor(wrong({})),
      'coalesce.channel: expected () => client.getChannel(), got nothing',
    ],
  ])('%s is refused at once', ([, make, message]) => {
    expect(make).toThrow(ConfigError);
    expect(make).toThrow(message);
  });
});

describe('wrong use of a server', () => {
  test('attached twice', () => {
    const mesh = createMesh();
    const server = new MeshServer({ mesh });
    expect(() => mesh.attach(server)).toThrow(new UsageError('mesh.attach(server): this server is attached already'));
  });

  test('attached after addService: calls go on as before, without batches, and that is said', async () => {
    const lines: string[] = [];
    const mesh = createMesh({}, { warn: (line) => lines.push(line) });
    const server = new grpc.Server(mesh.server());
    server.addService(echoDefinition, { ...echo });
    mesh.attach(server);
    const port = await new Promise<number>((resolve) =>
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (_error, bound) => resolve(bound)),
    );
    const asking = createMesh({ coalesce: 'auto' });
    using client = new EchoClient({ address: `127.0.0.1:${port}`, mesh: asking });
    await client.learn();
    expect((await client.burst(['a', 'b'])).map(({ text }) => text)).toEqual(['say a', 'say b']);
    expect(asking.stats().coalesce.items).toBe(0);
    expect(lines).toEqual(['mesh.attach(server) came after addService for /loop.Echo/Say: it is served without batches']);
    await asking.close();
    server.forceShutdown();
  });
});

describe('two copies of grpc-js', () => {
  let folder = '';
  let other: typeof grpc;
  beforeAll(() => {
    const require = createRequire(import.meta.url);
    const modules = dirname(dirname(dirname(require.resolve('@grpc/grpc-js/package.json'))));
    folder = mkdtempSync(join(tmpdir(), 'inmesh-'));
    cpSync(join(modules, '@grpc/grpc-js'), join(folder, 'grpc-js'), { recursive: true });
    symlinkSync(modules, join(folder, 'node_modules'));
    other = require(join(folder, 'grpc-js'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const COPIES = 'two copies of it are installed (see `npm ls @grpc/grpc-js`)';

  test('credentials of the other copy are refused when the client is made', () => {
    const mesh = createMesh();
    const credentials = other.credentials.createInsecure();
    for (const door of doors) {
      const make = (): EchoClient => new EchoClient({ address: '127.0.0.1:1', mesh, door, credentials });
      expect(make).toThrow(UsageError);
      expect(make).toThrow(COPIES);
    }
  });

  test('a client of the other copy is refused on its first call', () => {
    const Stub = other.makeGenericClientConstructor(wrong(echoDefinition), 'loop.Echo');
    const client = wrong<EchoClient['stub']>(
      new Stub('127.0.0.1:1', other.credentials.createInsecure(), { interceptors: wrong(createMesh().interceptors()) }),
    );
    const call = (): unknown => client.say({ text: 'a' }, wrong(new other.Metadata()), {}, () => {});
    expect(call).toThrow(UsageError);
    expect(call).toThrow(COPIES);
    client.close();
  });

  test('a server of the other copy is refused', () => {
    const server = wrong<grpc.Server>(new other.Server());
    expect(() => createMesh().attach(server)).toThrow(UsageError);
    expect(() => createMesh().attach(server)).toThrow(COPIES);
  });

  test('what is no server at all is refused', () => {
    expect(() => createMesh().attach(wrong({}))).toThrow('mesh.attach(server): this is not a Server of the @grpc/grpc-js that inmesh uses');
  });
});

describe.for(doors)('bad credentials and service configs at %s', (door) => {
  test.for([undefined, null, {}, 'insecure'])('credentials %s throw where the client is made', (credentials) => {
    const mesh = createMesh();
    const options = door === 'channel' ? mesh.client() : mesh.options();
    const Stub = grpc.makeGenericClientConstructor(echoDefinition, 'loop.Echo');
    expect(() => new Stub('127.0.0.1:1', wrong(credentials), options)).toThrow(
      'expected channel credentials, e.g. credentials.createInsecure(), got ',
    );
  });

  test('a policy that grpc-js would silently replace by pick_first throws where the client is made', () => {
    const mesh = createMesh();
    const config = '{"loadBalancingConfig":[{"roundRobin":{}}]}';
    const make = (): EchoClient => new EchoClient({ address: '127.0.0.1:1', mesh, door, options: { 'grpc.service_config': config } });
    expect(make).toThrow(ConfigError);
    expect(make).toThrow(
      'options["grpc.service_config"].loadBalancingConfig: grpc-js knows no policy roundRobin and would use pick_first; did you mean round_robin?',
    );
  });

  test('an address that names no server fails its calls, not the process', async () => {
    const running = await serve();
    running.kill();
    const mesh = createMesh();
    using client = new EchoClient({ address: running.address, mesh, door });
    expect((await client.say('a')).code).toBe('UNAVAILABLE');
    await mesh.close();
  });
});
