// Two whole Sluices with data directories of their own and one PostgreSQL between them; and what happens when it goes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';

import { forkOrigin } from '../origin/origin.mjs';
import { startS3 } from '../origin/s3.mjs';
import { telegramToken } from '../origin/telegram.mjs';
import { freePort, programEnv, programs, root, run, scratchDir, sha256, startStack, until } from './harness.mjs';

const link = 'https://www.youtube.com/watch?v=sluiceDemo1';
const password = "p'w %@:/?"; // as tests/postgres.sh sets it
let origin;
let dir;
let port;
let env;

async function postgres(what) {
  const { exit, stderr } = await run('sh', [path.join(root, 'tests/postgres.sh'), what, dir, String(port)]);
  assert.equal(exit, 0, stderr);
}

before(async () => {
  origin = await forkOrigin();
  dir = scratchDir();
  port = await freePort();
  await postgres('start');
  env = { SLUICE_DATABASE: `postgresql://sluice:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres?sslmode=verify-full&sslrootcert=${dir}/tls.crt` };
});
beforeEach(() => origin.reset());
after(async () => {
  await postgres('kill');
  await origin.stop();
  rmSync(dir, { recursive: true, force: true });
});

const checkConfig = (url) =>
  run(path.join(programs, 'sluice'), ['--check-config'], { env: programEnv(dir, { SLUICE_DATABASE: url }) });

test('--check-config tries the database, and says nothing of the password', async () => {
  const good = env.SLUICE_DATABASE;
  const rows = [
    [good, 0, /^$/],
    [good.replace('%25', 'x'), 1, /password authentication failed/],
    [good.replace(/sslrootcert=.*/, 'sslrootcert=/etc/ssl/certs/ca-certificates.crt'), 1, /certificate verify failed/],
    [good.replace(String(port), '1'), 1, /cannot be reached/],
    [`mysql${good}`, 1, /database must begin with/],
  ];
  for (const [url, exit, words] of rows) {
    const answer = await checkConfig(url);
    assert.equal(answer.exit, exit, answer.stderr);
    assert.match(answer.stderr, words);
    assert.doesNotMatch(answer.stderr + answer.stdout, /p'w|p%27w/);
  }
});

test('a file that both hosts send is kept at Telegram once, and both have it from there', async (t) => {
  const settings = { ...env, SLUICE_TIERS: 'telegram,source', SLUICE_TELEGRAM_TOKEN: telegramToken, SLUICE_TELEGRAM_CHAT: '@sluice_channel' };
  const hosts = [await startStack({ origin, env: settings }), await startStack({ origin, env: settings })];
  t.after(() => Promise.all(hosts.map((host) => host.stop())));
  const firsts = await Promise.all(Array.from({ length: 12 }, (_, i) => hosts[i % 2].stream(link, '360p-mp4')));
  const sums = new Set(firsts.map((answer) => sha256(answer.body)));
  assert.deepEqual([sums.size, ...new Set(firsts.map((answer) => answer.headers['x-sluice-cache']))], [1, 'source']);
  for (const host of hosts)
    await until(async () => {
      const answer = await host.stream(link, '360p-mp4');
      assert.ok(sums.has(sha256(answer.body)));
      return answer.headers['x-sluice-cache'] === 'telegram';
    }, 'an answer from Telegram');
  const calls = (await origin.requests()).map((request) => request.path?.split('/').pop());
  assert.deepEqual(['sendVideo', 'getFile'].map((name) => calls.filter((call) => call === name).length), [1, 1]);
});

test('what one host has put into the bucket comes from there at the other, and a key counts at both', async (t) => {
  const s3 = await startS3();
  t.after(() => s3.stop());
  const settings = { ...env, ...s3.env(), SLUICE_TIERS: 's3,source', SLUICE_S3_TIER_AFTER: '1', SLUICE_PREPARE: '0' };
  const hosts = [await startStack({ origin, env: settings }), await startStack({ origin, env: settings })];
  t.after(() => Promise.all(hosts.map((host) => host.stop())));
  const made = await run(path.join(programs, 'sluice'), ['key', 'create', '--label', 'fleet', '--limit', '3', '--json'], {
    env: programEnv(dir, { ...settings, SLUICE_DATA_DIR: hosts[0].dataDir }),
  });
  assert.equal(made.exit, 0, made.stderr);
  const headers = { 'x-api-key': JSON.parse(made.stdout).key };
  const comes = async (host) => (await host.stream(link, '720p-mp4', { method: 'HEAD' })).headers['x-sluice-cache'];

  const fresh = await hosts[0].stream(link, '720p-mp4', { headers });
  assert.equal(fresh.headers['x-sluice-cache'], 'source', fresh.text().slice(0, 200));
  await until(async () => (await comes(hosts[1])) === 's3', 'the kept file', 20000);
  await origin.reset();
  const kept = await hosts[1].stream(link, '720p-mp4', { headers });
  assert.deepEqual([kept.status, kept.headers['x-sluice-cache'], sha256(kept.body)], [200, 's3', sha256(fresh.body)]);
  assert.deepEqual((await origin.requests()).filter((request) => request.path === '/videoplayback'), [], 'nothing was read from the source');
  assert.equal((await hosts[0].stream(link, '720p-mp4', { headers })).status, 200);
  for (const host of hosts) assert.equal((await host.stream(link, '720p-mp4', { headers })).status, 429, 'three in all, wherever');
});

test('files kept on disk are of the host that keeps them: each finds its own, and no job of another host', async (t) => {
  const two = 'https://www.youtube.com/watch?v=sluiceSubs2';
  const settings = { ...env, SLUICE_TIERS: 'files,source', SLUICE_FILES_BYTES: '100000000', SLUICE_FILES_AFTER: '1' };
  const hosts = [await startStack({ origin, env: settings }), await startStack({ origin, env: settings })];
  t.after(() => Promise.all(hosts.map((host) => host.stop())));
  const comes = async (host) => (await host.stream(two, '720p-mp4', { method: 'HEAD' })).headers['x-sluice-cache'];
  for (const host of hosts) {
    const fresh = await host.stream(two, '720p-mp4');
    assert.equal(fresh.headers['x-sluice-cache'], 'source');
    await until(async () => (await comes(host)) === 'files', 'a kept file', 20000);
    if (host === hosts[0]) assert.equal(await comes(hosts[1]), 'source');
    const kept = await host.stream(two, '720p-mp4');
    assert.equal(kept.headers['x-sluice-cache'], 'files');
    assert.equal(sha256(kept.body), sha256(fresh.body));
  }
});

test('a job queued at one host is begun by a second, which dies over it, and done by a third', async (t) => {
  const one = await startStack({ origin, env: { ...env, SLUICE_JOB_THREADS: '0' } });
  t.after(() => one.stop());
  const hosts = [];
  const startHost = () => {
    const settings = { ...env, SLUICE_DATA_DIR: path.join(dir, `host${hosts.length}`), SLUICE_JOB_LEASE_S: '2', PROXY_URL: origin.proxyUrl, SLUICE_UPSTREAM_CA_FILE: origin.caFile };
    const child = spawn(path.join(programs, 'sluice'), ['jobs', 'run'], { stdio: 'ignore', env: programEnv(dir, settings) });
    hosts.push({ child, ended: new Promise((resolve) => child.on('exit', resolve)) });
    return hosts.at(-1);
  };
  t.after(() => Promise.all(hosts.map(({ child, ended }) => child.kill('SIGTERM') && ended)));
  await origin.script({ match: { path: '/youtubei/*' }, times: Infinity, action: { type: 'delay', ms: 20000 } });
  const body = JSON.stringify({ kind: 'prepare', url: 'https://www.youtube.com/watch?v=sluiceKids1' });
  const job = (await one.get('/api/v1/jobs', { method: 'POST', headers: { 'content-type': 'application/json' }, body })).json();
  const inState = (state) =>
    until(async () => {
      const now = (await one.get(job.url)).json();
      return now.state === state && now;
    }, state);
  const { child, ended } = startHost();
  await inState('running');
  child.kill('SIGKILL');
  await ended;
  await origin.reset();
  startHost();
  const done = await inState('done');
  assert.equal(done.attempts, 2);
  assert.equal((await one.get(done.result.stream_url, { method: 'HEAD' })).status, 200, 'its link is good at every host');
});

test('a link made by one host is honoured by the other, which knows the description already', async (t) => {
  const [one, two] = await Promise.all([startStack({ origin, env }), startStack({ origin, env })]);
  t.after(() => Promise.all([one.stop(), two.stop()]));
  const fresh = 'https://www.youtube.com/watch?v=sluiceChap1'; // which nobody has asked for
  const made = (await one.info(fresh)).json();
  assert.equal(made.cached, false);
  assert.equal((await two.info(fresh)).json().cached, true);
  const choice = made.choices.find(({ id }) => id === '720p-mp4');
  const [a, b] = await Promise.all([one.get(choice.stream_url), two.get(choice.stream_url)]);
  assert.equal(a.status, 200);
  assert.equal(b.status, 200);
  assert.ok(a.complete && a.body.length > 1e6);
  assert.equal(sha256(a.body), sha256(b.body));
  assert.doesNotMatch(one.log() + two.log(), /p'w|p%27w/);
});

test('the database goes: said by /readyz, streams go on, new ones get 503; it comes back: all is well', async (t) => {
  const stack = await startStack({ origin, env });
  t.after(() => stack.stop());
  assert.equal((await stack.get('/readyz')).status, 200);
  await stack.info(link);
  await origin.script({
    match: { path: '/videoplayback' },
    times: Infinity,
    action: { type: 'drip', rate: origin.media['short-136.mp4'].size / 5 },
  });
  const download = stack.stream(link, 'format-136');
  await until(async () => (await stack.get('/health')).json().workers.active === 1, 'the download');
  await postgres('kill');
  const unready = await stack.get('/readyz');
  assert.equal(unready.status, 503);
  assert.equal(unready.json().checks.database, false);
  for (const answer of [await stack.info(link), await stack.stream(link, 'format-140')]) {
    assert.equal(answer.status, 503);
    assert.equal(answer.json().code, 'busy');
    assert.equal(answer.json().retryable, true);
    assert.ok(Number(answer.headers['retry-after']) > 0);
    assert.ok(answer.ms < 3000, `${answer.ms} ms`);
    assert.ok(!answer.text().includes(String(port)), 'what is wrong here is for the log');
  }
  assert.equal((await stack.get('/livez')).status, 200);
  const answer = await download;
  assert.equal(answer.complete, true);
  assert.equal(sha256(answer.body), sha256(readFileSync(origin.media['short-136.mp4'].path)));
  await origin.reset();
  await postgres('start');
  await until(async () => (await stack.get('/readyz')).status === 200, 'the database');
  assert.equal((await stack.info(link)).status, 200);
  assert.equal((await stack.stream(link, 'format-140')).status, 200);
  assert.match(stack.log(), /cannot be reached/);
  assert.doesNotMatch(stack.log(), /p'w|p%27w/);
});

test('a database that comes later than the programs is found', async (t) => {
  await postgres('kill');
  const stack = await startStack({ origin, env });
  t.after(() => stack.stop());
  assert.equal((await stack.get('/readyz')).status, 503);
  assert.match(stack.log(), /database-unreachable/);
  await postgres('start');
  await until(async () => (await stack.get('/readyz')).status === 200, 'the database');
  assert.equal((await stack.info(link)).status, 200);
});
