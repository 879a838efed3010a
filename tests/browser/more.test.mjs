// What the card can do beside downloading the whole: play it, cut a part out, pass it on, remember what was picked.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { sha256, startStack } from '../integration/harness.mjs';
import { judge, launch, look, sizes, withPage } from './browser.mjs';

const link = 'https://www.youtube.com/watch?v=sluiceDemo1';
let stack;
let browser;

before(async () => {
  [stack, browser] = await Promise.all([startStack(), launch()]);
});

after(async () => {
  await browser?.close();
  await stack?.stop();
});

// Pictures are decoded by the processor here: a small one plays also when the processor is wanted by others.
const small = (page) => page.addInitScript(() => localStorage.setItem('choice', '360p-mp4'));

const withMore = (options, use) => withPage(browser, stack.base, options, async (page) => {
  await small(page);
  await look(page, stack.base, link);
  await page.locator('.more > summary').click();
  await use(page);
});

describe('more', () => {
  test('nothing of the file is fetched before it is played; then it plays and seeks', () => withMore({}, async (page) => {
    const asked = [];
    page.on('request', (request) => request.url().includes('/stream') && asked.push(request.headers().range));
    await page.waitForTimeout(300);
    assert.deepEqual(asked, []);
    await page.getByRole('button', { name: 'Play here' }).click();
    await page.waitForFunction(() => document.querySelector('video').currentTime > 0.3);
    await page.evaluate(() => { document.querySelector('video').currentTime = 15; });
    await page.waitForFunction(() => document.querySelector('video').currentTime > 15.2);
    assert.equal(await page.evaluate(() => document.querySelector('video').videoHeight), 360);
    assert.ok(asked.length > 0);
  }));

  test('a part has the length that was asked for; times that make no sense lead nowhere', () => withMore({}, async (page) => {
    await page.getByLabel('From').fill('0:05');
    await page.getByLabel('to', { exact: true }).fill('12.5');
    const part = page.locator('.more-clip');
    const [arriving] = await Promise.all([page.waitForEvent('download'), part.click()]);
    const seconds = execFileSync('ffprobe', ['-v', 'error', '-show_entries', 'format=duration', '-of', 'csv=p=0', await arriving.path()]);
    assert.ok(Math.abs(Number(seconds) - 7.5) < 0.1, `${seconds}`);
    for (const [from, to] of [['9', '3'], ['x', '12'], ['5:00', '6:00'], ['', '3']]) {
      await page.getByLabel('From').fill(from);
      await page.getByLabel('to', { exact: true }).fill(to);
      assert.equal(await part.getAttribute('href'), null, `${from} to ${to}`);
      assert.match(await page.textContent('#clip-hint'), /Times look like/);
    }
  }));

  test('a chapter leads to the part it is; without JavaScript they are listed', () => withPage(browser, stack.base, {}, async (page) => {
    const url = 'https://www.youtube.com/watch?v=sluiceChap1';
    await look(page, stack.base, url);
    await page.waitForSelector('.result-title');
    const listed = () => page.locator('.chapter').evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent)));
    const chapters = [['0:00', 'Intro'], ['0:05', 'The <b>middle</b>'], ['0:12', 'The end']];
    assert.deepEqual(await listed(), chapters);
    await page.getByRole('button', { name: 'The <b>middle</b>' }).click();
    assert.deepEqual([await page.inputValue('#clip-start'), await page.inputValue('#clip-end')], ['0:05', '0:12']);
    const part = new URL(await page.getAttribute('.more-clip', 'href')).searchParams;
    assert.deepEqual([part.get('start'), part.get('end')], ['5', '12']);
    await judge(page, 'chapters-wide-light');
    await page.goto(`${stack.base}/api/v1/page?url=${encodeURIComponent(url)}`);
    assert.deepEqual(await listed(), chapters);
  }));

  test('the curl line brings the file', () => withMore({}, async (page) => {
    const [, href] = /^curl -OJ '([^']+)'$/.exec(await page.textContent('.more-curl'));
    await stack.curl('-OJ', '--output-dir', stack.scratch, href);
    const head = await stack.get(href.slice(stack.base.length));
    const [, name] = /filename="([^"]+)"/.exec(head.headers['content-disposition']);
    assert.equal(sha256(readFileSync(path.join(stack.scratch, name))), sha256(head.body));
  }));

  test('what was picked is put forward next time, in every card that has it', () => withPage(browser, stack.base, {}, async (page) => {
    await look(page, stack.base, link);
    const audio = page.locator('.choice-link').filter({ hasText: 'M4A' }).first();
    await Promise.all([page.waitForEvent('download'), audio.click()]);
    await look(page, stack.base, link);
    await page.waitForSelector('.result-title');
    assert.equal(await page.textContent('.best-verb'), 'Download audio');
    assert.match(await page.textContent('.choice-best'), /M4A/);
    await look(page, stack.base, 'https://media.example/clip.mp4'); // it has no such choice
    await page.waitForSelector('.result-title');
    assert.equal(await page.textContent('.best-verb'), 'Download');
  }));

  for (const [size, viewport] of Object.entries({ ...sizes, narrow: { width: 320, height: 640 } })) {
    for (const colorScheme of ['light', 'dark']) {
      test(`looks, ${size}, ${colorScheme}`, () => withMore({ viewport, colorScheme }, async (page) => {
        await page.getByRole('button', { name: 'Play here' }).click();
        await page.waitForFunction(() => document.querySelector('video').currentTime > 0.1);
        await page.evaluate(() => document.querySelector('video').pause()); // looking at it takes a while
        await judge(page, `more-${size}-${colorScheme}`);
      }));
    }
  }
});
