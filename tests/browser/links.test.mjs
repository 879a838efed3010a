// One table of links through the server's reading of them and through the page's: the same C, native and as
// WebAssembly, gives the same answers. And what the page says while one types.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { root, scratchDir, startStack } from '../integration/harness.mjs';
import { launch, withPage } from './browser.mjs';

const wasmFile = path.join(root, 'build/www/link.wasm');

// Every string of the unit test's tables, C literals put together, and the fuzzer's corpus.
function table() {
  const source = readFileSync(path.join(root, 'tests/unit/test_link.c'), 'utf8');
  const [, id] = /#define ID "([^"]+)"/.exec(source);
  const texts = [...source.matchAll(/(?:"(?:[^"\\\n]|\\.)*"|ID)(?:\s*(?:"(?:[^"\\\n]|\\.)*"|\bID\b))*/g)].map(([literals]) =>
    [...literals.matchAll(/"((?:[^"\\]|\\.)*)"|ID/g)].map(([, text]) => (text === undefined ? id : text
      .replace(/\\x([0-9a-fA-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)))
      .replace(/\\([0-7]{1,3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)))
      .replace(/\\(.)/g, (_, c) => ({ n: '\n', t: '\t', r: '\r' })[c] ?? c))).join(''));
  const folder = path.join(root, 'tests/fuzz/corpus/link');
  const corpus = readdirSync(folder).flatMap((name) => [readFileSync(path.join(folder, name)), ...readFileSync(path.join(folder, name), 'latin1').split('\n')]);
  const long = [4095, 4096, 4097, 8192].map((n) => `https://example.org/${'a'.repeat(n - 20)}`);
  return [...texts, ...corpus, ...long, ''].map((text) => Buffer.from(text, 'latin1')).filter((text) => !text.includes(0));
}

describe('one reading of links', () => {
  test('native and WebAssembly agree on every link', async () => {
    const scratch = scratchDir();
    try {
      const native = path.join(scratch, 'links');
      execFileSync('gcc', ['-std=gnu11', '-O1', `-I${root}/src`, '-o', native, path.join(root, 'tests/browser/links.c'), path.join(root, 'src/site/link.c')]);
      const texts = table();
      assert.ok(texts.length > 150, `${texts.length}`);
      const theirs = execFileSync(native, { input: Buffer.concat(texts.flatMap((text) => [text, Buffer.of(0)])) }).toString('latin1').split('\n').slice(0, -1);

      const { instance: { exports } } = await WebAssembly.instantiate(readFileSync(wasmFile));
      const textAt = (at) => Buffer.from(exports.memory.buffer, at, Buffer.from(exports.memory.buffer, at).indexOf(0)).toString('latin1');
      const ours = texts.map((text) => {
        assert.ok(text.length <= exports.link_text_max());
        new Uint8Array(exports.memory.buffer, exports.link_text(), text.length).set(text);
        return `${exports.link_check(text.length)} ${textAt(exports.link_id())} ${textAt(exports.link_url())}`;
      });
      assert.deepEqual(ours, theirs);
      for (const kind of '0123') assert.ok(ours.filter((line) => line.startsWith(kind)).length > 5, `few of kind ${kind}`);
    } finally {
      rmSync(scratch, { recursive: true });
    }
  });

  test('it is small and needs nothing', async () => {
    assert.ok(statSync(wasmFile).size < 30000);
    const module = await WebAssembly.compile(readFileSync(wasmFile));
    assert.deepEqual(WebAssembly.Module.imports(module), []);
  });
});

describe('while one types', () => {
  let stack;
  let browser;
  before(async () => { [stack, browser] = await Promise.all([startStack(), launch()]); });
  after(async () => {
    await browser?.close();
    await stack?.stop();
  });

  const cases = [
    ['https://youtu.be/dQw4w9WgXcQ', 'This is a YouTube video.', 'good'],
    ['youtube.com/watch?v=dQw4w9WgXcQ', 'This is a YouTube video.', 'good'],
    ['https://media.example/clip.mp4', 'A file or a page on media.example.', 'good'],
    ['https://www.youtube.com/playlist?list=PL1', 'A YouTube page with no single video: its list, if it has one.', 'good'],
    ['https://youtube.com.evil.example/watch?v=dQw4w9WgXcQ', 'A YouTube or TikTok link, a link straight to a media file, or words to search YouTube for.', null],
    ['https://a.example/x https://b.example/y', '2 links', 'good'],
    ['still water', 'No link: Enter searches YouTube for this.', 'good'],
    ['htt', 'A YouTube or TikTok link, a link straight to a media file, or words to search YouTube for.', null],
  ];
  test('the page says what it is, without asking the server', () => withPage(browser, stack.base, {}, async (page) => {
    const asked = [];
    page.on('request', (request) => request.url().includes('/api/') && asked.push(request.url()));
    await Promise.all([page.waitForResponse(/link\.wasm/), page.goto(`${stack.base}/`)]);
    for (const [text, words, kind] of cases) {
      await page.fill('#url', text);
      await page.waitForFunction((want) => document.getElementById('hint').textContent === want, words);
      assert.equal(await page.locator('.ask-hint-good').count(), kind === 'good' ? 1 : 0, text);
      assert.equal(await page.getAttribute('#url', 'aria-invalid'), null, 'nobody is scolded while typing');
    }
    await page.fill('#url', 'https://youtube.com.evil.example/watch?v=dQw4w9WgXcQ');
    await page.keyboard.press('Enter');
    await page.getByText('That is no link. A link looks like').first().waitFor();
    assert.deepEqual(asked, []);
  }));

  test('without WebAssembly the server decides', () => withPage(browser, stack.base, { refused: 2 }, async (page) => {
    await page.route('**/link.wasm', (route) => route.fulfill({ status: 404, body: 'no' }));
    await page.goto(`${stack.base}/`);
    await page.keyboard.type('https://youtube.com.evil.example/');
    await page.keyboard.press('Enter');
    await page.locator('[role=alert]').getByText('That is not a link Sluice can read.', { exact: false }).waitFor();
  }));
});
