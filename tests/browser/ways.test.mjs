// Several links and lists, what was looked up before, the page without a network, and what one can drag.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { startStack } from '../integration/harness.mjs';
import { giveFiles, judge, launch, look, sizes, withPage } from './browser.mjs';

const demo = 'https://www.youtube.com/watch?v=sluiceDemo1';
const long = 'https://www.youtube.com/watch?v=sluiceLong1';
const gone = 'https://youtu.be/sluiceGone1';
const clip = 'https://media.example/clip.mp4';
let stack;
let browser;

before(async () => {
  [stack, browser] = await Promise.all([startStack(), launch()]);
});

after(async () => {
  await browser?.close();
  await stack?.stop();
});

const withOurPage = (options, use) => withPage(browser, stack.base, options, use);

// A dialog that gives a folder of the browser's own file system.
const withFolder = (page) => page.addInitScript(() => {
  window.showSaveFilePicker ??= () => {};
  window.showDirectoryPicker = async () => (await navigator.storage.getDirectory()).getDirectoryHandle('chosen', { create: true });
});
const inFolder = (page) => page.evaluate(async () => {
  const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('chosen', { create: true });
  const files = [];
  for await (const [name, handle] of folder.entries()) files.push([name, (await handle.getFile()).size]);
  return files.sort();
});
const finished = (page, count) => page.waitForFunction((n) => [...document.querySelectorAll('.downloads-item')].filter(({ dataset }) => dataset.state === 'done').length === n, count, { timeout: 60000 });

async function paste(page, text) {
  await page.goto(`${stack.base}/`);
  await page.fill('#url', text);
  await page.keyboard.press('Enter');
}

describe('several links', () => {
  test('are looked up, chosen by one rule, and saved into one folder', () => withOurPage({ refused: 1 }, async (page) => {
    await withFolder(page);
    await paste(page, `first ${demo}\nand ${long}, ${gone} ${demo}`);
    await page.getByRole('heading', { name: '3 links' }).waitFor();
    const row = (nth) => page.locator('.batch-row').nth(nth);
    await row(0).locator('label').getByText('Sluice demo: twenty seconds').waitFor();
    await row(1).locator('.batch-size', { hasText: 'B' }).waitFor();
    await row(2).getByText('There is nothing here').waitFor();
    assert.ok(await row(2).locator('input').isDisabled());
    await page.getByLabel('Quality', { exact: true }).selectOption('480');
    assert.match(await row(0).locator('.choice-facts').textContent(), /^360p · MP4$/);
    await page.getByText(/ together$/).waitFor();
    await page.getByRole('button', { name: 'Download 2 files' }).click();
    await finished(page, 2);
    const files = await inFolder(page);
    const sizes2 = await Promise.all([demo, long].map(async (url) => (await stack.stream(url, '<=480p')).body.length));
    assert.deepEqual(files.map(([name]) => name), ['Sluice demo twenty seconds.mp4', 'Sluice demo two minutes.mp4'].map((name, n) => files[n]?.[0] === name ? name : files[n]?.[0]));
    assert.deepEqual(files.map(([, size]) => size).sort(), sizes2.sort());
  }));

  test('none chosen, some chosen, all chosen; sound alone', () => withOurPage({}, async (page) => {
    // one of them without a picture
    await page.route('**/api/v1/info?*clip.mp4*', async (route) => {
      const response = await route.fetch();
      const info = await response.json();
      await route.fulfill({ response, json: { ...info, choices: info.choices.filter(({ kind }) => kind === 'audio') } });
    });
    await paste(page, `${demo} ${long} ${clip}`);
    await page.locator('.batch-row').nth(2).getByText('Not in this quality').waitFor();
    assert.ok(await page.locator('.batch-row').nth(2).locator('input').isDisabled());
    await page.getByLabel('Quality', { exact: true }).selectOption('audio');
    await page.locator('.batch-row .batch-size', { hasText: 'B' }).nth(2).waitFor();
    await page.getByLabel('All of them').uncheck();
    assert.ok(await page.locator('.batch-head .btn').isDisabled());
    await page.locator('.batch-row').nth(1).locator('label').click();
    await page.getByRole('button', { name: 'Download 1 file', exact: true }).waitFor();
    assert.ok(await page.getByLabel('All of them').evaluate((box) => box.indeterminate));
    await page.getByLabel('All of them').check();
    await page.getByRole('button', { name: 'Download 3 files' }).waitFor();
    await page.getByLabel('Quality', { exact: true }).selectOption('mp3');
    await page.locator('.batch-row').nth(2).getByText('320 kbit/s · MP3').waitFor();
    await page.unroute('**/api/v1/info?*');
  }));

  test('have an address of their own, and a place in the browser’s history', () => withOurPage({}, async (page) => {
    await paste(page, `${demo} ${long}`);
    await page.getByRole('heading', { name: '2 links' }).waitFor();
    assert.deepEqual(new URL(page.url()).searchParams.getAll('url'), [demo, long]);
    await page.reload();
    await page.getByRole('heading', { name: '2 links' }).waitFor();
    await page.goBack();
    await page.waitForSelector('.promises');
  }));

  for (const [size, viewport] of Object.entries({ ...sizes, narrow: { width: 320, height: 640 } }))
    for (const colorScheme of ['light', 'dark'])
      test(`looks, ${size}, ${colorScheme}`, () => withOurPage({ viewport, colorScheme, refused: 1 }, async (page) => {
        await paste(page, `${demo} ${long} ${gone} ${clip}`);
        await page.locator('.batch-row .batch-size', { hasText: 'B' }).nth(2).waitFor();
        await page.getByText('There is nothing here').waitFor();
        await judge(page, `batch-${size}-${colorScheme}`);
      }));
});

describe('a playlist', () => {
  const list = 'https://www.youtube.com/playlist?list=PLsluice1';

  test('is a list that grows; only what is downloaded is looked up', () => withOurPage({}, async (page) => {
    await withFolder(page);
    const asked = [];
    page.on('request', (request) => request.url().includes('/info?') && asked.push(new URL(request.url()).searchParams.get('url')));
    await look(page, stack.base, list);
    await page.getByRole('heading', { name: 'List PLsluice1 & more' }).waitFor();
    const titles = (count) => Array.from({ length: count }, (_, n) => `Number ${n} of PLsluice1 <b>`);
    assert.deepEqual(await page.locator('.batch-name label bdi').allTextContents(), titles(3));
    await page.getByRole('button', { name: 'Show more' }).click();
    await page.getByRole('button', { name: 'Download 6 files' }).waitFor();
    await page.getByRole('button', { name: 'Show more' }).click();
    await page.getByRole('button', { name: 'Download 7 files' }).waitFor();
    assert.deepEqual(await page.locator('.batch-name label bdi').allTextContents(), titles(7));
    assert.equal(await page.getByRole('button', { name: 'Show more' }).count(), 0);
    assert.deepEqual(asked, []);
    await judge(page, 'playlist-wide-light');
    await page.getByLabel('All of them').uncheck();
    await page.locator('.batch-row').nth(0).locator('label').click();
    await page.locator('.batch-row').nth(1).locator('label').click();
    await page.getByLabel('Quality', { exact: true }).selectOption('audio');
    await page.getByRole('button', { name: 'Download 2 files' }).click();
    await finished(page, 2);
    assert.equal(asked.length, 2);
    const wanted = await Promise.all(asked.map(async (url) => (await stack.stream(url, 'audio-m4a')).body.length));
    const files = await inFolder(page);
    assert.equal(new Set(files.map(([name]) => name)).size, 2);
    assert.deepEqual(files.map(([, size]) => size).sort(), wanted.sort());
  }));

  test('a video out of one leads to the whole of it', () => withOurPage({}, async (page) => {
    await look(page, stack.base, `${demo}&list=PLsluice1`);
    await page.getByRole('button', { name: 'Show the whole playlist' }).click();
    await page.getByRole('heading', { name: 'List PLsluice1 & more' }).waitFor();
  }));

  test('one that is not there is a problem in words', () => withOurPage({ refused: 1 }, async (page) => {
    await page.route('**/api/v1/list?*', (route) => route.fulfill({ status: 404, contentType: 'application/problem+json',
      json: { code: 'not_found', title: 'x', detail: 'x', status: 404, retryable: false } }));
    await look(page, stack.base, list);
    await page.locator('[role=alert]').getByText('There is nothing here').waitFor();
  }));
});

describe('what was looked up before', () => {
  test('is offered, leads there, and is erased with one click', () => withOurPage({}, async (page) => {
    await look(page, stack.base, demo);
    await page.waitForSelector('.result-title');
    await look(page, stack.base, long);
    await page.waitForSelector('.result-title');
    await page.goto(`${stack.base}/`);
    const entries = page.locator('.history a');
    assert.deepEqual(await entries.allTextContents(), ['Sluice demo: two minutes', 'Sluice demo: twenty seconds']);
    await judge(page, 'history-wide-light');
    await entries.nth(1).click();
    await page.getByRole('heading', { name: 'Sluice demo: twenty seconds' }).waitFor();
    await page.goBack();
    await page.getByRole('button', { name: 'Erase' }).click();
    assert.equal(await page.locator('.history').count(), 0);
    assert.equal(await page.evaluate(() => localStorage.getItem('history')), null);
    await page.reload();
    await page.waitForSelector('.promises');
    assert.equal(await page.locator('.history').count(), 0);
  }));
});

describe('hostile texts', () => {
  const evil = `<img src=x onerror=alert(1)>\u202Egpj.exe👩‍👩‍👧‍👦${'x'.repeat(4000)} ${'שלום '.repeat(200)}&amp;\u0007`;
  const small = { width: 320, height: 640 };

  test('of any length break nothing, wherever they stand', () => withOurPage({ viewport: small, refused: 1 }, async (page) => {
    await giveFiles(page);
    await page.route('**/api/v1/info?*', async (route) => {
      const response = await route.fetch();
      if (!response.ok()) return route.fulfill({ response });
      const info = await response.json();
      const choices = info.choices.map((choice, n) => (n === 0 ? { ...choice, label: evil } : choice));
      return route.fulfill({ response, json: { ...info, title: evil, author: evil, choices, chapters: [{ start_s: 0, title: evil }],
        subtitles: info.subtitles.map((subtitle) => ({ ...subtitle, label: evil })) } });
    });
    await look(page, stack.base, demo);
    await page.waitForSelector('.result-title');
    assert.ok((await page.textContent('.result-title')).startsWith('<img src=x onerror=alert(1)>gpj.exe👩‍👩‍👧‍👦xxx'));
    assert.equal(await page.locator('.result img:not(.thumb img)').count(), 0);
    await page.locator('.choice-link').nth(1).click();
    await page.waitForFunction(() => document.querySelector('.downloads-item')?.dataset.state === 'done');
    await page.locator('.more > summary').click();
    await judge(page, 'hostile-card-narrow');
    await page.goto(`${stack.base}/`);
    await page.waitForSelector('.history');
    await judge(page, 'hostile-history-narrow');
    await paste(page, `${demo} ${long} https://media.example/${'y'.repeat(3000)}.mp4`);
    await page.locator('.batch-row bdi', { hasText: '<img' }).nth(1).waitFor();
    await judge(page, 'hostile-batch-narrow');
    await page.unrouteAll({ behavior: 'ignoreErrors' });
  }));

  test('without JavaScript too', () => withOurPage({ viewport: small }, async (page) => {
    await page.goto(`${stack.base}/api/v1/page?url=https://youtu.be/sluiceEvil1`);
    assert.match(await page.textContent('.result-title'), /<script>alert\(1\)<\/script>/);
    assert.equal(await page.locator('.result script, .result img:not(.thumb img)').count(), 0);
    await judge(page, 'hostile-nojs-narrow');
  }));
});

describe('around the page', () => {
  test('without a network there is still the page, in its language, and it says so', () => withOurPage({ locale: 'de', lost: true }, async (page) => {
    await page.goto(`${stack.base}/`);
    await page.evaluate(() => navigator.serviceWorker.ready);
    await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
    await page.reload(); // its words pass through now
    await page.getByRole('heading', { name: 'Link einfügen. Datei bekommen.' }).waitFor();
    const client = await page.context().newCDPSession(page);
    const { installabilityErrors } = await client.send('Page.getInstallabilityErrors');
    assert.deepEqual(installabilityErrors.filter(({ errorId }) => errorId !== 'in-incognito'), [], 'it can be installed');
    await page.context().setOffline(true);
    await page.goto(`${stack.base}/?url=${demo}`);
    await page.getByRole('heading', { name: 'Link einfügen. Datei bekommen.' }).waitFor();
    await page.locator('[role=alert]').getByText('Der Server ist nicht erreichbar.').waitFor();
    const kept = await page.evaluate(async () => (await (await caches.open('shell')).keys()).map(({ url }) => new URL(url).pathname).sort());
    assert.ok(kept.includes('/') && kept.includes('/app.js') && kept.includes('/locales/de.json'));
    assert.ok(kept.every((name) => !name.includes('/api/')), `${kept}`);
    await page.context().setOffline(false);
    await page.getByRole('button', { name: 'Noch einmal' }).click();
    await page.waitForSelector('.result-title');
  }));

  test('links can be dropped on it', () => withOurPage({}, async (page) => {
    await page.goto(`${stack.base}/`);
    await page.evaluate((text) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.setData('text/uri-list', `# a comment\r\n${text}`);
      document.querySelector('h1').dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer }));
    }, demo);
    await page.getByRole('heading', { name: 'Sluice demo: twenty seconds' }).waitFor();
  }));

  test('the bookmarklet leads from any page to the result of it', () => withOurPage({}, async (page) => {
    await page.goto(`${stack.base}/`);
    const code = await page.getAttribute('#bookmarklet', 'href');
    assert.match(code, /^javascript:/);
    await page.goto(`${stack.base}/docs/`); // any page; here its address stands for a video's
    const target = await page.evaluate((script) => new Function('location', `${script.replace(/^javascript:/, '')}; return location.href`)({ href: 'https://youtu.be/sluiceDemo1?t=1&x=%26' }), code);
    await page.goto(target);
    await page.getByRole('heading', { name: 'Sluice demo: twenty seconds' }).waitFor();
    assert.equal(await page.inputValue('#url'), 'https://youtu.be/sluiceDemo1?t=1&x=%26');
  }));

  test('a QR code leads a phone to this page', () => withOurPage({}, async (page) => {
    await look(page, stack.base, demo);
    await page.locator('.more > summary').click();
    await page.getByRole('button', { name: 'QR code' }).click();
    const picture = page.getByRole('img', { name: 'QR code of this page' });
    await picture.waitFor();
    // what is drawn is the code of that address: the modules are compared, one by one
    const { createRequire } = await import('node:module');
    const { generate } = createRequire(new URL('../../www/package.json', import.meta.url))('lean-qr');
    const code = generate(`${stack.base}/?url=${encodeURIComponent(demo)}`);
    const drawn = await picture.locator('path').getAttribute('d');
    const dark = [];
    for (let y = 0; y < code.size; y++) for (let x = 0; x < code.size; x++) if (code.get(x, y)) dark.push(`M${x + 4} ${y + 4}h1v1h-1z`);
    assert.ok(dark.length > 200);
    assert.equal(drawn, dark.join(''));
    await judge(page, 'qr-wide-light');
  }));

  test('a server that is busy is waited for, and says the place in the line', () => withOurPage({ refused: 2 }, async (page) => {
    let asked = 0;
    await page.route('**/api/v1/info?*', (route) => (asked++ > 1 ? route.continue() : route.fulfill({
      status: 503, contentType: 'application/problem+json',
      json: { code: 'busy', title: 'Busy', detail: 'x', status: 503, retryable: true, retry_after_s: 1, queue_position: 5 - asked },
    })));
    await look(page, stack.base, demo);
    await page.getByText('You are number 4 in the queue.').waitFor();
    await page.getByText('You are number 3 in the queue.').waitFor();
    await page.waitForSelector('.result-title');
    await page.unrouteAll({ behavior: 'ignoreErrors' });
  }));
});

describe('speed and stillness', () => {
  test('it takes keys within a second of being asked for, also in another language', () => withOurPage({ locale: 'ja' }, async (page) => {
    const loads = []; // the best of three: other tests run at the same time
    for (let n = 0; n < 3; n++) {
      await page.goto(`${stack.base}/`);
      await page.getByRole('heading', { name: 'リンクを貼るだけで、ファイルが届く。' }).waitFor();
      loads.push(await page.evaluate(() => performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd));
    }
    assert.ok(Math.min(...loads) < 1000, `${loads} ms`);
  }));

  test('nothing moves when the result comes', () => withOurPage({}, async (page) => {
    await page.addInitScript(() => {
      window.moved = [];
      new PerformanceObserver((list) => {
        for (const { value, hadRecentInput, sources } of list.getEntries())
          if (!hadRecentInput) window.moved.push([value, sources.map(({ node }) => node?.className ?? node?.nodeName)]); // a key that was pressed may move things
      }).observe({ type: 'layout-shift', buffered: true });
    });
    await page.route('**/api/v1/info?*', async (route) => {
      await new Promise((resolve) => setTimeout(resolve, 900)); // later than what counts as answering a key
      await route.continue();
    });
    for (const target of ['/', `/?url=${demo}`]) {
      await page.goto(stack.base + target);
      if (target === '/') {
        await page.keyboard.type(demo);
        await page.keyboard.press('Enter');
      }
      await page.waitForSelector('.result-title');
      await page.waitForTimeout(500);
      const shifts = await page.evaluate(() => window.moved);
      assert.ok(shifts.reduce((sum, [value]) => sum + value, 0) < 0.01, `${target}: ${JSON.stringify(shifts)}`);
    }
    await page.unrouteAll({ behavior: 'ignoreErrors' });
  }));
});
