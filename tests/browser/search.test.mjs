// Words instead of a link, lists of videos, and the sizes that become exact while one looks.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';

import { programEnv, programs, run, startStack, until } from '../integration/harness.mjs';
import { giveFiles, judge, launch, look, sizes, withPage } from './browser.mjs';

const demo = 'https://www.youtube.com/watch?v=sluiceDemo1';
const long = 'https://www.youtube.com/watch?v=sluiceLong1';
const list = 'https://www.youtube.com/playlist?list=PLsluice1';
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
const titles = (page) => page.locator('.found-link').allTextContents();
const numbers = (from, to, words) => Array.from({ length: to - from }, (_, n) => `Number ${from + n} of ${words} <b>`);
const narrow = { width: 320, height: 640 };

describe('words instead of a link', () => {
  test('are searched for; a result leads to its formats, and back leads to the results', () => withOurPage({}, async (page) => {
    await look(page, stack.base, 'still water');
    await page.getByRole('heading', { name: 'Found for “still water”' }).waitFor();
    assert.deepEqual(await titles(page), numbers(0, 3, 'still water'));
    assert.match(await page.textContent('[role=status]'), /still water/);
    const pictures = page.locator('.found .thumb img');
    assert.equal(await pictures.count(), 3);
    assert.ok(await pictures.first().evaluate(async (img) => { await img.decode(); return img.naturalWidth; }) > 0);
    assert.deepEqual(await page.locator('.found .thumb-time').allTextContents(), ['0:20', '1:00:21', 'Live now']);
    await page.getByRole('button', { name: 'Show more' }).click();
    await page.locator('.found').nth(5).waitFor();
    assert.deepEqual(await titles(page), numbers(0, 6, 'still water'));
    assert.ok(await page.locator('.found-link').nth(3).evaluate((link) => link === document.activeElement), 'one goes on where the new ones begin');
    await page.locator('.found').nth(1).click();
    await page.locator('.best').waitFor();
    await page.goBack();
    await page.getByRole('heading', { name: 'Found for “still water”' }).waitFor();
    assert.equal(await page.inputValue('#url'), 'still water');
  }));

  test('with the keyboard alone', () => withOurPage({}, async (page) => {
    await look(page, stack.base, 'water');
    await page.waitForSelector('.found');
    assert.ok(await page.evaluate(() => document.activeElement.classList.contains('result-title')));
    await page.keyboard.press('Tab');
    assert.ok(await page.evaluate(() => document.activeElement.classList.contains('found-link') && document.activeElement.matches(':focus-visible')));
    await page.keyboard.press('Enter');
    await page.locator('.best').waitFor();
    assert.equal(new URL(page.url()).searchParams.get('url'), 'https://www.youtube.com/watch?v=sluiceV5000');
  }));

  test('a channel is a link to what else is by it; on a card too', () => withOurPage({}, async (page) => {
    await look(page, stack.base, 'water');
    await page.locator('.found-author').first().click();
    await page.waitForSelector('.batch-row');
    assert.equal(new URL(page.url()).searchParams.get('url'), 'https://www.youtube.com/channel/UCsluiceSluiceSluiceSlui');
    await look(page, stack.base, demo);
    await page.locator('.result-author a').click();
    await page.waitForSelector('.batch-row');
  }));

  test('nothing found is said', () => withOurPage({}, async (page) => {
    await look(page, stack.base, 'nothing');
    await page.getByText('Nothing was found. Try other words.').first().waitFor();
  }));

  // One rule, written twice: what the page asks for, and what the server does without the page's script.
  const texts = { water: 'search', 'still water': 'search', 'C++: the film. Part 2/3': 'search', 'süßes Wasser': 'search', '静かな　水': 'search', 'جزيرة': 'search',
    'youtube.com/watch?v=sluiceDemo1': 'info', [list]: 'list', 'https://media.example/clip.mp4': 'info', 'a.b': 'other', 'http://two words': 'other' };
  test('what counts as words is the same with and without JavaScript', () => withOurPage({ lost: true }, async (page) => {
    for (const [text, route] of Object.entries(texts)) {
      await page.goto(`${stack.base}/`);
      const asked = [];
      page.on('request', (request) => asked.push(/\/api\/v1\/(info|list|search)\?/.exec(request.url())?.[1]));
      await page.fill('#url', text);
      await page.keyboard.press('Enter');
      await page.waitForSelector('.result-title, [role=alert], .ask-hint-wrong');
      page.removeAllListeners('request');
      const theirs = await stack.get(`/api/v1/page?${new URLSearchParams({ url: text, lang: 'en' })}`);
      const answer = theirs.status !== 200 ? 'other' : /class="founds"/.test(theirs.text()) ? (/Found for/.test(theirs.text()) ? 'search' : 'list') : 'info';
      assert.equal(answer, route, `${text} without`);
      if (route !== 'other') assert.ok(asked.includes(route), `${text} with: ${asked}`);
      else assert.ok(!asked.includes('search') && !asked.includes('list'), text);
    }
  }));

  for (const [size, viewport] of Object.entries({ wide: sizes.wide, narrow }))
    for (const colorScheme of ['light', 'dark'])
      test(`looks, ${size}, ${colorScheme}`, () => withOurPage({ viewport, colorScheme }, async (page) => {
        await look(page, stack.base, 'Wasserkraftwerksbetriebsgenehmigungsverfahren und mehr');
        await page.waitForSelector('.found');
        await judge(page, `search-${size}-${colorScheme}`);
        await look(page, stack.base, list);
        await page.waitForSelector('.batch-row');
        await judge(page, `playlist-${size}-${colorScheme}`);
      }));

  for (const locale of ['ar', 'de', 'ja'])
    test(`in ${locale}, at 320 pixels`, () => withOurPage({ viewport: narrow, locale }, async (page) => {
      for (const target of ['/?url=water', `/?url=${list}`, '/?url=nothing', '/api/v1/page?url=water', `/api/v1/page?url=${list}`]) {
        await page.goto(stack.base + target);
        await page.waitForSelector('.result-title');
        await judge(page, `search-${locale}-${target.replace(/\W+/g, '-')}`);
      }
    }));
});

// title or author: what is shown of it begins like that
const hostile = {
  'markup': ['<img src=x onerror=alert(1)><script>alert(2)</script>', '<img src=x onerror=alert(1)>'],
  'character references': ['&lt;b&gt; &amp;amp; &#x3c;', '&lt;b&gt; &amp;amp; &#x3c;'],
  'marks that turn the direction': ['\u202Egpj.exe \u2066abc\u2069', 'gpj.exe abc'],
  'five thousand letters without a break': ['x'.repeat(5000), 'xxx'],
  'joined emoji and marks on marks': [`👩‍👩‍👧‍👦🏳️‍🌈 Z${'\u0335\u0301'.repeat(60)}`, '👩‍👩‍👧‍👦🏳️‍🌈 Z'],
  'right to left among left to right': ['abc שלום مرحبا def', 'abc שלום'],
  'quotes and templates': ['" onmouseover="alert(1)\' {title} ${x} %s', '" onmouseover='],
  'an address': ['javascript:alert(1)', 'javascript:alert(1)'],
  'nothing': ['', 'Untitled'],
};

describe('hostile titles and authors', () => {
  for (const [name, [text, shown]] of Object.entries(hostile))
    test(name, () => withOurPage({ viewport: narrow }, async (page) => {
      const item = { id: 'x', url: text || demo, title: text, author: text, author_url: text || null, duration_s: 20, thumbnail: null, thumbnail_url: 'https://evil.example/x.png', live: false };
      await page.route('**/api/v1/search?*', (route) => route.fulfill({ json: { items: [item, item], next: null } }));
      await page.route('**/api/v1/list?*', (route) => route.fulfill({ json: { title: text, items: [item, item], next: null } }));
      await page.route('**/api/v1/info?*', async (route) => {
        const response = await route.fetch();
        await route.fulfill({ response, json: { ...await response.json(), title: text, author: text, author_url: text } });
      });
      for (const [target, what] of [['water', '.found-link'], [list, '.batch-name label'], [demo, '.result-title']]) {
        await look(page, stack.base, target);
        await page.waitForSelector(what);
        const seen = await page.locator(what).first().textContent();
        assert.ok(seen.startsWith(what === '.batch-name label' && text === '' ? demo : shown), `${what}: ${seen.slice(0, 80)}`);
        assert.equal(await page.locator('.result script, .result img:not(.thumb img), .result [onmouseover]').count(), 0);
        assert.deepEqual(await page.locator('.result a').evaluateAll((links) => links.map((a) => a.protocol).filter((protocol) => protocol !== 'http:')), []);
        assert.ok(await page.evaluate(() => document.scrollingElement.scrollWidth) <= narrow.width, `${what} scrolls sideways`);
      }
      await page.unrouteAll({ behavior: 'ignoreErrors' });
    }));
});

describe('without JavaScript', () => {
  test('words give a page of results, with more behind it, that lead to the card', () => withOurPage({ javaScriptEnabled: false }, async (page) => {
    await page.goto(`${stack.base}/`);
    await page.fill('input[name=url]', 'still water');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Found for “still water”' }).waitFor();
    assert.deepEqual(await titles(page), numbers(0, 3, 'still water'));
    await page.getByRole('link', { name: 'Show more' }).click();
    await page.getByText('Number 3 of').waitFor();
    assert.deepEqual(await titles(page), numbers(3, 6, 'still water'));
    await page.locator('.found-link').first().click();
    await page.locator('.best').waitFor();
  }));

  test('a playlist, a channel, and the way from a video to the list it is in', () => withOurPage({ javaScriptEnabled: false, locale: 'de' }, async (page) => {
    await page.goto(`${stack.base}/api/v1/page?url=${encodeURIComponent(`${demo}&list=PLsluice1`)}`);
    await page.getByRole('link', { name: 'Ganze Playlist zeigen' }).click();
    await page.getByRole('heading', { name: 'List PLsluice1 & more' }).waitFor();
    assert.deepEqual(await titles(page), numbers(0, 3, 'PLsluice1'));
    await page.locator('a.found-author').first().click();
    await page.getByRole('heading', { name: 'List UUsluiceSluiceSluiceSlui & more' }).waitFor();
  }));

  test('both lists say the same', () => withOurPage({}, async (page) => {
    const rows = () => page.locator('.found').evaluateAll((found) => found.map((row) => [row.textContent.trim(), row.querySelectorAll('a, img').length]));
    await look(page, stack.base, 'water');
    await page.waitForSelector('.found');
    const ours = await rows();
    await page.goto(`${stack.base}/api/v1/page?url=water`);
    assert.deepEqual(await rows(), ours);
  }));
});

describe('a row of a playlist', () => {
  test('its picture leads to the video’s formats; running downloads go on', () => withOurPage({}, async (page) => {
    await look(page, stack.base, list);
    await page.waitForSelector('.batch-row');
    await page.evaluate(() => { window.sameLoad = true; });
    await page.getByRole('link', { name: 'Show the formats of: Number 1 of PLsluice1 <b>' }).click();
    await page.locator('.best').waitFor();
    assert.equal(await page.evaluate(() => window.sameLoad), true);
    await page.goBack();
    await page.waitForSelector('.batch-row');
  }));
});

describe('sizes', () => {
  // As if nobody had asked for any of it before, and it were too long to ask for all.
  const lengthen = (page, seconds) => page.route('**/api/v1/info?*', async (route) => {
    const response = await route.fetch();
    const info = await response.json();
    await route.fulfill({ response, json: { ...info, duration_s: seconds, choices: info.choices.map((choice) =>
      (/^\d+p-mp4$/.test(choice.id) ? { ...choice, size_exact: false, size_bytes: choice.size_bytes + 1e6 } : choice)) } });
  });
  const row = (page, label) => page.locator('.choice', { hasText: label }).filter({ hasText: 'MP4' }).first();
  const about = (page) => page.locator('.choice-size', { hasText: '≈' }).count();

  test('of what is put forward, and of what one points at, become exact; nothing moves', () => withOurPage({}, async (page) => {
    await page.addInitScript(() => {
      window.moved = [];
      new PerformanceObserver((entries) => window.moved.push(...entries.getEntries().map(({ value, sources }) => [value, sources.map(({ node }) => node?.className ?? node?.nodeName)]))).observe({ type: 'layout-shift', buffered: true });
    });
    const asked = [];
    page.on('request', (request) => request.url().includes('/api/v1/size?') && asked.push(request.url()));
    await lengthen(page, 100000);
    await page.route('**/api/v1/size?*', async (route) => {
      await new Promise((resolve) => setTimeout(resolve, 800)); // later than what counts as answering a key
      await route.continue();
    });
    await page.goto(`${stack.base}/?url=${long}`);
    await page.waitForSelector('.result-title');
    assert.match(await page.textContent('.best-what'), /≈/);
    const already = await page.evaluate(() => window.moved.length);
    await page.waitForFunction(() => !document.querySelector('.best-what').textContent.includes('≈'));
    assert.match(await page.textContent('.best-what'), /^1080p · MP4 · \d+\.\d MB$/);
    assert.equal(await page.locator('.choice-best .choice-size').getAttribute('title').then((title) => /^[\d,]+ bytes$/.test(title)), true);
    const others = new Set(asked).size;
    assert.equal(others, 1, 'too long to ask for all');
    await row(page, '720p').hover();
    await page.waitForFunction((n) => document.querySelectorAll('.choice-size').length - [...document.querySelectorAll('.choice-size')].filter((size) => size.textContent.includes('≈')).length > n,
      await page.locator('.choice-size').count() - await about(page));
    assert.equal(new Set(asked).size, 2);
    const head = await stack.get(new URL(await row(page, '720p').locator('a').first().evaluate((a) => a.href)).href.slice(stack.base.length), { method: 'HEAD' });
    assert.equal((await row(page, '720p').locator('.choice-size').getAttribute('title')).replace(/\D/g, ''), head.headers['content-length']);
    assert.deepEqual((await page.evaluate((n) => window.moved.slice(n), already)).filter(([value]) => value > 0.001), []);
    await page.unrouteAll({ behavior: 'ignoreErrors' });
  }));

  test('of a short video all become exact by themselves, two at a time', () => withOurPage({}, async (page) => {
    let open = 0;
    let most = 0;
    await lengthen(page, 20);
    await page.route('**/api/v1/size?*', async (route) => {
      most = Math.max(most, ++open);
      await new Promise((resolve) => setTimeout(resolve, 150));
      open--;
      await route.continue();
    });
    await look(page, stack.base, long);
    await page.waitForSelector('.result-title');
    await page.waitForFunction(() => [...document.querySelectorAll('.choice')].every((choice) => !choice.textContent.includes('≈') || /WEBM|OPUS/.test(choice.textContent)));
    assert.equal(most, 2);
    await page.unrouteAll({ behavior: 'ignoreErrors' });
  }));

  test('are no longer asked for when nobody looks any more', () => withOurPage({}, async (page) => {
    let asked = 0;
    await lengthen(page, 20);
    await page.route('**/api/v1/size?*', (route) => {
      asked++;
      return route.fulfill({ json: { choice: 'x', size_bytes: 1, size_exact: false, pending: true } });
    });
    await look(page, stack.base, long);
    await page.waitForSelector('.result-title');
    await page.waitForTimeout(600);
    await page.goBack();
    await page.waitForSelector('.promises');
    await page.waitForTimeout(1200);
    const then = asked;
    await page.waitForTimeout(2500);
    assert.equal(asked, then);
    await page.unrouteAll({ behavior: 'ignoreErrors' });
  }));
});

describe('maintenance', () => {
  const message = 'New disks until 5 pm <b>UTC</b>.';
  // Until both programs know.
  async function turn(state, ...more) {
    const { exit } = await run(path.join(programs, 'sluice'), ['maintenance', state, ...more], { env: programEnv(stack.scratch, { SLUICE_DATA_DIR: stack.dataDir }) });
    assert.equal(exit, 0);
    const isOn = state === 'on';
    const file = `/api/v1/stream?${new URLSearchParams({ url: demo, choice: 'best' })}`;
    await until(async () => ((await stack.get('/health')).json().maintenance !== null) === isOn
      && ((await stack.get(file, { method: 'HEAD' })).status === 503) === isOn, `maintenance ${state}`);
  }
  beforeEach(() => turn('on', '--message', message));
  after(() => turn('off'));

  test('what the operator says stands above the result, and at the download, which waits for it', () => withOurPage({ lost: true, locale: 'de' }, async (page) => {
    await giveFiles(page);
    await look(page, stack.base, demo);
    await page.locator('.notice').getByText(message).waitFor();
    await page.locator('.best').click();
    await page.locator('.downloads-item').getByText(message, { exact: false }).waitFor();
    await judge(page, 'maintenance-wide-light');
    await turn('off');
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Fortsetzen' }).click();
    await page.waitForFunction(() => document.querySelector('.downloads-item').dataset.state === 'done');
  }));

  test('without JavaScript: on the card, and where its links lead', () => withOurPage({ viewport: narrow, refused: 1, colorScheme: 'dark' }, async (page) => {
    await page.goto(`${stack.base}/api/v1/page?url=${encodeURIComponent(demo)}`);
    await page.locator('.notice').getByText(message).waitFor();
    await judge(page, 'maintenance-nojs-narrow-dark');
    await page.goto(await page.locator('.best').evaluate((link) => link.href));
    await page.locator('.problem').getByText(message).waitFor();
    await judge(page, 'maintenance-stream-narrow-dark');
  }));
});
