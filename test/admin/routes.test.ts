import { describe, expect, test } from 'vitest';
import { ROUTES } from '../../src/admin/routes.ts';
import { ask, begin, fakeMesh, open, readUntil, shows, TOKEN } from './stage.ts';

const reads = ROUTES.filter(({ method, path }) => method === 'GET' && !['/', '/tap', '/events'].includes(path));

describe('admin server: what it shows', () => {
  test.each(reads)('$path answers with what its name says, for GET and HEAD', async ({ path }) => {
    const server = await open();
    const { status, headers, text, value } = await ask(server, path);
    expect(status).toBe(200);
    expect(text.length).toBeGreaterThan(1);
    expect(text.endsWith('\n')).toBe(true);
    if (path.endsWith('.json')) expect(value).toBeTypeOf('object');
    else expect(headers['content-type']).toMatch(/^text\/plain/);
    const head = await ask(server, path, { method: 'HEAD' });
    expect(head).toMatchObject({ status: 200, text: '' });
    expect(head.headers['content-length']).toBe(String(Buffer.byteLength(text)));
  });

  test('every text has a twin in JSON', () => {
    const paths = ROUTES.filter(({ method }) => method === 'GET').map(({ path }) => path);
    const streams = ['/tap'];
    const without = paths.filter((path) => !path.endsWith('.json') && path !== '/' && !paths.includes(`${path}.json`));
    expect(without).toEqual(streams);
  });

  test('nothing of it is kept, guessed, framed or let in by others', async () => {
    const server = await open();
    for (const path of ['/overview.json', '/metrics', '/no', '/']) {
      const { headers } = await ask(server, path);
      expect(headers['cache-control']).toBe('no-store');
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['x-frame-options']).toBe('DENY');
      expect(headers['content-security-policy']).toMatch(/^default-src 'none'/);
      expect(headers['cross-origin-resource-policy']).toBe('same-origin');
      expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    }
  });

  test('/ is the page, whose scripts and styles are known by their hashes; for programs it is the list of routes', async () => {
    const server = await open();
    const page = await ask(server, '/', { headers: { accept: 'text/html,application/json;q=0.9' } });
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(page.headers['content-security-policy']).toMatch(/script-src 'sha256-[\w+/=]{44}'/);
    expect(page.headers['content-security-policy']).not.toMatch(/unsafe|\*/);
    const list = await ask(server, '/', { headers: { accept: 'application/json' } });
    expect(list.value).toEqual({ routes: ROUTES.map(({ method, path, about, query }) => ({ method, path, about, query })) });
  });

  test('/overview and /clusters are aligned columns, and nothing in them moves a cursor', async () => {
    const mesh = fakeMesh();
    const overview = mesh.overview();
    const [first] = overview.methods;
    if (first === undefined) throw new Error('no method');
    mesh.overview = () => ({ ...overview, methods: [{ ...first, method: 'a.B/\u001b[2J\u202eC' }] });
    const server = await open({}, mesh);
    const { text } = await ask(server, '/overview');
    expect(text).toContain('a.B/\\u001b[2J\\u202eC');
    for (const obeyed of ['\u001b', '\u202e']) expect(text).not.toContain(obeyed);
    const clusters = (await ask(server, '/clusters')).text.trimEnd().split('\n');
    expect(clusters[0]).toMatch(/^TARGET +ENDPOINT +STATE +IN FLIGHT/);
    expect(clusters).toHaveLength(overview.endpoints.length + 1);
    const column = clusters[0]?.indexOf('STATE') ?? 0;
    for (const line of clusters.slice(1)) expect(line.slice(column)).toMatch(/^(ready|connecting|failing)/);
  });

  test('/config is the policy; with a method what holds for it, and why', async () => {
    const server = await open();
    expect((await ask(server, '/config')).text).toContain('policy:\n  defaults:\n    timeout: 2s\n');
    expect((await ask(server, '/config.json')).value).toMatchObject({
      policy: { defaults: { timeout: '2s' } },
      methods: expect.arrayContaining(['a.B/C', 'atlas.v1.Atlas/GetPlace']),
    });
    expect((await ask(server, '/config?method=a.B/C')).text).toMatch(/^timeout +2s +defaults +policy\.defaults\.timeout$/m);
    expect((await ask(server, '/config.json?method=a.B/C')).value).toMatchObject({
      method: 'a.B/C',
      values: expect.arrayContaining([{ field: 'timeout', value: '2s', origin: 'defaults', where: 'policy.defaults.timeout' }]),
    });
  });

  test('/readyz is 503 with the reason while the mesh drains or a target has nobody', async () => {
    const mesh = fakeMesh();
    const server = await open({}, mesh);
    mesh.known = [
      { target: 'dns:///a', endpoints: 3, ready: 1, failing: false },
      { target: 'dns:///b', endpoints: 0, ready: 0, failing: false },
    ];
    expect(await ask(server, '/readyz')).toMatchObject({ status: 200, text: expect.stringMatching(/^ready\n/) });
    mesh.known = [{ target: 'dns:///a', endpoints: 3, ready: 0, failing: false }];
    const failing = await ask(server, '/readyz');
    expect(failing.status).toBe(503);
    expect(failing.text).toMatch(/^not ready\n[\s\S]*dns:\/\/\/a +not ok +0 of 3 endpoints ready/);
    expect(await ask(server, '/readyz?exclude=dns:///a')).toMatchObject({ status: 200 });
    mesh.known = [{ target: 'dns:///gone', endpoints: 0, ready: 0, failing: true }];
    expect(await ask(server, '/readyz.json')).toMatchObject({
      status: 503,
      value: {
        ready: false,
        checks: [
          { name: 'mesh', ok: true },
          { name: 'dns:///gone', ok: false, text: 'no endpoint can be reached' },
        ],
      },
    });
    mesh.known = [];
    mesh.now = 'closed';
    expect(await ask(server, '/readyz')).toMatchObject({ status: 503, text: expect.stringContaining('closed') });
    expect(await ask(server, '/livez')).toMatchObject({ status: 200, text: 'ok\n' });
  });
});

describe('admin server: streams', () => {
  test('/events gives what has happened and what happens, and goes on where a reader was cut off', async () => {
    const mesh = fakeMesh();
    const server = await open({}, mesh);
    mesh.events.add({ kind: 'endpoint.ejected', subject: '10.0.0.1:1', text: 'one' });
    const { response } = await begin(server, '/events');
    expect(response.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    mesh.events.add({ kind: 'endpoint.back', subject: '10.0.0.1:1', text: 'two' });
    const seen = await readUntil(response, /two"/);
    expect(seen).toMatch(/^retry: \d+\n\nevent: event\nid: 1\ndata: \{"seq":1,.*"text":"one".*\}\n\nevent: event\nid: 2\n/);
    const again = await begin(server, '/events', { headers: { 'last-event-id': '1' } });
    expect(await readUntil(again.response, /two"/)).not.toContain('"one"');
    expect((await ask(server, '/events.json?since=1')).value).toMatchObject([{ seq: 2, text: 'two' }]);
  });

  test('/tap gives calls that fit its filter, as events or lines', async () => {
    const mesh = fakeMesh();
    const server = await open({}, mesh);
    const events = await begin(server, '/tap?status=failed&method=a.B/*');
    const lines = await begin(server, '/tap?format=ndjson');
    mesh.call({ method: 'a.B/C' });
    mesh.call({ method: 'a.B/D', status: 'UNAVAILABLE' });
    expect(await readUntil(events.response, /data/)).toMatch(/event: call\ndata: \{"side":"client","method":"a.B\/D"/);
    expect(lines.response.headers['content-type']).toBe('application/x-ndjson; charset=utf-8');
    const rows = (await readUntil(lines.response, /\n.*\n/)).trim().split('\n');
    expect(rows.map((row) => JSON.parse(row).method)).toEqual(['a.B/C', 'a.B/D']);
  });

  test('nobody listens any more when a reader has gone', async () => {
    const mesh = fakeMesh();
    const server = await open({}, mesh);
    const { request } = await begin(server, '/tap');
    await expect.poll(() => mesh.taps.on).toBe(true);
    request.destroy();
    await expect.poll(() => mesh.taps.on).toBe(false);
  });
});

describe('admin server: what it can be told', () => {
  test('/drain makes it unready, and says so', async () => {
    const mesh = fakeMesh();
    const server = await open({ token: TOKEN }, mesh);
    expect(await ask(server, '/drain', { method: 'POST', headers: shows(TOKEN) })).toMatchObject({
      status: 200,
      value: { state: 'draining' },
    });
    expect((await ask(server, '/readyz')).status).toBe(503);
  });

  test('a breaker is isolated and released', async () => {
    const mesh = fakeMesh();
    const server = await open({ token: TOKEN }, mesh);
    const tell = (path: string) => ask(server, path, { method: 'POST', headers: shows(TOKEN) });
    expect((await tell('/breakers/isolate?method=a.B/C')).value).toEqual({ method: 'a.B/C', state: 'isolated' });
    expect(mesh.breaker('a.B/C').state).toBe('isolated');
    expect((await tell('/breakers/release?method=a.B/C')).value).toEqual({ method: 'a.B/C', state: 'closed' });
    expect(await tell('/breakers/isolate')).toMatchObject({
      status: 400,
      value: { error: { message: expect.stringContaining('?method=pkg.Service/Method') } },
    });
    expect(await tell('/breakers/isolate?method=nope')).toMatchObject({ status: 400, value: { error: { code: 'BAD_REQUEST' } } });
  });
});
