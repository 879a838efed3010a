// Chromium plays what Sluice makes: while it is being sent, and from the disk, where it also has to be able to seek.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';

import { startStack } from '../integration/harness.mjs';
import { launch } from './browser.mjs';

const url = 'https://www.youtube.com/watch?v=sluiceDemo1';
const cases = {
  '360p-mp4': { kind: 'video', height: 360 },
  '720p-webm': { kind: 'video', height: 720 },
  '360p-webm': { kind: 'video', height: 360 },
  'audio-m4a': { kind: 'audio' },
  'audio-opus': { kind: 'audio' },
  'audio-mp3-320': { kind: 'audio' },
};

let stack;
let browser;
let disk; // a web server with the downloaded files, ranges included
let files;

before(async () => {
  [stack, browser] = await Promise.all([startStack(), launch()]);
  files = new Map();
  disk = http.createServer((req, res) => {
    const file = files.get(req.url);
    if (!file) return res.setHeader('Content-Type', 'text/html').end('<!doctype html><title>media</title>');
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(req.headers.range ?? '') ?? [];
    const end = to ? Math.min(Number(to), file.body.length - 1) : file.body.length - 1;
    res.setHeader('Content-Type', file.type).setHeader('Accept-Ranges', 'bytes');
    if (from === undefined) return res.end(file.body);
    res.writeHead(206, { 'Content-Range': `bytes ${from}-${end}/${file.body.length}` });
    return res.end(file.body.subarray(Number(from), end + 1));
  });
  await new Promise((resolve) => disk.listen(0, '127.0.0.1', resolve));
});

after(async () => {
  await browser?.close();
  disk?.closeAllConnections?.();
  disk?.close();
  await stack?.stop();
});

// Plays `source` for a moment, then, with `seek`, from there on; what the element says about it.
async function play(kind, source, seek) {
  const page = await browser.newPage();
  try {
    await page.goto(`http://127.0.0.1:${disk.address().port}/`);
    return await page.evaluate(
      async ({ kind: name, source: src, seek: to }) => {
        const media = document.createElement(name);
        media.muted = true;
        const event = (type) =>
          new Promise((resolve, reject) => {
            media.addEventListener(type, resolve, { once: true });
            media.addEventListener('error', () => reject(new Error(media.error.message || `code ${media.error.code}`)), { once: true });
            setTimeout(() => reject(new Error(`no ${type} in 10 s`)), 10000);
          });
        const passes = async (time) => {
          while (!(media.currentTime > time)) await event('timeupdate');
        };
        const known = event('loadedmetadata');
        media.src = src;
        await known;
        await media.play();
        await passes(0.5);
        if (to) {
          const there = event('seeked');
          media.currentTime = to;
          await there;
          await passes(to + 0.3);
        }
        return { duration: media.duration, at: media.currentTime, height: media.videoHeight ?? 0 };
      },
      { kind, source, seek },
    );
  } finally {
    await page.close();
  }
}

describe('media', () => {
  for (const [choice, { kind, height = 0 }] of Object.entries(cases)) {
    const target = () => `${stack.base}/api/v1/stream?${new URLSearchParams({ url, choice })}`;

    test(`${choice} while it is being sent`, async () => {
      const seen = await play(kind, target());
      assert.equal(seen.height, height);
      if (choice !== 'audio-opus') assert.ok(Math.abs(seen.duration - 20) < 0.2, `${seen.duration} s`); // Ogg says it at its end
    });

    test(`${choice} from the disk, to its middle`, async () => {
      const { body, headers } = await stack.stream(url, choice);
      files.set(`/${choice}`, { body, type: headers['content-type'] });
      const seen = await play(kind, `/${choice}`, 12);
      assert.equal(seen.height, height);
      assert.ok(Math.abs(seen.duration - 20) < 0.2, `${seen.duration} s`);
      assert.ok(seen.at > 12 && seen.at < 15, `at ${seen.at} s`);
    });
  }
});
