// Downloads the page writes to the disk itself. The dialog that asks for a place is the system's and cannot be
// pressed from here: in its stead the browser's own private file system gives the file; all else is real.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';

import { freePort, scratchDir, sha256, startStack, until } from '../integration/harness.mjs';
import { giveFiles, judge, launch, look, sizes, withPage, written } from './browser.mjs';

const link = 'https://www.youtube.com/watch?v=sluiceLong1';
let stack;
let browser;

before(async () => {
  [stack, browser] = await Promise.all([startStack(), launch()]);
});

after(async () => {
  await browser?.close();
  await stack?.stop();
});

const slowly = (rate) => stack.origin.script({ match: { path: '/videoplayback' }, times: Infinity, action: { type: 'drip', rate } });

// A page that shows the card of `link`, with a dialog that gives files.
const withCard = (options, use) => withPage(browser, stack.base, options, async (page) => {
  await giveFiles(page);
  await look(page, stack.base, link);
  await page.waitForSelector('.result-title');
  await page.waitForFunction(() => document.querySelector('.downloads'));
  try {
    await use(page);
  } finally {
    await stack.origin.reset();
  }
});

const item = (page, nth = 0) => page.locator('.downloads-item').nth(nth);
const inState = (page, state, nth = 0) => page.waitForFunction(
  ([want, index]) => document.querySelectorAll('.downloads-item')[index]?.dataset.state === want, [state, nth], { timeout: 60000 });
const facts = (page, nth = 0) => item(page, nth).locator('.downloads-facts').textContent();
const arrived = (page, nth = 0) => item(page, nth).locator('progress').evaluate((bar) => bar.value);
const row = (page, label, container) => page.locator('.choice-link', { hasText: label }).filter({ hasText: container }).first();

async function wanted(anchor) {
  const url = new URL(await anchor.evaluate((a) => a.href));
  let answer;
  do answer = await stack.get(url.pathname + url.search); while (answer.status === 503); // a place is freed a moment after its answer's end
  const { body, headers } = answer;
  assert.equal(answer.status, 200);
  const [, name] = /filename\*=UTF-8''([^;]+)/.exec(headers['content-disposition']) ?? /filename="([^"]+)"/.exec(headers['content-disposition']);
  return { name: decodeURIComponent(name), hash: sha256(body), size: body.length };
}

describe('downloads', () => {
  test('progress, pause, resume; the server is restarted in between; the file is the stream, byte by byte', async () => {
    const [outer, dataDir, port] = [stack, scratchDir(), await freePort()];
    try {
      stack = await startStack({ port, dataDir, origin: outer.origin });
      await withCard({ lost: true }, async (page) => {
        const anchor = row(page, '720p', 'MP4');
        const expected = await wanted(anchor);
        await slowly(expected.size / 8);
        await anchor.click();
        await inState(page, 'running');
        await page.waitForFunction(() => /of .* · .*\/s · \d+:\d\d left/.test(document.querySelector('.downloads-facts').textContent));
        await until(async () => (await arrived(page)) > 0, 'the first bytes');

        await item(page).getByRole('button', { name: 'Pause' }).click();
        await inState(page, 'paused');
        await page.waitForTimeout(700);
        const paused = await arrived(page);
        await page.waitForTimeout(1000);
        assert.equal(await arrived(page), paused, 'nothing comes while it is paused');
        assert.ok(paused > 0 && paused < expected.size);

        const ranges = [];
        page.on('request', (request) => request.url().includes('/stream') && ranges.push(request.headers()));
        await item(page).getByRole('button', { name: 'Resume' }).click();
        await until(async () => (await arrived(page)) > paused, 'more bytes');
        assert.match(ranges[0].range, /^bytes=[1-9]\d*-$/);
        assert.match(ranges[0]['if-range'], /^"/);

        await stack.stop();
        await inState(page, 'waiting');
        assert.match(await facts(page), /Trying again in \d+ s\./);
        stack = await startStack({ port, dataDir, origin: outer.origin });
        await outer.origin.reset();
        await inState(page, 'done');
        assert.deepEqual(await written(page), [[expected.name, expected.hash]]);
        assert.ok(ranges.every((headers) => headers.range), 'it never began anew');
      });
    } finally {
      await stack.stop();
      stack = outer;
    }
  });

  test('what was paused is there after the page has been loaded anew, and goes on where it was', () => withCard({}, async (page) => {
    const anchor = row(page, '720p', 'MP4');
    const expected = await wanted(anchor);
    await slowly(expected.size / 6);
    await anchor.click();
    await until(async () => (await arrived(page)) > expected.size / 10, 'some bytes');
    await item(page).getByRole('button', { name: 'Pause' }).click();
    const pressed = await arrived(page);
    // its last piece is written, and all of it is the file's own
    await page.waitForFunction(async () => {
      const [folder] = await Array.fromAsync((await navigator.storage.getDirectory()).values());
      const [[, file]] = await Array.fromAsync(folder.entries());
      return (await file.getFile()).size > 0;
    });
    await page.waitForTimeout(500);
    await stack.origin.reset();
    await page.goto(`${stack.base}/`);
    await inState(page, 'paused');
    const paused = await arrived(page);
    assert.ok(paused >= pressed, 'nothing is lost');
    const ranges = [];
    page.on('request', (request) => request.url().includes('/stream') && ranges.push(request.headers().range));
    await item(page).getByRole('button', { name: 'Resume' }).click();
    await inState(page, 'done');
    assert.deepEqual(ranges, [`bytes=${paused}-`]);
    assert.deepEqual(await written(page), [[expected.name, expected.hash]]);
    await page.reload();
    await page.waitForSelector('.promises');
    assert.equal(await page.locator('.downloads-item').count(), 0, 'what is done is forgotten');
  }));

  test('a page that is closed in the middle goes on by itself when it is opened again; two tabs do not share one', () => withCard({}, async (page) => {
    const anchor = row(page, '720p', 'MP4');
    const expected = await wanted(anchor);
    await slowly(expected.size / 6);
    await anchor.click();
    await until(async () => (await arrived(page)) > 0, 'some bytes');
    const second = await page.context().newPage();
    await second.goto(`${stack.base}/`);
    await second.waitForTimeout(500);
    assert.equal(await second.locator('.downloads-item').count(), 0, 'the first tab has it');
    await page.close();
    await stack.origin.reset();
    await second.reload();
    await inState(second, 'done');
    assert.deepEqual(await written(second), [[expected.name, expected.hash]]);
  }));

  test('two at a time, the third waits in line and starts when one is cancelled', () => withCard({}, async (page) => {
    await slowly(200000);
    for (const label of ['1080p', '720p', '360p']) await row(page, label, 'MP4').click();
    await inState(page, 'running', 0);
    await inState(page, 'running', 1);
    assert.equal(await facts(page, 2), 'Next in line');
    await item(page, 0).getByRole('button', { name: 'Cancel' }).click();
    await page.waitForFunction(() => [...document.querySelectorAll('.downloads-item')].map((node) => node.dataset.state).join() === 'running,running');
  }));

  test('a busy server is waited for, as long as it asks', () => withCard({ refused: 1 }, async (page) => {
    const anchor = row(page, '360p', 'MP4');
    const expected = await wanted(anchor);
    let asked = 0;
    await page.route('**/api/v1/stream?*', (route) => (asked++ > 0 ? route.continue() : route.fulfill({
      status: 503, contentType: 'application/problem+json',
      body: JSON.stringify({ code: 'busy', title: 'Busy', detail: 'The server is serving as many as it can.', retryable: true, retry_after_s: 3, queue_position: 4 }),
    })));
    await anchor.click();
    await inState(page, 'waiting');
    const asked1 = Date.now();
    assert.match(await facts(page), /^The server is serving as many as it can\. .*You are number 4 in the queue\. Trying again in [23] s\.$/);
    assert.match(await item(page).locator('.downloads-step').textContent(), /a place is free soon/);
    await inState(page, 'done');
    assert.ok(Date.now() - asked1 > 2000);
    assert.deepEqual(await written(page), [[expected.name, expected.hash]]);
    await page.unrouteAll({ behavior: 'ignoreErrors' });
  }));

  test('a server with one place, taken by somebody else: it comes when the place is free', async () => {
    const outer = stack;
    let other;
    try {
      stack = await startStack({ origin: outer.origin, env: { SLUICE_MAX_ACTIVE: '1', SLUICE_MAX_CONNECTIONS: '1' } });
      await withCard({ lost: true }, async (page) => {
        const anchor = row(page, '360p', 'MP4');
        const expected = await wanted(anchor);
        await slowly(100000);
        other = http.get(await anchor.evaluate((a) => a.href));
        other.on('error', () => {});
        await new Promise((resolve) => other.on('response', (response) => response.on('error', () => {}).once('data', resolve)));
        await anchor.click();
        await inState(page, 'waiting');
        assert.match(await facts(page), /^The server is serving as many as it can\. .*Trying again in \d+ s\.$/);
        other.destroy();
        await stack.origin.reset();
        await inState(page, 'done');
        assert.deepEqual(await written(page), [[expected.name, expected.hash]]);
      });
    } finally {
      other?.destroy();
      await stack.stop();
      stack = outer;
    }
  });

  test('what does not pass is said, with a next step, and can be tried again', () => withCard({ refused: 1 }, async (page) => {
    await page.route('**/api/v1/stream?*', (route) => {
      const url = new URL(route.request().url());
      url.searchParams.set('data', 'AAAA');
      return route.continue({ url: url.href });
    }, { times: 1 });
    await row(page, '360p', 'MP4').click();
    await inState(page, 'failed');
    assert.match(await facts(page), /link/);
    assert.equal(await item(page).locator('.downloads-step').textContent(), 'Look the link up again; the new choices work.');
    await item(page).getByRole('button', { name: 'Try again' }).click();
    await inState(page, 'done');
  }));

  test('another version of the file is never joined to the first: it starts over', () => withCard({}, async (page) => {
    const anchor = row(page, '720p', 'MP4');
    const expected = await wanted(anchor);
    await slowly(expected.size / 8);
    await anchor.click();
    await until(async () => (await arrived(page)) > 0, 'the first bytes');
    await item(page).getByRole('button', { name: 'Pause' }).click();
    await stack.origin.reset();
    const answers = [];
    page.on('response', (response) => response.url().includes('/stream') && answers.push(response.status()));
    // the tag of a version the server no longer has
    await page.route('**/api/v1/stream?*', (route) => route.continue({ headers: { ...route.request().headers(), 'if-range': '"other"' } }));
    await item(page).getByRole('button', { name: 'Resume' }).click();
    await inState(page, 'done');
    assert.deepEqual(answers, [200]);
    assert.deepEqual(await written(page), [[expected.name, expected.hash]]);
    await page.unrouteAll({ behavior: 'ignoreErrors' });
  }));
});

describe('looks', () => {
  for (const [size, viewport] of Object.entries({ ...sizes, narrow: { width: 320, height: 640 } })) {
    for (const colorScheme of ['light', 'dark']) {
      test(`${size}, ${colorScheme}`, () => withCard({ viewport, colorScheme, refused: 1 }, async (page) => {
        for (const label of ['360p', '720p', '1080p']) { // planned while the source is quick
          const url = new URL(await row(page, label, 'MP4').evaluate((a) => a.href));
          await stack.get(url.pathname + url.search, { method: 'HEAD' });
        }
        await slowly(200000);
        await page.route('**/api/v1/stream?*', (route) => route.continue({ url: route.request().url().replace(/data=[^&]+/, 'data=AAAA') }), { times: 1 });
        await row(page, '360p', 'MP4').click();
        await inState(page, 'failed');
        for (const label of ['360p', '720p', '1080p']) await row(page, label, 'MP4').click();
        await inState(page, 'running', 2);
        await item(page, 1).getByRole('button', { name: 'Pause' }).click();
        await inState(page, 'running', 3);
        await judge(page, `downloads-${size}-${colorScheme}`);
      }));
    }
  }
});
