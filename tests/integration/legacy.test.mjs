// The routes of older clients: their shapes, that they are the same streams and the same limits as everywhere, and
// that a running stream can be watched. (That every web server passes them on: servers.test.mjs.)
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';

import { forkOrigin } from '../origin/origin.mjs';
import { assertProblem, programEnv, programs, run, sha256, startStack, until } from './harness.mjs';

const link = 'https://www.youtube.com/watch?v=sluiceDemo1';
const big = 'https://www.youtube.com/watch?v=sluiceBig01';
const query = (fields) => new URLSearchParams(fields).toString();
const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
const json = { 'Content-Type': 'application/json' };
let origin;
let stack;

before(async () => {
  origin = await forkOrigin();
  stack = await startStack({ origin });
});
beforeEach(() => origin.reset());
after(async () => {
  try {
    await stack.stop();
  } finally {
    await origin.stop();
  }
});

// What `sluice streams` lists.
async function list() {
  const env = programEnv(stack.scratch, { SLUICE_DATA_DIR: stack.dataDir });
  const done = await run(path.join(programs, 'sluice'), ['streams', '--json'], { env });
  assert.equal(done.exit, 0, done.stderr);
  return JSON.parse(done.stdout);
}

const fileOf = (name) => readFileSync(origin.media[name].path);

test('GET /info is the description', async () => {
  const [old, now] = await Promise.all([stack.get(`/info?${query({ url: link })}`), stack.info(link)]);
  assert.equal(old.status, 200);
  assert.deepEqual(
    old.json().choices.map(({ id }) => id),
    now.json().choices.map(({ id }) => id),
  );
  assertProblem(await stack.get('/info?url=nonsense'), 400, 'bad_url');
});

test('GET /api/video: title, formats, duration, thumbnail; each link leads to its bytes', async () => {
  const answer = await stack.get(`/api/video?${query({ url: link })}`);
  assert.equal(answer.status, 200, answer.text());
  const video = answer.json();
  const { choices, title, duration_s: duration, thumbnail, formats } = (await stack.info(link)).json();
  assert.deepEqual(Object.keys(video).sort(), ['duration', 'formats', 'thumbnail', 'title']);
  assert.deepEqual([video.title, video.duration, video.thumbnail], [title, duration, thumbnail]);
  assert.equal(video.formats.length, choices.length);
  for (const row of video.formats) {
    assert.deepEqual(Object.keys(row).sort(), ['ext', 'itag', 'quality', 'url']);
    assert.match(row.quality, /^(\d+x\d+|audio only)$/);
    for (const id of row.itag.split('+')) assert.ok(formats.some((format) => format.id === id), id);
    assert.match(row.url, /^\/api\/v1\/stream\?data=/);
  }
  const merged = video.formats.find(({ itag }) => itag.includes('+'));
  assert.equal(merged.ext, 'mp4');
  const sound = video.formats.find(({ itag, ext }) => itag === '140' && ext === 'm4a');
  assert.equal(sound.quality, 'audio only');
  const alone = video.formats.find(({ itag }) => itag === '134');
  assert.equal(sha256((await stack.get(alone.url)).body), sha256(fileOf('short-134.mp4')));
  assertProblem(await stack.get('/api/video'), 400, 'bad_url');
  assertProblem(await stack.get(`/api/video?${query({ url: 'https://www.youtube.com/watch?v=sluicePriv1' })}`), 403, 'private');
});

test('qualities, by GET /download and POST /stream_video', async () => {
  const table = [
    [{}, 'best'],
    [{ quality: '' }, 'best'],
    [{ quality: 'best' }, 'best'],
    [{ quality: '480p' }, '<=480p'],
    [{ quality: '480' }, '<=480p'],
    [{ quality: '854x480' }, '<=480p'],
    [{ quality: 'audio' }, 'audio-m4a'],
    [{ quality: 'audio only' }, 'audio-m4a'],
    [{ quality: 'format-134' }, 'format-134'],
    [{ quality: '1p' }, undefined],
    [{ quality: '480pp' }, undefined],
    [{ quality: 'x480' }, undefined],
    [{ quality: '480p', codec: 'vp9', container: 'webm' }, '<=480p&codec=vp9&container=webm'],
  ];
  for (const [fields, same] of table) {
    const ask = { url: link, ...fields };
    const got = await stack.get(`/download?${query(ask)}`, { method: 'HEAD' });
    const posted = await stack.get('/stream_video', { method: 'POST', headers: json, body: JSON.stringify(ask), keep: 1 });
    if (!same) {
      assert.equal(got.status, 404, JSON.stringify(fields));
      assertProblem(posted, 404, 'no_such_choice');
      continue;
    }
    const now = await stack.get(`/api/v1/stream?${query({ url: link })}&choice=${same}`, { method: 'HEAD' });
    assert.equal(now.status, 200, same);
    for (const answer of [got, posted]) {
      assert.equal(answer.status, 200, JSON.stringify(fields));
      for (const name of ['x-sluice-choice', 'etag', 'content-length', 'content-disposition'])
        assert.equal(answer.headers[name], now.headers[name], `${JSON.stringify(fields)} ${name}`);
    }
  }
  const body = query({ url: link, quality: 'format-134' });
  const whole = await stack.get('/stream_video', { method: 'POST', headers: form, body });
  assert.equal(sha256(whole.body), sha256(fileOf('short-134.mp4')));
});

test('GET /stream takes the same links as /api/v1/stream, ranges included', async () => {
  const { stream_url: url } = (await stack.info(link)).json().choices.find(({ id }) => id === 'format-134');
  const old = `/stream${url.slice(url.indexOf('?'))}`;
  const file = fileOf('short-134.mp4');
  assert.equal(sha256((await stack.get(old)).body), sha256(file));
  const part = await stack.get(old, { headers: { Range: 'bytes=100-199' } });
  assert.equal(part.status, 206);
  assert.ok(part.body.equals(file.subarray(100, 200)));
  assertProblem(await stack.get('/stream?data=nonsense'), 400, 'token_invalid');
  assertProblem(await stack.get('/download'), 400, 'bad_url');
});

test('a running stream is watched by the id of its answer; what has ended is not found', async () => {
  await origin.script({ match: { path: '/videoplayback' }, times: Infinity, action: { type: 'drip', rate: 400000 } });
  const running = stack.get('/stream_video', {
    method: 'POST',
    headers: form,
    body: query({ url: big, quality: 'format-137' }),
    keep: 1200000,
  });
  const { request: id } = await until(async () => (await list()).find(({ choice }) => choice === 'format-137'), 'the stream');
  const moved = await until(async () => {
    const answer = await stack.get(`/progress?${query({ id })}`);
    assert.equal(answer.status, 200, answer.text());
    assert.equal(answer.headers['access-control-allow-origin'], '*');
    const now = answer.json();
    return now.sent_bytes > 0 && now;
  }, 'progress');
  const size = origin.media['big-137.mp4'].size;
  assert.deepEqual([moved.id, moved.status, moved.total_bytes], [id, 'streaming', size]);
  assert.ok(Math.abs(moved.percent - (100 * moved.sent_bytes) / size) < 0.001, JSON.stringify(moved));
  assert.equal(typeof moved.bytes_per_s, 'number');
  const answer = await running;
  assert.equal(answer.headers['x-request-id'], id);
  await until(async () => (await stack.get(`/progress?${query({ id })}`)).status === 404, 'its end');
  assertProblem(await stack.get(`/progress?${query({ id })}`), 404, 'not_found');
  assertProblem(await stack.get('/progress'), 400, 'bad_request');
});

test('keys and limits count here as everywhere', async (t) => {
  const strict = await startStack({ origin, env: { SLUICE_RATE_ANONYMOUS: '3' } });
  t.after(() => strict.stop());
  for (const [target, options, remaining] of [
    [`/info?${query({ url: link })}`, {}, 2],
    [`/api/video?${query({ url: link })}`, {}, 1],
    [`/download?${query({ url: link, quality: 'format-134' })}`, { method: 'HEAD' }, 0],
  ]) {
    const answer = await strict.get(target, options);
    assert.equal(answer.status, 200, target);
    assert.match(answer.headers.ratelimit, new RegExp(`;r=${remaining};`), target);
  }
  const post = { method: 'POST', headers: form, body: query({ url: link }) };
  for (const [target, options] of [
    [`/info?${query({ url: link })}`],
    [`/api/video?${query({ url: link })}`],
    [`/download?${query({ url: link })}`],
    ['/stream_video', post],
  ])
    assertProblem(await strict.get(target, options), 429, 'quota_exceeded');
  await strict.stop();
  const closed = await startStack({ origin, env: { SLUICE_ANONYMOUS: 'off' } });
  t.after(() => closed.stop());
  for (const [target, options] of [
    [`/info?${query({ url: link })}`],
    [`/api/video?${query({ url: link })}`],
    [`/download?${query({ url: link })}`],
    ['/stream_video', post],
    ['/progress?id=0'],
  ])
    assertProblem(await closed.get(target, options), 401, 'auth_required');
});

test('methods, CORS and pages are those of every route', async () => {
  const wrong = await stack.get('/stream_video');
  assertProblem(wrong, 405, 'bad_method');
  assert.equal(wrong.headers.allow, 'POST, OPTIONS');
  for (const target of ['/info', '/download', '/api/video', '/stream_video', '/progress', '/stream', '/health']) {
    const preflight = await stack.get(target, {
      method: 'OPTIONS',
      headers: { Origin: 'https://old.example', 'Access-Control-Request-Method': 'GET' },
    });
    assert.equal(preflight.status, 204, target);
    assert.equal(preflight.headers['access-control-allow-origin'], '*', target);
    assert.match(preflight.headers['access-control-allow-headers'], /Authorization/, target);
  }
  const page = await stack.get('/download?url=nonsense', { headers: { Accept: 'text/html' } });
  assert.equal(page.status, 400);
  assert.match(page.headers['content-type'], /^text\/html/);
  assert.match(page.text(), /href="\.\/sluice\.css"/, 'its links are relative to the pages');
});

test('/health has what older monitors read', async () => {
  const health = (await stack.get('/health')).json();
  assert.equal(health.status, 'ok');
  assert.ok(Math.abs(Date.parse(health.time) - Date.now()) < 60000, health.time);
  for (const name of ['max', 'active']) assert.equal(typeof health.workers[name], 'number', name);
  for (const name of ['rss', 'vms', 'percent']) assert.ok(health.memory[name] > 0, name);
});
