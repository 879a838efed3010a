// From the page into a bucket: the real job and a real S3-compatible storage.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { sha256, startStack } from '../integration/harness.mjs';
import { startS3 } from '../origin/s3.mjs';
import { judge, launch, look, withPage } from './browser.mjs';

const demo = 'https://www.youtube.com/watch?v=sluiceDemo1';
let s3;
let stack;
let browser;

before(async () => {
  [s3, browser] = await Promise.all([startS3(), launch()]);
  stack = await startStack({ env: s3.env() });
});

after(async () => {
  await browser?.close();
  await stack?.stop();
  await s3?.stop();
});

const withMore = (base, options, use) => withPage(browser, base, options, async (page) => {
  await page.addInitScript(() => localStorage.setItem('choice', '360p-mp4'));
  await look(page, base, demo);
  await page.locator('.more > summary').click();
  await use(page);
});

test('a file is sent there, and the link leads to it', () => withMore(stack.base, { viewport: { width: 320, height: 640 } }, async (page) => {
  await page.getByRole('button', { name: 'Send to S3' }).click();
  await page.getByText(/^In the bucket: Sluice demo.*\.mp4$/).waitFor();
  const link = await page.getByRole('link', { name: 'Open it there' }).getAttribute('href');
  const got = await fetch(link);
  assert.equal(got.status, 200);
  const { body } = await stack.stream(demo, '360p-mp4');
  assert.equal(sha256(Buffer.from(await got.arrayBuffer())), sha256(body));
  await judge(page, 'upload-narrow-light');
}));

test('an upload that is under way is followed in another language as well', () => withMore(stack.base, {}, async (page) => {
  await stack.origin.script({ match: { path: '/videoplayback' }, times: Infinity, action: { type: 'drip', rate: 300000 } });
  await page.getByRole('button', { name: 'Send to S3' }).click();
  await page.getByText(/ of \d+(\.\d)? MB$/).waitFor();
  await page.locator('#language').selectOption('de');
  await page.locator('.more > summary').click();
  await page.getByText(/ von \d+(,\d)? MB$/).waitFor();
  assert.ok(await page.getByRole('button', { name: 'Nach S3 senden' }).isDisabled());
  await stack.origin.reset();
  await page.getByRole('link', { name: 'Dort öffnen' }).waitFor();
}));

test('what does not work is said, and can be tried again', () => withMore(stack.base, { refused: 1 }, async (page) => {
  await page.route('**/api/v1/jobs', (route) => route.fulfill({ status: 429, contentType: 'application/problem+json',
    json: { code: 'quota_exceeded', title: 'x', detail: 'x', status: 429, retryable: true } }));
  await page.getByRole('button', { name: 'Send to S3' }).click();
  await page.getByText('The limit is used up. Try again later.', { exact: false }).waitFor();
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  await page.getByRole('button', { name: 'Send to S3' }).click();
  await page.getByRole('link', { name: 'Open it there' }).waitFor();
}));

test('where there is no bucket, it is not offered', async () => {
  const plain = await startStack({ origin: stack.origin });
  try {
    await withMore(plain.base, {}, async (page) => {
      await page.getByRole('button', { name: 'QR code' }).waitFor();
      assert.equal(await page.getByRole('button', { name: 'Send to S3' }).count(), 0);
    });
  } finally {
    await plain.stop();
  }
});
