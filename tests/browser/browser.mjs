// Debian's Chromium driven by playwright-core, and what every browser test watches while it does something else:
// no request may leave the server, no policy may be violated, no script may fail.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

import { root, until } from '../integration/harness.mjs';

// The libraries are installed beside the pages.
const require = createRequire(path.join(root, 'www/package.json'));
const { chromium } = require('playwright-core');
const axeSource = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const screens = path.join(root, 'build/screens');

export const sizes = { wide: { width: 1200, height: 850 }, phone: { width: 360, height: 740 } };

export function launch() {
  mkdirSync(screens, { recursive: true });
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    // Tests may run as root, without a display and without a network.
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

// A fresh browser profile with one page, closed and judged after `use(page)`. `options` are Playwright's, and
// `refused`: how many answers with an error status are expected (the browser logs each); `lost`: connections may break;
// `cookies`: how many are left, which the pages for everybody have none of.
export async function withPage(browser, base, options, use) {
  const { refused = 0, lost = false, cookies = 0, permissions, ...rest } = options;
  const context = await browser.newContext({ viewport: sizes.wide, ...rest });
  const complaints = [];
  let refusals = 0;
  try {
    if (permissions) await context.grantPermissions(permissions, { origin: new URL(base).origin });
    const page = await context.newPage();
    page.setDefaultTimeout(30000); // what takes one second alone may take twenty when every core is wanted by ten
    page.on('request', (request) => {
      if (!request.url().startsWith(`${base}/`) && !request.url().startsWith('data:')) complaints.push(`request to ${request.url()}`);
    });
    page.on('pageerror', (error) => complaints.push(`script: ${error.message}`));
    page.on('dialog', (dialog) => {
      complaints.push(`dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    page.on('console', (message) => {
      if (/^Failed to load resource: the server responded with a status of/.test(message.text())) refusals++;
      else if (lost && /^Failed to load resource: net::ERR_/.test(message.text())) return;
      else if (['error', 'warning'].includes(message.type())) complaints.push(`console: ${message.text()}`);
    });
    await use(page);
    assert.equal((await context.cookies()).length, cookies);
  } finally {
    await context.close();
  }
  assert.deepEqual(complaints, []);
  if (!lost) assert.equal(refusals, refused, 'answers with an error status');
}

// Opens the page, types the link and presses Enter, as people do.
export async function look(page, base, link) {
  await page.goto(`${base}/`);
  await page.keyboard.type(link); // the box has the focus
  await page.keyboard.press('Enter');
}

// What assistive technology would stumble over, as one line each.
export async function axe(page) {
  await page.evaluate(axeSource);
  const { violations, passes } = await page.evaluate(() => window.axe.run());
  assert.ok(passes.length > 10, 'axe has looked at something');
  return violations.flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.target.join(' ')}: ${node.failureSummary}`));
}

// Fits its width, is accessible, and leaves a picture in build/screens/ to look at.
export async function judge(page, name) {
  const { width } = page.viewportSize();
  assert.ok(await page.evaluate(() => document.scrollingElement.scrollWidth) <= width, `${name} scrolls sideways`);
  await page.screenshot({ path: path.join(screens, `${name}.png`), fullPage: true });
  assert.deepEqual(await axe(page), [], name);
}

// Until the server knows the size of every file of that link that can be known: then all cards say the same.
export async function sizesKnown(stack, link) {
  await until(async () => {
    const open = (await stack.info(link)).json().choices.filter(({ size_exact: exact, resumable }) => !exact && resumable);
    await Promise.all(open.map((choice) => stack.get(`/api/v1/size${new URL(choice.stream_url, stack.base).search}`)));
    return open.length === 0;
  }, 'the sizes');
}

// What a result card says, row by row, whoever wrote it.
export function readCard(page) {
  return page.evaluate(() => {
    const text = (node) => node?.textContent.replace(/\s+/g, ' ').trim() ?? null;
    const pathOf = (link) => link && new URL(link.href).pathname;
    const card = document.querySelector('.result');
    return {
      title: text(card.querySelector('.result-title')),
      author: text(card.querySelector('.result-author')),
      duration: text(card.querySelector('.thumb-time')),
      picture: pathOf({ href: card.querySelector('.thumb img')?.src ?? document.baseURI }),
      best: [text(card.querySelector('.best-verb')), text(card.querySelector('.best-what')), pathOf(card.querySelector('.best'))],
      groups: [...card.querySelectorAll('.group')].map((group) => ({
        title: text(group.querySelector('.group-title')),
        count: text(group.querySelector('.group-count')),
        rows: [...group.querySelectorAll('.choice')].map((row) => ({
          best: row.classList.contains('choice-best'),
          label: text(row.querySelector('.choice-label')),
          facts: [...row.querySelectorAll('.choice-facts > *')].map((fact) => [text(fact), fact.title]),
          size: [text(row.querySelector('.choice-size')), row.querySelector('.choice-size').title],
          path: pathOf(row.querySelector('a[download]')),
        })),
        subtitles: [...group.querySelectorAll('.subtitles a')].map((link) => [text(link), pathOf(link)]),
      })),
    };
  });
}

// The dialog that asks for a place is the system's and cannot be pressed from here: in its stead the browser's own
// private file system gives the files.
export const giveFiles = (page) => page.addInitScript(() => {
  let number = Number(sessionStorage.getItem('files') ?? 0);
  window.showSaveFilePicker = async ({ suggestedName }) => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle(`${number++}`, { create: true });
    sessionStorage.setItem('files', number);
    return folder.getFileHandle(suggestedName, { create: true });
  };
});

// What is on that "disk": [[name, sha256]]
export const written = (page) => page.evaluate(async () => {
  const found = [];
  for await (const folder of (await navigator.storage.getDirectory()).values()) {
    for await (const [name, handle] of folder.entries()) {
      if (name.endsWith('.crswap')) continue; // what a writer has not closed yet
      const hash = await crypto.subtle.digest('SHA-256', await (await handle.getFile()).arrayBuffer());
      found.push([name, [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, '0')).join('')]);
    }
  }
  return found.sort();
});
