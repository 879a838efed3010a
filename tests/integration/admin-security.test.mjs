// What the control room refuses, for each of its routes: without a session, by a viewer, without the session's token,
// from elsewhere; and what its cookie, its headers and its answers to guesses give away.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { forkOrigin } from '../origin/origin.mjs';
import { assertProblem, programEnv, programs, root, run, startStack } from './harness.mjs';
import { own, password, post, routes, signIn, target } from './room.mjs';

let origin;
let stack;
before(async () => {
  origin = await forkOrigin();
  stack = await startStack({ origin, env: { SLUICE_ADMIN_PASSWORD: password } });
});
after(async () => {
  await stack?.stop();
  await origin?.stop();
});

const inside = routes.filter(({ route }) => route !== 'login');
const changes = inside.filter(({ method }) => method === 'POST');
const ask = (headers, { route, method }) => stack.get(target(route), { method, headers: { ...(method === 'POST' && { 'content-type': 'application/x-www-form-urlencoded' }), ...headers } });

describe('every route', () => {
  test('is in the table that this test reads', () => {
    assert.ok(routes.length > 25 && changes.length > 10, `${routes.length} routes, ${changes.length} changes`);
    for (const route of ['login', ...own]) assert.ok(routes.some((one) => one.route === route && one.method === 'POST'), route);
  });

  test('without a session: 401', async () => {
    const token = 'f'.repeat(64);
    for (const one of inside) {
      assertProblem(await ask({}, one), 401, 'auth_required');
      assertProblem(await ask({ cookie: `sluice_admin=${'B'.repeat(43)}`, 'x-csrf-token': token }, one), 401, 'auth_required');
    }
    // The cookie of the other scheme does not count, nor do its relatives.
    const { cookie } = await signIn(stack);
    for (const forged of [cookie.replace('sluice_admin', '__Host-sluice_admin'), cookie.replace('=', ' ='), cookie.slice(0, -1), `${cookie}A`, cookie.toUpperCase()])
      assertProblem(await stack.get(target('session'), { headers: { cookie: forged } }), 401, 'auth_required');
  });

  test('by the other method: 405', async () => {
    const admin = await signIn(stack);
    for (const { route, method } of routes) {
      const answer = await stack.get(target(route), { method: method === 'GET' ? 'POST' : 'GET', headers: { cookie: admin.cookie, 'x-csrf-token': admin.token } });
      assertProblem(answer, 405, 'bad_method');
    }
  });

  test('that changes something: without the token, with a wrong one or another session\'s: 403', async () => {
    const admin = await signIn(stack);
    const other = await signIn(stack);
    for (const one of changes) {
      for (const token of [undefined, '', 'f'.repeat(64), other.token, admin.token.slice(1), `${admin.token}0`, admin.token.toUpperCase()])
        assertProblem(await ask({ cookie: admin.cookie, ...(token !== undefined && { 'x-csrf-token': token }) }, one), 403, 'forbidden');
    }
    assert.equal((await admin.get('session')).status, 200, 'it is still there');
  });

  test('that changes something: from elsewhere: 403', async () => {
    const admin = await signIn(stack);
    for (const one of [...changes, routes.find(({ route }) => route === 'login')]) {
      for (const from of [{ origin: 'https://elsewhere.example' }, { origin: 'null' }, { origin: `${stack.base}.example` }, { origin: stack.base.replace(/:\d+$/, ':1') }, { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { 'sec-fetch-site': 'none' }])
        assertProblem(await ask({ cookie: admin.cookie, 'x-csrf-token': admin.token, ...from }, one), 403, 'forbidden');
    }
  });

  test('a viewer looks at everything and changes nothing but what is his own', async () => {
    const admin = await signIn(stack);
    await admin.post('users/create', { name: 'guest', password: 'only looking around', role: 'viewer' });
    const viewer = await signIn(stack, 'guest', 'only looking around');
    const before_ = (await admin.get('audit')).json().lines.length;
    for (const { route, method } of inside) {
      if (method === 'POST' && !own.includes(route)) assertProblem(await viewer.post(route, {}), 403, 'forbidden');
      else if (method === 'POST' && route !== 'logout') assertProblem(await viewer.post(route, {}), 400, 'bad_request');
    }
    // Those that go on for ever, or look at the whole machine, are for tests of their own.
    for (const { route, method } of inside) {
      if (method === 'GET' && route !== 'events') assert.equal((await viewer.get(route)).status, 200, route);
    }
    assert.equal((await admin.get('audit')).json().lines.length, before_);
    assert.equal((await viewer.post('logout')).status, 200);
  });

  test('is kept by nobody, and is nothing but data', async () => {
    const admin = await signIn(stack);
    for (const { route, method } of inside) {
      if (method !== 'GET' || route === 'events') continue;
      const answer = await admin.get(route);
      assert.equal(answer.headers['cache-control'], 'no-store', route);
      assert.equal(answer.headers['content-type'], 'application/json', route);
      assert.equal(answer.headers['x-content-type-options'], 'nosniff', route);
      assert.equal(answer.headers['access-control-allow-origin'], undefined, route);
    }
    assert.equal((await stack.get(target('session'), { method: 'OPTIONS', headers: { origin: 'https://elsewhere.example', 'access-control-request-method': 'GET' } })).headers['access-control-allow-origin'], undefined);
  });
});

describe('sessions', () => {
  test('of somebody else\'s choosing are not taken over', async () => {
    const fixed = `sluice_admin=${'A'.repeat(43)}`;
    const answer = await post(stack, 'login', { name: 'admin', password }, { cookie: fixed });
    assert.equal(answer.status, 200);
    assert.doesNotMatch(answer.headers['set-cookie'][0], /AAAA/);
    assertProblem(await stack.get(target('session'), { headers: { cookie: fixed } }), 401, 'auth_required');
    // Signed in again, the one before is another one, and stays his.
    const one = await signIn(stack);
    const again = await post(stack, 'login', { name: 'admin', password }, { cookie: one.cookie });
    assert.notEqual(again.headers['set-cookie'][0].split(';')[0], one.cookie);
    assert.notEqual(again.json().csrf_token, one.token);
  });

  test('end everywhere: by signing out, by another password, by being disabled', async () => {
    const admin = await signIn(stack);
    const secrets = ['evening star 1', 'morning star 2', 'shooting star 3'];
    await admin.post('users/create', { name: 'eve', password: secrets[0], role: 'admin' });
    const sessions = async (secret) => Promise.all([signIn(stack, 'eve', secret), signIn(stack, 'eve', secret)]);
    const over = async (who) => assertProblem(await who.get('session'), 401, 'auth_required');

    let [here, there] = await sessions(secrets[0]);
    assert.equal((await here.post('logout', { everywhere: '1' })).status, 200);
    await over(here);
    await over(there);

    [here, there] = await sessions(secrets[0]);
    assert.equal((await here.post('password', { old: secrets[0], new: secrets[1] })).status, 200);
    assert.equal((await here.get('session')).status, 200, 'who changed it stays');
    await over(there);

    [here, there] = await sessions(secrets[1]);
    assert.equal((await admin.post('users/update', { name: 'eve', role: 'admin', password: secrets[2] })).status, 200);
    await over(here);
    await over(there);

    [here] = await sessions(secrets[2]);
    assert.equal((await admin.post('users/update', { name: 'eve', role: 'viewer', active: '1' })).status, 200);
    assertProblem(await here.post('cache/purge'), 403, 'forbidden'); // what he may is looked up each time
    assert.equal((await admin.post('users/update', { name: 'eve', role: 'viewer', active: '0' })).status, 200);
    await over(here);
    assert.equal((await admin.get('session')).status, 200);
  });

  test('have cookies that scripts, other sites and plain HTTP never see', async () => {
    const plain = await post(stack, 'login', { name: 'admin', password });
    assert.match(plain.headers['set-cookie'][0], /^sluice_admin=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
    assert.equal(plain.headers['set-cookie'].length, 1);
    // Over TLS, as web servers tell the program.
    const body = new URLSearchParams({ name: 'admin', password }).toString();
    const secure = await run(path.join(programs, 'admin.fcgi'), [], {
      env: programEnv(stack.scratch, {
        SLUICE_DATA_DIR: stack.dataDir, GATEWAY_INTERFACE: 'CGI/1.1', REQUEST_METHOD: 'POST', REQUEST_URI: '/media/api/v1/admin/login', SCRIPT_NAME: '/media/admin.fcgi', PATH_INFO: '/api/v1/admin/login', QUERY_STRING: '',
        SERVER_PROTOCOL: 'HTTP/1.1', HTTPS: 'on', REMOTE_ADDR: '127.0.0.1', HTTP_HOST: 'media.example', HTTP_ORIGIN: 'https://media.example', CONTENT_TYPE: 'application/x-www-form-urlencoded', CONTENT_LENGTH: String(body.length),
      }),
      input: body,
    });
    assert.match(secure.stdout.toString(), /^Set-Cookie: __Host-sluice_admin=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Secure\r?$/m, secure.stderr);
  });
});

test('no page of the control room can be framed', async () => {
  for (const page of ['/admin/', '/admin/index.html', '/admin/admin.js']) {
    const { status, headers } = await stack.get(page);
    assert.equal(status, 200, page);
    assert.match(headers['content-security-policy'], /frame-ancestors 'none'/, page);
    assert.match(headers['content-security-policy'], /script-src 'self'(;| )/, page);
    assert.doesNotMatch(headers['content-security-policy'], /'unsafe-|\*/, page);
    assert.equal(headers['x-content-type-options'], 'nosniff', page);
  }
});

// The programs as they are shipped: under the sanitizers a password takes half a second.
describe('guesses', () => {
  let guessed;
  before(async () => {
    guessed = await startStack({ origin, bin: path.join(root, 'build/cgi-bin'), env: { SLUICE_ADMIN_PASSWORD: password } });
  });
  after(() => guessed?.stop());

  test('five wrong passwords, then pauses, also of an address that names somebody else each time', async () => {
    for (let i = 0; i < 5; i++) assertProblem(await post(guessed, 'login', { name: `somebody${i}`, password: 'wrong password' }), 401, 'bad_login');
    const refused = await post(guessed, 'login', { name: 'admin', password });
    assertProblem(refused, 429, 'quota_exceeded');
    assert.ok(Number(refused.headers['retry-after']) >= 1);
  });

  test('take as long for nobody as for somebody', async () => {
    const guess = async (name) => {
      await guessed.sql('DELETE FROM login_failure'); // or names and address would have to wait
      const began = performance.now();
      const answer = await post(guessed, 'login', { name, password: 'wrong password' });
      const ms = performance.now() - began;
      assertProblem(answer, 401, 'bad_login');
      return ms;
    };
    const names = ['admin', 'nobody', 'x'.repeat(64), 'No Name!'];
    const times = Object.fromEntries(names.map((name) => [name, []]));
    for (const name of names) await guess(name);
    for (let round = 0; round < 8; round++) for (const name of names) times[name].push(await guess(name)); // in turn: what else runs here is the same for all
    // The least that each took: what else runs here only adds to it. Were no password checked, it would be a twentieth.
    const least = Object.fromEntries(names.map((name) => [name, Math.min(...times[name])]));
    for (const name of names.slice(1)) {
      const ratio = least[name] / least.admin;
      assert.ok(ratio > 0.6 && ratio < 1.7, `${name} takes ${ratio.toFixed(2)} times as long (${least[name].toFixed(0)} and ${least.admin.toFixed(0)} ms)`);
    }
  });
});
