// Slices of sources on disk (cache_bytes): many clients of one video cost one reading of it; what comes out of slices is
// byte for byte what the origin has, whatever is evicted, damaged or killed meanwhile; a disk that is full switches them
// off, and back on.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';

import { forkOrigin } from '../origin/origin.mjs';
import { startStack, until } from './harness.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;
const times = (n, make) => Promise.all(Array.from({ length: n }, (_, i) => make(i)));
let origin;

before(async () => (origin = await forkOrigin()));
beforeEach(() => origin.reset());
after(() => origin?.stop());

const fileOf = (name) => readFileSync(origin.media[name].path);
const start = (env = {}, options = {}) => startStack({ origin, env: { SLUICE_CACHE_BYTES: String(1 << 30), ...env }, ...options });
const media = async () => (await origin.requests()).filter((entry) => entry.range);
const upstream = async () => (await media()).reduce((sum, entry) => sum + entry.bytes, 0);

// The slice files, and what they weigh.
function slicesOf(stack) {
  const dir = path.join(stack.dataDir, 'slices');
  return readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => readdirSync(path.join(dir, entry.name)).map((name) => path.join(dir, entry.name, name)));
}
const bytesOf = (files) => files.reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);

async function metric(stack, name) {
  const line = (await stack.get('/metrics')).text().match(new RegExp(`^${name} (\\d+)$`, 'm'));
  assert.ok(line, name);
  return Number(line[1]);
}

describe('many clients', () => {
  let stack;
  before(async () => (stack = await start()));
  after(() => stack?.stop());

  test('200 of one fresh video, fast and slow, of all of it and of parts: the source is read once', async () => {
    const file = fileOf('short-136.mp4');
    const link = watch('sluiceDemo1');
    await stack.stream(link, 'format-136', { method: 'HEAD' });
    await origin.reset();
    const answers = await times(200, (i) => {
      const from = (i * 7919 * 131) % (file.length - 1000);
      const headers = i % 4 === 3 ? { Range: `bytes=${from}-` } : {};
      return stack.stream(link, 'format-136', { headers, pauseMs: i % 10 === 0 ? 2 : 0 }).then((answer) => [answer, headers.Range ? from : 0]);
    });
    for (const [answer, from] of answers) {
      assert.ok(answer.complete, `${answer.status} ${answer.body.length}`);
      assert.ok(answer.body.equals(file.subarray(from)));
    }
    const read = await upstream();
    assert.ok(read <= 1.02 * file.length, `${(read / file.length).toFixed(3)} times its bytes`);
  });

  test('every choice that is made of it shares it', async () => {
    const link = watch('sluiceBig01');
    await stack.stream(link, 'format-137');
    await origin.reset();
    const whole = await stack.stream(link, '1080p-mp4');
    assert.equal(whole.status, 200);
    const clip = await stack.get(`/api/v1/stream?${new URLSearchParams({ url: link, choice: '1080p-mp4', start: '5', end: '15' })}`);
    assert.equal(clip.status, 200);
    const file = fileOf('big-137.mp4');
    const again = (await media()).filter((entry) => entry.query.includes('itag=137')).reduce((sum, entry) => sum + entry.bytes, 0);
    assert.ok(again < file.length / 20, `${again} bytes read again of ${file.length}`); // the headers of its fragments
  });

  test('a slow client holds up nobody', async () => {
    await stack.stream(watch('sluiceLong1'), 'format-137', { method: 'HEAD' });
    const slow = stack.stream(watch('sluiceLong1'), 'format-137', { pauseMs: 200, keep: 1 << 20 });
    const began = Date.now();
    const fast = await stack.stream(watch('sluiceLong1'), 'format-137');
    assert.ok(fast.complete);
    const ms = Date.now() - began;
    const slowAnswer = await slow;
    assert.ok(ms < slowAnswer.ms, `${ms} ms beside ${slowAnswer.ms} ms`);
  });

  test('what it counts', async () => {
    assert.ok((await metric(stack, 'sluice_slice_hits_total')) > 0);
    assert.ok((await metric(stack, 'sluice_slice_misses_total')) > 0);
    assert.ok((await metric(stack, 'sluice_slice_shared_total')) > 0);
    await until(async () => (await metric(stack, 'sluice_slice_bytes')) === bytesOf(slicesOf(stack)), 'the index to know all', 5000);
    assert.equal(await metric(stack, 'sluice_slices'), slicesOf(stack).length);
  });
});
