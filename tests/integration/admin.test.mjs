// What the admin pages stand on: signing in, who may do what, from where, and that it is written down.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { forkOrigin } from '../origin/origin.mjs';
import { assertProblem, programEnv, programs, run, startStack, until } from './harness.mjs';

const password = 'correct horse battery';
const routes = {
  look: ['session', 'users', 'keys', 'streams', 'audit', 'clients', 'system', 'usage', 'dashboard', 'jobs', 'cache'],
  change: ['users/create', 'users/update', 'keys/create', 'keys/update', 'keys/state', 'streams/stop', 'jobs/act', 'cache/purge'],
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

test('what is remembered is forgotten, of one link or all of it', async () => {
  const admin = await signIn(stack, 'admin', password);
  const one = 'https://www.youtube.com/watch?v=sluiceDemo1';
  const two = 'https://www.youtube.com/watch?v=sluiceLong1';
  const cached = async (link) => (await stack.info(link)).json().cached;
  for (const link of [one, two]) await stack.info(link);
  assert.deepEqual([await cached(one), await cached(two)], [true, true]);
  assert.ok((await admin.get('cache')).json().descriptions.count >= 2);
  assert.equal((await admin.post('cache/purge', { link: 'https://youtu.be/sluiceDemo1' })).status, 200);
  assert.deepEqual([await cached(one), await cached(two)], [false, true]);
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
