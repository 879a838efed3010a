// Finished files that stay: what is kept when, and that nobody can tell a kept file from a fresh one but by
// X-Sluice-Cache.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';

import { programEnv, programs, run, startStack, until } from './harness.mjs';
import { seeded } from './mp4.mjs';

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
const outputs = (of = stack) => {
  const dir = path.join(of.dataDir, 'outputs');
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true })
    .map((name) => path.join(dir, name))
    .filter((name) => statSync(name, { throwIfNoEntry: false })?.isFile());
};

const tool = (...args) =>
  run(path.join(programs, 'sluice'), args, { env: programEnv(stack.scratch, { SLUICE_DATA_DIR: stack.dataDir, ...settings }) });

// Downloads it until it is kept; → the last answer from the source, and the file.
async function keep(address) {
  const count = await stored();
  const files = outputs();
  let fresh;
  for (let i = 0; i < 2; i++) {
    fresh = await stack.get(address);
    assert.equal(fresh.status, 200, fresh.text().slice(0, 300));
    assert.equal(fresh.headers['x-sluice-cache'], 'source');
  }
  await until(async () => (await stored()) === count + 1, `a kept file\n${stack.log().slice(-500)}`, 10000);
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
    const fresh = [];
    for (const options of asked) fresh.push(await stack.get(address, options));
    await keep(address);
    for (const [i, options] of asked.entries()) {
      const kept = await stack.get(address, options);
      const what = JSON.stringify(options);
      assert.equal(kept.status, fresh[i].status, what);
      if (kept.status >= 400) continue;
      assert.ok(kept.body.equals(fresh[i].body), what);
      assert.deepEqual(visible(kept), visible(fresh[i]), what);
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
    const known = await rows();
    for (let i = 0; i < 3; i++) {
      await stack.get(target('sluiceDemo1', '720p-mp4', { start: '3', end: '9' }));
      await stack.get(target('sluiceVers1', '720p-mp4'));
      await stack.get(target('sluiceChap1', '720p-mp4'), { headers: { range: 'bytes=0-99999' } });
    }
    assert.equal(await rows(), known);
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

describe('little room', () => {
  const room = 8 << 20;
  let small;
  before(async () => {
    small = await startStack({ env: { ...settings, SLUICE_FILES_BYTES: String(room), SLUICE_FILES_AFTER: '1' } });
  });
  after(() => small?.stop());

  test('files displace each other while they are read, and no byte is wrong', async () => {
    const random = seeded(912);
    const choices = ['720p-mp4', 'audio-m4a', 'format-136', 'format-140', 'audio-mp3-128'];
    const addresses = ['sluiceDemo1', 'sluiceChap1'].flatMap((id) => choices.map((choice) => target(id, choice)));
    const whole = new Map();
    for (const address of addresses) whole.set(address, (await stack.get(address)).body);
    const seen = { files: 0, source: 0 };
    const one = async () => {
      const address = addresses[random(addresses.length)];
      const body = whole.get(address);
      const from = random(3) ? random(body.length) : 0;
      const answer = await small.get(address, { headers: { range: `bytes=${from}-` } });
      assert.equal(answer.status, 206);
      assert.ok(answer.complete);
      assert.ok(answer.body.equals(body.subarray(from)), `${address} from ${from}, ${answer.headers['x-sluice-cache']}`);
      seen[answer.headers['x-sluice-cache']]++;
    };
    for (let round = 0; round < 24; round++) {
      await Promise.all(Array.from({ length: 5 }, one));
      const kept = outputs(small).reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
      assert.ok(kept <= room, `${kept} bytes`);
    }
    assert.ok(seen.files > 5 && seen.source > 5, JSON.stringify(seen));
    assert.ok(Number(await small.sql("SELECT count(*) FROM job WHERE kind = 'keep' AND state = 'done'")) > 5, 'files displaced each other');
  });

  test('what is too large is not even begun', async () => {
    const address = target('sluiceBig01', 'format-137');
    await small.get(address);
    await small.get(address);
    assert.equal(await small.sql("SELECT count(*) FROM content_cache WHERE tier = 'files' AND bytes > 8000000"), '0\n');
  });
});

test('a worker that is killed over it leaves nothing, and another one finishes it, once', async () => {
  const one = await startStack({ env: { ...settings, SLUICE_JOB_LEASE_S: '2' } });
  try {
    const address = target('sluiceDemo1', 'format-136');
    const fresh = await one.get(address);
    await one.origin.script({ match: { path: '/videoplayback' }, times: Infinity, action: { type: 'drip', rate: fresh.body.length / 4 } });
    await one.get(address, { headers: { range: 'bytes=-1' } }); // of which the second makes it worth keeping
    const tmp = path.join(one.dataDir, 'tmp');
    const writing = () => (existsSync(tmp) ? readdirSync(tmp) : []).filter((name) => name.startsWith('output-'));
    await until(() => writing().length === 1, 'a file being written');
    const [{ pid }] = one.processes('stream.fcgi');
    process.kill(pid, 'SIGKILL');
    await one.origin.reset();
    await until(async () => (await one.get(address, { method: 'HEAD' })).headers['x-sluice-cache'] === 'files', 'a kept file', 30000);
    assert.deepEqual(writing(), []);
    assert.ok((await one.get(address)).body.equals(fresh.body));
    assert.equal(outputs(one).length, 1);
  } finally {
    await one.stop();
  }
});

test('what is let go is deleted, with what nobody knows of', async () => {
  const { file } = await keep(target('sluiceSubs2', '720p-mp4'));
  const stray = path.join(stack.dataDir, 'outputs/aa', 'a'.repeat(32));
  mkdirSync(path.dirname(stray), { recursive: true });
  writeFileSync(stray, 'x');
  utimesSync(stray, 1, 1);
  await stack.sql("UPDATE content_cache SET expires_unix_s = 1 WHERE tier = 'files' AND id = 'sluiceSubs2'");
  assert.equal((await tool('gc')).exit, 0); /* they leave */
  assert.ok(existsSync(file), 'somebody may be about to read it');
  assert.ok(!existsSync(stray));
  await stack.sql("UPDATE content_cache SET expires_unix_s = 1 WHERE tier = 'files' AND id = 'sluiceSubs2'");
  const done = await tool('gc', '--json');
  assert.equal(JSON.parse(done.stdout).contents, 1, done.stderr);
  assert.ok(!existsSync(file));
});

describe('files that lighttpd sends by itself', () => {
  const address = target('sluiceDemo1', 'format-136');
  let own;
  let fresh;
  before(async () => {
    own = await startStack({ env: { ...settings, SLUICE_FILES_AFTER: '1', SLUICE_SENDFILE: 'x-lighttpd-send-file' } });
    fresh = await own.get(address);
    await until(async () => (await own.get(address, { method: 'HEAD' })).headers['x-sluice-cache'] === 'files', 'a kept file');
  });
  after(() => own?.stop());
  const sent = async () => Number(/^sluice_tier_bytes_total\{tier="files"\} (\d+)$/m.exec((await own.get('/metrics')).text())[1]);

  test('cost stream.fcgi nothing', async () => {
    const bytes = await sent();
    const kept = await own.get(address);
    assert.equal(kept.headers['x-sluice-cache'], 'files');
    assert.ok(kept.body.equals(fresh.body));
    assert.equal(await sent(), bytes);
  });

  test('but a link for one delivery is sent by Sluice, which knows what was delivered', async () => {
    const bytes = await sent();
    const ask = new URLSearchParams({ url: watch('sluiceDemo1'), single_use: '1' });
    const link = (await own.get(`/api/v1/info?${ask}`)).json().choices.find(({ id }) => id === 'format-136').stream_url;
    const part = await own.get(link, { headers: { range: 'bytes=0-999' } });
    assert.deepEqual([part.status, part.headers['x-sluice-cache']], [206, 'files']);
    const rest = await own.get(link, { headers: { range: 'bytes=1000-' } });
    assert.equal(rest.status, 206);
    assert.ok(Buffer.concat([part.body, rest.body]).equals(fresh.body));
    assert.equal(await sent(), bytes + fresh.body.length);
    await until(async () => (await own.get(link)).status === 410, 'the end of the link', 5000);
  });

  test('what has been displaced may still be sent for two minutes', async () => {
    await own.sql("UPDATE content_cache SET expires_unix_s = 1 WHERE tier = 'files'");
    const file = outputs(own)[0];
    await own.get(address);
    assert.ok(existsSync(file));
  });
});

test('what the web server sends counts, too', async () => {
  const size = (await stack.get(target('sluiceDemo1', 'format-140'))).body.length;
  const own = await startStack({
    env: { ...settings, SLUICE_FILES_AFTER: '1', SLUICE_SENDFILE: 'x-lighttpd-send-file', SLUICE_BYTES_ANONYMOUS: String(size * 4 + 8192) },
  });
  try {
    const address = target('sluiceDemo1', 'format-140');
    await own.get(address);
    await until(async () => (await own.get(address, { method: 'HEAD' })).headers['x-sluice-cache'] === 'files', 'a kept file');
    const statuses = [];
    for (let i = 0; i < 5; i++) statuses.push((await own.get(address)).status);
    assert.deepEqual(statuses, [200, 200, 200, 429, 429]);
  } finally {
    await own.stop();
  }
});

test('the tool tells what is kept, finds what is damaged, and lets go of what nobody uses', async () => {
  const address = target('sluiceSubs2', 'audio-m4a');
  const { file } = await keep(address);
  const bytes = readFileSync(file);
  bytes[bytes.length >> 1] ^= 1;
  writeFileSync(file, bytes);
  const stat = await tool('cache', 'stat', '--json');
  assert.equal(JSON.parse(stat.stdout).files_contents, await stored(), stat.stderr);
  const verified = await tool('cache', 'verify', '--json');
  assert.equal(verified.exit, 1, verified.stderr);
  assert.deepEqual([JSON.parse(verified.stdout).files_damaged, JSON.parse(verified.stdout).files_good], [1, await stored()]);
  assert.equal((await stack.get(address)).headers['x-sluice-cache'], 'source');
  await stack.sql("UPDATE content_cache SET used_unix_s = 1000 WHERE tier = 'files' AND id = 'sluiceDemo1'");
  const left = Number(await stack.sql("SELECT count(*) FROM content_cache WHERE tier = 'files' AND state = 'stored' AND id = 'sluiceDemo1'"));
  const purged = await tool('cache', 'purge', '--unused', '86400', '--json');
  assert.equal(JSON.parse(purged.stdout).contents, left, purged.stderr);
});

test('metrics tell where streams came from, and what is kept', async () => {
  const text = (await stack.get('/metrics')).text();
  const value = (name) => Number(new RegExp(`^${name.replace(/[{}"]/g, '\\$&')} (\\d+)$`, 'm').exec(text)?.[1] ?? NaN);
  assert.ok(value('sluice_tier_answers_total{tier="files"}') > 0, text);
  assert.ok(value('sluice_tier_answers_total{tier="source"}') > 0);
  assert.ok(value('sluice_tier_bytes_total{tier="files"}') > 100000);
  const missed = value('sluice_tier_misses_total{tier="files"}');
  assert.ok(missed > 0 && missed < value('sluice_tier_answers_total{tier="source"}'), 'clips are no misses');
  assert.equal(value('sluice_contents{tier="files",state="stored"}'), await stored());
});
