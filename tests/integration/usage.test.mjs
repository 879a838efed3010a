// Usage and metrics: what was asked for is counted once, also over kills, and nothing that is written tells of people.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';

import { forkOrigin } from '../origin/origin.mjs';
import { assertProblem, programEnv, programs, run, scratchDir, startStack, until } from './harness.mjs';

const link = 'https://www.youtube.com/watch?v=sluiceDemo1';
const file = 'https://media.example/clip.mp4';
let origin;

before(async () => (origin = await forkOrigin()));
beforeEach(() => origin.reset());
after(() => origin.stop());

async function sluice(stack, ...args) {
  const done = await run(path.join(programs, 'sluice'), args, { env: programEnv(stack.scratch, { SLUICE_DATA_DIR: stack.dataDir }) });
  assert.equal(done.exit, 0, done.stderr);
  return done.stdout.toString();
}

const json = async (stack, ...args) => JSON.parse(await sluice(stack, ...args, '--json'));
const bearer = ({ key }) => ({ headers: { authorization: `Bearer ${key}` } });
const sum = (rows, what) => rows.reduce((all, row) => all + row[what], 0);

// Samples by name with labels; fails on a line that the format does not have.
function parse(text) {
  const samples = new Map();
  const types = new Map();
  for (const line of text.trimEnd().split('\n')) {
    const comment = /^# (HELP|TYPE) (\w+) (.+)$/.exec(line);
    if (comment) {
      if (comment[1] === 'TYPE') types.set(comment[2], comment[3]);
      continue;
    }
    const sample = /^(sluice_\w+)((?:\{(?:\w+="[^"\\\n]*",?)*\})?) (\d+(?:\.\d+)?)$/.exec(line);
    assert.ok(sample, line);
    assert.ok(types.has(sample[1].replace(/_(bucket|count|sum)$/, '')) || types.has(sample[1]), `${line} has a type`);
    assert.ok(!samples.has(sample[1] + sample[2]), `${line} comes once`);
    samples.set(sample[1] + sample[2], Number(sample[3]));
  }
  return samples;
}

test('usage: by hour, day, key, route, site, choice and error', async (t) => {
  const stack = await startStack({ origin });
  t.after(() => stack.stop());
  const mine = await json(stack, 'key', 'create', '--label', 'mine', '--limit', '8');
  const other = await json(stack, 'key', 'create', '--label', 'other');
  const answer = await stack.info(link, bearer(mine));
  const { stream_url: audio } = answer.json().choices.find((c) => c.id === 'format-140');
  assert.equal((await stack.info(link, bearer(mine))).json().cached, true);
  const whole = await stack.get(audio);
  assert.equal(whole.status, 200);
  const part = await stack.stream(link, '720p-mp4', { headers: { ...bearer(mine).headers, range: 'bytes=0-99999' } });
  assert.equal(part.body.length, 100000);
  assertProblem(await stack.stream(link, '99p-mp4', bearer(mine)), 404, 'no_such_choice');
  assert.equal((await stack.info(file, bearer(other))).status, 200);
  assert.equal((await stack.info(link)).status, 200);
  await stack.get('/health');
  const ofKey = () => json(stack, 'usage', '--by', 'route', '--key', mine.id);
  await until(async () => sum(await ofKey(), 'requests') === 5, 'all to be written');
  const rows = Object.fromEntries((await ofKey()).map((row) => [row.route, row]));
  assert.deepEqual([rows['/api/v1/info'].requests, rows['/api/v1/info'].cached, rows['/api/v1/info'].errors], [2, 1, 0]);
  const streams = rows['/api/v1/stream'];
  assert.deepEqual([streams.requests, streams.errors], [3, 1]);
  assert.ok(streams.bytes >= whole.body.length + 100000 && streams.bytes < whole.body.length + 102000, `${streams.bytes} bytes`);
  for (const row of Object.values(rows)) assert.equal(sum(row.ttfb_ms, 'count'), row.requests);
  const by = async (what, ...more) =>
    Object.fromEntries((await json(stack, 'usage', '--by', what, ...more)).map((row) => [row[what], row.requests]));
  await until(async () => sum(Object.values(await by('key')).map((n) => ({ n })), 'n') === 7, 'the others');
  assert.deepEqual(await by('key'), { '': 1, [mine.id]: 5, [other.id]: 1 });
  assert.deepEqual(await by('site'), { youtube: 6, direct: 1 });
  assert.deepEqual(await by('error', '--key', mine.id), { ok: 4, no_such_choice: 1 });
  assert.deepEqual(await by('choice', '--key', mine.id), { '': 3, '720p-mp4': 1, format: 1 });
  assert.deepEqual(Object.keys(await by('key', '--limit', '1')), [mine.id], 'most first');
  assert.equal(Object.keys(await by('key', '--limit', '5', '--offset', '2')).length, 1);
  const hours = await json(stack, 'usage', '--by', 'hour');
  const days = await json(stack, 'usage');
  assert.deepEqual([sum(hours, 'requests'), sum(days, 'requests')], [7, 7]);
  for (const { start } of hours) assert.match(start, /:00:00Z$/);
  assert.match(await sluice(stack, 'usage', '--by', 'route'), /^route .*\n\/api\/v1\/(info|stream) +\d/);
  const { use } = (await stack.get('/api/v1/usage', bearer(mine))).json();
  assert.ok(use.hours.length <= 2 && use.days.length <= 2);
  assert.deepEqual([sum(use.hours, 'requests'), sum(use.days, 'requests'), sum(use.days, 'errors')], [5, 5, 1]);
  assert.equal((await stack.get('/api/v1/usage')).json().use, null, 'nothing is kept of who has no key');
});

test('usage is kept for so long, outlives restarts and a locked database, and a kill loses seconds', async (t) => {
  const dataDir = scratchDir();
  const kept = { origin, dataDir, env: { SLUICE_USAGE_DAYS: '100', SLUICE_USAGE_HOURS_DAYS: '2' } };
  const stacks = [await startStack(kept)];
  const [stack] = stacks;
  t.after(async () => {
    await Promise.all(stacks.map((each) => each.stop()));
    rmSync(dataDir, { recursive: true, force: true });
  });
  const total = async () => sum(await json(stack, 'usage', '--days', '10000'), 'requests');
  await stack.info(link);
  await until(async () => (await total()) === 1, 'it to be written');
  const [{ pid }] = stack.processes('info.fcgi');
  process.kill(pid, 'SIGKILL');
  await until(async () => stack.processes('info.fcgi').some((p) => p.pid !== pid) && (await stack.info(link)).status === 200, 'another one');
  const lock = spawn('sqlite3', [path.join(dataDir, 'sluice.db')], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => lock.on('exit', resolve));
  const locked = new Promise((resolve) => lock.stdout.once('data', resolve));
  lock.stdin.write("BEGIN IMMEDIATE;\nSELECT 'locked';\n");
  await locked;
  assert.equal((await stack.info(link)).status, 200);
  await until(() => stack.log().includes('usage-not-written'), 'the log to say so');
  lock.stdin.end('ROLLBACK;\n.quit\n');
  await ended;
  await until(async () => (await total()) >= 3, 'what was counted meanwhile');
  const days = 86400;
  const now = Math.floor(Date.now() / 1000);
  const row = (start) => `(${start}, '', '/api/v1/info', '', '', 'ok', 5, ${'0, '.repeat(9)} 0)`;
  for (const table of ['hour', 'day'])
    await stack.sql(`INSERT INTO usage_${table} VALUES ${row(now - 3 * days)}, ${row(now - 99 * days)}, ${row(now - 101 * days)}`);
  await stack.stop();
  const next = await startStack(kept);
  stacks.push(next);
  const counts = () => next.sql('SELECT count(*) FROM usage_hour WHERE requests = 5 UNION ALL SELECT count(*) FROM usage_day WHERE requests = 5');
  await until(async () => (await counts()) === '0\n2\n', 'the old to be forgotten');
});

test('/metrics: of all programs of the host, also over kills', async (t) => {
  const stack = await startStack({ origin });
  t.after(() => stack.stop());
  const metrics = async () => {
    const answer = await stack.get('/metrics');
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
    return parse(answer.text());
  };
  const infos = 'sluice_http_requests_total{route="/api/v1/info",code="ok"}';
  assert.equal((await metrics()).get(infos), undefined);
  for (let i = 0; i < 3; i++) await stack.info(link);
  await stack.info('https://www.youtube.com/');
  const whole = await stack.stream(link, 'format-140');
  await until(async () => (await metrics()).get('sluice_stream_bytes_total') === whole.body.length, 'the bytes');
  for (const name of ['info.fcgi', 'stream.fcgi']) {
    const pids = stack.processes(name).map((p) => p.pid);
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await until(() => stack.processes(name).some((p) => !pids.includes(p.pid)), `another ${name}`);
  }
  await until(async () => (await stack.info(link)).status === 200, 'an answer');
  await until(async () => (await metrics()).get(infos) === 4, 'four answers');
  const m = await metrics();
  assert.equal(m.get('sluice_http_requests_total{route="/api/v1/info",code="unsupported_site"}'), 1);
  assert.equal(m.get('sluice_http_requests_total{route="/api/v1/stream",code="ok"}'), 1);
  assert.equal(m.get('sluice_stream_bytes_total'), whole.body.length);
  assert.ok(m.get('sluice_cache_hits_total{route="/api/v1/info"}') >= 3);
  assert.equal(m.get('sluice_build_info{version="0.1.0"}'), 1);
  assert.equal(m.get('sluice_streams_active'), 0);
  assert.equal(m.get('sluice_workers{state="max"}'), 128);
  assert.equal(m.get('sluice_database_up'), 1);
  assert.equal(m.get('sluice_upstream_errors_total{reason="upstream_failed"}'), 0);
  for (const histogram of ['sluice_request_duration_seconds', 'sluice_time_to_first_byte_seconds']) {
    const of = [...m].filter(([name]) => name.startsWith(`${histogram}_bucket{route="/api/v1/info"`));
    assert.ok(of.length > 5);
    for (let i = 1; i < of.length; i++) assert.ok(of[i][1] >= of[i - 1][1], 'buckets add up');
    assert.equal(of.at(-1)[1], m.get(`${histogram}_count{route="/api/v1/info"}`));
    assert.ok(m.get(`${histogram}_sum{route="/api/v1/info"}`) > 0);
  }
  // Memory: of all that run, not of who answers.
  const answering = () => ['info.fcgi', 'stream.fcgi', 'admin.fcgi'].flatMap((name) => stack.processes(name));
  const running = answering().length;
  await until(async () => (await metrics()).get('sluice_processes') === running, `${running} processes`);
  const health = (await stack.get('/health')).json();
  assert.equal(health.processes, running);
  const rss = (p) => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${p.pid}/status`, 'utf8'))[1]) * 1024;
  const all = answering().map(rss).reduce((a, b) => a + b);
  assert.ok(health.memory.rss > 0.5 * all && health.memory.rss < 2 * all, `${health.memory.rss} of ${all}`);
});

test('/metrics is for this machine and for whoever has the token', async (t) => {
  const token = 'let-me-see';
  const stack = await startStack({ origin, env: { SLUICE_METRICS_TOKEN: token, SLUICE_TRUSTED_PROXIES: '127.0.0.1' } });
  const plain = await startStack({ origin });
  t.after(() => Promise.all([stack.stop(), plain.stop()]));
  const far = { 'x-forwarded-for': '203.0.113.9' };
  const cases = [
    [stack, {}, 200],
    [stack, { 'x-forwarded-for': '127.0.0.1' }, 200],
    [stack, far, 401, 'auth_required'],
    [stack, { ...far, authorization: `Bearer ${token}` }, 200],
    [stack, { ...far, authorization: `bearer ${token}` }, 200],
    [stack, { ...far, authorization: `Bearer ${token}x` }, 401, 'bad_key'],
    [stack, { ...far, authorization: `Bearer ${token.slice(1)}` }, 401, 'bad_key'],
    [stack, { ...far, authorization: 'Bearer ' }, 401, 'auth_required'],
    [plain, {}, 200],
    [plain, far, 401, 'auth_required'], // a proxy that nobody trusts: the client may be anybody
    [plain, { 'x-forwarded-for': '127.0.0.1' }, 401, 'auth_required'],
    [plain, { ...far, authorization: 'Bearer x' }, 401, 'bad_key'],
  ];
  for (const [where, headers, status, code] of cases) {
    const answer = await where.get('/metrics', { headers });
    if (code) assertProblem(answer, status, code);
    assert.equal(answer.status, status, JSON.stringify(headers));
  }
});

// Every file, also those of the web server and the sockets' folder.
function filesIn(dir) {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const inside = path.join(dir, entry.name);
    return entry.isDirectory() ? filesIn(inside) : entry.isFile() ? [inside] : [];
  });
}

test('no file and no line of the log tells of a client or of what it asked for', async (t) => {
  const env = { SLUICE_RATE_ANONYMOUS: '600', SLUICE_BYTES_ANONYMOUS: '1000000000', SLUICE_MAX_STREAMS_PER_CLIENT: '9', SLUICE_TRUSTED_PROXIES: '127.0.0.1' };
  const stack = await startStack({ origin, env });
  t.after(() => stack.stop());
  const mine = await json(stack, 'key', 'create', '--label', 'mine');
  const addresses = ['203.0.113.77', '2001:db8:77:99:aaaa:bbbb:cccc:dddd'];
  for (const address of addresses) {
    const from = { headers: { 'x-forwarded-for': address } };
    const { choices, thumbnail_url: picture } = (await stack.info(link, from)).json();
    await stack.info(file, { headers: { ...from.headers, ...bearer(mine).headers } });
    await stack.info('https://www.youtube.com/watch?v=sluiceNone1', from);
    await stack.get(choices[0].stream_url, { ...from, keep: 1000 });
    await stack.get(picture, from);
    await stack.stream(link, 'audio-mp3-128', from);
    await stack.get(`/api/v1/page?${new URLSearchParams({ url: link })}`, from);
    await stack.get('/api/v1/usage', from);
    await stack.get('/metrics', from);
    await stack.get('/nowhere', from);
  }
  await until(async () => sum(await json(stack, 'usage'), 'requests') >= 16, 'usage to be written');
  // As text in full and by network, as bytes as the system has them, and what a hash without a key would be.
  const raw = Buffer.from([0x20, 0x01, 0x0d, 0xb8, 0x00, 0x77, 0x00, 0x99]);
  const traces = [...addresses, '2001:db8:77:99', '2001:0db8:0077:0099', raw, Buffer.from([203, 0, 113, 77])];
  const files = [...filesIn(stack.dataDir), ...filesIn(stack.scratch)];
  assert.ok(files.some((name) => name.endsWith('sluice.db')) && files.some((name) => name.endsWith('/tally')) && files.some((name) => name.endsWith('/live')));
  for (const name of files) {
    const content = readFileSync(name);
    for (const trace of traces) assert.ok(!content.includes(trace), `${name} holds ${trace.toString('hex')}`);
  }
  for (const trace of [...addresses, '2001:db8:77:99', 'sluiceDemo1', 'sluiceNone1', 'clip.mp4']) assert.ok(!stack.log().includes(trace), trace);
  assert.ok(!(await stack.sql('SELECT * FROM usage_hour')).match(/sluice|clip|http/i));
});
