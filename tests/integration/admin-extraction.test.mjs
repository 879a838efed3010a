// The extraction page's API: client data checked, saved, in force everywhere, taken back; each part tried on its own.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { forkOrigin } from '../origin/origin.mjs';
import { assertProblem, freePort, programEnv, programs, root, run, scratchDir, startStack, until } from './harness.mjs';
import { password, signIn } from './room.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;
const builtIn = readFileSync(path.join(root, 'src/site/youtube/clients.json'), 'utf8');
let origin;
let stack;
let admin;
let cookies;
before(async () => {
  origin = await forkOrigin();
  cookies = path.join(scratchDir(), 'cookies');
  mkdirSync(cookies, { recursive: true });
  writeFileSync(path.join(cookies, 'a.txt'), `.media.example\tTRUE\t/\tTRUE\t4102444800\tsession\tsecret\nmedia.example\tFALSE\t/\tTRUE\t1\told\tsecret2\n`);
  stack = await startStack({ origin, env: { SLUICE_ADMIN_PASSWORD: password, SLUICE_PREPARE: '0', SLUICE_COOKIES_DIR: cookies, SLUICE_UPSTREAM_TIMEOUT_MS: '1500', SLUICE_POT_PROVIDER_URL: origin.proxyUrl } });
  admin = await signIn(stack);
});
after(async () => {
  await stack?.stop();
  await origin?.stop();
});

const coded = (text) => Buffer.from(text).toString('base64url');
const save = ({ text, base }) => admin.post('clients/save', { text: coded(text), base });
const check = async (text) => (await admin.post('clients/check', { text: coded(text) })).json();
const data = async () => (await admin.get('clients/data')).json();
// The site's answers to whoever asks for a video as that client, or as any.
const refuse = async (client, action) => {
  for (const where of ['*/player', '/youtubei/v1/reel/*'])
    await origin.script({ match: { ...(client && { client }), path: where }, times: Infinity, action });
};
const file = () => path.join(stack.dataDir, 'clients.json');

describe('client data', () => {
  let next = 0;
  const engineNow = async () => (await stack.info(watch(`sluiceV${String(next++).padStart(4, '0')}`))).json().engine;
  const onlyAndroid = JSON.stringify({ ...JSON.parse(builtIn), order: ['android'] }, null, 1);

  test('are the built-in ones, until others are saved: then every process has those', async () => {
    const before_ = await data();
    assert.equal(before_.source, 'built_in');
    assert.equal(before_.text, builtIn);
    assert.equal(before_.editable, true);
    assert.equal(await engineNow(), 'youtube:visionos');
    assert.equal((await save({ text: onlyAndroid, base: before_.sha256 })).status, 200);
    assert.equal(await engineNow(), 'youtube:android');
    // The command line, too, and processes that come later.
    const env = programEnv(stack.scratch, { SLUICE_DATA_DIR: stack.dataDir, PROXY_URL: origin.proxyUrl, SLUICE_UPSTREAM_CA_FILE: origin.caFile });
    const done = await run(path.join(programs, 'sluice'), ['extract', '--json', watch('sluiceV0900')], { env });
    assert.equal(JSON.parse(done.stdout).description?.engine, 'youtube:android', done.stderr);
    const now = await data();
    assert.deepEqual([now.source, now.text, now.error, now.versions], ['file', onlyAndroid, '', []]);
    assert.equal(readFileSync(file(), 'utf8'), onlyAndroid);
  });

  test('with a mistake: its place is named, and nothing changes', async () => {
    const { sha256 } = await data();
    for (const [text, message] of [
      [onlyAndroid.replace('"order"', '"ordre": [], "order"'), /^ordre: not a known member$/],
      [onlyAndroid.replace('"android"\n', '"ios"\n'), /^order\[0\]: expected the key of a client$/],
      [onlyAndroid.slice(0, -3), /^line \d+, column \d+: /],
      ['{\n "version" 1}', /^line 2, column \d+: /],
      ['x', /^line 1, column \d+: /],
      [onlyAndroid.replace('"version": 1', '"version": 1, "version": 1'), /duplicate/],
    ]) {
      const checked = await check(text);
      assert.equal(checked.ok, false);
      assert.match(checked.error, message);
      assertProblem(await save({ text, base: sha256 }), 400, 'bad_request');
    }
    assert.deepEqual(await check(onlyAndroid), { ok: true, error: '' });
    assert.equal((await data()).sha256, sha256);
    assert.equal(await engineNow(), 'youtube:android');
  });

  test('saved by two at once: the second one is told', async () => {
    const { sha256 } = await data();
    const texts = ['mweb', 'web'].map((one) => JSON.stringify({ ...JSON.parse(builtIn), order: ['visionos', one] }));
    const statuses = await Promise.all(texts.map(async (text) => (await save({ text, base: sha256 })).status));
    assert.deepEqual(statuses.sort(), [200, 412]);
    assertProblem(await save({ text: onlyAndroid, base: '' }), 400, 'bad_request');
    for (const text of ['', '!', 'e30=', 'A'.repeat(70000)]) assertProblem(await admin.post('clients/save', { text, base: (await data()).sha256 }), 400, 'bad_request');
  });

  test('go back, step by step, and to the built-in ones', async () => {
    const now = await data();
    assert.equal(now.versions.length, 1);
    const [version] = now.versions;
    assert.equal(version.name, 'admin');
    assert.equal((await admin.get(`clients/data?version=${version.id}`)).json().text, onlyAndroid);
    assert.equal((await admin.post('clients/save', { version: version.id, base: now.sha256 })).status, 200);
    assert.equal(await engineNow(), 'youtube:android');
    assert.equal((await admin.post('clients/save', { built_in: '1', base: (await data()).sha256 })).status, 200);
    assert.ok(!existsSync(file()));
    assert.equal(await engineNow(), 'youtube:visionos');
    assert.equal((await data()).versions.length, 3);
    assertProblem(await admin.get('clients/data?version=7'), 404, 'not_found');
    assertProblem(await admin.post('clients/save', { version: '7', base: (await data()).sha256 }), 404, 'not_found');
    const lines = (await admin.get('audit')).json().lines.filter(({ subject }) => subject === 'clients.json');
    assert.deepEqual(lines.map(({ action }) => action), ['clients-built-in', 'clients-save', 'clients-save', 'clients-save']);
    for (const { before: old, after: fresh } of lines) assert.ok(/^[0-9a-f]{64}$/.test(old.sha256) && /^[0-9a-f]{64}$/.test(fresh.sha256) && old.sha256 !== fresh.sha256);
  });

  test('that somebody has spoilt by hand are shown with what is wrong, and can be replaced', async () => {
    writeFileSync(file(), Buffer.from([0x7b, 0xff, 0x3c, 0x62, 0x3e]));
    const now = await data();
    assert.match(now.error, /^line 1/);
    assert.equal(now.source, 'file');
    assert.equal(await engineNow(), 'youtube:visionos');
    assert.equal((await admin.post('clients/save', { built_in: '1', base: now.sha256 })).status, 200);
  });

  test('are those of all hosts that share a database, each of which takes a change up once', async (t) => {
    const env = { SLUICE_ADMIN_PASSWORD: password, SLUICE_PREPARE: '0', SLUICE_DATABASE: `sqlite:${path.join(scratchDir(), 'shared.db')}` };
    const start = async () => {
      const one = await startStack({ origin, env, bin: path.join(root, 'build/cgi-bin') }); // three of them: they start faster
      t.after(() => one.stop());
      return one;
    };
    const here = await start();
    const there = await start();
    const room = await signIn(here);
    const there_ = path.join(there.dataDir, 'clients.json');
    const hash = async () => (await room.get('clients/data')).json().sha256;
    const engineThere = async () => (await there.info(watch(`sluiceV1${String(next++).padStart(3, '0')}`))).json().engine;
    assert.equal((await room.post('clients/save', { text: coded(onlyAndroid), base: await hash() })).status, 200);
    await until(() => existsSync(there_), 'the file on the other host');
    assert.equal(readFileSync(there_, 'utf8'), onlyAndroid);
    assert.equal(await engineThere(), 'youtube:android');
    writeFileSync(there_, builtIn.replace('"visitor_ttl_s"', ' "visitor_ttl_s"')); // by hand
    const late = await start();
    await until(() => existsSync(path.join(late.dataDir, 'clients.json')), 'the file on a host that comes later');
    assert.equal(await engineThere(), 'youtube:visionos', 'what was done by hand stays');
    assert.equal((await room.post('clients/save', { built_in: '1', base: await hash() })).status, 200);
    await until(() => !existsSync(there_), 'the end of the file on the other host');
  });

  test('of a file that the settings name are the operator\'s', async (t) => {
    const own = path.join(scratchDir(), 'mine.json');
    writeFileSync(own, onlyAndroid);
    const other = await startStack({ origin, env: { SLUICE_ADMIN_PASSWORD: password, SLUICE_CLIENTS_FILE: own } });
    t.after(() => other.stop());
    const there = await signIn(other);
    const now = (await there.get('clients/data')).json();
    assert.deepEqual([now.editable, now.file, now.text], [false, own, onlyAndroid]);
    assertProblem(await there.post('clients/save', { built_in: '1', base: now.sha256 }), 403, 'forbidden');
    assert.equal(readFileSync(own, 'utf8'), onlyAndroid);
  });
});

describe('parts of extraction', () => {
  const link = watch('sluiceDemo1');
  const trial = async (part, name, more) => (await admin.post('extraction/test', { part, name, link, ...more })).json();

  test('are listed with what they lack', async () => {
    const all = (await admin.get('extraction')).json();
    assert.deepEqual(all.engines.map(({ name, place, ready }) => [name, place, ready]), [['native', 1, true], ['yt-dlp', 0, false], ['invidious', 0, false], ['resolver', 0, false]]);
    assert.deepEqual(all.profiles.find(({ name }) => name === 'visionos'), { name: 'visionos', version: JSON.parse(builtIn).clients[0].version, place: 1, needs_player_script: false, needs_po_token: false, ready: true });
    assert.deepEqual(all.ways.map(({ place, failing, told_to_wait: waits }) => [place, failing, waits]), [[new URL(origin.proxyUrl).host, false, false]]);
    assert.deepEqual(all.cookies, [{ name: 'media.example', count: 2, expired: 1, expires_at: '2100-01-01T00:00:00Z' }]);
    assert.deepEqual([all.cookies_dir, all.player_scripts, all.pot_provider, all.po_tokens, all.canary], [true, true, true, false, null]);
    assert.match(all.link, /^https:\/\/www\.youtube\.com\/watch\?v=/);
    assert.ok(!JSON.stringify(all).includes('secret'));
  });

  test('each is tried on its own, and tells every step', async () => {
    for (const [part, name] of [['engine', 'native'], ['client', 'android'], ['way', (await admin.get('extraction')).json().ways[0].name]]) {
      const result = await trial(part, name);
      assert.equal(result.ok, true, JSON.stringify(result));
      assert.equal(result.engine, part === 'client' ? 'youtube:android' : 'youtube:visionos');
      assert.ok(result.formats > 0 && result.took_ms >= 0 && result.trace.some(({ step }) => step === 'call'), JSON.stringify(result));
      assert.ok(result.title);
    }
    const tokens = await trial('tokens', 'mweb');
    assert.deepEqual([tokens.ok, tokens.code], [true, 'ok'], JSON.stringify(tokens));
    await origin.reset();
    const cookie = await trial('cookies', 'media.example');
    const [asked] = (await origin.requests()).filter(({ host, method }) => host === 'media.example' && method === 'GET');
    assert.equal(asked.headers.cookie, 'session=secret');
    assert.equal(typeof cookie.ok, 'boolean');
    const line = (await admin.get('audit?action=extraction-test')).json().lines.at(-1);
    assert.deepEqual([line.subject, line.after.code], ['engine native', 'ok']);
    assert.ok(!(await admin.get('audit')).text().includes('sluiceDemo1'));
  });

  test('one that fails says why; the others go on', async () => {
    await origin.reset();
    await refuse('ANDROID', { type: 'status', status: 403 });
    const bad = await trial('client', 'android');
    assert.equal(bad.ok, false);
    assert.equal(bad.code, 'upstream_failed', JSON.stringify(bad));
    assert.ok(bad.error.includes('403') || JSON.stringify(bad.trace).includes('403'));
    assert.equal((await trial('client', 'visionos')).ok, true);
    assert.equal((await trial('engine', 'resolver')).code, 'unsupported_site', 'it is not set up');
    assert.equal((await trial('client', 'android', { link: 'http://127.0.0.1/' })).ok, false);
    assert.equal((await trial('engine', 'native', { link: 'nonsense' })).code, 'bad_url');
    for (const [part, name, status, code] of [['engine', 'nothing', 404, 'not_found'], ['way', 'p:0', 404, 'not_found'], ['cookies', 'www.youtube.com', 404, 'not_found'], ['client', '<b>', 404, 'not_found'], ['moon', 'x', 400, 'bad_request']])
      assertProblem(await admin.post('extraction/test', { part, name }), status, code);
    await origin.reset();
  });

  test('a way out is taken that has been asked for, and no other', async (t) => {
    const dead = await freePort();
    const two = await startStack({ origin, bin: path.join(root, 'build/cgi-bin'), env: { SLUICE_ADMIN_PASSWORD: password, PROXY_URL: `http://me:secret@127.0.0.1:${dead} ${origin.proxyUrl}` } });
    t.after(() => two.stop());
    const there = await signIn(two);
    const ways = (await there.get('extraction')).json().ways;
    assert.deepEqual(ways.map(({ place }) => place), [`127.0.0.1:${dead}`, new URL(origin.proxyUrl).host], 'no name and no password');
    for (const [way, ok] of [[ways[0], false], [ways[1], true], [ways[0], false]]) {
      const result = (await there.post('extraction/test', { part: 'way', name: way.name, link })).json();
      assert.equal(result.ok, ok, JSON.stringify(result));
      assert.ok(!JSON.stringify(result).includes('secret'));
    }
    assert.deepEqual((await there.get('extraction')).json().ways.map(({ failing }) => failing), [true, false]);
  });

  test('ends in time, and two at once are enough', async (t) => {
    t.after(() => origin.reset());
    await refuse(undefined, { type: 'stall', after: -1 });
    const began = Date.now();
    const answers = await Promise.all([1, 2, 3, 4].map(() => admin.post('extraction/test', { part: 'engine', name: 'native', link })));
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 200, 503, 503]);
    for (const answer of answers.filter(({ status }) => status === 200)) assert.equal(answer.json().ok, false);
    const ms = Date.now() - began;
    assert.ok(ms > 2000 && ms < 10000, `${ms} ms`); // 3 s for all clients of the site together, and a busy machine
    await origin.reset();
    await until(async () => (await trial('engine', 'native')).ok, 'room for the next one');
  });
});

test('what failed last is there with its trace, which names nobody', async () => {
  await refuse(undefined, { type: 'status', status: 500 });
  const answer = await stack.info(watch('sluiceV0999'), { headers: { 'user-agent': 'Somebody/7', 'x-forwarded-for': '203.0.113.7' } });
  assert.equal(answer.status, 502);
  await origin.reset();
  const failure = await until(async () => (await admin.get('clients')).json().failures.find(({ id }) => id === 'sluiceV0999'), 'the failure');
  assert.ok(failure.trace.some(({ step, status }) => step === 'call' && status === 500));
  assert.ok(!JSON.stringify(failure).includes('Somebody/7') && !JSON.stringify(failure).includes('203.0.113'));
});
