import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { resolveAdminOptions } from '../../src/admin/options.ts';
import { ROUTES } from '../../src/admin/routes.ts';
import type { AdminServer } from '../../src/admin/server.ts';
import { HEARTBEAT_MS, MAX_STREAMS } from '../../src/admin/streams.ts';
import { ConfigError } from '../../src/errors.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { ask, begin, fakeMesh, open, readUntil, shows, TOKEN } from './stage.ts';

/** What the server answers to bytes, whatever they are. */
function raw({ host, port }: AdminServer, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host, () => socket.write(bytes));
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
    socket.setTimeout(5000, () => socket.destroy());
  });
}

const post = (server: AdminServer, headers: Readonly<Record<string, string>> = {}) => ask(server, '/drain', { method: 'POST', headers });

/** What a browser says of a request that a page of another origin made. */
const FOREIGN = (port: number): readonly Record<string, string>[] => [
  { origin: 'https://evil.example' },
  { origin: 'null' },
  { origin: `http://localhost:${port}` },
  { 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors' },
];

describe('admin server: whom it answers (DNS rebinding)', () => {
  test.each(['localhost', 'localhost:9902', 'LOCALHOST', 'localhost.', '127.0.0.1', '127.0.0.1:80', '127.1.2.3', '[::1]', '[::1]:9902'])(
    'Host %s is ours',
    async (host) => {
      const server = await open();
      expect((await ask(server, '/livez', { headers: { host } })).status).toBe(200);
    },
  );

  test.each([
    'evil.example',
    'evil.example:9902',
    'localhost.evil.example',
    'evil-localhost',
    'a@localhost',
    '127.0.0.1.nip.io',
    '10.0.0.1',
    '[::2]',
    '0.0.0.0',
    '127.0.0.1:9902:1',
    '2130706433',
  ])('Host %s is not, for whatever it asks', async (host) => {
    const mesh = fakeMesh();
    const server = await open({ token: TOKEN }, mesh);
    for (const path of ['/', '/livez', '/overview.json', '/events', '/nothing']) {
      expect(await ask(server, path, { headers: { host, ...shows(TOKEN) } })).toMatchObject({
        status: 421,
        value: { error: { code: 'WRONG_HOST' } },
      });
    }
    expect((await post(server, { host, ...shows(TOKEN) })).status).toBe(421);
    expect(mesh.now).toBe('open');
  });

  test('a Host that was named is ours too', async () => {
    const server = await open({ allowedHosts: ['Mesh.Internal'] });
    expect((await ask(server, '/livez', { headers: { host: 'mesh.internal:9902' } })).status).toBe(200);
    expect((await ask(server, '/livez', { headers: { host: 'other.internal' } })).status).toBe(421);
  });

  test('no Host, two of them, or a whole address in their place get nothing', async () => {
    const server = await open();
    expect(await raw(server, 'GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n')).toMatch(/^HTTP\/1.1 400 /);
    expect(await raw(server, 'GET /livez HTTP/1.0\r\n\r\n')).toMatch(/^HTTP\/1.1 421 /);
    expect(await raw(server, 'GET http://localhost/livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')).toMatch(
      /^HTTP\/1.1 404 /,
    );
    expect(await raw(server, 'GET /livez HTTP/1.1\r\nHost: evil.example\r\nHost: localhost\r\nConnection: close\r\n\r\n')).toMatch(
      /^HTTP\/1.1 4\d\d /,
    );
  });
});

describe('admin server: who may change something', () => {
  test('without a token nobody', async () => {
    const mesh = fakeMesh();
    const server = await open({}, mesh);
    for (const headers of [{}, shows(''), shows('undefined'), shows(TOKEN)]) {
      expect(await post(server, headers)).toMatchObject({ status: 403, value: { error: { code: 'FORBIDDEN' } } });
    }
    expect(mesh.now).toBe('open');
  });

  test('with one, who shows it; what is wrong is not repeated', async () => {
    const mesh = fakeMesh();
    const server = await open({ token: TOKEN }, mesh);
    const basic = { authorization: `Basic ${Buffer.from(`me:${TOKEN}`).toString('base64')}` };
    for (const headers of [
      {},
      shows(`${TOKEN}x`),
      shows(TOKEN.slice(1)),
      { authorization: TOKEN },
      { authorization: `Token ${TOKEN}` },
      basic,
    ]) {
      const answer = await post(server, headers);
      expect(answer).toMatchObject({ status: 401, value: { error: { code: 'UNAUTHORIZED' } } });
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="inmesh"');
      expect(answer.text).not.toContain(TOKEN.slice(1));
    }
    expect(mesh.now).toBe('open');
    expect((await post(server, { authorization: `bearer ${TOKEN}` })).status).toBe(200);
    expect(mesh.now).toBe('draining');
  });

  test('no page of another origin, though it knew the token', async () => {
    const mesh = fakeMesh();
    const server = await open({ token: TOKEN }, mesh);
    const host = `127.0.0.1:${server.port}`;
    for (const more of FOREIGN(server.port)) expect((await post(server, { host, ...shows(TOKEN), ...more })).status).toBe(403);
    expect(mesh.now).toBe('open');
    expect((await post(server, { host, ...shows(TOKEN), origin: `http://${host}`, 'sec-fetch-site': 'same-origin' })).status).toBe(200);
  });

  test('such a page opens no stream either; a link to the live page may be followed', async () => {
    const server = await open();
    const host = `127.0.0.1:${server.port}`;
    for (const more of FOREIGN(server.port)) expect((await ask(server, '/tap', { headers: { host, ...more } })).status).toBe(403);
    const followed = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
    expect((await ask(server, '/', { headers: { host, ...followed } })).status).toBe(200);
    expect((await ask(server, '/', { headers: { host, ...followed, 'sec-fetch-dest': 'iframe' } })).status).toBe(403);
    expect((await ask(server, '/overview.json', { headers: { host, 'sec-fetch-site': 'same-origin' } })).status).toBe(200);
  });

  test('each route knows one method, and names it', async () => {
    const server = await open({ token: TOKEN });
    for (const { method, path } of ROUTES) {
      for (const other of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'].filter((one) => one !== method)) {
        const { status, headers } = await ask(server, path, { method: other, headers: shows(TOKEN) });
        expect(status).toBe(405);
        expect(headers.allow).toBe(method === 'GET' ? 'GET, HEAD' : 'POST');
      }
    }
  });
});

describe('admin server: at an address that others can reach', () => {
  const outside = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ internal, family }) => !internal && family === 'IPv4')?.address;

  test('it does not listen without a token', () => {
    for (const host of ['0.0.0.0', '::', '10.0.0.1', 'mesh.internal'])
      expect(() => resolveAdminOptions({ host }, {})).toThrow(/^admin\.token: is missing: at ".*" others can reach/);
    expect(resolveAdminOptions({ host: '0.0.0.0' }, { INMESH_ADMIN_TOKEN: TOKEN })).toMatchObject({ token: TOKEN, local: false });
  });

  test('who shows no token is told only whether it lives and is ready', async () => {
    const mesh = fakeMesh();
    mesh.known = [{ target: 'dns:///secret', endpoints: 1, ready: 0, failing: false }];
    const server = await open({ host: '0.0.0.0', token: TOKEN }, mesh);
    for (const { method, path, access } of ROUTES.filter(({ access }) => access !== 'open')) {
      const { status, headers } = await ask(server, path, { method });
      expect([path, access, status]).toEqual([path, access, 401]);
      expect(/Basic/.test(headers['www-authenticate'] ?? '')).toBe(access === 'read');
    }
    expect((await ask(server, '/livez')).status).toBe(200);
    const ready = await ask(server, '/readyz');
    expect(ready.status).toBe(503);
    expect(ready.text).not.toContain('secret');
    expect((await ask(server, '/readyz', { headers: shows(TOKEN) })).text).toContain('secret');
  });

  test('a browser may show it as a password, to look only', async () => {
    const server = await open({ host: '0.0.0.0', token: TOKEN });
    const basic = (token: string) => ({ authorization: `Basic ${Buffer.from(`me:${token}`).toString('base64')}` });
    expect((await ask(server, '/overview.json', { headers: basic(TOKEN) })).status).toBe(200);
    expect((await ask(server, '/overview.json', { headers: basic('other') })).status).toBe(401);
    expect((await post(server, basic(TOKEN))).status).toBe(401);
  });

  test.skipIf(outside === undefined)('its own address is a good Host, for no name can be pointed at that', async () => {
    const server = await open({ host: '0.0.0.0', token: TOKEN });
    const there = { url: `http://${outside}:${server.port}` };
    expect((await ask(there, '/livez')).status).toBe(200);
    expect((await ask(there, '/livez', { headers: { host: 'evil.example' } })).status).toBe(421);
    expect((await ask(there, '/livez', { headers: { host: '10.255.255.1' } })).status).toBe(421);
  });
});

describe('admin server: what a caller may cost', () => {
  test('so many streams and no more, and one more when one has ended', async () => {
    const server = await open();
    const streams = await Promise.all(Array.from({ length: MAX_STREAMS }, () => begin(server, '/events')));
    const refused = await ask(server, '/tap');
    expect(refused).toMatchObject({ status: 503, value: { error: { code: 'TOO_MANY_STREAMS' } } });
    expect(refused.headers['retry-after']).toBe('5');
    expect((await ask(server, '/overview.json')).status).toBe(200);
    streams[0]?.request.destroy();
    await expect.poll(async () => (await ask(server, '/events', { method: 'HEAD' })).status).toBe(200);
  });

  test('a reader that has stopped reading loses calls, is told how many, and holds up nobody', async () => {
    const mesh = fakeMesh();
    const server = await open({}, mesh);
    const slow = await begin(server, '/tap?format=ndjson');
    const quick = await begin(server, '/tap?format=ndjson&method=a.B/Last');
    slow.response.pause();
    const long = 'x'.repeat(1000);
    for (let i = 0; i < 200; i++) {
      for (let j = 0; j < 100; j++) mesh.call({ method: `a.B/${long}` });
      await new Promise((resolve) => setImmediate(resolve));
    }
    mesh.call({ method: 'a.B/Last' });
    await readUntil(quick.response, /Last/);
    slow.response.resume();
    mesh.call({ method: 'a.B/Last' });
    const lost = /\{"lost":(\d+)\}/.exec(await readUntil(slow.response, /"lost":\d+\}\n[\s\S]*\n/))?.[1];
    expect(Number(lost)).toBeGreaterThan(1000);
  });

  test('a reader of events that has stopped reading is let go', async () => {
    const mesh = fakeMesh();
    const server = await open({}, mesh);
    const { response } = await begin(server, '/events');
    response.pause();
    const gone = new Promise((resolve) => response.on('close', resolve));
    response.on('error', () => {});
    const text = 'x'.repeat(500);
    for (let i = 0; i < 40_000; i++) mesh.events.add({ kind: 'mesh.said', subject: String(i), text });
    response.resume();
    await gone;
    expect(response.complete).toBe(false);
  });

  test('a reader that has not read between two signs of life is let go', async () => {
    const clock = new FakeClock();
    const mesh = fakeMesh();
    const server = await open({}, mesh, clock);
    const { response } = await begin(server, '/tap?format=ndjson');
    response.pause();
    const method = `a.B/${'x'.repeat(1000)}`;
    for (let i = 0; i < 200; i++) {
      for (let j = 0; j < 100; j++) mesh.call({ method });
      await new Promise((resolve) => setImmediate(resolve));
    }
    clock.advance(HEARTBEAT_MS);
    expect(mesh.taps.on).toBe(true);
    clock.advance(HEARTBEAT_MS);
    await expect.poll(() => mesh.taps.on).toBe(false);
    response.on('error', () => {});
  });

  test('streams have a sign of life, and no timer when there are none', async () => {
    const clock = new FakeClock();
    const server = await open({}, fakeMesh(), clock);
    expect(clock.pending).toBe(0);
    const { response, request } = await begin(server, '/events');
    expect(clock.pending).toBe(1);
    clock.advance(HEARTBEAT_MS);
    expect(await readUntil(response, /\n:\n\n/)).toBe('retry: 1000\n\n:\n\n');
    request.destroy();
    await expect.poll(() => clock.pending).toBe(0);
  });

  test('bytes that are no HTTP, and what wants another protocol, get an answer or an end; others are served on', async () => {
    const server = await open();
    expect(await raw(server, '\u0016\u0003\u0001\r\n\r\n')).toMatch(/^HTTP\/1.1 400 /);
    expect(await raw(server, 'GET /livez HTTP/9.9\r\n\r\n')).toMatch(/^HTTP\/1.1 400 /);
    expect(await raw(server, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')).toMatch(/^HTTP\/1.1 400 /);
    const upgrade = 'Host: localhost\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n\r\n';
    expect(await raw(server, `GET /livez HTTP/1.1\r\n${upgrade}`)).toMatch(/^HTTP\/1.1 200 /);
    expect(await raw(server, 'CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n')).toBe('');
    expect((await ask(server, '/livez')).status).toBe(200);
  });

  test('headers beyond 8 KiB are refused', async () => {
    const server = await open();
    expect((await ask(server, '/livez', { headers: { 'x-long': 'x'.repeat(9000) } })).status).toBe(431);
  });
});

describe('admin server: what makes no sense', () => {
  test.each([
    ['/overveiw.json', 404, 'did you mean /overview.json?'],
    ['/admin', 404, 'routes: / /overview'],
    ['/tap?methd=a.B/C', 400, 'unknown parameter "methd"; did you mean method?'],
    ['/overview.json?x=1', 400, 'unknown parameter "x"; it takes none'],
    ['/tap?side=cleint', 400, 'expected side to be client or server, got "cleint"; did you mean client?'],
    ['/tap?slowMs=fast', 400, 'expected slowMs to be a number, 0 or more, got "fast"'],
    ['/tap?status=BAD', 400, 'filter.status: expected the name of a status code, or failed, got "BAD"'],
    ['/tap?method=a', 400, 'filter.method: expected pkg.Service/Method or pkg.Service/*, got "a"'],
    ['/config.json?method=a', 400, 'explain: expected a method such as "pkg.Service/Method", got "a"'],
    ['/config?target=dns:///a', 400, 'the parameter method is missing, such as ?method=pkg.Service/Method'],
    ['/config?method=%ff', 400, 'explain: expected a method'],
  ])('%s is %i: %s', async (path, status, message) => {
    const server = await open();
    expect(await ask(server, path)).toMatchObject({ status, value: { error: { message: expect.stringContaining(message) } } });
  });

  test('no path, query or header makes it fail, and nothing but JSON tells of a mistake', async () => {
    const server = await open({ token: TOKEN });
    const path = fc.constantFrom(...ROUTES.map((route) => route.path));
    const piece = fc.oneof(
      fc.constantFrom('%', '%2e%2e', '..', '//', '__proto__', '\u00ff', '?', '#', '=', '&&', '%00', '%0d%0a'),
      fc.string({ maxLength: 8 }),
    );
    const parameter = fc.tuple(
      fc.constantFrom('method', 'since', 'format', 'target', 'constructor', '__proto__'),
      fc.array(piece, { maxLength: 3 }),
    );
    const query = fc.array(parameter, { maxLength: 3 }).map((parts) => parts.map(([name, value]) => `${name}=${value.join('')}`).join('&'));
    const anything = fc.oneof(
      fc.tuple(path, query).map((parts) => parts.join('?')),
      fc.array(piece).map((parts) => `/${parts.join('/')}`),
    );
    const printable = anything.map((text) => text.replaceAll(/[^!-~]/g, (c) => encodeURIComponent(c.isWellFormed() ? c : '?')));
    await fc.assert(
      fc.asyncProperty(printable, fc.constantFrom('GET', 'HEAD', 'POST', 'DELETE'), async (target, method) => {
        const { response, request } = await begin(server, target, { method, headers: shows(TOKEN) });
        expect(response.statusCode).not.toBe(500);
        if ((response.statusCode ?? 0) >= 400 && response.statusCode !== 503)
          expect(response.headers['content-type']).toMatch(/^application\/json/);
        request.destroy();
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    [{ port: '9902' }, 'admin.port: expected a whole number >= 0 and <= 65535, got "9902"; did you mean 9902?'],
    [{ port: 70000 }, 'admin.port: expected a whole number >= 0 and <= 65535, got 70000'],
    [{ host: '' }, 'admin.host: expected an address such as "127.0.0.1", got ""'],
    [{ token: 'short' }, 'admin.token: expected 16 to 512 printable ASCII characters without blanks, got 5 characters, or others'],
    [{ token: 7 }, 'admin.token: expected 16 to 512 printable ASCII characters without blanks, got 7'],
    [{ allowedHosts: 'a' }, 'admin.allowedHosts: expected a list of names, got "a"'],
    [
      { allowedHosts: ['http://a.b:80/'] },
      'admin.allowedHosts[0]: expected a host name without scheme and port, got "http://a.b:80/"; did you mean "a.b"?',
    ],
    [{ keepAlive: 1 }, 'admin.keepAlive: expected true or false, got 1'],
    [{ allowHosts: [] }, 'admin.allowHosts: unknown option; did you mean allowedHosts?'],
  ])('%o is refused', (options, message) => {
    expect(() => resolveAdminOptions(options, {})).toThrow(
      new ConfigError(message.split(': ')[0] ?? '', message.split(': ').slice(1).join(': ')),
    );
  });

  test('a token of the environment that is no good is not repeated', () => {
    expect(() => resolveAdminOptions({}, { INMESH_ADMIN_TOKEN: 'hunter2' })).toThrow(
      /^INMESH_ADMIN_TOKEN: expected 16 to 512 printable ASCII characters without blanks, got 7 characters, or others$/,
    );
    expect(resolveAdminOptions({}, { INMESH_ADMIN_TOKEN: '' }).token).toBeUndefined();
  });
});
