// What a key may do beside requests per hour: bytes per day, streams at once, some sites only; and what is said of it.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';

import { forkOrigin } from '../origin/origin.mjs';
import { assertProblem, programEnv, programs, run, startStack, until } from './harness.mjs';

const link = 'https://www.youtube.com/watch?v=sluiceDemo1';
const file = 'https://media.example/clip.mp4';
let origin;

before(async () => (origin = await forkOrigin()));
beforeEach(() => origin.reset());
after(() => origin.stop());

async function sluice(stack, ...args) {
  const env = programEnv(stack.scratch, { SLUICE_DATA_DIR: stack.dataDir });
  return run(path.join(programs, 'sluice'), args, { env });
}

// `sluice key …`; what it printed, as JSON.
async function key(stack, ...args) {
  const done = await sluice(stack, 'key', ...args, '--json');
  assert.equal(done.exit, 0, done.stderr);
  return JSON.parse(done.stdout);
}

const bearer = ({ key: text }, headers = {}) => ({ headers: { authorization: `Bearer ${text}`, ...headers } });
const usage = async (stack, options) => (await stack.get('/api/v1/usage', options)).json();
const part = (n) => ({ range: `bytes=0-${n - 1}` });
const MiB = 1 << 20;

test('the command line takes every limit, and says what is wrong with others', async (t) => {
  const stack = await startStack({ origin });
  t.after(() => stack.stop());
  const made = await key(stack, 'create', '--label', 'a', '--bytes', '5000000', '--streams', '3', '--sites', 'youtube,direct');
  assert.deepEqual([made.bytes_per_day, made.streams, made.sites], [5000000, 3, 'youtube,direct']);
  const { key: text, ...shown } = made;
  assert.deepEqual(await key(stack, 'show', made.id), shown, `and not ${text.length} characters of secret`);
  const changed = await key(stack, 'limits', made.id, '--sites', '', '--bytes', '0', '--streams', '0');
  assert.deepEqual([changed.bytes_per_day, changed.streams, changed.sites, changed.limit], [0, 0, '', 1000]);
  for (const args of [['--bytes', '-1'], ['--bytes', '1e9'], ['--streams', '20001'], ['--sites', 'a,,b'], ['--sites', 'You Tube'], ['--sites', 'a,']])
    assert.equal((await sluice(stack, 'key', 'limits', made.id, ...args)).exit, 2, args.join(' '));
});

test('bytes per day: taken when a download begins, exact also all at once, given back when it ends early', async (t) => {
  const stack = await startStack({ origin });
  t.after(() => stack.stop());
  const mine = await key(stack, 'create', '--label', 'mine', '--bytes', String(10 * MiB));
  const { stream_url: url } = (await stack.info(link, bearer(mine))).json().choices.find((c) => c.id === '720p-mp4');
  const whole = await stack.get(url, { method: 'HEAD' });
  const size = Number(whole.headers['content-length']);
  assert.ok(size > 2 * MiB, `${size} bytes`);
  const answers = await Promise.all(Array.from({ length: 24 }, () => stack.get(url, { headers: part(MiB) })));
  const passed = answers.filter((answer) => answer.status === 206);
  assert.equal(passed.length, 10);
  for (const answer of passed) assert.equal(answer.body.length, MiB);
  const refused = answers.find((answer) => answer.status !== 206);
  const problem = assertProblem(refused, 429, 'quota_exceeded');
  assert.equal(problem.retryable, true);
  assert.equal(refused.headers['retry-after'], String(problem.retry_after_s));
  assert.ok(problem.retry_after_s > 7000 && problem.retry_after_s <= 8640, 'a tenth of a day');
  assert.equal(refused.headers['ratelimit-policy'], `"bytes";q=${10 * MiB};w=86400;qu="content-bytes"`);
  assert.match(refused.headers.ratelimit, /^"bytes";r=\d+;t=8\d{4}$/);
  assert.ok((await usage(stack, bearer(mine))).bytes.remaining < MiB);
  assert.equal((await stack.get(url, { method: 'HEAD' })).status, 200, 'a head is free');
  // Who raises a limit that is used up lets more through at once; what was used stays used.
  await key(stack, 'limits', mine.id, '--bytes', String(12 * MiB));
  const more = await Promise.all(Array.from({ length: 4 }, () => stack.get(url, { headers: part(MiB) })));
  assert.equal(more.filter((answer) => answer.status === 206).length, 2);
  // One that is left early, and more than there ever is.
  const other = await key(stack, 'create', '--label', 'other', '--bytes', String(3 * MiB));
  await origin.script({ match: { path: '/videoplayback' }, times: Infinity, action: { type: 'drip', rate: 200000 } });
  assert.equal((await stack.stream(link, '720p-mp4', { ...bearer(other, part(2 * MiB)), keep: 10000 })).status, 206);
  await until(async () => (await usage(stack, bearer(other))).bytes.remaining > 2 * MiB, 'what was not sent');
  const small = await key(stack, 'create', '--label', 'small', '--bytes', '100000');
  assertProblem(await stack.stream(link, '720p-mp4', bearer(small)), 429, 'quota_exceeded');
});

test('bytes per day of an address, and of a file whose length nobody knows before', async (t) => {
  const env = { SLUICE_BYTES_ANONYMOUS: String(2 * MiB), SLUICE_TRUSTED_PROXIES: '127.0.0.1' };
  const stack = await startStack({ origin, env });
  t.after(() => stack.stop());
  const from = (address, headers = {}) => ({ headers: { 'x-forwarded-for': address, ...headers } });
  const get = (address, bytes) => stack.stream(link, '720p-mp4', from(address, part(bytes)));
  assert.equal((await get('203.0.113.1', 1.5 * MiB)).status, 206);
  assertProblem(await get('203.0.113.1', MiB), 429, 'quota_exceeded');
  assert.equal((await get('203.0.113.1', MiB / 4)).status, 206, 'what is left');
  assert.equal((await get('203.0.113.2', MiB)).status, 206, 'another address');
  const unknown = await stack.stream(link, 'audio-mp3-128', from('203.0.113.3'));
  assert.equal(unknown.status, 200);
  await until(async () => {
    const { bytes } = await usage(stack, from('203.0.113.3'));
    return 2 * MiB - bytes.remaining >= unknown.body.length;
  }, 'its bytes to be counted');
});

test('streams at once: the key says, else the setting', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_MAX_STREAMS_PER_CLIENT: '1' } });
  t.after(() => stack.stop());
  const two = await key(stack, 'create', '--label', 'two', '--streams', '2');
  const one = await key(stack, 'create', '--label', 'one');
  await stack.info(link);
  await origin.script({ match: { path: '/videoplayback' }, times: Infinity, action: { type: 'drip', rate: 2000000 } });
  for (const [mine, count] of [[two, 2], [one, 1]]) {
    const answers = await Promise.all([1, 2, 3, 4].map(() => stack.stream(link, 'format-136', bearer(mine))));
    const refused = answers.filter((answer) => answer.status === 429);
    assert.equal(refused.length, 4 - count);
    for (const answer of refused) {
      const problem = assertProblem(answer, 429, 'quota_exceeded');
      assert.equal(answer.headers['retry-after'], String(problem.retry_after_s));
    }
  }
  assert.deepEqual((await usage(stack, bearer(two))).streams, { limit: 2, active: 0 });
});

test('sites: a key for one of them is told so on every route, and links made before die, too', async (t) => {
  const stack = await startStack({ origin });
  t.after(() => stack.stop());
  const mine = await key(stack, 'create', '--label', 'mine');
  const made = (await stack.info(link, bearer(mine))).json();
  assert.equal((await stack.info(link, bearer(mine))).json().cached, true);
  await key(stack, 'limits', mine.id, '--sites', 'direct,example');
  const query = new URLSearchParams({ url: link });
  const targets = [
    `/api/v1/info?${query}`,
    `/api/v1/page?${query}`,
    `/api/v1/stream?choice=format-140&${query}`,
    `/api/video?${query}`,
    made.choices[0].stream_url,
    made.thumbnail_url,
    made.subtitles[0].stream_url,
  ];
  for (const target of targets) {
    const problem = assertProblem(await stack.get(target, bearer(mine)), 403, 'site_not_allowed');
    assert.equal(problem.retryable, false);
  }
  assert.equal((await stack.info(file, bearer(mine))).json().site, 'direct');
  assert.equal((await stack.stream(file, 'best', { ...bearer(mine), method: 'HEAD' })).status, 200);
  assert.deepEqual((await usage(stack, bearer(mine))).sites, ['direct', 'example']);
  assert.equal((await stack.info(link)).status, 200, 'who has no key may');
  await key(stack, 'limits', mine.id, '--sites', 'youtube');
  assert.equal((await stack.info(link, bearer(mine))).json().cached, true);
  assert.equal((await stack.get(made.choices[0].stream_url, { method: 'HEAD' })).status, 200);
});
