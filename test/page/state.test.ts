/** What the live page says of its own state: paused, cut off, over a process that hangs or is another one. */
import { describe, expect, onTestFinished, test } from 'vitest';
import type { EventView, OverviewView } from '../../src/observe/views.ts';
import { overviewFixture, servePage } from '../support/overview-fixture.ts';
import { fixture, NO_BROWSER, open, withBrowser } from './rig.ts';
import { readPage } from './shown.ts';

describe.skipIf(NO_BROWSER)('state of the page in a browser', () => {
  withBrowser();

  test('paused, it says so and keeps its numbers; then it goes on', async () => {
    const server = await fixture();
    const page = await open(server.url);
    await page.keyboard.press('p');
    const { atMs } = await readPage(page);
    expect(await page.locator('#status').textContent()).toBe('Paused');
    expect(await page.locator('#banner').textContent()).toMatch(/^Paused\. The numbers are those of \d\d:\d\d:\d\d\.$/);
    await page.waitForTimeout(1_300);
    expect((await readPage(page)).atMs).toBe(atMs);
    await page.keyboard.press('p');
    await expect.poll(() => page.locator('#status').textContent(), { timeout: 3_000 }).toBe('Live');
    expect((await readPage(page)).atMs).toBeGreaterThan(atMs);
    expect(await page.locator('#banner').isVisible()).toBe(false);
  });

  test('a connection that is lost is shown within two seconds, its numbers grey and with their age; one that is back as well', async () => {
    const server = await fixture();
    const page = await open(server.url);
    await server.close();
    await expect.poll(() => page.locator('#status').textContent(), { timeout: 2_000 }).toBe('Not live');
    expect(await page.locator('#trouble').textContent()).toBe('Connection lost: it can’t be reached.');
    expect(await page.locator('#age').textContent()).toMatch(
      /^The numbers are those of \d\d:\d\d:\d\d, \d s ago\. Trying again each second\.$/,
    );
    expect(await page.evaluate(() => getComputedStyle(document.getElementById('main') ?? document.body).filter)).toBe('grayscale(1)');
    expect(await page.title()).toBe('Not live: atlas-web · inmesh');
    const again = await servePage(() => overviewFixture(Date.now()), server.port);
    onTestFinished(() => again.close());
    await expect.poll(() => page.locator('#status').textContent(), { timeout: 3_000 }).toBe('Live');
    again.send({ seq: 900_000, atMs: Date.now(), kind: 'mesh.drain', level: 'warn', subject: '', text: 'not heard yet', times: 1 });
    await expect
      .poll(
        () => {
          again.send({ seq: 900_001, atMs: Date.now(), kind: 'mesh.drain', level: 'warn', subject: '', text: 'heard again', times: 1 });
          return page.locator('.events li').first().textContent();
        },
        { timeout: 8_000, interval: 300 },
      )
      .toContain('heard again');
  });

  test('a process that does not answer, and numbers that stand still, are not live', async () => {
    let view: (() => OverviewView | undefined) | undefined;
    const server = await fixture(() => (view === undefined ? overviewFixture(Date.now()) : view()));
    const page = await open(server.url);
    view = () => undefined;
    await expect.poll(() => page.locator('#trouble').textContent(), { timeout: 5_000 }).toBe('Connection lost: no answer for 2.5 s.');
    view = undefined;
    await expect.poll(() => page.locator('#status').textContent(), { timeout: 5_000 }).toBe('Live');
    const frozen = overviewFixture(Date.now());
    view = () => frozen;
    await expect.poll(() => page.locator('#trouble').textContent(), { timeout: 6_000 }).toBe('Connection lost: its numbers stand still.');
  });

  test('the policy in force has its hash in the head, and what was asked for and is not in force is said', async () => {
    const policy = { hash: '0123456789abcdef', sinceMs: 0, reloads: 0, rejected: 0, pending: [] };
    let change: Partial<OverviewView['policy']> = {};
    const server = await fixture(() => ({ ...overviewFixture(Date.now()), policy: { ...policy, ...change } }));
    const page = await open(server.url);
    expect(await page.locator('#process').textContent()).toContain(' · policy 01234567 · ');
    expect(await page.locator('#policy').isVisible()).toBe(false);
    change = { problem: 'policy.timeout: <b>no duration' };
    const said = (): Promise<string | null> => page.locator('#policy').textContent();
    await expect.poll(said, { timeout: 3_000 }).toBe('The policy asked for is not in force: policy.timeout: <b>no duration');
    expect(await page.locator('#policy').isVisible()).toBe(true);
    change = { pending: ['policy.endpoints'] };
    await expect.poll(said, { timeout: 3_000 }).toBe('The policy asked for is not in force: it waits for a restart: policy.endpoints');
    change = {};
    await expect.poll(() => page.locator('#policy').isVisible(), { timeout: 3_000 }).toBe(false);
  });

  test('an event shows at once, one that has happened again has its count, and another process starts anew', async () => {
    let change: Partial<OverviewView> = { events: [] };
    const server = await fixture(() => ({ ...overviewFixture(Date.now()), ...change }));
    const page = await open(server.url);
    expect(await page.locator('#events .empty').textContent()).toBe('Nothing has happened yet.');
    const event: EventView = {
      seq: 7,
      atMs: Date.now(),
      kind: 'endpoint.ejected',
      level: 'warn',
      subject: '10.0.0.1:80',
      text: 'gets no calls',
      reason: 'silence',
      times: 1,
    };
    const sentAndShown = (): Promise<number> => {
      server.send(event);
      return page.locator('.events li').count();
    };
    await expect.poll(sentAndShown, { timeout: 700, interval: 50 }).toBe(1);
    expect(await page.locator('.events li').textContent()).toContain('10.0.0.1:80 gets no calls silence');
    change = { events: [{ ...event, times: 12 }] };
    await expect.poll(() => page.locator('.events .times').textContent(), { timeout: 3_000 }).toBe('12 times');
    change = { events: [], process: { ...overviewFixture(0).process, pid: 1 } };
    await expect.poll(() => page.locator('.events li').count(), { timeout: 3_000 }).toBe(0);
  });
});
