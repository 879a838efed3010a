// Download links: the keys that seal them, links for one delivery or one address, and links that are revoked.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';

import { forkOrigin } from '../origin/origin.mjs';
import { assertProblem, programEnv, programs, run, sha256, startStack, until } from './harness.mjs';

const link = 'https://www.youtube.com/watch?v=sluiceDemo1';
let origin;

before(async () => (origin = await forkOrigin()));
beforeEach(() => origin.reset());
after(() => origin.stop());

async function cli(stack, ...args) {
  const env = programEnv(stack.scratch, { SLUICE_DATA_DIR: stack.dataDir });
  const done = await run(path.join(programs, 'sluice'), args, { env });
  return { ...done, stdout: done.stdout.toString(), json: () => JSON.parse(done.stdout) };
}

const info = (stack, fields, options) => stack.get(`/api/v1/info?${new URLSearchParams({ url: link, ...fields })}`, options);
const pick = (answer, id = 'format-140') => answer.json().choices.find((c) => c.id === id).stream_url;
const from = (address, headers = {}) => ({ headers: { 'x-forwarded-for': address, ...headers } });
const range = (first, last = '') => ({ headers: { range: `bytes=${first}-${last}` } });
const keyId = (url) => Buffer.from(new URL(url, 'http://x').searchParams.get('data'), 'base64url').readUInt32BE(1);

test('a new key is sealed with in all processes, old links go on; forgotten ones end', async (t) => {
  const stack = await startStack({ origin });
  t.after(() => stack.stop());
  const old = pick(await info(stack));
  const [first] = (await cli(stack, 'token', 'list', '--json')).json();
  assert.deepEqual([first.id, first.seals], [keyId(old), true]);
  assert.equal((await cli(stack, 'token', 'rotate', '--json')).json().id, first.id + 1);
  assert.deepEqual((await cli(stack, 'token', 'list', '--json')).json().map((k) => [k.id, k.seals]), [[first.id + 1, true], [first.id, false]]);
  assert.equal((await stack.get(old)).status, 200);
  assert.equal((await cli(stack, 'token', 'rotate', '--forget')).exit, 0);
  await until(async () => (await stack.get(old)).status === 400, 'the end of old links');
  assertProblem(await stack.get(old), 400, 'token_invalid');
  await until(async () => keyId(pick(await info(stack, { single_use: 1 }))) === first.id + 2, 'the newest key in use');
});

test('a key that is old is replaced by whoever seals next', async (t) => {
  const first = await startStack({ origin, env: { SLUICE_TOKEN_ROTATE_S: '86400' } });
  const [dataDir, old] = [first.dataDir, pick(await info(first))];
  t.after(() => first.stop());
  await first.sql('UPDATE token_key SET created_unix_s = created_unix_s - 86401');
  // What a process has in memory counts for ten seconds; another one starts without.
  const second = await startStack({ origin, dataDir, env: { SLUICE_TOKEN_ROTATE_S: '86400' } });
  t.after(() => second.stop());
  assert.equal(keyId(pick(await info(second, { single_use: 1 }))), keyId(old) + 1);
  assert.equal((await second.get(old)).status, 200);
});

test('a link for one delivery', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_TRUSTED_PROXIES: '127.0.0.1' } });
  t.after(() => stack.stop());
  const usual = pick(await info(stack));
  const whole = await stack.get(usual);
  const size = whole.body.length;
  const once = async (id) => pick(await info(stack, { single_use: 1 }), id);
  const over = async (url, options) => until(async () => (await stack.get(url, options)).status === 410, 'its end', 5000);

  const one = await once();
  assert.notEqual(one, await once(), 'each answer has links of its own');
  assert.equal((await stack.get(one, { method: 'HEAD' })).status, 200, 'looking takes nothing');
  assert.equal(sha256((await stack.get(one)).body), sha256(whole.body));
  await over(one);
  assertProblem(await stack.get(one), 410, 'token_expired');
  assert.equal((await stack.get(one, range(size - 10))).status, 206, 'what may have been lost on the way');
  await stack.sql('UPDATE token_mark SET done_unix_s = done_unix_s - 61');
  assertProblem(await stack.get(one, range(size - 10)), 410, 'token_expired');

  // In parts, in any order, some of it twice; the end of the file is not the end of the delivery.
  const parts = await once();
  const cut = size >> 1;
  const second = await stack.get(parts, range(cut));
  const early = await stack.get(parts, range(0, 99));
  const half = await stack.get(parts, range(0, cut - 101));
  const rest = await stack.get(parts, range(cut - 100, cut - 1));
  for (const part of [second, early, half, rest]) assert.equal(part.status, 206, part.text());
  assert.equal(sha256(Buffer.concat([half.body, rest.body, second.body])), sha256(whole.body));
  await over(parts);

  // Begun by one, it is nobody else's, whatever they ask for.
  const mine = await once();
  assert.equal((await stack.get(mine, from('203.0.113.1', range(0, 9).headers))).status, 206);
  assertProblem(await stack.get(mine, from('203.0.113.2')), 410, 'token_expired');
  assertProblem(await stack.get(mine, from('203.0.113.2', range(0, 9).headers)), 410, 'token_expired');
  assert.equal((await stack.get(mine, from('203.0.113.1'))).status, 200);
  await over(mine, from('203.0.113.1'));

  // A file that is made, whose length nobody knows before.
  const made = await once('audio-opus');
  assert.equal((await stack.get(made)).status, 200);
  await over(made);

  // Subtitles.
  const { subtitles } = (await info(stack, { single_use: 'true' })).json();
  assert.equal((await stack.get(subtitles[0].stream_url)).status, 200);
  await over(subtitles[0].stream_url);
});

test('a broken delivery goes on, and counts as one', async (t) => {
  const stack = await startStack({ origin });
  t.after(() => stack.stop());
  const url = pick(await info(stack, { single_use: 1 }), 'format-137');
  await origin.script({ match: { path: '/videoplayback' }, times: Infinity, action: { type: 'drip', rate: 400000 } });
  const broken = await stack.get(url, { keep: 100000 });
  assert.equal(broken.complete, false);
  const at = broken.body.length;
  await origin.reset();
  const rest = await stack.get(url, range(at));
  assert.equal(rest.status, 206);
  const size = Number(/\/(\d+)$/.exec(rest.headers['content-range'])[1]);
  assert.equal(at + rest.body.length, size);
  assert.ok(at < size / 2, 'it was not all sent before');
  await until(async () => (await stack.get(url)).status === 410, 'its end', 5000);
});

test('a link for one address', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_TRUSTED_PROXIES: '127.0.0.1' } });
  t.after(() => stack.stop());
  const answer = await info(stack, { bind: 'address' }, from('2001:db8::1'));
  const url = pick(answer);
  const picture = answer.json().thumbnail_url;
  for (const address of ['2001:db8::1', '2001:db8::ffff']) {
    assert.equal((await stack.get(url, from(address))).status, 200, address);
    assert.equal((await stack.get(picture, from(address))).status, 200, address);
  }
  for (const address of ['2001:db8:0:1::1', '203.0.113.1']) {
    assertProblem(await stack.get(url, from(address)), 400, 'token_invalid');
    assertProblem(await stack.get(picture, from(address)), 400, 'token_invalid');
  }
  assert.equal((await stack.get(pick(await info(stack, {}, from('203.0.113.1'))), from('2001:db8::1'))).status, 200, 'others are not');
  assertProblem(await info(stack, { bind: 'me' }), 400, 'bad_request');
  const body = JSON.stringify({ url: link, bind: 'address', single_use: true });
  const posted = await stack.get('/api/v1/info', { method: 'POST', body, headers: { 'content-type': 'application/json', 'x-forwarded-for': '203.0.113.9' } });
  const shown = (await cli(stack, 'token', 'show', pick(posted), '--json')).json();
  assert.deepEqual([shown.bound_to_address, shown.single_use, shown.choice], [true, true, 'format-140']);
});

test('links are shown and revoked', async (t) => {
  const stack = await startStack({ origin });
  t.after(() => stack.stop());
  const answer = (await info(stack)).json();
  const [one, two, three] = answer.choices.map((c) => c.stream_url);
  const shown = (await cli(stack, 'token', 'show', stack.base + one, '--json')).json();
  assert.deepEqual({ ...shown, expires_at: '' }, {
    id: shown.id,
    link,
    choice: answer.choices[0].id,
    key: '',
    expires_at: '',
    single_use: false,
    delivered: false,
    bound_to_address: false,
  });
  assert.match(shown.id, /^[0-9a-f]{32}$/);
  const shownTwo = (await cli(stack, 'token', 'show', two, '--json')).json();
  assert.equal((await cli(stack, 'token', 'revoke', one)).exit, 0);
  assert.equal((await cli(stack, 'token', 'revoke', shownTwo.id)).exit, 0);
  for (const url of [one, two]) assertProblem(await stack.get(url), 410, 'token_expired');
  assert.equal((await stack.get(three)).status, 200);
  const exits = [
    [3, 'show', one],
    [3, 'revoke', 'nonsense'],
    [2, 'revoke'],
    [2, 'revoke', one, two],
    [2, 'list', one],
    [2, 'show', '--forget', three],
    [2, 'conjure'],
  ];
  for (const [exit, ...args] of exits) assert.equal((await cli(stack, 'token', ...args)).exit, exit, args.join(' '));
});

test('no byte of a link can be changed', async (t) => {
  const stack = await startStack({ origin });
  t.after(() => stack.stop());
  const url = pick(await info(stack));
  const begin = url.indexOf('data=') + 5;
  const tries = Array.from({ length: url.length - begin }, (_, i) => begin + i);
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let at; (at = tries.pop());) {
        const other = url[at] === 'A' ? 'B' : 'A';
        assertProblem(await stack.get(url.slice(0, at) + other + url.slice(at + 1)), 400, 'token_invalid');
      }
    }),
  );
  assert.equal((await stack.get(url)).status, 200);
});
