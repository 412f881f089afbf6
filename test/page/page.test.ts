/** The numbers of the live page in a real browser: over made-up ones, and over a mesh under load. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { PAGE } from '../../src/admin/page.gen.ts';
import { createMesh } from '../../src/mesh.ts';
import type { OverviewView } from '../../src/observe/views.ts';
import { EchoClient, serve } from '../support/loopback.ts';
import { overviewFixture } from '../support/overview-fixture.ts';
import { fixture, NO_BROWSER, open, withBrowser } from './rig.ts';
import { compare, overviewsOf, readPage } from './shown.ts';

const MAX_BYTES = 60_000;

describe('the page as it is sent', () => {
  test('is one text of at most 60 kB with one style and one script, and loads nothing from elsewhere', () => {
    expect(Buffer.byteLength(PAGE)).toBeLessThanOrEqual(MAX_BYTES);
    expect(PAGE.match(/<style>/g)).toHaveLength(1);
    expect(PAGE.match(/<script>/g)).toHaveLength(1);
    expect(PAGE.match(/\bsrc=|@import|url\(|import\(/g)).toBeNull();
    expect(PAGE.match(/(https?:)?\/\/[\w.-]+/g)).toEqual(['http://www.w3.org']); // the name space of SVG
  });

  test('never makes elements of text', () => {
    expect(
      PAGE.match(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|\beval\b|srcdoc/g),
    ).toBeNull();
  });

  test('is what its parts say', () => {
    const script = fileURLToPath(new URL('../../scripts/gen-page.ts', import.meta.url));
    expect(() => execFileSync(process.execPath, [script, '--check'], { stdio: 'pipe' })).not.toThrow();
  });
});

describe.skipIf(NO_BROWSER)('numbers of the page in a browser', () => {
  withBrowser();

  test('shows the numbers of the answer that it names, each of them, the details of an open row too', async () => {
    const server = await fixture();
    let views: ReadonlyMap<number, OverviewView> = new Map();
    const page = await open(server.url, { before: (fresh) => (views = overviewsOf(fresh)) });
    await page.locator('.open').first().click();
    let details = 0;
    for (let round = 0; round < 3; round++) {
      const { atMs, shown } = await readPage(page);
      await vi.waitFor(() => expect(views.has(atMs)).toBe(true));
      compare(shown, views.get(atMs) ?? overviewFixture(0));
      details += shown.filter(({ metric }) => metric === 'method.p95').length;
      await page.waitForFunction((before) => document.getElementById('main')?.dataset['atMs'] !== String(before), atMs);
    }
    expect(details).toBe(3);
    expect(views.size).toBeGreaterThanOrEqual(3);
  });

  test('a number says in words what it is in data: one that is not all is not 100 %', async () => {
    const view = overviewFixture(1_000_000_000);
    const [first] = view.methods;
    if (first === undefined) throw new Error('the fixture has methods');
    const method = { ...first, success: 0.999_96, calls: 1_234_567 };
    const server = await fixture(() => ({ ...view, atMs: Date.now(), methods: [method] }));
    const page = await open(server.url);
    const { shown } = await readPage(page);
    const textOf = (metric: string): string | undefined => shown.find((one) => one.metric === metric)?.text;
    expect([textOf('method.success'), textOf('method.calls')]).toEqual(['99.99 %', '1.23M']);
  });
  test('two channels of one target: each of their endpoints has its row, and its own numbers', async () => {
    const base = overviewFixture(Date.now());
    const twice = [...base.endpoints, ...base.endpoints.map((endpoint) => ({ ...endpoint, picks: endpoint.picks + 1 }))];
    const view: OverviewView = { ...base, endpoints: twice };
    const server = await fixture(() => ({ ...view, atMs: Date.now() }));
    const page = await open(server.url);
    compare((await readPage(page)).shown, view);
    expect(await page.locator('#endpoints .state').count()).toBe(twice.length);
    // In the picture an address stands once: beside it are two callers and the process.
    expect(await page.locator('#topology .node').count()).toBe(base.endpoints.length + 3);
  });

  test('names and texts of peers are text: none of them becomes an element', async () => {
    const evil = '<img src=x onerror="globalThis.hit=1"><script>globalThis.hit=1</script>';
    const base = overviewFixture(Date.now());
    const view = (): OverviewView => ({
      ...base,
      atMs: Date.now(),
      process: { ...base.process, service: evil, node: evil },
      methods: base.methods.map((method) => ({ ...method, method: `${evil}/${method.method}`, byStatus: { [evil]: 3 } })),
      endpoints: base.endpoints.map((endpoint) => ({
        ...endpoint,
        target: evil,
        address: evil + endpoint.address,
        ejectedFor: evil,
        state: evil,
      })),
      breakers: [{ method: evil, state: evil, opened: 1, refused: 1 }],
      limits: base.limits.map((limit) => ({ ...limit, key: evil })).slice(0, 1),
      budgets: [{ service: evil, balance: 1 }],
      peers: [{ peer: evil, calls: 1, callsPerSecond: 1 }],
      batches: { ...base.batches, client: { ...base.batches.client, flushReasons: { [evil]: 1 }, bypassReasons: { [evil]: 1 } } },
      events: [{ seq: 1, atMs: Date.now(), kind: evil, level: 'warn', subject: evil, text: evil, reason: evil, times: 2 }],
    });
    const server = await fixture(view);
    const page = await open(server.url);
    for (const row of await page.locator('.open').all()) await row.click();
    await page.keyboard.press('/');
    await page.keyboard.type(`${evil}no`);
    await page.waitForTimeout(1_200);
    expect(await page.evaluate(() => Reflect.get(globalThis, 'hit'))).toBeUndefined();
    expect(await page.locator('img, main script').count()).toBe(0);
    expect(await page.locator('#service').textContent()).toBe(evil);
  });

  test('a thousand methods and endpoints: the first are shown, the rest on demand, and the page stays live', async () => {
    const base = overviewFixture(Date.now());
    const [method, endpoint] = [base.methods[0], base.endpoints[0]];
    if (method === undefined || endpoint === undefined) throw new Error('the fixture has both');
    const many = Array.from({ length: 1_000 }, (_, index) => index);
    const server = await fixture(() => ({
      ...base,
      atMs: Date.now(),
      methods: many.map((index) => ({ ...method, method: `a.B/M${index}`, calls: index })),
      endpoints: many.map((index) => ({ ...endpoint, address: `10.0.${index >> 8}.${index & 255}:80` })),
    }));
    const page = await open(server.url);
    expect(await page.locator('.open').count()).toBe(25);
    expect(await page.locator('.open').first().textContent()).toBe('a.B/M999');
    await page.getByRole('button', { name: 'Show 975 more' }).click();
    expect(await page.locator('.open').count()).toBe(1_000);
    await expect.poll(() => page.locator('#status').textContent(), { timeout: 8_000 }).toBe('Live');
  });

  test('O5: over a mesh under load its numbers are those of the JSON, and the death of an endpoint shows within two seconds', {
    timeout: 40_000,
  }, async () => {
    await using left = await serve();
    await using right = await serve();
    const mesh = createMesh({ services: { 'loop.Echo': { idempotent: true } } });
    onTestFinished(() => mesh.close(0));
    const admin = await mesh.admin.listen({ port: 0 });
    using client = new EchoClient({ address: `ipv4:127.0.0.1:${left.port},127.0.0.1:${right.port}`, mesh });
    let running = true;
    const callers = Array.from({ length: 8 }, async () => {
      while (running) {
        await client.say('hello');
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    });
    let views: ReadonlyMap<number, OverviewView> = new Map();
    const page = await open(admin.url, { before: (fresh) => (views = overviewsOf(fresh)) });
    await page.waitForSelector('.open');
    for (let round = 0; round < 3; round++) {
      const { atMs, shown } = await readPage(page);
      await vi.waitFor(() => expect(views.has(atMs)).toBe(true));
      const view = views.get(atMs) ?? mesh.overview();
      compare(shown, view);
      expect(view.methods.find(({ side }) => side === 'client')?.calls).toBeGreaterThan(round);
      await page.waitForFunction((before) => document.getElementById('main')?.dataset['atMs'] !== String(before), atMs);
    }
    const row = page.locator('#endpoints tr', { hasText: `127.0.0.1:${right.port}` }).locator('.state');
    expect(await row.textContent()).toBe('ready');
    const diedAt = performance.now();
    right.kill();
    await expect.poll(() => row.textContent(), { timeout: 2_000, interval: 20 }).not.toBe('ready');
    expect(performance.now() - diedAt).toBeLessThan(2_000);
    expect(
      await page
        .locator('#topology .node[data-level="warn"], #topology .node[data-level="bad"], #topology .node[data-level="idle"]')
        .count(),
    ).toBe(1);
    running = false;
    await Promise.all(callers);
  });
});
