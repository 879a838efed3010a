// Finished files that stay: what is kept when, and that nobody can tell a kept file from a fresh one but by
// X-Sluice-Cache.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';

import { startStack, until } from './harness.mjs';

const settings = { SLUICE_FILES_BYTES: String(1 << 30), SLUICE_FILES_AFTER: '2', SLUICE_JOB_THREADS: '2' };
const watch = (id) => `https://www.youtube.com/watch?v=${id}`;
const target = (id, choice, fields) => `/api/v1/stream?${new URLSearchParams({ url: watch(id), choice, ...fields })}`;
const media = (origin) => origin.requests().then((all) => all.filter((r) => /googlevideo/.test(r.host)));

let stack;
let origin;
before(async () => {
  stack = await startStack({ env: settings });
  origin = stack.origin;
});
beforeEach(() => origin.reset());
after(() => stack?.stop());

const stored = async () =>
  Number(await stack.sql("SELECT count(*) FROM content_cache WHERE tier = 'files' AND state = 'stored'"));
const outputs = () => {
  const dir = path.join(stack.dataDir, 'outputs');
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true })
    .map((name) => path.join(dir, name))
    .filter((name) => statSync(name).isFile());
};

// Downloads it until it is kept; → the last answer from the source, and the file.
async function keep(address) {
  const before = await stored();
  const files = outputs();
  let fresh;
  for (let i = 0; i < 2; i++) {
    fresh = await stack.get(address);
    assert.equal(fresh.status, 200, fresh.text().slice(0, 300));
    assert.equal(fresh.headers['x-sluice-cache'], 'source');
  }
  await until(async () => (await stored()) === before + 1, `a kept file\n${stack.log().slice(-500)}`, 10000);
  const file = outputs().find((name) => !files.includes(name));
  return { fresh, file };
}

// A download that pauses after its first bytes, until the server has sent ahead what it may; then `meanwhile` happens.
function haltingly(address, headers, meanwhile) {
  return new Promise((resolve, reject) => {
    const req = http.get(address, { headers, agent: false }, (res) => {
      const parts = [];
      res.once('data', () => {
        res.pause();
        setTimeout(() => {
          meanwhile();
          res.resume();
        }, 400);
      });
      res.on('data', (part) => parts.push(part));
      res.on('error', reject);
      res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, body: Buffer.concat(parts) }));
    });
    req.on('error', reject);
  });
}

const visible = ({ headers }) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !['date', 'x-sluice-cache', 'x-request-id'].includes(name)));

describe('a file that is downloaded again and again', () => {
  for (const [id, choice, fields] of [
    ['sluiceDemo1', '720p-mp4'],
    ['sluiceDemo1', '720p-mp4', { layout: 'fragmented' }],
    ['sluiceDemo1', '720p-mp4', { metadata: '0' }],
    ['sluiceDemo1', 'audio-m4a'],
    ['sluiceDemo1', 'audio-mp3-128'],
    ['sluiceDemo1', 'format-140'],
  ])
    test(`${choice} ${JSON.stringify(fields ?? {})}: the third time it comes from disk, and is the same`, async () => {
      const address = target(id, choice, fields);
      const { fresh } = await keep(address);
      await origin.reset();
      const kept = await stack.get(address);
      assert.equal(kept.headers['x-sluice-cache'], 'files');
      assert.ok(kept.body.equals(fresh.body));
      assert.deepEqual(visible(kept), visible(fresh));
      assert.deepEqual(await media(origin), []);
    });

  test('ranges, conditions and HEAD are as of a fresh one', async () => {
    const address = target('sluiceDemo1', '360p-mp4');
    const whole = await stack.get(address);
    const size = whole.body.length;
    const etag = whole.headers.etag;
    const asked = [
      { headers: { range: 'bytes=0-0' } },
      { headers: { range: `bytes=100000-${size - 2}` } },
      { headers: { range: 'bytes=-70000' } },
      { headers: { range: `bytes=${size}-` } },
      { headers: { range: 'bytes=0-9,20-29' } },
      { headers: { range: 'bytes=5-', 'if-range': etag } },
      { headers: { range: 'bytes=5-', 'if-range': '"other"' } },
      { headers: { 'if-none-match': etag } },
      { headers: { 'if-match': '"other"' } },
      { headers: { 'if-match': etag, range: 'bytes=1000-1999' } },
      { method: 'HEAD' },
      { method: 'HEAD', headers: { range: 'bytes=7-8' } },
    ];
    const before = [];
    for (const options of asked) before.push(await stack.get(address, options));
    await keep(address);
    for (const [i, options] of asked.entries()) {
      const kept = await stack.get(address, options);
      const what = JSON.stringify(options);
      assert.equal(kept.status, before[i].status, what);
      if (kept.status >= 400) continue;
      assert.ok(kept.body.equals(before[i].body), what);
      assert.deepEqual(visible(kept), visible(before[i]), what);
      if (kept.status !== 304) assert.equal(kept.headers['x-sluice-cache'], 'files', what);
    }
  });

  test('many at once are one job', async () => {
    const address = target('sluiceDemo1', 'format-136');
    await Promise.all(Array.from({ length: 20 }, () => stack.get(address)));
    const jobs = "SELECT count(*) FROM job WHERE kind = 'keep' AND input LIKE '%format-136%'";
    await until(async () => (await stack.get(address, { method: 'HEAD' })).headers['x-sluice-cache'] === 'files', 'a kept file');
    assert.equal((await stack.sql(jobs)).trim(), '1');
  });

  test('clips, parts that are not the end, and what has no version are not counted', async () => {
    const rows = () => stack.sql('SELECT count(*) FROM content_cache');
    const before = await rows();
    for (let i = 0; i < 3; i++) {
      await stack.get(target('sluiceDemo1', '720p-mp4', { start: '3', end: '9' }));
      await stack.get(target('sluiceVers1', '720p-mp4'));
      await stack.get(target('sluiceChap1', '720p-mp4'), { headers: { range: 'bytes=0-99999' } });
    }
    assert.equal(await rows(), before);
  });

  test('nobody can order such a job', async () => {
    const body = JSON.stringify({ kind: 'keep', url: watch('sluiceDemo1'), choice: 'best' });
    const answer = await stack.get('/api/v1/jobs', { method: 'POST', body, headers: { 'content-type': 'application/json' } });
    assert.equal(answer.status, 400, answer.text());
  });
});

describe('a kept file that is not what it was', () => {
  const damage = {
    'has gone': (file) => rmSync(file),
    'is shorter': (file) => truncateSync(file, 1000),
    'is longer': (file) => writeFileSync(file, 'x', { flag: 'a' }),
  };
  for (const [i, [name, spoil]] of Object.entries(damage).entries())
    test(`${name}: the source gives it, and it is kept anew`, async () => {
      const address = target('sluiceSubs1', ['720p-mp4', 'audio-m4a', 'format-140'][i]);
      const { fresh, file } = await keep(address);
      spoil(file);
      const answer = await stack.get(address);
      assert.equal(answer.headers['x-sluice-cache'], 'source');
      assert.ok(answer.body.equals(fresh.body));
      await until(async () => (await stack.get(address)).headers['x-sluice-cache'] === 'files', 'it is back');
      assert.ok((await stack.get(address)).body.equals(fresh.body));
    });

  test('it ends in the middle: the rest comes from the source, and nobody notices', async () => {
    const address = target('sluiceBig01', 'format-137');
    const { fresh, file } = await keep(address);
    const size = fresh.body.length;
    const answer = await haltingly(`${stack.base}${address}`, { range: 'bytes=1000-' }, () => truncateSync(file, Math.floor(size / 2)));
    assert.equal(answer.status, 206);
    assert.equal(answer.headers['x-sluice-cache'], 'files');
    assert.ok(answer.body.equals(fresh.body.subarray(1000)));
    assert.ok((await media(origin)).length > 0, 'the source was asked');
  });
});

test('metrics tell where streams came from, and what is kept', async () => {
  const text = (await stack.get('/metrics')).text();
  const value = (name) => Number(new RegExp(`^${name.replace(/[{}"]/g, '\\$&')} (\\d+)$`, 'm').exec(text)?.[1] ?? NaN);
  assert.ok(value('sluice_tier_answers_total{tier="files"}') > 0, text);
  assert.ok(value('sluice_tier_answers_total{tier="source"}') > 0);
  assert.ok(value('sluice_tier_bytes_total{tier="files"}') > 100000);
  assert.equal(value('sluice_contents{tier="files",state="stored"}'), await stored());
});
