/**
 * Makes docs/live-page.png and docs/live-page-dark.png: the live page over a shop under load, in a real browser.
 *
 *     npm run screenshot
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findChromium, launchChromium } from '../test/support/chromium.ts';
import { smallerPng } from './live-page/png.ts';
import { openShop } from './live-page/shop.ts';
import { ROOT } from './process.ts';

const MAX_BYTES = 300_000;
/** The lines go back a minute. */
const BEFORE_TROUBLE_MS = 46_000;
const AFTER_TROUBLE_MS = 2_500;

const executable = findChromium();
if (executable === undefined) process.exit(1);
// Before the load: its start would show.
const browser = await launchChromium(executable);
process.env['OTEL_SERVICE_NAME'] ??= 'shop-web';
await using shop = await openShop();
const { url } = await shop.mesh.admin.listen({ port: 0 });
console.log(`under load for ${Math.round((BEFORE_TROUBLE_MS + AFTER_TROUBLE_MS) / 1000)} s and more: ${url}`);
await sleep(BEFORE_TROUBLE_MS);
await shop.trouble();
await sleep(AFTER_TROUBLE_MS);
try {
  for (const [theme, file] of [
    ['light', 'docs/live-page.png'],
    ['dark', 'docs/live-page-dark.png'],
  ] as const) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, colorScheme: theme });
    await page.goto(url);
    await page.waitForSelector('main[data-at-ms]');
    await sleep(300);
    const path = join(ROOT, file);
    const picture = smallerPng(await page.screenshot({ fullPage: true }));
    await page.close();
    writeFileSync(path, picture);
    console.log(`${file}: ${picture.length} bytes`);
    if (picture.length > MAX_BYTES) throw new Error(`${file} has ${picture.length} bytes, more than ${MAX_BYTES}`);
  }
} finally {
  await browser.close();
}
