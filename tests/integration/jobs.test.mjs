// Jobs: queued by the API, run by stream.fcgi or `sluice jobs run`, watched by polling and by events.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import http from 'node:http';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { forkOrigin } from '../origin/origin.mjs';
import { assertProblem, programEnv, programs, request, run, startStack, until } from './harness.mjs';

const link = 'https://www.youtube.com/watch?v=sluiceDemo1';
const big = 'https://www.youtube.com/watch?v=sluiceBig01';
let origin;

before(async () => (origin = await forkOrigin()));
beforeEach(() => origin.reset());
after(() => origin.stop());

const stackEnv = (stack, env = {}) => programEnv(stack.scratch, { SLUICE_DATA_DIR: stack.dataDir, PROXY_URL: stack.origin.proxyUrl, SLUICE_UPSTREAM_CA_FILE: stack.origin.caFile, ...env });
async function cli(stack, ...args) {
  const done = await run(path.join(programs, 'sluice'), args, { env: stackEnv(stack) });
  return { ...done, json: () => JSON.parse(done.stdout) };
}
const key = async (stack, label) => (await cli(stack, 'key', 'create', '--label', label, '--json')).json();

const json = { 'content-type': 'application/json' };
const as = (who) => (who ? { authorization: `Bearer ${who.key}` } : {});
const post = (stack, fields, who) =>
  stack.get('/api/v1/jobs', { method: 'POST', headers: { ...json, ...as(who) }, body: JSON.stringify(fields) });
const prepare = async (stack, url, choice, who) => {
  const answer = await post(stack, { kind: 'prepare', url, choice }, who);
  assert.equal(answer.status, 202, answer.text());
  assert.equal(answer.headers.location, answer.json().url);
  return answer.json();
};
const look = async (stack, job, who) => {
  const answer = await stack.get(job.url, { headers: as(who) });
  assert.equal(answer.status, 200, answer.text());
  return answer.json();
};
const inState = (stack, job, state, { who, ms } = {}) =>
  until(
    async () => {
      const now = await look(stack, job, who);
      if (now.state !== state) throw new Error(JSON.stringify(now));
      return now;
    },
    `state ${state}`,
    ms,
  );
const drop = (stack, job, who) => stack.get(job.url, { method: 'DELETE', headers: as(who) });

// Opens a stream of events; `events` fills up, `ended` resolves when the server has ended it.
function listen(stack, target, headers = {}) {
  const url = new URL(stack.base);
  const events = [];
  const listener = { events };
  let text = '';
  listener.opened = new Promise((resolve, reject) => {
    listener.req = http.get({ host: url.hostname, port: url.port, path: target, headers, agent: false }, (res) => {
      listener.res = res;
      resolve(res);
      listener.ended = new Promise((done) => res.on('close', () => done(res.complete)));
      res.setEncoding('utf8').on('data', (part) => {
        text += part;
        for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
          const fields = Object.fromEntries(text.slice(0, end).split('\n').map((line) => line.split(/: ?(.*)/s).slice(0, 2)));
          if (fields.data) events.push({ ...fields, job: JSON.parse(fields.data) });
        }
      });
      res.on('error', () => {});
    });
    listener.req.setTimeout(20000, () => listener.req.destroy(new Error('no answer')));
    listener.req.on('error', reject);
  });
  return listener;
}

test('a file is prepared: polled, and then it begins at once', async (t) => {
  const stack = await startStack({ origin });
  t.after(() => stack.stop());
  const mine = await key(stack, 'mine');
  const job = await prepare(stack, link, '1080p-mp4', mine);
  assert.match(job.id, /^[0-9a-f]{32}$/);
  assert.deepEqual([job.kind, job.input, job.result, job.error], ['prepare', { url: link, choice: '1080p-mp4' }, null, null]);
  const done = await inState(stack, job, 'done', { who: mine });
  assert.deepEqual([done.attempts, done.result.choice, done.result.size_exact, done.result.resumable], [1, '1080p-mp4', true, true]);
  await origin.reset();
  const head = await stack.get(done.result.stream_url, { method: 'HEAD' });
  assert.equal(Number(head.headers['content-length']), done.result.size_bytes);
  assert.equal(head.headers['x-sluice-choice'], '1080p-mp4');
  assert.match(head.headers['ratelimit-policy'], /^"key"/, 'the link counts against the key');
  assert.deepEqual(await origin.requests(), [], 'all of it was known');
  // best, and one that is made while it is sent.
  const best = await inState(stack, await prepare(stack, link), 'done');
  assert.ok(best.result.size_exact && best.result.stream_url);
  const opus = await inState(stack, await prepare(stack, link, 'audio-opus'), 'done');
  assert.equal(opus.result.size_exact, false);
  assert.equal((await stack.get(opus.result.stream_url, { method: 'HEAD' })).status, 200);
});

test('what cannot be a job', async (t) => {
  const stack = await startStack({ origin });
  t.after(() => stack.stop());
  const cases = [
    [{}, 400, 'bad_request'],
    [{ kind: 'conjure', url: link }, 400, 'bad_request'],
    [{ kind: 'prepare' }, 400, 'bad_url'],
    [{ kind: 'prepare', url: 'nonsense' }, 400, 'bad_url'],
    [{ kind: 'prepare', url: link, choice: 'x'.repeat(100) }, 404, 'no_such_choice'],
    [{ kind: 'prepare', url: link, choice: 'subtitle-en' }, 404, 'no_such_choice'],
    [{ kind: 'prepare', url: { nested: link } }, 400, 'bad_request'],
    [{ kind: 'prepare', url: link, more: 'x'.repeat(70000) }, 400, 'bad_request'],
  ];
  for (const [fields, status, code] of cases) assertProblem(await post(stack, fields), status, code);
  const broken = await stack.get('/api/v1/jobs', { method: 'POST', headers: json, body: '{"kind":' });
  assertProblem(broken, 400, 'bad_request');
  for (const target of ['', 'x', 'f'.repeat(32), `${'f'.repeat(32)}/events`, `${'f'.repeat(32)}/x`])
    assertProblem(await stack.get(`/api/v1/jobs/${target}`), 404, 'not_found');
  assertProblem(await stack.get('/api/v1/jobs', { method: 'DELETE' }), 405, 'bad_method');
  for (const query of ['state=odd', 'limit=0', 'limit=101', 'after=x', 'after=1'])
    assertProblem(await stack.get(`/api/v1/jobs?${query}`), 400, 'bad_request');
  assert.deepEqual((await stack.get('/api/v1/jobs')).json(), { jobs: [], next: null }, 'none of them was queued');
  const form = await stack.get('/api/v1/jobs', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ kind: 'prepare', url: link }).toString(),
  });
  assert.equal(form.status, 202, form.text());
});

test('only its owner sees a job', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_JOB_THREADS: '0' } });
  t.after(() => stack.stop());
  const [ada, bob] = [await key(stack, 'ada'), await key(stack, 'bob')];
  const hers = await prepare(stack, link, undefined, ada);
  const anybodys = await prepare(stack, link);
  const rows = [
    [hers, ada, 200],
    [hers, bob, 404],
    [hers, undefined, 404],
    [anybodys, undefined, 200],
    [anybodys, ada, 404],
  ];
  for (const [job, who, status] of rows) {
    assert.equal((await stack.get(job.url, { headers: as(who) })).status, status);
    if (status === 404) {
      assertProblem(await drop(stack, job, who), 404, 'not_found');
      assertProblem(await stack.get(job.events_url, { headers: as(who) }), 404, 'not_found');
    }
  }
  assert.equal((await look(stack, hers, ada)).state, 'queued');
  const ids = async (who) => (await stack.get('/api/v1/jobs', { headers: as(who) })).json().jobs.map((job) => job.id);
  assert.deepEqual([await ids(ada), await ids(bob), await ids()], [[hers.id], [], [anybodys.id]]);
  await cli(stack, 'key', 'disable', ada.id);
  assertProblem(await stack.get(hers.url, { headers: as(ada) }), 403, 'key_disabled');
  // Nor is it done for a key that is not active any more.
  assert.equal((await cli(stack, 'jobs', 'run', '--once')).exit, 0);
  const shown = (await cli(stack, 'jobs', 'show', hers.id, '--json')).json();
  assert.deepEqual([shown.state, shown.error.code, shown.owner], ['failed', 'key_disabled', `k:${ada.id}`]);
  assert.equal((await look(stack, anybodys)).state, 'done');
});

test('a server that wants keys wants them here; other origins may ask', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_ANONYMOUS: 'off' } });
  t.after(() => stack.stop());
  const mine = await key(stack, 'mine');
  const job = await prepare(stack, link, undefined, mine);
  assertProblem(await post(stack, { kind: 'prepare', url: link }), 401, 'auth_required');
  for (const target of ['/api/v1/jobs', job.url, job.events_url]) assertProblem(await stack.get(target), 401, 'auth_required');
  assertProblem(await drop(stack, job), 401, 'auth_required');
  for (const [target, methods] of [['/api/v1/jobs', 'GET, HEAD, POST, OPTIONS'], [job.url, 'GET, HEAD, DELETE, OPTIONS']]) {
    const preflight = await stack.get(target, { method: 'OPTIONS' });
    assert.deepEqual([preflight.status, preflight.headers['access-control-allow-methods']], [204, methods]);
    assert.equal(preflight.headers['access-control-allow-origin'], '*');
  }
  const head = await stack.get(job.events_url, { method: 'HEAD', headers: as(mine) });
  assert.match(head.headers['content-type'], /^text\/event-stream/);
});

test('pages of the list', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_JOB_THREADS: '0' } });
  t.after(() => stack.stop());
  const made = [];
  for (let i = 0; i < 5; i++) made.push((await prepare(stack, link)).id);
  await stack.sql(`UPDATE job SET state = 'failed', error = 'private' WHERE id = '${made[1]}'`);
  const seen = [];
  for (let next = ''; next !== null;) {
    const page = (await stack.get(`/api/v1/jobs?limit=2${next && `&after=${next}`}`)).json();
    assert.ok(page.jobs.length <= 2);
    seen.push(...page.jobs.map((job) => job.id));
    next = page.next;
  }
  assert.deepEqual(seen.sort(), made.sort());
  const failed = (await stack.get('/api/v1/jobs?state=failed')).json().jobs;
  assert.deepEqual(failed.map((job) => [job.state, job.error.code]), [['failed', 'private']]);
  const metrics = (await stack.get('/metrics')).text();
  assert.match(metrics, /^sluice_jobs\{state="queued"\} 4$/m);
  assert.match(metrics, /^sluice_jobs\{state="failed"\} 1$/m);
});

test('so many at once and no more', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_JOB_THREADS: '0', SLUICE_MAX_JOBS_PER_CLIENT: '3', SLUICE_MAX_JOBS: '5' } });
  t.after(() => stack.stop());
  const [ada, bob] = [await key(stack, 'ada'), await key(stack, 'bob')];
  const answers = await Promise.all(Array.from({ length: 8 }, () => post(stack, { kind: 'prepare', url: link }, ada)));
  const taken = answers.filter((answer) => answer.status === 202);
  assert.equal(taken.length, 3);
  for (const answer of answers.filter((other) => other.status !== 202)) {
    assertProblem(answer, 429, 'quota_exceeded');
    assert.ok(answer.headers['retry-after'] > 0);
  }
  for (let i = 0; i < 2; i++) await prepare(stack, link, undefined, bob);
  assertProblem(await post(stack, { kind: 'prepare', url: link }, bob), 503, 'busy');
  assert.equal((await drop(stack, taken[0].json(), ada)).json().state, 'cancelled');
  await prepare(stack, link, undefined, bob);
});

test('events: every change until it is over, then nobody comes back', async (t) => {
  const stack = await startStack({ origin });
  t.after(() => stack.stop());
  await origin.script({ match: { path: '/youtubei/*' }, times: Infinity, action: { type: 'delay', ms: 3000 } });
  const job = await prepare(stack, link, '1080p-mp4');
  const listener = listen(stack, job.events_url);
  const res = await listener.opened;
  assert.match(res.headers['content-type'], /^text\/event-stream/);
  assert.match(res.headers['cache-control'], /no-store/);
  await until(() => listener.events.length > 0, 'the first event');
  assert.ok(['queued', 'running'].includes((await look(stack, job)).state), 'it came while the job was not over');
  await listener.ended;
  const states = listener.events.map((event) => event.job.state);
  assert.ok(states.includes('running') && states.at(-1) === 'done', states.join());
  assert.ok(listener.events.some((event) => event.job.progress.message), 'progress');
  const last = listener.events.at(-1);
  assert.equal(last.event, 'job');
  assert.ok(last.job.result.stream_url);
  // Late, it is told the end at once; with what it has seen last, that there is no more.
  const late = await stack.get(job.events_url);
  assert.deepEqual([late.status, late.complete, late.text().includes('"done"')], [200, true, true]);
  assert.equal((await stack.get(job.events_url, { headers: { 'last-event-id': last.id } })).status, 204);
  assert.equal((await stack.get(job.events_url, { headers: { 'last-event-id': 'x' } })).status, 200);
});

test('listeners hold no thread', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_JOB_THREADS: '0', SLUICE_INFO_THREADS: '1' } });
  t.after(() => stack.stop());
  const job = await prepare(stack, link);
  const listeners = Array.from({ length: 80 }, () => listen(stack, job.events_url));
  await Promise.all(listeners.map((listener) => listener.opened));
  await until(() => listeners.every((listener) => listener.events.length === 1), 'the first event of each');
  assert.equal((await stack.info(link)).status, 200);
  for (const listener of listeners.slice(0, 40)) listener.req.destroy();
  assert.equal((await drop(stack, job)).json().state, 'cancelled');
  await Promise.all(listeners.slice(40).map((listener) => listener.ended));
  for (const listener of listeners.slice(40)) assert.equal(listener.events.at(-1).job.state, 'cancelled');
});

test('a program that is replaced lets its listeners go, and the next one takes them', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_JOB_THREADS: '0' } });
  t.after(() => stack.stop());
  const job = await prepare(stack, link);
  const listener = listen(stack, job.events_url);
  await listener.opened;
  const started = Date.now();
  process.kill(stack.pid, 'SIGHUP');
  assert.equal(await listener.ended, true, 'ended, not torn');
  assert.ok(Date.now() - started < 20000, 'without waiting for stop_grace_s');
  // The one that ends may still take a connection or two, and lets those go as well.
  const next = await until(async () => {
    const other = listen(stack, job.events_url);
    await other.opened;
    return (await Promise.race([other.ended, sleep(500, 'open')])) === 'open' && other;
  }, 'the next one');
  await drop(stack, job);
  await next.ended;
  assert.equal(next.events.at(-1).job.state, 'cancelled');
});

test('a job that runs is cancelled, and its worker takes the next', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_JOB_THREADS: '1' } });
  t.after(() => stack.stop());
  await origin.script({ match: { path: '/youtubei/*' }, times: Infinity, action: { type: 'delay', ms: 2500 } });
  const job = await prepare(stack, big);
  await inState(stack, job, 'running');
  assert.equal((await drop(stack, job)).json().state, 'cancelled');
  await origin.reset();
  const next = await inState(stack, await prepare(stack, link), 'done');
  assert.equal(next.attempts, 1);
  const after_ = await look(stack, job);
  assert.deepEqual([after_.state, after_.result], ['cancelled', null]);
  assert.equal((await drop(stack, next)).json().state, 'done', 'what is over stays');
});

test('a failure for now is tried again later, one for good is not', async (t) => {
  const stack = await startStack({ origin });
  t.after(() => stack.stop());
  await origin.script({ match: { path: '/youtubei/*' }, times: Infinity, action: { type: 'status', status: 500 } });
  const job = await prepare(stack, link);
  const waiting = await inState(stack, job, 'waiting');
  assert.deepEqual([waiting.attempts, waiting.error.retryable], [1, true]);
  assert.ok(Date.parse(waiting.next_attempt_at) >= Date.parse(waiting.updated_at));
  await origin.reset();
  const done = await inState(stack, job, 'done', { ms: 60000 });
  assert.ok(done.attempts >= 2, `${done.attempts} attempts`);
  assert.equal(done.error, null);
  const gone = await inState(stack, await prepare(stack, 'https://www.youtube.com/watch?v=sluicePriv1'), 'failed');
  assert.deepEqual([gone.attempts, gone.error.retryable], [1, false]);
  const none = await inState(stack, await prepare(stack, link, '17p-mp4'), 'failed');
  assert.equal(none.error.code, 'no_such_choice');
});

test('a worker that is killed: another one takes its job over when the lease ends', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_JOB_LEASE_S: '3', SLUICE_JOB_THREADS: '1' } });
  t.after(() => stack.stop());
  await origin.script({ match: { path: '/youtubei/*' }, times: Infinity, action: { type: 'delay', ms: 20000 } });
  const job = await prepare(stack, link);
  await inState(stack, job, 'running');
  await sleep(3500); // longer than the lease, which is kept meanwhile
  assert.equal((await look(stack, job)).attempts, 1);
  const [worker] = stack.processes('stream.fcgi');
  await origin.reset();
  process.kill(worker.pid, 'SIGKILL');
  const killed = Date.now();
  const done = await inState(stack, job, 'done', { ms: 20000 });
  assert.equal(done.attempts, 2);
  assert.ok(Date.now() - killed < 15000, `${Date.now() - killed} ms`);
});

test('a worker that is told to end gives its job back', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_JOB_THREADS: '0', SLUICE_JOB_LEASE_S: '600' } });
  t.after(() => stack.stop());
  await origin.script({ match: { path: '/youtubei/*' }, times: Infinity, action: { type: 'delay', ms: 20000 } });
  const job = await prepare(stack, link);
  const worker = spawn(path.join(programs, 'sluice'), ['jobs', 'run'], { stdio: 'ignore', env: stackEnv(stack) });
  const ended = new Promise((resolve) => worker.on('exit', resolve));
  try {
    await inState(stack, job, 'running');
  } finally {
    worker.kill('SIGTERM');
  }
  await ended;
  const back = await look(stack, job);
  assert.deepEqual([back.state, back.attempts], ['queued', 0]);
  await origin.reset();
  assert.equal((await cli(stack, 'jobs', 'run', '--once')).exit, 0);
  assert.equal((await look(stack, job)).state, 'done');
});

test('the command line: where nothing stays in memory, and for operators', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_JOB_THREADS: '0' } });
  t.after(() => stack.stop());
  const jobs = await Promise.all([1, 2, 3].map(() => prepare(stack, link)));
  assert.equal((await cli(stack, 'jobs', 'cancel', jobs[0].id, '--json')).json().state, 'cancelled');
  assert.equal((await cli(stack, 'jobs', 'run', '--once')).exit, 0);
  const states = async () => (await cli(stack, 'jobs', 'list', '--json')).json().map((job) => job.state).sort();
  assert.deepEqual(await states(), ['cancelled', 'done', 'done']);
  assert.equal((await cli(stack, 'jobs', 'retry', jobs[0].id, '--json')).json().state, 'queued');
  assert.deepEqual((await cli(stack, 'jobs', 'list', '--state', 'queued', '--json')).json().map((job) => job.id), [jobs[0].id]);
  assert.equal((await cli(stack, 'jobs', 'run', '--once')).exit, 0);
  assert.deepEqual(await states(), ['done', 'done', 'done']);
  assert.equal((await cli(stack, 'jobs', 'list', '--limit', '2')).stdout.toString().trim().split('\n').length, 2);
  const exits = [
    [3, 'show', 'f'.repeat(32)],
    [3, 'cancel', jobs[1].id],
    [3, 'retry', jobs[1].id],
    [2, 'cancel'],
    [2, 'list', '--state', 'odd'],
    [2, 'run', jobs[1].id],
    [2, 'conjure'],
  ];
  for (const [exit, ...args] of exits) assert.equal((await cli(stack, 'jobs', ...args)).exit, exit, args.join(' '));
});

test('a job asks its quota once, and looking costs nothing', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_RATE_ANONYMOUS: '2' } });
  t.after(() => stack.stop());
  assertProblem(await post(stack, { kind: 'prepare', url: 'nonsense' }), 400, 'bad_url');
  const job = await prepare(stack, link);
  await inState(stack, job, 'done');
  await prepare(stack, link);
  assertProblem(await post(stack, { kind: 'prepare', url: link }), 429, 'quota_exceeded');
  assert.equal((await request(stack.base, job.url)).status, 200);
});
