// Files sent straight to a bucket of a real S3-compatible storage (tests/origin/s3.mjs), as s3cmd reads them back:
// identical to the download, also where the storage, the worker or the source ends in the middle, and with nothing left
// behind where it fails.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';

import { makeWav } from '../bench/stream.mjs';
import { forkOrigin } from '../origin/origin.mjs';
import { accessKey, secretKey, startS3 } from '../origin/s3.mjs';
import { assertProblem, programEnv, programs, request, root, run, sha256, startStack, until } from './harness.mjs';

const link = 'https://www.youtube.com/watch?v=sluiceDemo1';
const big = 'https://www.youtube.com/watch?v=sluiceBig01';
const partBytes = 5 * 1024 * 1024;
let origin;
let s3;

before(async () => {
  origin = await forkOrigin();
  s3 = await startS3();
});
beforeEach(async () => {
  await origin.reset();
  s3.seen.length = 0;
});
after(async () => {
  await origin?.stop();
  await s3?.stop();
});

async function start(t, env = {}) {
  const stack = await startStack({ origin, env: { ...s3.env(), SLUICE_JOB_LEASE_S: '2', ...env } });
  t.after(() => stack.stop());
  return stack;
}
const post = (stack, fields, target = '/api/v1/jobs') =>
  stack.get(target, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(fields) });
async function send(stack, url, choice, more = {}) {
  const answer = await post(stack, { kind: 's3', url, choice, ...more });
  assert.equal(answer.status, 202, answer.text());
  return answer.json();
}
const look = async (stack, job) => (await stack.get(job.url)).json();
const ended = (stack, job, ms = 30000) =>
  until(
    async () => {
      const now = await look(stack, job);
      if (['done', 'failed', 'cancelled'].includes(now.state)) return now;
      throw new Error(JSON.stringify(now));
    },
    'the end of the job',
    ms,
  );
async function arrived(stack, job, ms) {
  const now = await ended(stack, job, ms);
  assert.equal(now.state, 'done', JSON.stringify(now));
  assert.equal(now.progress.done_bytes, now.result.size_bytes);
  return now;
}
const isPart = (seen) => seen.method === 'PUT' && seen.query.includes('partNumber=');
const partNumber = (seen) => Number(new URLSearchParams(seen.query).get('partNumber'));
const noneLeft = () => until(() => s3.uploads().length === 0, 'the end of all uploads', 15000);
const assertWhole = async (stack, job, url, choice) => {
  const download = await stack.stream(url, choice);
  assert.ok(download.complete && download.status === 200);
  assert.equal(sha256(s3.get(job.result.key)), sha256(download.body), 'what s3cmd reads is the download');
  assert.equal(job.result.size_bytes, download.body.length);
};

test('a merged file, by both routes', async (t) => {
  const stack = await start(t, { SLUICE_S3_PREFIX: '/videos/new/' });
  const job = await arrived(stack, await send(stack, big, '1080p-mp4'));
  await assertWhole(stack, job, big, '1080p-mp4');
  assert.match(job.result.key, new RegExp(`^videos/new/Sluice demo a large file_\\d{4}-\\d\\d-\\d\\d_${job.id.slice(0, 12)}\\.mp4$`));
  assert.deepEqual([job.result.bucket, job.result.filename, job.result.choice], [s3.bucket, path.basename(job.result.key), '1080p-mp4']);
  assert.equal(job.result.s3_url, `${s3.endpoint}/${s3.bucket}/${job.result.key.split('/').map(encodeURIComponent).join('/')}`);
  const parts = s3.seen.filter(isPart);
  assert.equal(parts.length, Math.ceil(job.result.size_bytes / partBytes), 'parts of constant size');
  for (const part of parts) assert.match(part.headers['x-amz-content-sha256'], /^[0-9a-f]{64}$/, 'over plain http, what is sent is signed');

  // A link for whoever has it, for a while.
  assert.equal(job.link_url, `${job.url}/link`);
  const { url, expires_at } = (await stack.get(job.link_url)).json();
  assert.ok(Date.parse(expires_at) > Date.now() + 3500e3);
  const there = new URL(url);
  const got = await request(there.origin, there.pathname + there.search, { headers: { range: 'bytes=100-199' } });
  assert.deepEqual([got.status, got.body.length], [206, 100]);
  assert.match(got.headers['content-disposition'], /^attachment; filename=/);
  assert.equal((await request(there.origin, there.pathname + there.search.replace(/.$/, (c) => (c === '0' ? '1' : '0')))).status, 403);

  const old = await post(stack, { url: big, title: 'My ../holiday: "1"', quality: '1080p' }, '/api/upload-s3');
  assert.equal(old.status, 200, old.text());
  const { success, s3_url, filename } = old.json();
  assert.deepEqual([success, decodeURIComponent(new URL(s3_url).pathname)], [true, `/${s3.bucket}/videos/new/${filename}`]);
  assert.match(filename, /^My \.\. holiday '1'_\d{4}-\d\d-\d\d_[0-9a-f]{12}\.mp4$/);
  assert.equal(sha256(s3.get(`videos/new/${filename}`)), sha256(s3.get(job.result.key)));
  assert.deepEqual(s3.uploads(), []);
});

test('what cannot be planned, and what does not say how long it is', async (t) => {
  const stack = await start(t);
  for (const [url, choice] of [
    [link, 'audio-mp3-320'],
    [link, 'audio-opus'],
    [link, 'format-140'],
    ['https://media.example/chunked.mp4', 'best'],
  ]) {
    const job = await arrived(stack, await send(stack, url, choice, { name: choice }));
    if (choice === 'audio-opus') assert.ok(s3.get(job.result.key).length === job.result.size_bytes && job.result.size_bytes > 100000);
    else await assertWhole(stack, job, url, choice);
    assert.match(job.result.filename, new RegExp(`^${choice}_.*\\.[a-z0-9]{3,4}$`));
  }
  assert.deepEqual(s3.uploads(), []);
});

test('slow down, errors and resets: parts are sent again', async (t) => {
  const stack = await start(t);
  let left = 6;
  t.after(s3.wrong((seen) => isPart(seen) && left > 0 && (left-- % 3 === 0 ? 'reset' : 503)));
  const job = await arrived(stack, await send(stack, big, '1080p-mp4'), 60000);
  assert.deepEqual([left, job.attempts], [0, 1], 'all within one attempt');
  await assertWhole(stack, job, big, '1080p-mp4');
});

test('the worker is killed in the middle: another one goes on with the upload', async (t) => {
  const stack = await start(t);
  const resume = s3.wrong((seen) => isPart(seen) && partNumber(seen) > 2 && 'stall');
  const job = await send(stack, big, '1080p-mp4');
  await until(async () => (await look(stack, job)).progress.done_bytes === 2 * partBytes, 'two parts');
  process.kill(stack.processes('stream.fcgi')[0].pid, 'SIGKILL');
  resume();
  s3.seen.length = 0;
  const done = await arrived(stack, job);
  assert.equal(done.attempts, 2);
  assert.deepEqual(s3.seen.filter(isPart).map(partNumber).sort()[0], 3, 'what was there was not sent again');
  assert.ok(!s3.seen.some((seen) => seen.method === 'POST' && /^uploads=?$/.test(seen.query)), 'it is the same upload');
  await assertWhole(stack, done, big, '1080p-mp4');
  assert.deepEqual(s3.uploads(), []);
});

test('the storage is killed in the middle', async (t) => {
  const stack = await start(t, { SLUICE_STALL_TIMEOUT_S: '2' });
  const slow = s3.wrong((seen) => isPart(seen) && partNumber(seen) > 3 && 'stall');
  const job = await send(stack, big, '1080p-mp4');
  await until(async () => (await look(stack, job)).progress.done_bytes >= partBytes, 'a part');
  await s3.kill();
  slow();
  await sleep(1000);
  await s3.restart();
  const done = await arrived(stack, job, 60000);
  await assertWhole(stack, done, big, '1080p-mp4');
  await noneLeft();
});

test('the source fails in the middle: gone on with, or a clear error and nothing left', async (t) => {
  const stack = await start(t, { SLUICE_STALL_TIMEOUT_S: '1' });
  await origin.script({ match: { path: '/videoplayback' }, times: 3, action: { type: 'reset', after: 700000 } });
  await assertWhole(stack, await arrived(stack, await send(stack, big, '1080p-mp4')), big, '1080p-mp4');
  const gone = await send(stack, 'https://www.youtube.com/watch?v=sluicePriv1', 'best');
  const failed = await ended(stack, gone);
  assert.deepEqual([failed.state, failed.error.retryable, failed.result], ['failed', false, null], JSON.stringify(failed));
  await noneLeft();
});

test('memory does not grow with the file', async (t) => {
  const size = 200 << 20;
  makeWav(path.join(s3.dir, 'silence.wav'), size);
  await origin.configure({ folder: s3.dir });
  // The released program: the sanitizers keep what was freed.
  const stack = await startStack({ origin, env: s3.env(), bin: path.join(root, 'build/cgi-bin') });
  t.after(() => stack.stop());
  const [{ pid }] = stack.processes('stream.fcgi');
  const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))[1]) / 1024;
  const idle = rss();
  let most = idle;
  const job = await send(stack, 'https://media.example/made/silence.wav', 'best');
  await until(
    async () => {
      most = Math.max(most, rss());
      return (await look(stack, job)).state === 'done';
    },
    'the end of the upload',
    60000,
  );
  assert.ok(most - idle < 40, `${most - idle} MiB more`);
  assert.ok(s3.list().some((line) => line.includes(` ${size} `)), 'it is there');
});

test('over TLS, which watches over the body', async (t) => {
  const [key, cert, both] = ['s3.key', 's3.pem', 'ca.pem'].map((name) => path.join(s3.dir, name));
  const made = await run('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=s3', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert]);
  assert.equal(made.exit, 0, made.stderr);
  writeFileSync(both, readFileSync(origin.caFile, 'utf8') + readFileSync(cert, 'utf8'));
  const server = tls.createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (socket) => {
    const behind = net.connect(Number(new URL(s3.endpoint).port), '127.0.0.1');
    for (const [from, to] of [[socket, behind], [behind, socket]]) from.pipe(to).on('error', () => from.destroy());
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const stack = await start(t, { SLUICE_S3_ENDPOINT: `https://127.0.0.1:${server.address().port}`, SLUICE_UPSTREAM_CA_FILE: both });
  const job = await arrived(stack, await send(stack, big, '1080p-mp4'));
  await assertWhole(stack, job, big, '1080p-mp4');
  const parts = s3.seen.filter(isPart);
  assert.ok(parts.length > 5);
  for (const part of parts) assert.equal(part.headers['x-amz-content-sha256'], 'UNSIGNED-PAYLOAD');
});

test('cancelled in the middle: nothing is left behind', async (t) => {
  const stack = await start(t);
  t.after(s3.wrong((seen) => isPart(seen) && partNumber(seen) > 2 && 'stall'));
  const job = await send(stack, big, '1080p-mp4');
  await until(async () => (await look(stack, job)).progress.done_bytes > 0, 'a part');
  assert.equal(s3.uploads().length, 1);
  assert.equal((await stack.get(job.url, { method: 'DELETE' })).json().state, 'cancelled');
  await noneLeft();
  assertProblem(await stack.get(`${job.url}/link`), 404, 'not_found');
  for (const [fields, status, code] of [
    [{ kind: 's3' }, 400, 'bad_url'],
    [{ kind: 's3', url: link, choice: 'subtitle-en' }, 404, 'no_such_choice'],
    [{ kind: 's3', url: link, name: 'n'.repeat(600) }, 400, 'bad_request'],
  ])
    assertProblem(await post(stack, fields), status, code);
});

test('clear errors: credentials, bucket, room', async (t) => {
  const cases = [
    [{ SLUICE_S3_SECRET_KEY: 'not-that-secret' }, 'storage_refused', /^warn: .* refuses our credentials/],
    [{ SLUICE_S3_ACCESS_KEY: 'test:guest', SLUICE_S3_SECRET_KEY: secretKey }, 'storage_refused', /^warn: .* refuses our credentials/],
    [{ SLUICE_S3_BUCKET: 'no-such-bucket' }, 'storage_missing', /^warn: there is no http/],
    [{}, 'storage_full', /^ok: http.* knows us/, (seen) => isPart(seen) && 507],
  ];
  for (const [env, code, says, rule] of cases) {
    const stack = await startStack({ origin, env: { ...s3.env(env) } });
    const restore = rule ? s3.wrong(rule) : () => {};
    try {
      const settings = programEnv(stack.scratch, { SLUICE_DATA_DIR: stack.dataDir, ...s3.env(env) });
      const doctor = JSON.parse((await run(path.join(programs, 'sluice'), ['doctor', '--json'], { env: settings })).stdout);
      const { grade, text } = doctor.findings.find(({ check }) => check === 's3');
      assert.match(`${grade}: ${text}`, says);
      const failed = await ended(stack, await send(stack, link, '1080p-mp4'));
      assert.deepEqual([failed.state, failed.error?.code, failed.attempts], ['failed', code, 1], JSON.stringify(failed));
      restore();
      const old = await post(stack, { url: link, quality: 'x' }, '/api/upload-s3');
      assertProblem(old, 404, 'no_such_choice');
      if (rule) await noneLeft();
      await until(async () => (await stack.sql('SELECT count(*) FROM upload')) === '0\n', 'an empty table');
    } finally {
      restore();
      await stack.stop();
    }
  }
  const bare = await startStack({ origin });
  t.after(() => bare.stop());
  assertProblem(await post(bare, { kind: 's3', url: link }), 501, 'storage_missing');
  assertProblem(await post(bare, { url: link }, '/api/upload-s3'), 501, 'storage_missing');
});

test('the tier: kept once after a download, and read from there by every host', async (t) => {
  const tier = { SLUICE_TIERS: 's3,source', SLUICE_S3_TIER_AFTER: '1', SLUICE_PREPARE: '0', SLUICE_S3_PREFIX: 'tier' };
  const one = await start(t, tier);
  const two = await startStack({ origin, dataDir: one.dataDir, env: s3.env({ ...tier, SLUICE_S3_REDIRECT: 'on' }) });
  t.after(() => two.stop());
  const ask = (stack, options) => stack.stream(link, '720p-mp4', options);
  const rows = async () => Number(await one.sql("SELECT count(*) FROM content_cache WHERE tier = 's3' AND state = 'stored'"));
  const fresh = await Promise.all(Array.from({ length: 20 }, (_, i) => ask([one, two][i % 2])));
  const [first] = fresh;
  for (const answer of fresh) assert.deepEqual([answer.status, answer.headers['x-sluice-cache'], sha256(answer.body)], [200, 'source', sha256(first.body)]);
  await until(async () => (await rows()) === 1, 'the kept file');
  const objects = () => s3.list().filter((line) => line.includes('/tier/contents/'));
  assert.equal(objects().length, 1);
  assert.equal(s3.seen.filter((seen) => seen.method === 'POST' && /^uploads=?$/.test(seen.query)).length, 1, 'one upload');

  await origin.reset();
  const kept = await ask(one);
  assert.deepEqual([kept.headers['x-sluice-cache'], sha256(kept.body), kept.headers.etag], ['s3', sha256(first.body), first.headers.etag]);
  const part = await ask(one, { headers: { range: 'bytes=1000-1999' } });
  assert.deepEqual([part.status, sha256(part.body)], [206, sha256(first.body.subarray(1000, 2000))]);
  const sent = await ask(two);
  assert.deepEqual([sent.status, sent.headers['x-sluice-cache']], [302, 's3']);
  const there = new URL(sent.headers.location);
  const got = await request(there.origin, there.pathname + there.search);
  assert.deepEqual([got.status, sha256(got.body), got.headers['content-disposition']], [200, sha256(first.body), first.headers['content-disposition']]);
  assert.deepEqual((await origin.requests()).filter((seen) => seen.path === '/videoplayback'), [], 'nothing was read from the source');

  // What fails there comes from the source, and what is gone is forgotten.
  const restore = s3.wrong(() => 503);
  assert.equal(sha256((await ask(one)).body), sha256(first.body));
  const direct = await ask(two);
  assert.deepEqual([direct.headers['x-sluice-cache'], sha256(direct.body)], ['source', sha256(first.body)]);
  restore();
  assert.equal(await rows(), 1, 'a storage that is busy has lost nothing');
  s3.s3cmd('del', objects()[0].split(/\s+/)[3]);
  assert.equal(sha256((await ask(one)).body), sha256(first.body));
  assert.equal((await ask(one)).headers['x-sluice-cache'], 'source');
  await until(async () => objects().length === 1 && (await rows()) === 1, 'it is kept anew');

  // What has expired leaves.
  await one.sql("UPDATE content_cache SET expires_unix_s = 1 WHERE tier = 's3'");
  const settings = programEnv(one.scratch, { SLUICE_DATA_DIR: one.dataDir, ...s3.env(tier) });
  assert.equal((await run(path.join(programs, 'sluice'), ['gc'], { env: settings })).exit, 0);
  await one.sql("UPDATE content_cache SET expires_unix_s = 1 WHERE state = 'leaving'");
  assert.equal((await run(path.join(programs, 'sluice'), ['gc'], { env: settings })).exit, 0);
  assert.deepEqual(objects(), []);
  assert.deepEqual(s3.uploads(), []);
});

test('credentials as other programs find them, and nowhere else', async () => {
  const home = path.join(s3.dir, 'home');
  mkdirSync(path.join(home, '.aws'), { recursive: true });
  writeFileSync(
    path.join(home, '.aws/credentials'),
    `[default]\naws_access_key_id = no\n[ sluice ]\naws_access_key_id=${accessKey}\n# a remark\naws_secret_access_key = ${secretKey}\n[other]\naws_secret_access_key = no\n`,
  );
  const none = { SLUICE_S3_ACCESS_KEY: '', SLUICE_S3_SECRET_KEY: '' };
  for (const env of [
    { ...none, AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey },
    { ...none, HOME: home, AWS_PROFILE: 'sluice' },
    {},
  ]) {
    const stack = await startStack({ origin, env: s3.env({ ...env, SLUICE_ADMIN_PASSWORD: 'a long password' }) });
    const done = await arrived(stack, await send(stack, link, '720p-mp4'));
    const settings = programEnv(stack.scratch, { SLUICE_DATA_DIR: stack.dataDir, ...s3.env(env) });
    const said = await Promise.all(
      [['doctor'], ['doctor', '--json'], ['jobs', 'list', '--json'], ['config', '--example']].map(async (args) => {
        const { stdout, stderr } = await run(path.join(programs, 'sluice'), args, { env: settings });
        return `${stdout}${stderr}`;
      }),
    );
    const login = await post(stack, { name: 'admin', password: 'a long password' }, '/api/v1/admin/login');
    const system = await stack.get('/api/v1/admin/system', { headers: { cookie: String(login.headers['set-cookie']).split(';')[0] } });
    assert.match(system.text(), /s3_bucket/);
    for (const text of [stack.log(), JSON.stringify(done), system.text(), (await stack.get('/metrics')).text(), await stack.sql('.dump'), ...said])
      assert.ok(!text.includes(secretKey), 'the secret key is told');
    await stack.stop();
  }
});
