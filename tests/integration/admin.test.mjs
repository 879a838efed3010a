// What the admin pages stand on: signing in, who may do what, from where, and that it is written down.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { forkOrigin } from '../origin/origin.mjs';
import { assertProblem, programEnv, programs, run, startStack, until } from './harness.mjs';

const password = 'correct horse battery';
const routes = {
  look: ['session', 'users', 'keys', 'streams', 'audit', 'clients', 'system', 'usage', 'dashboard', 'jobs', 'cache'],
  // `events` never ends by itself: it has a test of its own.
  change: ['users/create', 'users/update', 'keys/create', 'keys/update', 'keys/state', 'streams/stop', 'jobs/act', 'cache/purge', 'settings'],
  own: ['logout', 'password'],
};
let origin;
let stack;

before(async () => {
  origin = await forkOrigin();
  stack = await startStack({ origin, env: { SLUICE_ADMIN_PASSWORD: password } });
});
after(async () => {
  await stack.stop();
  await origin.stop();
});

const target = (route) => `/api/v1/admin/${route}`;

function post(to, route, fields = {}, headers = {}) {
  return to.get(target(route), {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams(fields).toString(),
  });
}

// A signed-in user: get(route) and post(route, fields), and what they are made of.
async function signIn(to, name, secret) {
  const answer = await post(to, 'login', { name, password: secret });
  assert.equal(answer.status, 200, answer.text());
  const cookie = answer.headers['set-cookie'][0].split(';')[0];
  const { csrf_token: token } = answer.json();
  return {
    answer,
    cookie,
    token,
    get: (route) => to.get(target(route), { headers: { cookie } }),
    post: (route, fields, headers) => post(to, route, fields, { cookie, 'x-csrf-token': token, ...headers }),
  };
}

test('the first user is made by the settings, not by the first visitor', async (t) => {
  assert.match(stack.log(), /^admin password: as admin_password says$/m);
  const other = await startStack({ origin });
  t.after(() => other.stop());
  const [, made] = /^admin password: (\S{20})$/m.exec(other.log());
  assertProblem(await post(other, 'login', { name: 'admin', password: 'correct horse battery' }), 401, 'bad_login');
  await signIn(other, 'admin', made);
});

test('a session: cookie, its end, and its end everywhere', async () => {
  const one = await signIn(stack, 'admin', password);
  const two = await signIn(stack, 'admin', password);
  assert.match(one.answer.headers['set-cookie'][0], /^sluice_admin=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
  assert.notEqual(one.cookie, two.cookie);
  assert.equal((await one.get('session')).json().name, 'admin');
  assert.equal((await one.post('logout')).status, 200);
  assertProblem(await one.get('session'), 401, 'auth_required');
  const three = await signIn(stack, 'admin', password);
  assert.equal((await two.post('logout', { everywhere: '1' })).status, 200);
  assertProblem(await two.get('session'), 401, 'auth_required');
  assertProblem(await three.get('session'), 401, 'auth_required');
  // A cookie somebody else has chosen is never taken over.
  const fixed = await post(stack, 'login', { name: 'admin', password }, { cookie: `sluice_admin=${'A'.repeat(43)}` });
  assert.doesNotMatch(fixed.headers['set-cookie'][0], /AAAA/);
  const texts = await stack.sql('SELECT id_sha256 FROM session');
  assert.ok(!texts.includes(fixed.headers['set-cookie'][0].slice(13, 56)));
});

test('without a session nothing is shown or changed', async () => {
  for (const route of routes.look) assertProblem(await stack.get(target(route)), 401, 'auth_required');
  for (const route of [...routes.change, ...routes.own]) assertProblem(await post(stack, route), 401, 'auth_required');
  for (const cookie of ['sluice_admin=', `sluice_admin=${'B'.repeat(43)}`, `__Host-sluice_admin=${'B'.repeat(43)}`, 'x; ;=;sluice_admin'])
    assertProblem(await stack.get(target('session'), { headers: { cookie } }), 401, 'auth_required');
  for (const route of routes.change) assert.equal((await stack.get(target(route))).status, 405);
});

test('changes: CSRF token, own origin, role admin', async () => {
  const admin = await signIn(stack, 'admin', password);
  const other = await signIn(stack, 'admin', password);
  await admin.post('users/create', { name: 'guest', password: 'only looking around', role: 'viewer' });
  const viewer = await signIn(stack, 'guest', 'only looking around');
  for (const route of [...routes.change, ...routes.own]) {
    for (const headers of [
      { 'x-csrf-token': '' },
      { 'x-csrf-token': 'f'.repeat(64) },
      { 'x-csrf-token': other.token },
      { origin: 'https://elsewhere.example' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ])
      assertProblem(await admin.post(route, {}, headers), 403, 'forbidden');
  }
  for (const route of routes.change) assertProblem(await viewer.post(route, {}), 403, 'forbidden');
  for (const route of routes.look) assert.equal((await viewer.get(route)).status, 200, route);
  assertProblem(await post(stack, 'login', { name: 'admin', password }, { origin: 'https://elsewhere.example' }), 403, 'forbidden');
  const same = await admin.post('keys/create', { label: 'from a page' }, { origin: stack.base, 'sec-fetch-site': 'same-origin' });
  assert.equal(same.status, 200);
  assert.equal((await viewer.post('logout')).status, 200);
});

test('keys: made, used, limited, disabled, revoked; each written down with before and after', async () => {
  const admin = await signIn(stack, 'admin', password);
  const made = (await admin.post('keys/create', { label: 'Kino', owner: 'Ada', rate_per_hour: '2' })).json();
  const use = () => stack.get(`/api/v1/info?url=${encodeURIComponent('https://www.youtube.com/watch?v=sluiceDemo1')}`, { headers: { 'x-api-key': made.text } });
  assert.equal((await use()).status, 200);
  assert.equal((await use()).status, 200);
  assertProblem(await use(), 429, 'quota_exceeded');
  assert.equal((await admin.post('keys/update', { id: made.key.id, rate_per_hour: '0' })).json().key.rate_per_hour, 0);
  assert.equal((await use()).status, 200);
  assert.equal((await admin.post('keys/state', { id: made.key.id, state: 'disabled' })).json().key.state, 'disabled');
  assertProblem(await use(), 403, 'key_disabled');
  assert.equal((await admin.post('keys/state', { id: made.key.id, state: 'revoked' })).status, 200);
  assertProblem(await admin.post('keys/state', { id: made.key.id, state: 'active' }), 400, 'bad_request');
  const lines = (await admin.get('audit')).json().lines.filter((line) => line.subject === made.key.id);
  assert.deepEqual(lines.map((line) => line.action), ['key-state', 'key-state', 'key-update', 'key-create']);
  assert.equal(lines[2].before.rate_per_hour, 2);
  assert.equal(lines[2].after.rate_per_hour, 0);
  assert.ok(!JSON.stringify(lines).includes(made.text.slice(13)));
  for (const fields of [{}, { label: 'x', rate_per_hour: '-1' }, { label: 'x', addresses: 'nowhere' }, { label: 'x', sites: '<b>' }, { label: 'x'.repeat(201) }])
    assertProblem(await admin.post('keys/create', fields), 400, 'bad_request');
  assertProblem(await admin.post('keys/update', { id: 'ffffffff', label: 'x' }), 404, 'not_found');
});

test('keys by pages: search, order, how many there are', async () => {
  const admin = await signIn(stack, 'admin', password);
  for (const label of ['zebra 100%', 'Ant', 'bee_1']) await admin.post('keys/create', { label, owner: 'zoo' });
  const labels = async (query) => (await admin.get(`keys?${query}`)).json().keys.map((key) => key.label);
  assert.deepEqual(await labels('search=ZOO&order=label'), ['Ant', 'bee_1', 'zebra 100%']);
  assert.deepEqual(await labels('search=zoo&order=label&limit=1&offset=1'), ['bee_1']);
  assert.deepEqual(await labels('search=100%25'), ['zebra 100%']);
  assert.deepEqual(await labels('search=_'), ['bee_1']);
  assert.equal((await admin.get('keys?search=zoo&limit=1')).json().total, 3);
  assertProblem(await admin.get('keys?limit=100000'), 400, 'bad_request');
});

test('passwords: five wrong ones, then growing pauses; as long for nobody as for somebody', async (t) => {
  const guessed = await startStack({ origin, env: { SLUICE_ADMIN_PASSWORD: password } });
  t.after(() => guessed.stop());
  const guesses = await Promise.all(Array.from({ length: 12 }, () => post(guessed, 'login', { name: 'admin', password: 'wrong' })));
  const wrong = guesses.filter((answer) => answer.status === 401).length;
  assert.ok(wrong === 5 || wrong === 6, `${wrong} were looked at`); // on a busy machine the first pause may be over
  const refused = guesses.filter((answer) => answer.status === 429);
  assert.equal(refused.length, 12 - wrong);
  assert.ok(Number(refused[0].headers['retry-after']) >= 1);
  assertProblem(await post(guessed, 'login', { name: 'admin', password }), 429, 'quota_exceeded');
  await until(async () => (await post(guessed, 'login', { name: 'admin', password })).status === 200, 'the end of the pause', 15000);
  const took = { admin: [], nobody: [] };
  for (let i = 0; i < 2; i++) { // more would make the address wait
    for (const name of ['admin', 'nobody']) took[name].push((await post(guessed, 'login', { name, password: 'wrong' })).ms);
  }
  const [somebody, nobody] = [Math.min(...took.admin), Math.min(...took.nobody)];
  assert.ok(nobody > somebody / 3 && nobody < somebody * 3, `${somebody} ms and ${nobody} ms`);
});

test('users: a password is changed, a user disabled, and somebody always remains', async () => {
  const admin = await signIn(stack, 'admin', password);
  assert.equal((await admin.post('users/create', { name: 'eve', password: 'evening star 1', role: 'admin' })).status, 200);
  const eve = await signIn(stack, 'eve', 'evening star 1');
  const elsewhere = await signIn(stack, 'eve', 'evening star 1');
  assertProblem(await eve.post('password', { old: 'not it at all', new: 'morning star 22' }), 401, 'bad_login');
  assertProblem(await eve.post('password', { old: 'evening star 1', new: 'short' }), 400, 'bad_request');
  assert.equal((await eve.post('password', { old: 'evening star 1', new: 'morning star 22' })).status, 200);
  assert.equal((await eve.get('session')).status, 200);
  assertProblem(await elsewhere.get('session'), 401, 'auth_required');
  assertProblem(await post(stack, 'login', { name: 'eve', password: 'evening star 1' }), 401, 'bad_login');
  assert.equal((await admin.post('users/update', { name: 'eve', role: 'admin', active: '0' })).status, 200);
  assertProblem(await eve.get('session'), 401, 'auth_required');
  assertProblem(await admin.post('users/update', { name: 'admin', role: 'viewer' }), 400, 'bad_request');
  assertProblem(await admin.post('users/create', { name: 'Eve!', password: 'evening star 1', role: 'admin' }), 400, 'bad_request');
  assertProblem(await admin.post('users/create', { name: 'eve', password: 'evening star 1', role: 'admin' }), 400, 'bad_request');
});

test('a running stream is ended', async () => {
  const admin = await signIn(stack, 'admin', password);
  await origin.script({ match: { path: '/videoplayback' }, times: Infinity, action: { type: 'drip', rate: 200000 } });
  const slow = stack.stream('https://www.youtube.com/watch?v=sluiceBig01', 'format-137');
  let listed;
  await until(async () => (listed = (await admin.get('streams')).json().streams[0]), 'the stream in the list');
  assert.equal((await admin.post('streams/stop', { request: listed.request })).status, 200);
  assert.equal((await slow).complete, false);
  await origin.reset();
  assertProblem(await admin.post('streams/stop', { request: 'nothing' }), 404, 'not_found');
});

test('what is remembered is forgotten, of one link, one site or all of it', async () => {
  const admin = await signIn(stack, 'admin', password);
  const one = 'https://www.youtube.com/watch?v=sluiceDemo1';
  const two = 'https://www.youtube.com/watch?v=sluiceLong1';
  const cached = async (link) => (await stack.info(link)).json().cached;
  for (const link of [one, two]) await stack.info(link);
  assert.deepEqual([await cached(one), await cached(two)], [true, true]);
  assert.ok((await admin.get('cache')).json().descriptions.count >= 2);
  assert.equal((await admin.post('cache/purge', { link: 'https://youtu.be/sluiceDemo1' })).status, 200);
  assert.deepEqual([await cached(one), await cached(two)], [false, true]);
  // All of a site, and of no other.
  const other = 'https://media.example/clip.mp4';
  for (const link of [one, other]) await stack.info(link);
  assert.deepEqual([await cached(one), await cached(two), await cached(other)], [true, true, true]);
  assert.equal((await admin.post('cache/purge', { site: 'youtube' })).status, 200);
  assert.deepEqual([await cached(one), await cached(two), await cached(other)], [false, false, true]);
  assert.equal((await admin.post('cache/purge', { site: 'Media.example' })).status, 200);
  assert.deepEqual([await cached(one), await cached(other)], [true, false]);
  assert.ok((await admin.post('cache/purge')).json().purged >= 2);
  assert.equal(await cached(two), false);
  assert.ok(!(await admin.get('audit')).text().includes('sluiceDemo1'));
  assertProblem(await admin.post('cache/purge', { link: 'nonsense' }), 400, 'bad_url');
});

test('jobs: seen, cancelled, queued again', async () => {
  const admin = await signIn(stack, 'admin', password);
  const queued = await stack.get('/api/v1/jobs', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ kind: 'prepare', url: 'https://www.youtube.com/watch?v=sluicePriv1', choice: 'best' }) });
  assert.equal(queued.status, 202, queued.text());
  const { id } = queued.json();
  const find = async () => (await admin.get('jobs')).json().jobs.find((job) => job.id === id);
  await until(async () => (await find()).state === 'failed', 'the job to fail');
  assert.ok((await admin.get('jobs?state=failed')).json().states.failed >= 1);
  assert.equal((await admin.post('jobs/act', { id, act: 'retry' })).status, 200);
  assertProblem(await admin.post('jobs/act', { id: 'x', act: 'cancel' }), 404, 'not_found');
  assertProblem(await admin.post('jobs/act', { id, act: 'drop' }), 400, 'bad_request');
});

test('settings are shown without secrets', async (t) => {
  const secret = await startStack({ origin, env: { SLUICE_ADMIN_PASSWORD: password, SLUICE_RESOLVER_URL: 'https://user.example/{id}?token=hidden' } });
  t.after(() => secret.stop());
  const admin = await signIn(secret, 'admin', password);
  const text = (await admin.get('system')).text();
  assert.ok(!text.includes(password) && !text.includes('hidden'));
  assert.equal(JSON.parse(text).settings.find((row) => row.name === 'admin_password').value, '(set)');
});

test('sluice admin: list, create, passwd', async () => {
  const env = programEnv(stack.scratch, { SLUICE_DATA_DIR: stack.dataDir });
  const admin = (args, input) => run(path.join(programs, 'sluice'), ['admin', ...args, '--json'], { env, input });
  const made = JSON.parse((await admin(['create', 'ops', '--role', 'viewer'], '')).stdout);
  await signIn(stack, 'ops', made.password);
  assert.equal(JSON.parse((await admin(['passwd', 'ops'], 'a longer secret\n')).stdout).password, null);
  await signIn(stack, 'ops', 'a longer secret');
  assert.deepEqual(JSON.parse((await admin(['list'])).stdout).find((user) => user.name === 'ops'), { name: 'ops', role: 'viewer', active: true });
  for (const [exit, ...args] of [[3, 'passwd', 'nobody'], [1, 'create', 'ops'], [2, 'create'], [2, 'drop', 'ops'], [1, 'create', 'No Name']])
    assert.equal((await admin(args, '')).exit, exit, args.join(' '));
});

// The events of the dashboard as they come: next() is the next one.
async function listen(to, cookie) {
  const controller = new AbortController();
  const answer = await fetch(`${to.base}${target('events')}`, { headers: { cookie }, signal: controller.signal });
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type'), /^text\/event-stream/);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const next = async () => {
    for (;;) {
      const found = /event: dashboard\ndata: (.*)\n\n/.exec(text);
      if (found) {
        text = text.slice(found.index + found[0].length);
        return JSON.parse(found[1]);
      }
      const { value, done } = await reader.read();
      if (done) return null;
      text += value;
    }
  };
  return { next, leave: () => controller.abort() };
}

test('the dashboard comes by itself, for as long as the session lasts', async () => {
  assertProblem(await stack.get(target('events')), 401, 'auth_required');
  const admin = await signIn(stack, 'admin', password);
  const events = await listen(stack, admin.cookie);
  const first = await events.next();
  assert.deepEqual(first.processes.map((p) => p.program).sort(), ['admin.fcgi', 'info.fcgi', 'stream.fcgi']);
  for (const p of first.processes) {
    assert.ok(p.rss_bytes > 1e6 && p.threads > 1 && p.files > 3 && p.files_max >= p.files && p.pid > 1, JSON.stringify(p));
    assert.ok(Date.now() - Date.parse(p.started_at) < 3600e3);
  }
  assert.ok(first.database.bytes > 1000 && first.disk.free_bytes > 0);
  const second = await events.next();
  assert.ok(second.time_ms > first.time_ms);
  const cpu = (d) => d.processes.reduce((sum, p) => sum + p.cpu_us, 0);
  assert.ok(cpu(second) >= cpu(first));
  // An answer and an error are in the next sums; so is a stream in what goes on.
  const { requests, errors } = first.last_hour;
  assert.equal((await stack.get(`/api/v1/info?url=${encodeURIComponent('https://www.youtube.com/watch?v=sluiceDemo1')}`)).status, 200);
  assertProblem(await stack.get('/api/v1/info?url=nothing'), 400, 'bad_url');
  let now = second;
  while (now.last_hour.requests < requests + 2) now = await events.next();
  assert.ok(now.last_hour.errors > errors);
  assert.ok(now.errors.some((e) => e.code === 'bad_url' && e.requests >= 1));
  assert.ok(now.clients.some((c) => c.last_day.asked > 0));
  const minutes = (await admin.get('usage?by=minute&hours=1')).json().rows;
  assert.equal(minutes.reduce((sum, row) => sum + row.requests, 0), now.last_hour.requests);
  assert.equal((await admin.post('logout')).status, 200);
  while (now) now = await events.next(); // and then there is no more
  events.leave();
});

test('settings: changed while everything runs, back again, and written down', async () => {
  const admin = await signIn(stack, 'admin', password);
  const one = async (name) => (await admin.get('system')).json().settings.find((s) => s.name === name);
  const sources = Object.fromEntries((await admin.get('system')).json().settings.map((s) => [s.name, s.source]));
  assert.deepEqual([sources.rate_anonymous, sources.admin_password, sources.max_jobs], ['environment', 'environment', 'default']);
  assert.equal((await one('admin_password')).value, '(set)');
  const info = () => stack.get(`/api/v1/info?url=${encodeURIComponent('https://www.youtube.com/watch?v=sluiceDemo1')}`);
  const usual = (await one('rate_anonymous')).value;
  const answer = await admin.post('settings', { name: 'rate_anonymous', value: '7777' });
  assert.equal(answer.json().setting.value, '7777');
  await until(async () => /q=7777\b/.test((await info()).headers['ratelimit-policy'] ?? ''), 'the other program to take it up', 5000);
  const changed = await one('rate_anonymous');
  assert.deepEqual([changed.source, changed.without, changed.without_source, changed.changed_by], ['setting', usual, 'environment', 'admin']);
  for (const fields of [{ name: 'rate_anonymous', value: 'many' }, { name: 'rate_anonymous', value: '-1' }, { name: 'rate_anonymous' }, { name: 'data_dir', value: '/tmp' }, { name: 'nonsense', value: '1' }, { name: 'anonymous', value: 'maybe' }])
    assertProblem(await admin.post('settings', fields), 400, 'bad_request');
  assert.equal((await one('rate_anonymous')).value, '7777');

  await admin.post('settings', { name: 'anonymous', value: 'off' });
  await until(async () => (await info()).status === 401, 'strangers to be turned away', 5000);
  await admin.post('settings', { name: 'anonymous', reset: '1' });
  await until(async () => (await info()).status === 200, 'strangers to be let in', 5000);
  assert.equal((await admin.post('settings', { name: 'rate_anonymous', reset: '1' })).json().setting.source, 'environment');
  // What is secret stays so: in answers, and in the record.
  const { setting } = (await admin.post('settings', { name: 'telegram_token', value: '123:a-secret-of-nobody' })).json();
  assert.deepEqual([setting.value, setting.source], ['(set)', 'setting']);
  assert.equal((await admin.post('settings', { name: 'telegram_token', reset: '1' })).json().setting.value, '');
  for (const route of ['system', 'audit']) assert.ok(!(await admin.get(route)).text().includes('a-secret-of-nobody'));
  const lines = (await admin.get('audit?action=setting')).json().lines.filter((l) => l.subject === 'rate_anonymous');
  assert.deepEqual(lines.map((l) => [l.before, l.after]), [['7777', usual], [usual, '7777']]);
});

test('maintenance: what is new waits, what runs goes on, and everybody is told, on every host', async (t) => {
  const elsewhere = await startStack({ origin, env: { SLUICE_DATABASE: `sqlite:${path.join(stack.dataDir, 'sluice.db')}` } });
  t.after(() => elsewhere.stop());
  const link = 'https://www.youtube.com/watch?v=sluiceBig01';
  const tool = (...args) => run(path.join(programs, 'sluice'), args, { env: programEnv(stack.scratch, { SLUICE_DATA_DIR: stack.dataDir }) });
  await origin.script({ match: { path: '/videoplayback' }, times: Infinity, action: { type: 'drip', rate: 4000000 } });
  const running = stack.stream(link, 'format-137');
  await until(async () => (await stack.get('/health')).json().streams.streaming === 1, 'a stream', 10000);

  const on = await tool('maintenance', 'on', '--message', 'New <disks>, back at 18:00', '--json');
  assert.deepEqual(JSON.parse(on.stdout.toString()), { maintenance: true, message: 'New <disks>, back at 18:00' });
  const ask = (headers) => stack.get(`/api/v1/stream?url=${encodeURIComponent(link)}&choice=format-137`, { headers });
  await until(async () => (await ask({ range: 'bytes=0-0' })).status === 503, 'the switch to be seen', 3000);
  const refused = await ask();
  assertProblem(refused, 503, 'maintenance');
  assert.equal(refused.headers['retry-after'], '60');
  assert.equal(refused.json().detail, 'New <disks>, back at 18:00');
  assert.match((await ask({ accept: 'text/html' })).text(), /<p>New &lt;disks&gt;, back at 18:00<\/p>/);
  await until(async () => (await stack.get('/health')).json().maintenance !== null, 'the other program to see it, too', 3000);
  await until(async () => (await elsewhere.get(`/api/v1/stream?url=${encodeURIComponent(link)}&choice=format-137`, { headers: { range: 'bytes=0-0' } })).status === 503, 'and the other host', 3000);
  assertProblem(await stack.get('/api/v1/jobs', { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: `kind=prepare&url=${encodeURIComponent(link)}` }), 503, 'maintenance');
  assert.equal((await stack.get(`/api/v1/info?url=${encodeURIComponent(link)}`)).status, 200);
  const ready = await stack.get('/readyz');
  assert.deepEqual([ready.status, ready.json().status], [200, 'maintenance']);
  assert.equal((await stack.get('/health')).json().maintenance, 'New <disks>, back at 18:00');

  assert.match((await stack.get('/metrics')).text(), /^sluice_maintenance 1$/m);
  await origin.reset();
  assert.equal((await running).complete, true);
  assert.deepEqual(JSON.parse((await tool('maintenance', 'off', '--json')).stdout.toString()).maintenance, false);
  await until(async () => (await ask({ range: 'bytes=0-0' })).status === 206, 'it to be over', 3000);
  await until(async () => (await stack.get('/health')).json().maintenance === null, 'also for the other program', 3000);
  assert.equal((await tool('setting', 'reset', 'maintenance')).exit, 0);
  assert.equal((await tool('setting', 'reset', 'maintenance')).exit, 3);
  assert.equal((await tool('setting', 'set', 'data_dir', '/tmp')).exit, 1);
});
