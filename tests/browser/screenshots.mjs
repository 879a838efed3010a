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

const password = 'correct horse battery';
const stack = await startStack({ env: { SLUICE_ADMIN_PASSWORD: password } });
const browser = await launch();
const ready = async (page, selector = '.result-title') => {
  await page.waitForSelector(selector);
  const picture = page.locator('.thumb img');
  if (await picture.count() > 0) await picture.evaluate((img) => img.decode());
};

// A month of an imaginary server, so that the charts of the control room have something to show; the same every time.
function usage() {
  const now = Math.floor(Date.now() / 1000);
  const columns = 'start_unix_s, key_id, route, site, choice, code, requests, bytes, cached, ttfb_10, ttfb_30, ttfb_100, ttfb_300, ttfb_1000, ttfb_3000, ttfb_10000, ttfb_more';
  const kinds = [['stream', '1080p-mp4', 'ok', 24, 2.1e8], ['stream', '720p-mp4', 'ok', 11, 9e7], ['stream', 'audio-m4a', 'ok', 8, 9e6], ['info', '', 'ok', 55, 2e4], ['info', '', 'private', 1.4, 300], ['info', '', 'quota_exceeded', 0.9, 300]];
  const rows = (table, step, count, scale) => Array.from({ length: count }, (_, i) => kinds.map(([route, choice, code, mean, bytes], k) => {
    const wave = 1 + 0.6 * Math.sin((i / 24) * 2 * Math.PI * (scale === 1 ? 1 : 3.4)) + 0.25 * Math.sin(i * 1.7 + k);
    const n = Math.round(mean * wave * scale);
    const part = (share) => Math.floor(n * share);
    return `INSERT OR IGNORE INTO ${table} (${columns}) VALUES (${(Math.floor(now / step) - i) * step}, '', '/api/v1/${route}', 'youtube', '${choice}', '${code}', ${n}, ${Math.round(n * bytes)}, ${part(0.4)}, ${part(0.4)}, ${part(0.2)}, ${part(0.2)}, ${part(0.15)}, ${part(0.05)}, 0, 0, 0);`;
  }).join('')).join('');
  const minutes = Array.from({ length: 60 }, (_, i) => `INSERT OR IGNORE INTO usage_minute VALUES (${(Math.floor(now / 60) - i) * 60}, ${3 + (i * 7) % 5}, ${i % 9 === 0 ? 1 : 0}, 0, ${1e7 * ((i * 3) % 8)}, ${i % 3});`).join('');
  return `BEGIN;${rows('usage_hour', 3600, 720, 1)}${rows('usage_day', 86400, 30, 24)}${minutes}COMMIT;`;
}

const rooms = [];
async function enter(page, tab) {
  if (rooms.length === 0) {
    execFileSync('sqlite3', ['-cmd', '.timeout 5000', path.join(stack.dataDir, 'sluice.db')], { input: usage() });
    rooms.push(null);
    await stack.info(demo); // so that a client has been asked
    await stack.info('https://youtu.be/sluiceGeo01');
  }
  await stack.origin.script({ match: { path: '/videoplayback' }, times: Infinity, action: { type: 'drip', rate: 900000 } });
  rooms.push(stack.stream(long, 'best').catch(() => null), stack.stream('https://www.youtube.com/watch?v=sluiceBig01', 'format-137').catch(() => null));
  await page.goto(`${stack.base}/admin/`);
  await page.getByLabel('Password').fill(password);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Dashboard' }).waitFor();
  if (tab !== 'Dashboard') await page.getByRole('link', { name: tab, exact: true }).click();
  await page.getByRole('heading', { level: 1 }).filter({ hasText: tab }).waitFor();
  await page.waitForTimeout(tab === 'Dashboard' ? 9000 : 700); // some samples of the bandwidth; charts are drawn
}

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
  'room-dashboard': (page) => enter(page, 'Dashboard'),
  'room-keys': async (page) => {
    await enter(page, 'Keys');
    if (rooms.made) return;
    rooms.made = true;
    for (const [label, owner, gb, streams] of [['Living room', 'Ada', '50', '3'], ['Archive', 'Grace', '200', '8'], ['Phone', 'Ada', '10', '1']]) {
      const part = page.locator('#new-key');
      for (const [name, value] of Object.entries({ label, owner, gb_per_day: gb, streams_max: streams })) await part.locator(`[name=${name}]`).fill(value);
      await part.getByRole('button', { name: 'Create key' }).click();
      await page.getByRole('row').filter({ hasText: label }).waitFor();
    }
    await page.locator('.admin-secret').evaluate((node) => node.closest('.admin-notice').remove());
    for (const [name, value] of Object.entries({ label: 'Club', owner: 'Lin', gb_per_day: '25', streams_max: '5' })) await page.locator(`#new-key [name=${name}]`).fill(value);
    await page.evaluate(() => window.scrollTo({ top: 0, behavior: 'instant' }));
  },
  'room-system': async (page) => {
    await enter(page, 'System');
    await page.getByRole('heading', { name: 'Settings', exact: true }).evaluate((node) => node.closest('section').scrollIntoView({ behavior: 'instant' }));
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
      await withPage(browser, stack.base, { ...options, locale: state === 'arabic' ? 'ar' : 'en', lost: true, cookies: state.startsWith('room-') ? 1 : 0 }, async (page) => {
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
