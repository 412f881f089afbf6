/** What the tests of the live page share: one browser for a file, and the page over made-up numbers. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, onTestFinished } from 'vitest';
import type { OverviewView } from '../../src/observe/views.ts';
import { findChromium, launchChromium } from '../support/chromium.ts';
import { type FixtureServer, overviewFixture, servePage } from '../support/overview-fixture.ts';

/** How a page is looked at. */
export interface Look {
  readonly width?: number;
  readonly theme?: 'light' | 'dark';
  readonly reducedMotion?: 'reduce';
  /** Does something before the page is opened. */
  readonly before?: (page: Page) => void;
}

/** True: no browser is here, and that has been said. */
export const NO_BROWSER: boolean = findChromium() === undefined;

let browser: Browser | undefined;
const problems: string[] = [];

/** Call it in a `describe`: a browser for its tests, each of which fails by whatever a page throws or may not load. */
export function withBrowser(): void {
  beforeAll(async () => {
    browser = await launchChromium(findChromium() ?? '');
  });
  afterAll(() => browser?.close());
  afterEach(() => {
    const seen = problems.splice(0);
    expect(seen).toEqual([]);
  });
}

/** Opens the page and waits for its first numbers. */
export async function open(url: string, { width = 1280, theme = 'light', reducedMotion, before }: Look = {}): Promise<Page> {
  if (browser === undefined) throw new Error('withBrowser() was not called');
  const page = await browser.newPage({
    viewport: { width, height: 900 },
    colorScheme: theme,
    ...(reducedMotion === undefined ? {} : { reducedMotion }),
  });
  onTestFinished(() => page.close());
  page.on('pageerror', (error) => problems.push(String(error.stack ?? error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().includes('net::ERR')) problems.push(message.text());
  });
  before?.(page);
  await page.goto(url);
  await page.waitForSelector('main[data-at-ms]');
  return page;
}

/** The page over what `view` gives; by default over the fixture. */
export async function fixture(view: () => OverviewView | undefined = () => overviewFixture(Date.now())): Promise<FixtureServer> {
  const server = await servePage(view);
  onTestFinished(() => server.close());
  return server;
}
