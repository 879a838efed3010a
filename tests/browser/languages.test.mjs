// The page in other languages: found by the browser's, switched by hand and remembered, from right to left, and the
// same without JavaScript.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { root, startStack } from '../integration/harness.mjs';
import { judge, launch, look, readCard, sizes, sizesKnown, withPage } from './browser.mjs';

const demo = 'https://www.youtube.com/watch?v=sluiceDemo1';
const texts = (tag) => JSON.parse(readFileSync(path.join(root, `www/locales/${tag}.json`), 'utf8'));
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

describe('languages', () => {
  for (const [locale, tag] of [['tr-TR', 'tr'], ['pt-BR', 'pt'], ['hi', 'hi'], ['zh-CN', 'zh'], ['sv', 'en']]) {
    test(`a browser in ${locale}: ${tag}, in the page, its result and its errors`, () => withOurPage({ locale, refused: 1 }, async (page) => {
      const say = texts(tag);
      await page.goto(`${stack.base}/`);
      await page.getByRole('heading', { name: say.headline }).waitFor();
      assert.deepEqual(await page.evaluate(() => [document.documentElement.lang, document.documentElement.dir || 'ltr']), [tag, 'ltr']);
      await page.locator('#url').fill(demo);
      await page.keyboard.press('Enter');
      await page.locator('.best-verb', { hasText: say['best.both'] }).waitFor();
      await look(page, stack.base, 'https://youtu.be/sluicePriv1');
      await page.locator('[role=alert]').getByText(say['error.private.text']).waitFor();
      await page.locator('[role=alert]').getByText(say['next.private']).waitFor();
    }));
  }

  test('the switch changes everything at once, and is remembered', () => withOurPage({}, async (page) => {
    await look(page, stack.base, demo);
    await page.waitForSelector('.result-title');
    await page.locator('#language').selectOption('ru');
    const say = texts('ru');
    await page.locator('.best-verb', { hasText: say['best.both'] }).waitFor();
    await page.getByRole('heading', { name: say.headline }).waitFor();
    assert.match(await page.textContent('.choice-size'), /^(≈ )?\d+(,\d)? [кМ]?Б$/);
    await page.goto(`${stack.base}/`);
    await page.getByRole('heading', { name: say.headline }).waitFor();
    await page.getByText(say['promise.kept_text']).waitFor();
    await page.locator('#language').selectOption('en');
    await page.getByRole('heading', { name: 'Paste a link. Get the file.' }).waitFor();
    await page.getByText('No account, no tracker', { exact: false }).waitFor();
  }));

  test('a language that does not arrive leaves an English page', () => withOurPage({ locale: 'de', lost: true }, async (page) => {
    await page.route('**/locales/de.json', (route) => route.abort());
    await page.goto(`${stack.base}/`);
    await page.getByRole('heading', { name: 'Paste a link. Get the file.' }).waitFor();
    assert.equal(await page.locator('html.translating').count(), 0);
  }));

  for (const locale of ['de', 'ar', 'hi', 'fr'])
    test(`${locale}: the card without JavaScript says the same`, () => withOurPage({ locale }, async (page) => {
      await sizesKnown(stack, demo);
      await look(page, stack.base, demo);
      await page.waitForSelector('.result-title');
      const ours = await readCard(page);
      await page.goto(`${stack.base}/api/v1/page?url=${encodeURIComponent(demo)}`);
      assert.equal(await page.evaluate(() => document.documentElement.lang), locale);
      assert.deepEqual(await readCard(page), ours);
    }));

  test('without JavaScript a language is picked by a link, and stays', () => withOurPage({ javaScriptEnabled: false, refused: 1 }, async (page) => {
    const say = texts('ja');
    await page.goto(`${stack.base}/`);
    await page.getByRole('link', { name: '日本語' }).click();
    await page.getByRole('heading', { name: say.headline }).waitFor();
    await page.fill('input[name=url]', demo);
    await page.keyboard.press('Enter');
    await page.locator('.best-verb', { hasText: say['best.both'] }).waitFor();
    await page.fill('input[name=url]', 'https://youtu.be/sluicePriv1');
    await page.keyboard.press('Enter');
    await page.getByText(say['error.private.text']).waitFor();
    await page.locator('.problem a').click();
    await page.getByRole('heading', { name: say.headline }).waitFor();
    await page.getByRole('link', { name: 'Español' }).click();
    await page.getByRole('heading', { name: texts('es').headline }).waitFor();
  }));

  for (const size of ['wide', 'phone'])
    for (const [name, target, ready] of [['index', '/', '.promises'], ['result', `/?url=${demo}`, '.result-title'], ['nojs', `/api/v1/page?url=${demo}`, '.result-title']])
      test(`from right to left: ${name}, ${size}`, () => withOurPage({ locale: 'ar', viewport: sizes[size] }, async (page) => {
        await page.goto(stack.base + target);
        await page.waitForSelector(ready);
        assert.equal(await page.evaluate(() => getComputedStyle(document.body).direction), 'rtl');
        // what is written from left to right stands on the right all the same
        for (const what of ['.result-title', '.choice-label bdi'])
          if (await page.locator(what).count() > 0)
            assert.equal(await page.locator(what).first().evaluate((node) => {
              const range = document.createRange();
              range.selectNodeContents(node);
              return Math.abs(range.getBoundingClientRect().right - node.getBoundingClientRect().right) < 2;
            }), true, what);
        await judge(page, `rtl-${name}-${size}`);
      }));

  // The longest words are German, the widest letters Japanese: neither may push anything out of a small phone.
  for (const locale of ['de', 'ja', 'ru'])
    test(`${locale} fits 320 pixels`, () => withOurPage({ locale, viewport: { width: 320, height: 640 } }, async (page) => {
      await page.goto(`${stack.base}/?url=${demo}`);
      await page.waitForSelector('.result-title');
      await page.locator('.more > summary').click();
      await judge(page, `narrow-${locale}`);
    }));
});
