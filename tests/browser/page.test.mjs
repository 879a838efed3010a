// The page in real Chromium against the real programs: paste, see, choose, and the file is there.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';

import { sha256, startStack } from '../integration/harness.mjs';
import { judge, launch, look, readCard, sizes, sizesKnown, withPage } from './browser.mjs';

const demo = 'https://www.youtube.com/watch?v=sluiceDemo1';
const problemOf = (page) => page.locator('[role=alert]');
let stack;
let browser;

before(async () => {
  stack = await startStack();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await stack?.stop();
});

// What the server says the file of a link is long.
async function announced(link) {
  const href = new URL(await link.evaluate((a) => a.href));
  const answer = await stack.get(href.pathname + href.search, { method: 'HEAD' });
  assert.equal(answer.status, 200);
  return Number(answer.headers['content-length']);
}

const withOurPage = (options, use) => withPage(browser, stack.base, options, use);

// Clicks, and returns what arrived: { name, data }.
async function download(page, link) {
  const [arriving] = await Promise.all([page.waitForEvent('download'), link.click()]);
  return { name: arriving.suggestedFilename(), data: readFileSync(await arriving.path()) };
}

describe('the result', () => {
  test('says what the API says', () => withOurPage({}, async (page) => {
    await sizesKnown(stack, demo);
    await look(page, stack.base, demo);
    await page.waitForSelector('.result-title');
    const card = await readCard(page);
    const info = (await stack.info(demo)).json();
    assert.equal(card.title, 'Sluice demo: twenty seconds');
    assert.equal(card.author, 'Sluice');
    assert.equal(card.duration, '0:20');
    const rows = card.groups.flatMap((group) => group.rows);
    assert.equal(rows.length, info.choices.length);
    assert.ok(rows.length >= 9);
    const bytes = (size) => Number(size[1].replace(/\D/g, ''));
    assert.deepEqual(rows.map((row) => bytes(row.size)).sort(), info.choices.map((choice) => choice.size_bytes).sort());
    assert.ok(rows.every((row) => row.path === '/api/v1/stream' && /^(≈ )?\d+(\.\d)? ([kMG]B|B)$/.test(row.size[0])));
    assert.equal(card.groups[0].title, 'Video + audio');
    const high = card.groups[0].rows.find((row) => row.label === '1080p');
    assert.deepEqual(high.facts.slice(0, 2).map(([text]) => text), ['MP4', 'H.264 + AAC']);
    assert.match(high.facts[1][1], /^avc1\..*,mp4a\./);
    assert.equal(rows.filter((row) => row.best).length, 1);
    assert.deepEqual(card.groups.at(-1).subtitles.map(([text]) => text), info.subtitles.flatMap((subtitle) => [subtitle.label, 'SRT']));
  }));

  test('takes the focus, is announced, and its picture comes through the server', () => withOurPage({}, async (page) => {
    await look(page, stack.base, demo);
    await page.waitForSelector('.result-title');
    assert.ok(await page.evaluate(() => document.activeElement.classList.contains('result-title')));
    assert.match(await page.textContent('[role=status]'), /Sluice demo: twenty seconds/);
    assert.match(await page.title(), /Sluice demo: twenty seconds/);
    const picture = page.locator('.thumb img');
    if (await picture.count() > 0) {
      await picture.evaluate((img) => img.decode());
      assert.ok(await picture.evaluate((img) => img.naturalWidth > 0));
    }
  }));

  test('a click brings the file, with its name and every byte', () => withOurPage({}, async (page) => {
    await look(page, stack.base, demo);
    await page.waitForSelector('.result-title');
    const choice = (await stack.info(demo)).json().choices.find(({ id }) => id === 'format-140');
    const [label] = choice.label.split(' · ');
    const file = await download(page, page.locator('.choice-link', { hasText: label }).filter({ hasText: 'M4A' }));
    assert.match(file.name, /^Sluice demo.{1,3}twenty seconds\.m4a$/);
    assert.equal(file.data.length, choice.size_bytes);
    assert.equal(sha256(file.data), sha256((await stack.get(choice.stream_url)).body));
  }));

  test('the button at its top brings the highlighted file', () => withOurPage({}, async (page) => {
    await look(page, stack.base, demo);
    await page.waitForSelector('.result-title');
    assert.equal(await page.getAttribute('.best', 'href'), await page.getAttribute('.choice-best a', 'href'));
    assert.equal((await download(page, page.locator('.best'))).data.length, await announced(page.locator('.best')));
  }));

  test('a link can be copied, and works', () => withOurPage({ permissions: ['clipboard-read', 'clipboard-write'] }, async (page) => {
    await look(page, stack.base, demo);
    await page.locator('.choice-copy').first().click();
    await page.locator('.choice-copy.copied').waitFor();
    const link = await page.evaluate(() => navigator.clipboard.readText());
    assert.equal(link, await page.locator('.choice-link').first().evaluate((a) => a.href));
    const answer = await stack.get(link.slice(stack.base.length), { method: 'HEAD' });
    assert.equal(answer.status, 200);
  }));

  test('a plain media file has a card too', () => withOurPage({}, async (page) => {
    await look(page, stack.base, 'https://media.example/clip.mp4');
    await page.waitForSelector('.result-title');
    const card = await readCard(page);
    assert.equal(card.groups[0].title, 'Video + audio');
    assert.equal(card.groups[0].rows.length, 1);
    assert.equal(card.picture, '/', 'it has none');
  }));

  test('hostile texts are text', () => withOurPage({}, async (page) => {
    await look(page, stack.base, 'https://youtu.be/sluiceEvil1');
    await page.waitForSelector('.result-title');
    const card = await readCard(page);
    assert.match(card.title, /<script>alert\(1\)<\/script>/);
    assert.match(card.author, /<img src=x onerror=alert\(2\)>/);
    assert.doesNotMatch(card.title + card.author, /[\u202a-\u202e]/);
    assert.equal(await page.locator('.result script, .result img:not(.thumb img)').count(), 0);
    await judge(page, 'hostile-wide-light');
  }));
});

describe('errors', () => {
  for (const [id, code] of [['sluiceAge01', 'age_restricted'], ['sluiceGone1', 'not_found'], ['sluiceGeo01', 'geo_blocked']]) {
    test(`${code}: its sentence, and no retry where that cannot help`, () => withOurPage({ refused: 1 }, async (page) => {
      await look(page, stack.base, `https://youtu.be/${id}`);
      const problem = (await stack.info(`https://youtu.be/${id}`)).json();
      assert.equal(problem.code, code);
      await problemOf(page).getByText(problem.detail).waitFor();
      assert.equal(await problemOf(page).getByRole('button').count(), 0);
    }));
  }

  test('where it can help, there is a way to try again', () => withOurPage({ refused: 2 }, async (page) => {
    await look(page, stack.base, 'https://youtu.be/sluiceBotc1');
    const retry = problemOf(page).getByRole('button', { name: 'Retry', exact: true });
    await retry.waitFor({ timeout: 30000 });
    const [answer] = await Promise.all([page.waitForResponse(/\/api\/v1\/info\?/), retry.click({ timeout: 60000 })]);
    assert.equal((await answer.json()).code, 'bot_check');
    await problemOf(page).waitFor();
  }));

  test('a server that is gone is an error with a retry', () => withOurPage({}, async (page) => {
    await page.goto(`${stack.base}/`);
    await page.route('**/api/v1/info?*', (route) => route.fulfill({ status: 200, contentType: 'text/html', body: '<p>welcome to the hotel</p>' }));
    await page.keyboard.type(demo);
    await page.keyboard.press('Enter');
    await problemOf(page).getByRole('button', { name: 'Retry' }).waitFor();
    await page.unroute('**/api/v1/info?*');
    await problemOf(page).getByRole('button', { name: 'Retry' }).click();
    await page.waitForSelector('.result-title');
  }));

  test('what is no link gets a hint, not a request', () => withOurPage({}, async (page) => {
    const asked = [];
    page.on('request', (request) => asked.push(request.url()));
    await page.goto(`${stack.base}/`);
    await page.keyboard.press('Enter');
    await page.getByText('Paste a link first', { exact: false }).first().waitFor();
    await page.keyboard.type('http://two words');
    assert.equal(await page.getAttribute('#url', 'aria-invalid'), null, 'the hint goes when one types');
    await page.keyboard.press('Enter');
    await page.getByText('That is no link', { exact: false }).first().waitFor();
    assert.equal(await page.getAttribute('#url', 'aria-invalid'), 'true');
    assert.deepEqual(asked.filter((url) => url.includes('/api/')), []);
  }));
});

describe('ways in', () => {
  test('the box has the focus; / brings it back', () => withOurPage({}, async (page) => {
    await page.goto(`${stack.base}/`);
    const focused = () => page.evaluate(() => document.activeElement.id);
    assert.equal(await focused(), 'url');
    await page.keyboard.press('Tab');
    assert.notEqual(await focused(), 'url');
    await page.keyboard.press('/');
    assert.equal(await focused(), 'url');
    assert.equal(await page.inputValue('#url'), '');
  }));

  test('?url= looks it up; back leads to where one came from', () => withOurPage({}, async (page) => {
    await page.goto(`${stack.base}/`);
    await page.goto(`${stack.base}/?url=${encodeURIComponent(demo)}`);
    await page.waitForSelector('.result-title');
    assert.equal(await page.inputValue('#url'), demo);
    await page.goto(`${stack.base}/?url=${demo}&feature=shared`); // typed by hand, nothing escaped
    await page.waitForSelector('.result-title');
    assert.equal(await page.inputValue('#url'), `${demo}&feature=shared`);
  }));

  test('what an app shares is looked up, wherever it has put the link', () => withOurPage({}, async (page) => {
    const manifest = JSON.parse((await stack.get('/sluice.webmanifest')).body);
    const { action, method, params } = manifest.share_target;
    assert.equal(method, 'GET');
    for (const shared of [{ [params.url]: demo, [params.title]: 'A video' }, { [params.title]: 'A video', [params.text]: `Look at this! ${demo}` }]) {
      await page.goto(new URL(`${action}?${new URLSearchParams(shared)}`, `${stack.base}/`).href);
      await page.waitForSelector('.result-title');
      assert.equal(await page.inputValue('#url'), demo);
    }
    const client = await page.context().newCDPSession(page);
    const { errors } = await client.send('Page.getAppManifest');
    assert.deepEqual(errors, []);
  }));

  test('the first load is light: one script, well under 150 kB', () => withOurPage({}, async (page) => {
    const client = await page.context().newCDPSession(page);
    await client.send('Network.enable');
    let bytes = 0;
    client.on('Network.loadingFinished', ({ encodedDataLength }) => { bytes += encodedDataLength; });
    await page.goto(`${stack.base}/`, { waitUntil: 'networkidle' });
    assert.ok(bytes > 10000 && bytes < 150000, `${bytes} bytes`);
    assert.equal(await page.evaluate(() => performance.getEntriesByType('resource').filter(({ name }) => /\.m?js$/.test(name)).length), 1);
  }));

  test('a look-up has an address of its own', () => withOurPage({}, async (page) => {
    await look(page, stack.base, demo);
    await page.waitForSelector('.result-title');
    assert.equal(new URL(page.url()).searchParams.get('url'), demo);
    await page.reload();
    await page.waitForSelector('.result-title');
    await page.goBack();
    await page.waitForSelector('.promises');
    assert.equal(await page.inputValue('#url'), '');
  }));

  test('pasting is going, in the box and anywhere; a link is found in what people share', () =>
    withOurPage({ permissions: ['clipboard-read', 'clipboard-write'] }, async (page) => {
      await page.goto(`${stack.base}/`);
      await page.evaluate((text) => navigator.clipboard.writeText(text), demo);
      await page.keyboard.press('Control+V');
      await page.waitForSelector('.result-title');
      await page.goto(`${stack.base}/`);
      await page.locator('h1').click(); // out of the box
      await page.keyboard.press('Control+V');
      await page.waitForSelector('.result-title');
      await page.goto(`${stack.base}/`);
      await page.evaluate((text) => navigator.clipboard.writeText(text), `Look at this! ${demo}`);
      await page.getByRole('button', { name: 'Paste' }).click();
      await page.waitForSelector('.result-title');
      assert.equal(await page.inputValue('#url'), demo);
    }));

  test('the last of two quick look-ups wins', () => withOurPage({}, async (page) => {
    await page.goto(`${stack.base}/`);
    await page.route('**/api/v1/info?*sluiceLong1*', async (route) => {
      await new Promise((resolve) => setTimeout(resolve, 1500));
      await route.continue().catch(() => {}); // the page has given it up
    });
    await page.fill('#url', 'https://youtu.be/sluiceLong1');
    await page.keyboard.press('Enter');
    await page.fill('#url', demo);
    await page.keyboard.press('Enter');
    await page.waitForSelector('.result-title');
    await page.waitForTimeout(2000);
    assert.equal(await page.textContent('.result-title'), 'Sluice demo: twenty seconds');
    await page.unrouteAll({ behavior: 'ignoreErrors' });
  }));
});

describe('without JavaScript', () => {
  test('the form is answered with a page of the same card, and its links work', () =>
    withOurPage({ javaScriptEnabled: false }, async (page) => {
      await page.goto(`${stack.base}/`);
      await page.fill('input[name=url]', demo);
      await page.keyboard.press('Enter');
      await page.waitForURL(/\/api\/v1\/page\?url=/);
      await page.waitForSelector('.result-title');
      const info = (await stack.info(demo)).json();
      assert.equal(await page.locator('.choice a[href*="/api/v1/stream"]').count(), info.choices.length);
      const link = page.locator('.choice a[href*="/api/v1/stream"]').first();
      assert.equal((await download(page, link)).data.length, await announced(link));
    }));

  test('both cards say the same', () => withOurPage({}, async (page) => {
    await sizesKnown(stack, demo);
    await look(page, stack.base, demo);
    await page.waitForSelector('.result-title');
    const ours = await readCard(page);
    await page.goto(`${stack.base}/api/v1/page?url=${encodeURIComponent(demo)}`);
    assert.deepEqual(await readCard(page), ours);
  }));

  test('an error is a page with its sentence', () => withOurPage({ javaScriptEnabled: false, refused: 1 }, async (page) => {
    await page.goto(`${stack.base}/api/v1/page?url=${encodeURIComponent('https://youtu.be/sluicePriv1')}`);
    const problem = (await stack.info('https://youtu.be/sluicePriv1')).json();
    assert.equal(problem.code, 'private');
    await page.getByText(problem.detail).first().waitFor();
    assert.equal(await page.inputValue('input[name=url]'), 'https://youtu.be/sluicePriv1', 'the link stays in the box');
    assert.equal(await page.locator('.problem-retry').count(), 0, 'trying again would not help');
    await page.locator('.problem a').click();
    await page.waitForURL(`${stack.base}/`);
  }));

  test('where trying again can help, there is a link for it; another link can be asked for at once', () => withOurPage({ javaScriptEnabled: false, refused: 2 }, async (page) => {
    const target = `/api/v1/page?lang=de&url=${encodeURIComponent('https://youtu.be/sluiceBotc1')}`;
    await page.goto(stack.base + target);
    await page.locator('.problem-retry').click();
    await page.waitForURL((url) => url.searchParams.get('lang') === 'de' && url.searchParams.get('url') === 'https://youtu.be/sluiceBotc1');
    await page.locator('.problem-retry').waitFor();
    await page.fill('input[name=url]', demo);
    await page.keyboard.press('Enter');
    await page.locator('.best-verb', { hasText: 'Herunterladen' }).waitFor();
  }));
});

describe('looks', () => {
  const demoQuery = `url=${encodeURIComponent(demo)}`;
  const views = {
    index: ['/', '.promises'],
    result: [`/?${demoQuery}`, '.result-title'],
    many: ['/?url=https://youtu.be/sluiceDubs1', '.result-title'],
    error: ['/?url=https://youtu.be/sluiceAge01', '[role=alert]', 1],
    docs: ['/docs/', 'h1'],
    reference: ['/docs/api.html', '#headers'],
    examples: ['/docs/examples.html', '#javascript'],
    privacy: ['/docs/privacy.html', 'h1'],
    'nojs-result': [`/api/v1/page?${demoQuery}`, '.result-title'],
    'nojs-error': ['/api/v1/page?url=https://youtu.be/sluiceAge01', '.problem', 1],
  };
  for (const [name, [target, ready, refused]] of Object.entries(views)) {
    for (const size of ['wide', 'phone']) {
      for (const colorScheme of ['light', 'dark']) {
        if (/^(reference|examples|privacy)$/.test(name) && (size === 'wide') !== (colorScheme === 'light')) continue; // text alone
        test(`${name}, ${size}, ${colorScheme}`, () => withOurPage({ viewport: sizes[size], colorScheme, refused }, async (page) => {
          await page.goto(stack.base + target);
          await page.waitForSelector(ready);
          const [red, green, blue] = (await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).match(/\d+/g).map(Number);
          assert.equal(red + green + blue > 384, colorScheme === 'light', 'follows the system’s choice');
          await judge(page, `${name}-${size}-${colorScheme}`);
        }));
      }
    }
  }

  for (const [colorScheme, size] of [['light', 'wide'], ['dark', 'phone']])
    test(`in the queue, ${size}, ${colorScheme}`, () => withOurPage({ viewport: sizes[size], colorScheme, refused: 1 }, async (page) => {
      await page.route('**/api/v1/info?*', (route) => route.fulfill({ status: 503, contentType: 'application/problem+json',
        json: { code: 'busy', title: 'x', detail: 'x', status: 503, retryable: true, retry_after_s: 60, queue_position: 3 } }));
      await look(page, stack.base, demo);
      await page.getByRole('button', { name: /^Trying again in \d+ s$/ }).waitFor();
      await judge(page, `queue-${size}-${colorScheme}`);
    }));

  for (const [colorScheme, size] of [['light', 'phone'], ['dark', 'wide']]) test(`waiting, ${size}, ${colorScheme}`, () => withOurPage({ viewport: sizes[size], colorScheme }, async (page) => {
    await page.route('**/api/v1/info?*', () => {}); // never answered
    await look(page, stack.base, demo);
    await page.waitForSelector('.waiting');
    assert.equal(await page.textContent('[role=status]'), 'Looking it up …');
    await page.waitForTimeout(400); // it fades in
    await judge(page, `waiting-${size}-${colorScheme}`);
    await page.unrouteAll({ behavior: 'ignoreErrors' });
  }));
});

// As behind a reverse proxy that has Sluice in a folder and takes the folder's name off.
describe('in a sub-folder', () => {
  const prefix = '/tools/sluice';
  let inside;
  let front;
  let base;

  before(async () => {
    inside = await startStack({ env: { SLUICE_PUBLIC_PATH: prefix }, origin: stack.origin });
    front = http.createServer((request, response) => {
      if (!request.url.startsWith(`${prefix}/`)) {
        response.writeHead(404).end();
        return;
      }
      const onward = http.request({ host: '127.0.0.1', port: inside.port, path: request.url.slice(prefix.length), method: request.method, headers: request.headers },
        (answer) => answer.pipe(response.writeHead(answer.statusCode, answer.headers)));
      request.pipe(onward);
      onward.on('error', () => response.destroy());
    });
    await new Promise((resolve) => front.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${front.address().port}${prefix}`;
  });

  after(async () => {
    front?.closeAllConnections();
    front?.close();
    await inside?.stop();
  });

  test('everything is found below it', () => withPage(browser, base, {}, async (page) => {
    await look(page, base, demo);
    await page.waitForSelector('.result-title');
    const card = await readCard(page);
    assert.ok(card.groups.flatMap((group) => group.rows).every((row) => row.path === `${prefix}/api/v1/stream`));
    const file = await download(page, page.locator('.best'));
    assert.ok(file.data.length > 0);
    await page.getByRole('link', { name: 'Documentation' }).click();
    await page.waitForURL(`${base}/docs/`);
    await page.waitForSelector('#error-codes');
    await page.getByRole('banner').getByRole('link', { name: 'Sluice' }).click();
    await page.waitForURL(`${base}/`);
  }));

  test('without JavaScript too', () => withPage(browser, base, { javaScriptEnabled: false }, async (page) => {
    await page.goto(`${base}/`);
    await page.fill('input[name=url]', demo);
    await page.keyboard.press('Enter');
    await page.waitForURL(`${base}/api/v1/page?url=**`);
    const file = await download(page, page.locator('.choice a[href*="/api/v1/stream"]').first());
    assert.ok(file.data.length > 0);
  }));

  test('an error page too', () => withPage(browser, base, { refused: 1 }, async (page) => {
    await page.goto(`${base}/api/v1/page?url=https://youtu.be/sluicePriv1`);
    await page.locator('.brand img').evaluate((img) => img.decode());
    assert.equal(await page.evaluate(() => getComputedStyle(document.body).display), 'flex', 'styled');
    await page.locator('.problem a').click();
    await page.waitForURL(`${base}/`);
  }));
});
