/**
 * Where authorization stands on servers of ours, and how a port is known to be TLS.
 */
import { experimental, Metadata, Server, ServerCredentials } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { authorizationServerInterceptor } from '../../interceptors/standalone/authorization.ts';
import type { AuthorizationPolicy } from '../../src/auth/policy.ts';
import { UsageError } from '../../src/errors.ts';
import { isSecure, serverCredentialsWithInterceptors } from '../../src/grpc/port-lists.ts';
import { PortSecurity } from '../../src/grpc/port-security.ts';
import { createMesh } from '../../src/mesh.ts';
import { MeshServer } from '../../src/mesh-server.ts';
import { askAsItems, askDirect, DENIED, guarded, PASSED, policyFile, serverCredentials, stand } from '../grfc/a43-stage.ts';
import { EchoClient, serve } from '../support/loopback.ts';

const NAMELESS = { principals: [''] };
const ALLOWS_NAMELESS: AuthorizationPolicy = { name: 'p', allow_rules: [{ name: 'nameless', source: NAMELESS }] };
const DENIES_NAMELESS: AuthorizationPolicy = {
  name: 'p',
  deny_rules: [{ name: 'nameless', source: NAMELESS }],
  allow_rules: [{ name: 'all' }],
};

describe('a guarded server', () => {
  test('made with mesh.server(): its calls and items are judged', async () => {
    const mesh = guarded(DENIES_NAMELESS);
    const options = mesh.server();
    const server = new Server(options);
    mesh.attach(server, options);
    await using running = await serve({ server, credentials: serverCredentials('TLS') });
    expect((await askDirect(running, { how: 'TLS' })).unary).toEqual(DENIED);
    expect(await askAsItems(running, { how: 'TLS' })).toEqual([DENIED, DENIED]);
    expect(mesh.stats().server).toMatchObject({
      byCode: { PERMISSION_DENIED: 5 },
      authorization: { allowed: 0, denied: 5, deniedBy: { nameless: 5 }, unmatched: 0 },
    });
  });

  test('made elsewhere: attaching it throws, for nothing would guard it', () => {
    const mesh = guarded(ALLOWS_NAMELESS);
    expect(() => mesh.attach(new Server(), { interceptors: [] })).toThrow(UsageError);
    expect(() => mesh.attach(new Server())).toThrow('would not be in force');
  });

  test('bound before it was attached: what is not known counts against the caller', async () => {
    for (const policy of [ALLOWS_NAMELESS, DENIES_NAMELESS]) {
      const mesh = guarded(policy, { warn: () => undefined });
      await using running = await serve({ server: new Server(mesh.server()), credentials: serverCredentials('TLS') });
      expect((await askDirect(running, { how: 'TLS' })).unary).toEqual(DENIED);
    }
  });

  test('a call that may not be made takes no slot, and its handler hears nothing', async () => {
    let handled = 0;
    const mesh = guarded({ name: 'p', allow_rules: [{ name: 'tell', request: { paths: ['/loop.Echo/Tell'] } }] });
    await using running = await serve({
      server: new MeshServer({ mesh }),
      handlers: {
        say: (_call, callback) => {
          handled++;
          callback(null, { text: '' });
        },
        chat: (call) => {
          handled++;
          call.end();
        },
      },
    });
    using client = new EchoClient({ address: running.address });
    expect((await client.say('a')).code).toBe('PERMISSION_DENIED');
    expect((await client.say('a', { method: 'tell' })).code).toBe('OK');
    const code = await new Promise((resolve) => {
      const call = client.stub.chat(new Metadata(), {});
      call.on('error', () => undefined).on('status', (status) => resolve(status.code));
      call.write({ text: 'one' });
    });
    expect(code).toBe(7);
    expect(handled).toBe(0);
  });

  test('the peer is not told which rule denied it', async () => {
    const running = await stand({
      options: { mesh: guarded({ name: 'p-name', deny_rules: [{ name: 'r-name' }], allow_rules: [{ name: 'a' }] }) },
    });
    using client = new EchoClient({ address: running.address });
    const outcome = JSON.stringify(await client.say('a'));
    expect(outcome).toContain('server.authorization/denied');
    expect(outcome).not.toMatch(/[pr]-name/);
  });

  test.each([
    ['no file', {}, 'policy.server.authorization.file: required, but not given'],
    ['an empty path', { file: '' }, 'policy.server.authorization.file: expected text that is not empty, got ""'],
    ['a path that is none', { file: 1 }, 'policy.server.authorization.file: expected text that is not empty, got 1'],
    ['a policy in its place', { policy: {} }, 'policy.server.authorization: unknown key "policy"; known keys: file, refresh'],
    ['a number as refresh', { file: 'f', refresh: 60 }, 'policy.server.authorization.refresh: expected a duration such as "0.5s", got 60'],
  ])('refuses %s, by field', (_what, authorization, message) => {
    expect(() => createMesh({ server: { authorization } } as never)).toThrow(message);
  });
});

describe('authorizationServerInterceptor', () => {
  test.each([
    ['neither policy nor file', {}, 'authorization: expected a policy or a file, got neither'],
    ['both', { policy: ALLOWS_NAMELESS, file: 'f' }, 'authorization: expected a policy or a file, got both'],
    ['an empty path', { file: '' }, 'authorization.file: expected the path of a file, got ""'],
    ['a misspelt option', { polcy: {} }, 'authorization.polcy: unknown option; did you mean policy?'],
    ['a tls that is text', { policy: DENIES_NAMELESS, tls: 'true' }, 'authorization.tls: expected true or false, got "true"'],
    ['the principal "" and no word on TLS', { policy: ALLOWS_NAMELESS }, 'say tls: true or tls: false'],
  ])('refuses %s', (_what, options, message) => {
    expect(() => authorizationServerInterceptor(options as never)).toThrow(message);
  });

  test('counts what it did', async () => {
    const guard = authorizationServerInterceptor({ file: policyFile(JSON.stringify(ALLOWS_NAMELESS)), tls: true });
    await using running = await serve({ server: new Server({ interceptors: [guard] }), credentials: serverCredentials('TLS') });
    expect((await askDirect(running, { how: 'TLS' })).unary).toEqual(PASSED);
    expect(guard.stats()).toMatchObject({ allowed: 2, denied: 0 });
    guard.stop();
  });
});

describe('isSecure', () => {
  const tls = serverCredentials('TLS');
  const plaintext = ServerCredentials.createInsecure();
  test('knows TLS from plaintext, also behind interceptors of ours', () => {
    expect([plaintext, tls, serverCredentials('mTLS')].map(isSecure)).toEqual([false, true, true]);
    expect([plaintext, tls].map((inner) => isSecure(serverCredentialsWithInterceptors(inner, [])))).toEqual([false, true]);
    expect(isSecure(experimental.createServerCredentialsWithInterceptors(tls, []))).toBe(undefined);
  });
  test('a port that is both is neither', async () => {
    const ports = new PortSecurity();
    const server = new Server();
    ports.watch(server);
    await using running = await serve({ server, credentials: tls });
    expect(ports.at(running.port)).toBe(true);
    server.createConnectionInjector(plaintext);
    expect(ports.at(undefined)).toBe(false);
    server.createConnectionInjector(tls);
    expect(ports.at(undefined)).toBe(undefined);
    expect(ports.at(1)).toBe(undefined);
  });
});
