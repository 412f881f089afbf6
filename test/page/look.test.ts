/** How the live page looks and is used: widths, themes, keys. */
import { describe, expect, test } from 'vitest';
import { overviewFixture } from '../support/overview-fixture.ts';
import { grown, poorContrasts } from './in-page.ts';
import { fixture, NO_BROWSER, open, withBrowser } from './rig.ts';

const WIDTHS = [360, 768, 1280] as const;
const THEMES = ['light', 'dark'] as const;

describe.skipIf(NO_BROWSER)('look of the page in a browser', () => {
  withBrowser();

  describe.each(WIDTHS)('%d px wide', (width) => {
    test.each(THEMES)('%s: nothing sticks out, and every text has a contrast of 4.5 or more', async (theme) => {
      const server = await fixture();
      const page = await open(server.url, { width, theme });
      await page.locator('.open').first().click();
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
      expect(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme)).toBe('light dark');
      expect(await page.evaluate(poorContrasts)).toEqual([]);
      await page.keyboard.press('?');
      expect(await page.evaluate(poorContrasts)).toEqual([]);
    });

    test('nothing moves from one second to the next', async () => {
      const start = overviewFixture(Date.now());
      let second = 0;
      const server = await fixture(() => grown(start, second++ % 2 === 0 ? 1 : 40));
      const page = await open(server.url, { width });
      await page.waitForTimeout(600);
      await page.evaluate(() => {
        const moved: unknown[] = [];
        Object.assign(globalThis, { moved });
        new PerformanceObserver((list) => {
          for (const entry of list.getEntries()) moved.push(JSON.parse(JSON.stringify(entry)));
        }).observe({ type: 'layout-shift' });
      });
      await page.waitForTimeout(3_200);
      expect(await page.evaluate(() => Reflect.get(globalThis, 'moved'))).toEqual([]);
    });
  });

  test('a theme that is chosen holds, also after a reload', async () => {
    const server = await fixture();
    const page = await open(server.url, { theme: 'light' });
    const background = (): Promise<string> => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await background();
    await page.keyboard.press('t');
    expect(await background()).toBe(light);
    await page.keyboard.press('t');
    const dark = await background();
    expect(dark).not.toBe(light);
    expect(await page.locator('#theme').textContent()).toBe('Theme: dark');
    await page.reload();
    expect(await background()).toBe(dark);
  });

  test('every control is reached by Tab, in order, and shows that it has the focus', async () => {
    const server = await fixture();
    const page = await open(server.url);
    const walked: string[] = [];
    for (let step = 0; step < 60; step++) {
      await page.keyboard.press('Tab');
      const { name, ring } = await page.evaluate(() => {
        const element = document.activeElement;
        if (element === null || element === document.body) return { name: '', ring: true };
        const { outlineStyle, outlineWidth } = getComputedStyle(element);
        return {
          name: element.id || element.textContent || element.className,
          ring: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2,
        };
      });
      if (name === '') break;
      expect({ name, ring }).toEqual({ name, ring: true });
      walked.push(name);
    }
    expect(walked.slice(0, 5)).toEqual(['Skip to the numbers', 'pause', 'theme', 'ask', 'method-filter']);
    for (const name of ['Calls/s', 'atlas.v1.Atlas/GetPlace', 'event-filter', 'event-warn', 'overview']) expect(walked).toContain(name);
  });

  test('keys do what the help says, and nothing while one types', async () => {
    const server = await fixture();
    const page = await open(server.url);
    const focused = (): Promise<string> => page.evaluate(() => document.activeElement?.id ?? '');
    await page.keyboard.press('/');
    expect(await focused()).toBe('method-filter');
    await page.keyboard.type('quotepe?');
    expect(await page.locator('#help').getAttribute('open')).toBeNull();
    expect(await page.locator('#methods .empty').textContent()).toBe('No method has “quotepe?” in its name.');
    await page.keyboard.press('Escape');
    expect(await page.locator('.open').count()).toBe(7);
    await page.keyboard.press('e');
    expect(await focused()).toBe('event-filter');
    await page.keyboard.type('breaker.state');
    expect(new Set(await page.locator('.events .kind').allTextContents())).toEqual(new Set(['warning: breaker.state']));
    await page.keyboard.press('Escape');
    const sections = ['methods', 'topology', 'endpoints', 'batches', 'breakers', 'limits', 'events'];
    for (const [index, section] of sections.entries()) {
      await page.keyboard.press(String(index + 1));
      expect(await focused()).toBe(section);
    }
    await page.keyboard.press('?');
    expect(await page.locator('#help').getAttribute('open')).toBe('');
    await page.keyboard.press('Escape');
    expect(await page.locator('#help').getAttribute('open')).toBeNull();
  });

  test('no motion where the system asks for none', async () => {
    const server = await fixture();
    const page = await open(server.url, { reducedMotion: 'reduce' });
    expect(await page.evaluate(() => document.getAnimations().length)).toBe(0);
    expect(await (await open(server.url)).evaluate(() => document.getAnimations().length)).toBe(1);
  });
});
