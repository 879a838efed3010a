// The whole way, for everybody: paste, choose, download to the disk, pause, the server killed and started again, go
// on, and the file is the stream, byte by byte. In another language, on a phone, with nothing but a keyboard, in a
// sub-folder, and without JavaScript.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync, statSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { freePort, root, scratchDir, sha256, startStack, until } from '../integration/harness.mjs';
import { giveFiles, launch, look, sizes, withPage, written } from './browser.mjs';

const link = 'https://www.youtube.com/watch?v=sluiceLong1';
const choice = '360p-mp4';
let origin; // the stand-in of one stack serves them all
let first;
let browser;

before(async () => {
  [first, browser] = await Promise.all([startStack(), launch()]);
  origin = first.origin;
});

after(async () => {
  await browser?.close();
  await first?.stop();
});

// A server that can be killed and come back where it was; with `prefix`, behind one that has it in a folder.
async function withServer(prefix, use) {
  const [dataDir, port] = [scratchDir(), await freePort()];
  const start = () => startStack({ port, dataDir, origin, env: prefix ? { SLUICE_PUBLIC_PATH: prefix } : {} });
  let stack = await start();
  const front = prefix === '' ? null : http.createServer((request, response) => {
    if (!request.url.startsWith(`${prefix}/`)) return response.writeHead(404).end();
    const onward = http.request({ host: '127.0.0.1', port, path: request.url.slice(prefix.length), method: request.method, headers: request.headers },
      (answer) => {
        answer.pipe(response.writeHead(answer.statusCode, answer.headers));
        answer.on('error', () => response.destroy());
      });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    return request.pipe(onward);
  });
  if (front) {
    front.listen(0, '127.0.0.1');
    await once(front, 'listening');
  }
  const base = front ? `http://127.0.0.1:${front.address().port}${prefix}` : stack.base;
  try {
    const { body } = await stack.stream(link, choice);
    const slowly = () => origin.script({ match: { path: '/videoplayback' }, times: Infinity, action: { type: 'drip', rate: body.length / 4 } });
    await use({ base, body, dataDir, slowly, kill: () => stack.stop(), revive: async () => {
      await origin.reset();
      stack = await start();
    } });
  } finally {
    await origin.reset();
    front?.closeAllConnections();
    front?.close();
    await stack.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

const inState = (page, state) => page.waitForFunction((want) => document.querySelector('.downloads-item')?.dataset.state === want, state, { timeout: 60000 });
const arrived = (page) => page.locator('.downloads-bar').evaluate((bar) => bar.value);

// How a person presses things: with a finger or a mouse, or by Tab and Enter alone.
const pointer = (page) => ({ press: (target) => target.click(), open: async (base) => look(page, base, link) });
const keyboard = (page) => ({
  async press(target) {
    const isThere = () => target.evaluate((node) => node === document.activeElement);
    for (let n = 0; n < 120 && !await isThere(); n++) await page.keyboard.press('Tab');
    assert.ok(await isThere(), 'Tab leads there');
    assert.ok(await target.evaluate((node) => getComputedStyle(node).outlineStyle !== 'none' && parseFloat(getComputedStyle(node).outlineWidth) >= 2), 'one sees where one is');
    await page.keyboard.press('Enter');
  },
  open: async (base) => {
    await page.goto(`${base}/`);
    await page.keyboard.type(link);
    await page.keyboard.press('Enter');
  },
});

const ways = {
  'in English': {},
  'in Turkish': { locale: 'tr-TR', tag: 'tr' },
  'on a phone': { viewport: sizes.phone, hasTouch: true, isMobile: true },
  'with the keyboard alone': { hands: keyboard },
  'in a sub-folder': { prefix: '/tools/sluice' },
};

describe('the whole way', () => {
  for (const [name, { tag = 'en', hands = pointer, prefix = '', ...options }] of Object.entries(ways))
    test(name, () => withServer(prefix, async ({ base, body, slowly, kill, revive }) => {
      const say = JSON.parse(readFileSync(path.join(root, `www/locales/${tag}.json`), 'utf8'));
      await withPage(browser, base, { lost: true, ...options }, async (page) => {
        await giveFiles(page);
        const { press, open } = hands(page);
        await open(base);
        await page.waitForSelector('.result-title');
        await slowly();
        const button = (key) => page.locator('.downloads-item').getByRole('button', { name: say[key] });
        await press(page.locator('.choice-link', { hasText: '360p' }).filter({ hasText: 'MP4' }).first());
        await until(async () => (await arrived(page).catch(() => 0)) > body.length / 10, 'the first bytes');
        await press(button('downloads.pause'));
        await inState(page, 'paused');
        await kill();
        await revive();
        await slowly();
        const ranges = [];
        page.on('request', (request) => request.url().includes('/stream') && ranges.push(request.headers().range));
        await press(button('downloads.resume'));
        await until(() => ranges.length > 0, 'it goes on');
        await kill(); // in the middle of it
        await inState(page, 'waiting');
        await revive();
        await inState(page, 'done');
        assert.ok(ranges.every((range) => /^bytes=[1-9]\d*-$/.test(range)), `it never began anew: ${ranges}`);
        assert.deepEqual((await written(page)).map(([, hash]) => hash), [sha256(body)]);
        assert.equal(await page.evaluate(() => document.scrollingElement.scrollWidth <= window.innerWidth), true);
      });
    }));

  test('without JavaScript, the browser or curl going on', () => withServer('', async ({ base, body, dataDir, slowly, kill, revive }) => {
    await withPage(browser, base, { javaScriptEnabled: false, viewport: sizes.phone }, async (page) => {
      await page.goto(`${base}/`);
      await page.fill('input[name=url]', link);
      await page.keyboard.press('Enter');
      await page.waitForURL(/\/api\/v1\/page\?url=/);
      const anchor = page.locator('.choice-link', { hasText: '360p' }).filter({ hasText: 'MP4' }).first();
      const [download] = await Promise.all([page.waitForEvent('download'), anchor.click()]);
      assert.equal(sha256(readFileSync(await download.path())), sha256(body));

      const href = await anchor.evaluate((a) => a.href);
      const file = path.join(dataDir, 'file.mp4');
      const curl = (...more) => spawn('curl', ['-sS', '--noproxy', '*', '-C', '-', '-o', file, ...more, href], { stdio: 'ignore' });
      await slowly();
      const broken = curl();
      await until(() => statSync(file, { throwIfNoEntry: false })?.size > body.length / 10, 'the first bytes');
      const ended = once(broken, 'exit');
      await kill();
      assert.notEqual((await ended)[0], 0, 'it was cut off');
      assert.ok(statSync(file).size < body.length);
      await revive();
      const [code] = await once(curl(), 'exit');
      assert.equal(code, 0);
      assert.equal(sha256(readFileSync(file)), sha256(body));
    });
  }));
});
