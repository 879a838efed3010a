// `make screenshots`: the page in all its states, in light, in dark and on a phone, into www/docs/screenshots/. The
// real page with sample videos of the stand-in; 256 colours are enough for it and make a picture a fraction of its size.
//   SLUICE_BIN=build/cgi-bin node tests/browser/screenshots.mjs [STATE …]
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';

import { root, startStack } from '../integration/harness.mjs';
import { giveFiles, launch, look, withPage } from './browser.mjs';

const folder = path.join(root, 'www/docs/screenshots');
const raw = path.join(root, 'build/screens/raw.png');
const demo = 'https://www.youtube.com/watch?v=sluiceDemo1';
const long = 'https://www.youtube.com/watch?v=sluiceLong1';
const chapters = 'https://www.youtube.com/watch?v=sluiceChap1';

const stack = await startStack();
const browser = await launch();
const ready = async (page, selector = '.result-title') => {
  await page.waitForSelector(selector);
  const picture = page.locator('.thumb img');
  if (await picture.count() > 0) await picture.evaluate((img) => img.decode());
};

// name: brings the page there
const states = {
  empty: (page) => page.goto(`${stack.base}/`),
  history: async (page) => {
    for (const link of [long, chapters, demo]) {
      await look(page, stack.base, link);
      await ready(page);
    }
    await page.goto(`${stack.base}/`);
  },
  loading: async (page) => {
    await page.route('**/api/v1/info?*', () => {});
    await look(page, stack.base, demo);
    await page.waitForTimeout(600);
  },
  result: async (page) => {
    await look(page, stack.base, demo);
    await ready(page);
    await page.waitForFunction(() => ![...document.querySelectorAll('.choice')].some((row) => row.textContent.includes('≈') && /MP4|M4A/.test(row.textContent)));
  },
  search: async (page) => {
    await look(page, stack.base, 'still water');
    await page.waitForSelector('.found');
    await page.locator('.found .thumb img').nth(2).evaluate((img) => img.decode());
  },
  playlist: async (page) => {
    await look(page, stack.base, 'https://www.youtube.com/playlist?list=PLsluice1');
    await page.waitForSelector('.batch-row');
    await page.locator('.batch-row .thumb img').nth(2).evaluate((img) => img.decode());
  },
  more: async (page) => {
    await look(page, stack.base, chapters);
    await ready(page);
    await page.getByText('Preview, cut, share').click();
    await page.getByRole('button', { name: 'QR code' }).click();
    await page.locator('.result').evaluate((card) => card.scrollIntoView({ behavior: 'instant' }));
  },
  several: async (page) => {
    await page.goto(`${stack.base}/`);
    await page.fill('#url', `${demo} ${long} ${chapters} https://youtu.be/sluiceGone1 https://media.example/clip.mp4`);
    await page.keyboard.press('Enter');
    await page.locator('.batch-row .batch-size', { hasText: 'B' }).nth(3).waitFor();
  },
  downloading: async (page) => {
    await look(page, stack.base, long);
    await ready(page);
    await stack.origin.script({ match: { path: '/videoplayback' }, times: Infinity, action: { type: 'drip', rate: 700000 } });
    const choose = (label) => page.locator('.choice-link', { hasText: label }).filter({ hasText: 'MP4' }).first().click();
    for (const label of ['1080p', '720p', '360p']) await choose(label);
    await page.waitForTimeout(3500);
    await page.locator('.downloads-item').nth(1).getByRole('button', { name: 'Pause' }).click();
    await page.evaluate(() => window.scrollTo({ top: 0, behavior: 'instant' }));
    await page.waitForTimeout(1500);
  },
  error: async (page) => {
    await look(page, stack.base, 'https://youtu.be/sluiceGeo01');
    await page.waitForSelector('[role=alert]');
  },
  'without-javascript': async (page) => {
    await page.goto(`${stack.base}/api/v1/page?url=${encodeURIComponent(demo)}`);
    await ready(page);
  },
  arabic: async (page) => {
    await look(page, stack.base, demo);
    await ready(page);
  },
};
const views = {
  light: { viewport: { width: 1080, height: 900 } },
  dark: { viewport: { width: 1080, height: 900 }, colorScheme: 'dark' },
  phone: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
};

mkdirSync(folder, { recursive: true });
let total = 0;
try {
  for (const [state, bring] of Object.entries(states)) {
    if (process.argv.length > 2 && !process.argv.includes(state)) continue;
    for (const [view, options] of Object.entries(views)) {
      const target = path.join(folder, `${state}-${view}.png`);
      await withPage(browser, stack.base, { ...options, locale: state === 'arabic' ? 'ar' : 'en', lost: true }, async (page) => {
        await giveFiles(page);
        await bring(page);
        await page.screenshot({ path: raw });
        await page.unrouteAll({ behavior: 'ignoreErrors' });
      });
      await stack.origin.reset();
      execFileSync('ffmpeg', ['-loglevel', 'error', '-y', '-i', raw, '-vf', 'split[a][b];[a]palettegen=max_colors=255[p];[b][p]paletteuse=dither=none', '-pred', 'mixed', '-compression_level', '100', target]);
      total += statSync(target).size;
    }
  }
} finally {
  await browser.close();
  await stack.stop();
}
rmSync(raw, { force: true });
process.stdout.write(`${folder}: ${total} bytes\n`);
