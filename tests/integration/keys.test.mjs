// Keys and quotas: who is answered, what it costs, what the answers say about it, and that a limit of N admits N.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';

import { forkOrigin } from '../origin/origin.mjs';
import { assertProblem, freePort, programEnv, programs, request, run, startStack, until } from './harness.mjs';

const link = 'https://www.youtube.com/watch?v=sluiceDemo1';
const big = 'https://www.youtube.com/watch?v=sluiceBig01';
let origin;

before(async () => (origin = await forkOrigin()));
beforeEach(() => origin.reset());
after(() => origin.stop());

// All plain files below a folder. (The `recursive` of node 18 stumbles over sockets.)
function filesIn(dir) {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(dir, entry.name);
    return entry.isDirectory() ? filesIn(file) : entry.isFile() ? [file] : [];
  });
}

// `sluice key …`; what it printed, as JSON.
async function key(stack, ...args) {
  const env = programEnv(stack.scratch, { SLUICE_DATA_DIR: stack.dataDir });
  const done = await run(path.join(programs, 'sluice'), ['key', ...args, '--json'], { env });
  assert.equal(done.exit, 0, done.stderr);
  return JSON.parse(done.stdout);
}

const bearer = (text) => ({ headers: { authorization: `Bearer ${text}` } });
const header = (text) => ({ headers: { 'x-api-key': text } });
const left = (answer) => Number(/;r=(\d+);/.exec(answer.headers.ratelimit)[1]);

test('the command line makes, lists, changes and ends keys, and tells a secret once', async (t) => {
  const stack = await startStack({ origin });
  t.after(() => stack.stop());
  const made = await key(stack, 'create', '--label', 'Kino “A”', '--owner', 'Ada', '--limit', '7', '--days', '2');
  assert.match(made.id, /^[0-9a-f]{8}$/);
  assert.match(made.key, new RegExp(`^slc_${made.id}_[\\w-]{43}$`));
  const { key: text, ...shown } = made;
  assert.deepEqual(await key(stack, 'list'), [shown]);
  assert.deepEqual(await key(stack, 'show', made.id), shown);
  assert.equal((await key(stack, 'create', '--label', 'x')).limit, 1000);
  assert.equal((await key(stack, 'limits', made.id, '--limit', '9', '--days', '0')).limit, 9);
  assert.equal((await key(stack, 'show', made.id)).expires_at, null);
  assert.equal((await key(stack, 'disable', made.id)).state, 'disabled');
  assert.equal((await key(stack, 'enable', made.id)).state, 'active');
  assert.equal((await key(stack, 'revoke', made.id)).state, 'revoked');
  for (const file of filesIn(stack.dataDir)) assert.ok(!readFileSync(file).includes(text.slice(13)), `${file} holds the secret`);
  const env = programEnv(stack.scratch, { SLUICE_DATA_DIR: stack.dataDir });
  const exits = [
    [3, 'enable', made.id],
    [3, 'disable', 'ffffffff'],
    [2, 'disable'],
    [2, 'create'],
    [2, 'create', '--label', 'a\nb'],
    [2, 'create', '--label', 'x', '--limit', '-1'],
    [2, 'create', '--label', 'x', '--allow', '10.0.0.0/33'],
    [2, 'conjure'],
  ];
  for (const [exit, ...args] of exits)
    assert.equal((await run(path.join(programs, 'sluice'), ['key', ...args], { env })).exit, exit, args.join(' '));
});

test('a table of ways to ask', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_ANONYMOUS: 'off' } });
  t.after(() => stack.stop());
  const good = await key(stack, 'create', '--label', 'good', '--allow', '127.0.0.0/8,::1');
  const [disabled, revoked, elsewhere, expired] = await Promise.all(
    ['disabled', 'revoked', 'elsewhere', 'expired'].map((label) =>
      key(stack, 'create', '--label', label, ...(label === 'elsewhere' ? ['--allow', '10.0.0.0/8'] : [])),
    ),
  );
  await key(stack, 'disable', disabled.id);
  await key(stack, 'revoke', revoked.id);
  await stack.sql(`UPDATE api_key SET expires_unix_s = 1 WHERE id = '${expired.id}'`);
  const wrong = good.key.slice(0, -2) + (good.key.endsWith('AA') ? 'BA' : 'AA');
  const cases = [
    ['none', {}, 401, 'auth_required'],
    ['Bearer', bearer(good.key), 200],
    ['bearer, two spaces', { headers: { authorization: `bearer  ${good.key}` } }, 200],
    ['X-API-Key', header(good.key), 200],
    ['another scheme', { headers: { authorization: 'Basic dTpw' } }, 401, 'bad_key'],
    ['malformed', bearer('nonsense'), 401, 'bad_key'],
    ['cut short', bearer(good.key.slice(0, -1)), 401, 'bad_key'],
    ['one too long', bearer(`${good.key}A`), 401, 'bad_key'],
    ['wrong secret', bearer(wrong), 401, 'bad_key'],
    ['unknown id', bearer(good.key.replace(good.id, '00000000')), 401, 'bad_key'],
    ['another address', bearer(elsewhere.key), 401, 'bad_key'],
    ['disabled', bearer(disabled.key), 403, 'key_disabled'],
    ['revoked', bearer(revoked.key), 403, 'key_disabled'],
    ['expired', bearer(expired.key), 403, 'key_disabled'],
  ];
  const routes = ['/api/v1/info?url=', '/api/v1/page?url=', '/api/v1/stream?choice=format-140&url='];
  for (const route of routes) {
    for (const [name, options, status, code] of cases) {
      const answer = await stack.get(route + encodeURIComponent(link), options);
      if (code) assertProblem(answer, status, code);
      assert.equal(answer.status, status, `${route}: ${name}`);
      if (status === 401) assert.match(answer.headers['www-authenticate'], /^Bearer /);
    }
  }
  assert.equal((await stack.get('/health')).status, 200, 'health takes no key');
  assert.ok(!stack.log().includes(good.key.slice(13)), 'no secret in the log');
});

test('a quota is used up, said in every answer, and told apart by key and address', async (t) => {
  const stack = await startStack({
    origin,
    env: { SLUICE_RATE_ANONYMOUS: '2', SLUICE_TRUSTED_PROXIES: '127.0.0.1, 10.0.0.0/8' },
  });
  t.after(() => stack.stop());
  const mine = await key(stack, 'create', '--label', 'mine', '--limit', '3');
  for (const remaining of [2, 1, 0]) {
    const answer = await stack.info(link, bearer(mine.key));
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['ratelimit-policy'], '"key";q=3;w=3600');
    assert.match(answer.headers.ratelimit, new RegExp(`^"key";r=${remaining};t=\\d+$`));
  }
  const refused = await stack.info(link, bearer(mine.key));
  const problem = assertProblem(refused, 429, 'quota_exceeded');
  assert.equal(problem.retryable, true);
  assert.equal(refused.headers['retry-after'], String(problem.retry_after_s));
  assert.ok(problem.retry_after_s > 1100 && problem.retry_after_s <= 1200, `${problem.retry_after_s} s`);
  assert.match(refused.headers.ratelimit, /^"key";r=0;/);
  // From the right, past those that are trusted; one /64 is one client.
  const from = (list) => stack.info(link, { headers: { 'x-forwarded-for': list } });
  const asked = [
    ['203.0.113.1', 200],
    ['198.51.100.9, 203.0.113.1', 200],
    ['198.51.100.8, 203.0.113.1, 10.1.2.3', 429],
    ['198.51.100.8', 200],
    ['2001:db8::1', 200],
    ['2001:db8::2', 200],
    ['[2001:db8::3]:443', 429],
    ['2001:db8:0:1::1', 200],
    ['nonsense', 200],
  ];
  for (const [list, status] of asked) assert.equal((await from(list)).status, status, list);
  const usage = async () => (await stack.get('/api/v1/usage', bearer(mine.key))).json();
  const { key: shown, requests } = await usage();
  assert.deepEqual(shown, { id: mine.id, label: 'mine', allow: '', expires_at: null });
  assert.ok(requests.full_in_s > 3500 && requests.full_in_s <= 3600, 'asking costs nothing');
  assert.deepEqual({ ...requests, full_in_s: 0 }, { limit: 3, window_s: 3600, remaining: 0, full_in_s: 0 });
  assertProblem(await stack.get('/api/v1/usage', bearer('slc_none')), 401, 'bad_key');
  await key(stack, 'limits', mine.id, '--limit', '0');
  const free = await stack.info(link, bearer(mine.key));
  assert.deepEqual([free.status, free.headers.ratelimit], [200, undefined], 'no limit');
});

test('a download costs one request, however many connections and parts it takes', async (t) => {
  const stack = await startStack({ origin });
  t.after(() => stack.stop());
  const mine = await key(stack, 'create', '--label', 'mine', '--limit', '4');
  const { stream_url: url } = (await stack.info(link, bearer(mine.key))).json().choices.find((c) => c.id === 'format-140');
  const parts = await Promise.all(
    [0, 1, 2, 3, 4, 5].map((i) => stack.get(url, { headers: { range: `bytes=${i * 100}-${i * 100 + 99}` } })),
  );
  for (const part of parts) assert.equal(part.status, 206, part.text());
  const whole = await stack.get(url);
  assert.deepEqual([whole.status, left(whole)], [200, 2]);
  assert.equal(left(await stack.stream(link, 'format-140', { ...bearer(mine.key), method: 'HEAD' })), 1, 'by link and choice');
  assert.equal((await stack.info(link, bearer(mine.key))).status, 200);
  assertProblem(await stack.info(link, bearer(mine.key)), 429, 'quota_exceeded');
  assert.equal((await stack.get(url)).status, 200, 'what was paid for goes on');
});

test('links made with a key die with it; others know nothing of it', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_RATE_ANONYMOUS: '600' } });
  t.after(() => stack.stop());
  const mine = await key(stack, 'create', '--label', 'mine');
  const pick = (answer) => answer.json().choices.find((c) => c.id === 'format-140').stream_url;
  const [withKey, without] = [pick(await stack.info(link, bearer(mine.key))), pick(await stack.info(link))];
  const withKeyAgain = pick(await stack.info(link, bearer(mine.key)));
  assert.match((await stack.get(withKey)).headers['ratelimit-policy'], /^"key"/);
  assert.match((await stack.get(without)).headers['ratelimit-policy'], /^"anonymous"/);
  await key(stack, 'disable', mine.id);
  for (const url of [withKey, withKeyAgain]) assertProblem(await stack.get(url), 403, 'key_disabled');
  assert.equal((await stack.get(without)).status, 200);
  await key(stack, 'enable', mine.id);
  assert.equal((await stack.get(withKey)).status, 200);
});

test('64 clients at once through four processes: exactly as many as the limit says', async (t) => {
  const stack = await startStack({ origin });
  t.after(() => stack.stop());
  await stack.info(link);
  const sockets = [1, 2, 3, 4].map((i) => path.join(stack.scratch, `${i}.sock`));
  const start = (file, args, env) => {
    const child = spawn(file, args, { stdio: 'ignore', env: programEnv(stack.scratch, env) });
    return { child, ended: new Promise((resolve) => child.on('exit', resolve)) };
  };
  const running = sockets.map((socket) =>
    start(path.join(programs, 'info.fcgi'), ['--socket', socket], { SLUICE_DATA_DIR: stack.dataDir }),
  );
  const config = path.join(stack.scratch, 'four.conf');
  const port = await freePort();
  writeFileSync(
    config,
    `server.document-root = "${stack.scratch}"
    server.bind = "127.0.0.1"
    server.port = ${port}
    server.modules = ( "mod_fastcgi" )
    fastcgi.balance = "round-robin"
    fastcgi.server = ( "/" => (${sockets.map((socket) => `( "socket" => "${socket}", "check-local" => "disable" )`)}) )`,
  );
  try {
    await until(() => sockets.every((socket) => existsSync(socket)), 'four programs');
    running.push(start('/usr/sbin/lighttpd', ['-D', '-f', config]));
    const base = `http://127.0.0.1:${port}`;
    await until(async () => (await request(base, '/livez')).status === 200, 'their web server');
    const rounds = Number(process.env.SLUICE_BURST_ROUNDS ?? 5);
    for (let round = 0; round < rounds; round++) {
      const limit = [40, 1, 100, 7, 64][round % 5];
      const mine = await key(stack, 'create', '--label', 'burst', '--limit', String(limit));
      const target = `/api/v1/info?${new URLSearchParams({ url: link })}`;
      let open = limit + 60;
      const tally = {};
      await Promise.all(
        Array.from({ length: 64 }, async () => {
          while (open-- > 0) {
            const answer = await request(base, target, bearer(mine.key));
            tally[answer.status] = (tally[answer.status] ?? 0) + 1;
          }
        }),
      );
      assert.deepEqual(tally, { 200: limit, 429: 60 }, `limit ${limit}`);
    }
  } finally {
    for (const { child } of running) child.kill('SIGTERM');
    await Promise.all(running.map(({ ended }) => ended));
  }
});

test('a database that cannot be written admits nobody whose limit cannot be counted', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_RATE_ANONYMOUS: '600' } });
  t.after(() => stack.stop());
  const mine = await key(stack, 'create', '--label', 'mine', '--limit', '0');
  await stack.info(big);
  const lock = spawn('sqlite3', [path.join(stack.dataDir, 'sluice.db')], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => lock.on('exit', resolve));
  const locked = new Promise((resolve) => lock.stdout.once('data', resolve));
  lock.stdin.write("BEGIN IMMEDIATE;\nSELECT 'locked';\n");
  await locked;
  try {
    const answers = await Promise.all(Array.from({ length: 8 }, () => stack.info(big)));
    for (const answer of answers) {
      assertProblem(answer, 503, 'busy');
      assert.ok(answer.headers['retry-after'] > 0);
      assert.ok(answer.ms < 5000, `${answer.ms} ms`);
    }
    assert.equal((await stack.info(big, bearer(mine.key))).status, 200, 'a key without limit');
  } finally {
    lock.stdin.end('ROLLBACK;\n.quit\n');
    await ended;
  }
  assert.equal((await stack.info(big)).status, 200);
});

test('addresses are written nowhere, and the key of their hashes is gone on the next day', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_RATE_ANONYMOUS: '600', SLUICE_TRUSTED_PROXIES: '127.0.0.1' } });
  t.after(() => stack.stop());
  const address = '203.0.113.77';
  await stack.sql(`INSERT INTO day_key VALUES (3, x'${'5a'.repeat(32)}')`);
  const answer = await stack.info(link, { headers: { 'x-forwarded-for': address } });
  assert.equal(answer.status, 200);
  assert.equal((await stack.sql("SELECT count(*) FROM rate WHERE subject LIKE 'a:%'")).trim(), '1');
  assert.equal((await stack.sql('SELECT count(*), min(day) > 20000 FROM day_key')).trim(), '1|1');
  for (const file of filesIn(stack.dataDir)) assert.ok(!readFileSync(file).includes(address), `${file} holds the address`);
  assert.ok(!stack.log().includes(address));
});
