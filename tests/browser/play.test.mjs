// Merged files in a real player while they are being made: they open at once, play, and seek, though the sources are
// slow. Both tracks are decoded.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';

import { startStack } from '../integration/harness.mjs';
import { launch, withPage } from './browser.mjs';

let stack;
let browser;

before(async () => {
  stack = await startStack();
  browser = await launch();
});
beforeEach(() => stack.origin.reset());
after(async () => {
  await browser?.close();
  await stack?.stop();
});

// In the page: opens a link, plays from the start, then from each of `places` (seconds). Says what became of it.
async function watch({ link, places }) {
  const video = Object.assign(document.createElement('video'), { muted: true, preload: 'auto' });
  document.body.append(video);
  const happens = (name, ms = 30000) =>
    new Promise((resolve, reject) => {
      const stand = () => `${name} at ${video.currentTime}, ready ${video.readyState}, ${video.error?.message ?? 'no error'}`;
      const timer = setTimeout(() => reject(new Error(`no ${stand()}`)), ms);
      video.addEventListener('error', () => reject(new Error(stand())), { once: true });
      video.addEventListener(name, () => resolve(clearTimeout(timer)), { once: true });
    });
  const plays = async () => {
    const from = video.currentTime;
    while (video.currentTime < from + 0.3 && !video.ended) await happens('timeupdate');
  };
  const started = performance.now();
  video.src = link;
  await happens('loadedmetadata');
  const openMs = performance.now() - started;
  const shape = [video.videoWidth, video.videoHeight];
  await video.play();
  await plays();
  const seekMs = [];
  for (const place of places) {
    const asked = performance.now();
    const arrived = happens('seeked');
    video.currentTime = place;
    await arrived;
    seekMs.push(performance.now() - asked);
    await plays();
    if (video.currentTime < place) throw new Error(`at ${video.currentTime} instead of ${place}`);
  }
  const { duration, webkitAudioDecodedByteCount: sound, webkitVideoDecodedByteCount: picture } = video;
  const { totalVideoFrames: frames } = video.getVideoPlaybackQuality();
  video.src = '';
  return { openMs, seekMs, shape, duration, sound, picture, frames };
}

const link = (id, fields) => `/api/v1/stream?${new URLSearchParams({ url: `https://www.youtube.com/watch?v=${id}`, ...fields })}`;

// name: [link, height, duration, places to seek to]
const files = {
  'H.264 and AAC': [link('sluiceDemo1', { choice: '720p-mp4' }), 720, 20.04, [15, 3, 11.7]],
  'both with edit lists, 2 min': [link('sluiceLong1', { choice: '1080p-mp4' }), 1080, 120, [100, 30, 75.5]],
  'fragmented, 2 min': [link('sluiceLong1', { choice: '720p-mp4', layout: 'fragmented' }), 720, 120, [100, 30, 75.5]],
  '15 min': [link('sluice15min', { choice: '144p-mp4' }), 144, 900.7, [800, 60, 450]],
  'AV1 and AAC': [link('sluiceAv102', { choice: '720p-mp4' }), 720, 20.04, [15, 3]],
  'VP9 and Opus': [link('sluiceVp9_2', { choice: '360p-mp4' }), 360, 20, [15, 3]],
  'a clip': [link('sluiceLong1', { choice: '720p-mp4', start: '12.3', end: '52.3' }), 720, 40, [30, 5]],
};

describe('plays and seeks while it is sent', () => {
  for (const [name, [url, height, duration, places]] of Object.entries(files))
    test(name, async () => {
      await stack.get(url, { method: 'HEAD' }); // planned, as the page has it planned
      await stack.origin.script({ match: { path: '/videoplayback' }, times: Infinity, action: { type: 'drip', rate: 2000000 } });
      await withPage(browser, stack.base, {}, async (page) => {
        // Without tables in front the player has to find its way, which is why this layout is not the usual one.
        const most = url.includes('layout=fragmented') ? 15000 : 5000;
        const isQuick = ({ openMs, seekMs }) => openMs < 3000 && Math.max(...seekMs) < most;
        const tries = []; // the best of three: others may want the processor as well
        while (tries.length < 3 && !tries.some(isQuick)) {
          await page.goto(`${stack.base}/`);
          const seen = await page.evaluate(watch, { link: url, places });
          assert.equal(seen.shape[1], height);
          assert.ok(Math.abs(seen.duration - duration) < 0.15, `lasts ${seen.duration} s`);
          assert.ok(seen.picture > 10000 && seen.sound > 1000 && seen.frames > 10, JSON.stringify(seen));
          tries.push(seen);
        }
        assert.ok(tries.some(isQuick), `opened and sought for ${JSON.stringify(tries.map(({ openMs, seekMs }) => [openMs, ...seekMs]))} ms`);
      });
    });
});
