// Admission: as many streams at once as the operator allows, a bounded line behind them, a clear refusal for the
// rest; and nobody who does not read, or whose source does not answer, keeps a place for ever.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { forkOrigin } from '../origin/origin.mjs';
import { assertProblem, programEnv, programs, run, startStack, until } from './harness.mjs';

const link = 'https://www.youtube.com/watch?v=sluiceBig01';
let origin;

before(async () => (origin = await forkOrigin()));
beforeEach(() => origin.reset());
after(() => origin.stop());

const drip = () =>
  origin.script({ match: { path: '/videoplayback' }, times: Infinity, action: { type: 'drip', rate: 200000 } });
const workers = async (stack) => (await stack.get('/health')).json().workers;
const stream = (stack, options) => stack.stream(link, 'format-137', options);

test('a limit of two admits two, lets one wait, and refuses the others at once', async (t) => {
  const stack = await startStack({
    origin,
    env: { SLUICE_MAX_ACTIVE: '2', SLUICE_MAX_CONNECTIONS: '3', SLUICE_QUEUE_WAIT_S: '20' },
  });
  t.after(() => stack.stop());
  await stack.info(link);
  await drip();
  const [first, second] = [stream(stack, { keep: 600000 }), stream(stack)];
  await until(async () => (await workers(stack)).active === 2, 'two streams');
  const third = stream(stack, { keep: 1000 });
  await until(async () => (await workers(stack)).waiting === 1, 'one that waits');
  assert.deepEqual(await workers(stack), { max: 2, active: 2, waiting: 1 });
  for (const refused of await Promise.all([4, 5, 6, 7, 8].map(() => stream(stack)))) {
    const problem = assertProblem(refused, 503, 'busy');
    assert.equal(problem.retryable, true);
    assert.equal(refused.headers['retry-after'], String(problem.retry_after_s));
    assert.equal(problem.queue_position, 2, 'one waits before it');
    assert.ok(problem.retry_after_s >= 1 && problem.retry_after_s <= 300);
    assert.ok(refused.ms < 2000, `refused after ${refused.ms} ms`);
  }
  assert.equal((await stream(stack, { method: 'HEAD' })).status, 200, 'what has no body takes no place');
  await first; // leaves before queue_wait_s is over: its place goes to the one that waited
  assert.equal((await third).status, 200);
  await stack.stop();
  assert.equal((await second).complete, false);
});

test('one that waits in vain is told so', async (t) => {
  const stack = await startStack({
    origin,
    env: { SLUICE_MAX_ACTIVE: '1', SLUICE_MAX_CONNECTIONS: '2', SLUICE_QUEUE_WAIT_S: '1' },
  });
  t.after(() => stack.stop());
  await drip();
  const running = stream(stack);
  await until(async () => (await workers(stack)).active === 1, 'a stream');
  const refused = await stream(stack);
  assert.equal(assertProblem(refused, 503, 'busy').queue_position, 1);
  assert.ok(refused.ms >= 900 && refused.ms < 4000, `refused after ${refused.ms} ms`);
  await stack.stop();
  await running;
});

test('a client that stops reading loses its place after client_timeout_s', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_CLIENT_TIMEOUT_S: '1' } });
  t.after(() => stack.stop());
  const asleep = stream(stack, { pauseMs: 600000, timeoutMs: 6000 });
  await until(async () => (await workers(stack)).active === 1, 'a stream');
  await sleep(500);
  await until(async () => (await workers(stack)).active === 0, 'the place to be free', 8000);
  await stack.stop();
  assert.equal((await asleep).complete, false);
});

// `sluice streams`, as an operator calls it on that machine.
const sluiceStreams = (stack, ...args) =>
  run(path.join(programs, 'sluice'), ['streams', ...args], {
    env: programEnv(stack.scratch, { SLUICE_DATA_DIR: stack.dataDir }),
  });
const listed = async (stack) => JSON.parse((await sluiceStreams(stack, '--json')).stdout);

test('what streams on the host is listed, counted and stopped', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_MAX_ACTIVE: '1', SLUICE_QUEUE_WAIT_S: '60' } });
  t.after(() => stack.stop());
  await stack.info(link);
  assert.deepEqual(await listed(stack), []);
  await drip();
  const first = stream(stack);
  await until(async () => (await listed(stack))[0]?.state === 'streaming', 'a stream');
  const second = stack.stream(link, 'format-140', { keep: 1000 });
  await until(async () => (await listed(stack)).length === 2, 'one that waits');
  const [running] = await until(async () => {
    const all = (await listed(stack)).sort((a, b) => a.state.localeCompare(b.state));
    return all[0].sent_bytes > 100000 && all[0].bytes_per_s > 10000 && all;
  }, 'progress');
  const all = await listed(stack);
  assert.deepEqual(all.map((one) => [one.site, one.choice, one.state]).sort(), [
    ['youtube', 'format-137', 'streaming'],
    ['youtube', 'format-140', 'waiting'],
  ]);
  assert.equal(all[0].title_hash, all[1].title_hash);
  assert.ok(running.total_bytes > running.sent_bytes);
  assert.doesNotMatch(JSON.stringify(all), /127\.0\.0\.1|http|sluiceBig01/, 'no address, no link');
  assert.deepEqual((await stack.get('/health')).json().streams, { streaming: 1, making: 0, waiting: 1 });
  const table = (await sluiceStreams(stack)).stdout.toString();
  assert.match(table, new RegExp(`${running.request} +streaming +youtube +format-137 `));

  const none = await sluiceStreams(stack, 'stop', '0000000000000000');
  assert.deepEqual([none.exit, none.stderr], [3, 'sluice: no stream of that request\n']);
  assert.equal((await sluiceStreams(stack, 'stop', running.request)).exit, 0);
  const cut = await first;
  assert.equal(cut.complete, false);
  assert.match(stack.log(), /stopped by an operator/);
  assert.equal((await second).status, 200, 'its place goes to the one that waited');
  await until(async () => (await listed(stack)).length === 0, 'an empty list');
  assert.equal((await sluiceStreams(stack, 'halt')).exit, 2);
});

test('one that waits can be stopped as well: it is told so when its turn comes', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_MAX_ACTIVE: '1', SLUICE_QUEUE_WAIT_S: '60' } });
  t.after(() => stack.stop());
  await drip();
  const first = stream(stack);
  await until(async () => (await listed(stack))[0]?.state === 'streaming', 'a stream');
  const second = stream(stack);
  const waiting = await until(async () => (await listed(stack)).find((one) => one.state === 'waiting'), 'one that waits');
  for (const request of [waiting.request, (await listed(stack)).find((one) => one.state === 'streaming').request])
    assert.equal((await sluiceStreams(stack, 'stop', request)).exit, 0);
  assertProblem(await second, 503, 'busy');
  assert.equal((await first).complete, false);
});

test('what a killed process streamed is not listed any more', async (t) => {
  const stack = await startStack({ origin });
  t.after(() => stack.stop());
  await drip();
  const answers = [1, 2, 3].map(() => stream(stack));
  await until(async () => (await listed(stack)).filter((one) => one.state === 'streaming').length === 3, 'three streams');
  process.kill(stack.processes('stream.fcgi')[0].pid, 'SIGKILL');
  await until(async () => (await listed(stack)).length === 0, 'an empty list', 1000);
  // One of which nothing had reached the web server is an error of that.
  for (const answer of await Promise.all(answers)) assert.ok(!answer.complete || answer.status >= 500);
  await until(async () => (await stack.get('/api/v1/stream')).status === 400, 'the new process');
});

test('a client has at most max_streams_per_client at once; another one is not concerned', async (t) => {
  const env = { SLUICE_MAX_STREAMS_PER_CLIENT: '2', SLUICE_MAX_ACTIVE: '3', SLUICE_RATE_ANONYMOUS: '0', SLUICE_TRUSTED_PROXIES: '127.0.0.1' };
  const stack = await startStack({ origin, env });
  t.after(() => stack.stop());
  await stack.info(link);
  await drip();
  const from = (address, options) => stream(stack, { headers: { 'X-Forwarded-For': address }, ...options });
  const answers = [1, 2, 3, 4, 5, 6].map((i) => from(`2001:db8:0:1::${i}`));
  const refused = [];
  for (const answer of answers) answer.then((done) => done.status === 429 && refused.push(done));
  await until(() => refused.length === 4, 'four refusals');
  const problem = assertProblem(refused[0], 429, 'quota_exceeded');
  assert.equal(problem.retryable, true);
  assert.equal(refused[0].headers['retry-after'], String(problem.retry_after_s));
  assert.equal((await listed(stack)).length, 2, 'exactly two');
  assert.equal((await from('2001:db8:0:2::1', { keep: 1000 })).status, 200, 'another network');
  assert.equal((await from('2001:db8:0:1::9', { method: 'HEAD' })).status, 200, 'what has no body does not count');
  for (const { request } of await listed(stack)) await sluiceStreams(stack, 'stop', request);
  await until(async () => (await listed(stack)).length === 0, 'an empty list');
  assert.equal((await from('2001:db8:0:1::9', { keep: 1000 })).status, 200);
  await Promise.all(answers);
});

test('with a key it is the key that counts, wherever it is used; the list names it', async (t) => {
  const env = { SLUICE_MAX_STREAMS_PER_CLIENT: '1', SLUICE_TRUSTED_PROXIES: '127.0.0.1' };
  const stack = await startStack({ origin, env });
  t.after(() => stack.stop());
  const created = await run(path.join(programs, 'sluice'), ['key', 'create', '--label', 'one', '--limit', '100', '--json'], {
    env: programEnv(stack.scratch, { SLUICE_DATA_DIR: stack.dataDir }),
  });
  const { id, key } = JSON.parse(created.stdout);
  await drip();
  const from = (address, headers, options) => stream(stack, { headers: { 'X-Forwarded-For': address, ...headers }, ...options });
  const first = from('192.0.2.1', { 'X-API-Key': key });
  await until(async () => (await listed(stack))[0]?.state === 'streaming', 'a stream');
  assert.equal((await listed(stack))[0].key, id);
  assertProblem(await from('192.0.2.2', { 'X-API-Key': key }), 429, 'quota_exceeded');
  assert.equal((await from('192.0.2.1', {}, { keep: 1000 })).status, 200, 'the same address without the key');
  assert.doesNotMatch(JSON.stringify(await listed(stack)), new RegExp(key), 'no secret');
  const [{ request }] = (await listed(stack)).filter((one) => one.key);
  assert.equal((await sluiceStreams(stack, 'stop', request)).exit, 0);
  assert.equal((await first).complete, false);
});

test('a locked database costs memory, not service', async (t) => {
  const stack = await startStack({ origin });
  t.after(() => stack.stop());
  const { stream_url: known } = (await stack.info(link)).json().choices.find((choice) => choice.id === 'format-140');
  const lock = spawn('sqlite3', [path.join(stack.dataDir, 'sluice.db')], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => lock.on('exit', resolve));
  const locked = new Promise((resolve) => lock.stdout.once('data', resolve));
  lock.stdin.write("BEGIN IMMEDIATE;\nSELECT 'locked';\n");
  await locked;
  try {
    const health = await stack.get('/health');
    assert.ok(health.ms < 2000, `health took ${health.ms} ms`);
    assert.deepEqual([health.status, health.json().status, health.json().workers.max], [200, 'degraded', 128]);
    assert.equal((await stack.get('/readyz')).json().checks.database, false);
    assert.equal((await stack.get(known)).status, 200);
    const other = await stack.info('https://www.youtube.com/watch?v=sluiceDemo1');
    assert.equal(other.status, 200, other.text());
    assert.ok(other.ms < 8000, `info took ${other.ms} ms`);
  } finally {
    lock.stdin.end('ROLLBACK;\n.quit\n');
    await ended;
  }
  assert.equal((await stack.get('/readyz')).status, 200);
});

test('sources that do not answer hold up nobody but those who ask for them', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_INFO_THREADS: '4', SLUICE_UPSTREAM_TIMEOUT_MS: '6000' } });
  t.after(() => stack.stop());
  await stack.info(link);
  await origin.script({ match: { host: 'cdn.example' }, times: Infinity, action: { type: 'stall', after: -1 } });
  const slow = Array.from({ length: 60 }, (_, i) => stack.info(`https://cdn.example/${i}.mp4`));
  await until(async () => (await origin.requests()).filter((entry) => entry.host === 'cdn.example').length >= 4, 'the stalls');
  for (const target of ['/livez', '/readyz', '/health']) {
    const answer = await stack.get(target, { timeoutMs: 2000 });
    assert.equal(answer.status, 200, target);
  }
  assert.equal((await stack.info(link, { timeoutMs: 2000 })).status, 200, 'what is remembered');
  const answers = await Promise.all(slow);
  const busy = answers.filter((answer) => answer.status === 503);
  assert.ok(busy.length >= 40, `${busy.length} were refused`);
  assert.ok(assertProblem(busy[0], 503, 'busy').retry_after_s > 0);
  const failed = answers.find((answer) => answer.status !== 503);
  assertProblem(failed, 502, 'upstream_failed');
  assert.ok(failed.ms < 9000, `upstream_timeout_ms counts for plain links too: ${failed.ms} ms`);
});

test('plans that take long leave room for those who want something else', async (t) => {
  // Of eight threads four may plan and two wait for that.
  const stack = await startStack({ origin, env: { SLUICE_MAX_CONNECTIONS: '8', SLUICE_PREPARE: '0' } });
  t.after(() => stack.stop());
  const ask = (fields) =>
    stack.get(`/api/v1/stream?${new URLSearchParams({ url: link, metadata: '0', ...fields })}`, { method: 'HEAD' });
  const plan = (start) => ask({ choice: '1080p-mp4', start });
  const heads = async () => (await origin.requests()).filter((entry) => entry.path === '/videoplayback').length;
  assert.equal((await plan(1)).status, 200);
  await origin.reset();
  await origin.script({ match: { path: '/videoplayback' }, times: Infinity, action: { type: 'delay', ms: 2500 } });
  const slow = [2, 3, 4, 5, 6, 7].map(plan);
  await until(async () => (await heads()) === 8, 'four plans');
  await sleep(300);
  assert.equal(await heads(), 8, 'and no more');
  const refused = await plan(8);
  assert.equal(refused.status, 503);
  assert.ok(refused.ms < 1000, `refused after ${refused.ms} ms`);
  assert.ok(Number(refused.headers['retry-after']) > 0);
  for (const answer of [await plan(1), await ask({ choice: 'format-140' })]) {
    assert.equal(answer.status, 200);
    assert.ok(answer.ms < 1000, `answered after ${answer.ms} ms`);
  }
  await origin.reset();
  for (const answer of await Promise.all(slow)) assert.equal(answer.status, 200, 'it had its turn');
  await until(async () => (await plan(8)).status === 200, 'another try', 15000);
});
