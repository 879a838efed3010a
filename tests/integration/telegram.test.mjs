// Files kept in a Telegram channel: sent once after a first download, read from there later, and never in the way of a
// download when Telegram does not play along.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { forkOrigin } from '../origin/origin.mjs';
import { otherToken, telegramToken } from '../origin/telegram.mjs';
import { programEnv, programs, run, sha256, startStack, until } from './harness.mjs';

const video = (id) => `https://www.youtube.com/watch?v=${id}`;
const link = video('sluiceDemo1');
const chat = '-1001234567890';
const usual = { SLUICE_TIERS: 'telegram,source', SLUICE_TELEGRAM_TOKEN: telegramToken, SLUICE_TELEGRAM_CHAT: chat, SLUICE_PREPARE: '0' };
let origin;
let stacks = [];

before(async () => (origin = await forkOrigin()));
beforeEach(() => origin.reset());
after(() => origin.stop());
afterEach(async () => {
  const ending = stacks;
  stacks = [];
  for (const stack of ending) {
    await stack.stop();
    for (const token of [telegramToken, otherToken]) assert.ok(!stack.log().includes(token.split(':')[1]), 'a token is in no log');
  }
});

async function start(env = {}, more = {}) {
  const stack = await startStack({ origin, env: { ...usual, ...env }, ...more });
  stacks.push(stack);
  return stack;
}
const telegramCalls = async (method) => (await origin.requests()).filter((one) => one.path?.startsWith('/bot') && one.path.endsWith(`/${method}`));
const fileReads = async () => (await origin.requests()).filter((one) => one.path?.startsWith('/file/bot'));
const mediaReads = async () => (await origin.requests()).filter((one) => one.path === '/videoplayback');
const kept = (count) => until(async () => (await origin.telegramFiles()).length === count, `${count} files at Telegram`);
const health = async (stack) => (await stack.get('/health')).json().telegram;
const from = (answer) => {
  assert.ok([200, 206].includes(answer.status) && answer.complete, answer.status + answer.text().slice(0, 500));
  return answer.headers['x-sluice-cache'];
};
// A download once its upload is settled: the file may be there a moment before the table says so.
const fromTelegram = (stack, url, choice, options) =>
  until(async () => {
    const answer = await stack.stream(url, choice, options);
    if (from(answer) !== 'telegram') throw new Error(`from ${from(answer)}`);
    return answer;
  }, 'an answer from Telegram');

test('fifty at once, by two servers of one database: sent once, and then read from there', async () => {
  const one = await start();
  const two = await start({}, { dataDir: one.dataDir });
  const all = await Promise.all(Array.from({ length: 50 }, (_, i) => [one, two][i % 2].stream(link, '360p-mp4')));
  const [first] = all;
  for (const answer of all) assert.deepEqual([from(answer), sha256(answer.body)], ['source', sha256(first.body)]);
  await kept(1);
  const again = await Promise.all(Array.from({ length: 50 }, (_, i) => fromTelegram([one, two][i % 2], link, '360p-mp4')));
  for (const answer of again) {
    assert.equal(sha256(answer.body), sha256(first.body));
    for (const name of ['etag', 'content-type', 'content-disposition', 'content-length', 'accept-ranges'])
      assert.equal(answer.headers[name], first.headers[name], name);
  }
  assert.equal((await telegramCalls('sendVideo')).length, 1, 'exactly one upload');
  assert.equal((await telegramCalls('getFile')).length, 1, 'its place is remembered, by both');
  const [file] = await origin.telegramFiles();
  assert.deepEqual([file.sha256, file.mime_type, file.file_name], [sha256(first.body), 'video/mp4', 'Sluice demo twenty seconds.mp4']);
  assert.deepEqual([file.fields.supports_streaming, file.fields.duration, file.fields.height], ['true', '20', '360']);

  // Ranges, conditions and HEAD as of any download; nothing is asked of the source.
  await origin.script({ match: { path: '/videoplayback' }, times: Infinity, action: { type: 'status', status: 403 } });
  const length = first.body.length;
  for (const [range, begin, end] of [['bytes=0-0', 0, 0], ['bytes=100000-299999', 100000, 299999], ['bytes=-500', length - 500, length - 1]]) {
    const part = await two.stream(link, '360p-mp4', { headers: { range } });
    assert.deepEqual([part.status, from(part), part.headers['content-range']], [206, 'telegram', `bytes ${begin}-${end}/${length}`]);
    assert.equal(sha256(part.body), sha256(first.body.subarray(begin, end + 1)));
  }
  assert.equal((await one.stream(link, '360p-mp4', { headers: { 'if-none-match': first.headers.etag } })).status, 304);
  assert.equal((await one.stream(link, '360p-mp4', { method: 'HEAD' })).headers['content-length'], String(length));
  assert.equal((await one.stream(link, '360p-mp4', { headers: { range: `bytes=${length}-` } })).status, 416);

  // The first byte, where each answer of Telegram's takes 100 ms: one round trip, two when its place is not known.
  await origin.configure({ latencyMs: 100 });
  const firstByte = async (choice) => {
    const answer = await two.stream(link, choice, { headers: { range: 'bytes=0-0' } });
    assert.equal(from(answer), 'telegram');
    return answer.ms;
  };
  const known = Math.min(await firstByte('360p-mp4'), await firstByte('360p-mp4'), await firstByte('360p-mp4'));
  await one.sql("DELETE FROM media_cache WHERE key LIKE 'telegram:%'");
  const unknown = await firstByte('360p-mp4');
  assert.ok(known < 300 && unknown < 600, `${known} ms, ${unknown} ms`);
  assert.equal(await health(one), 'ok');
  assert.match((await one.get('/metrics')).text(), /^sluice_telegram_up 1$/m);
});

test('sent by kind: audio with its title and performer, all else as a file', async () => {
  const stack = await start();
  const audio = await stack.stream(link, 'audio-m4a');
  await kept(1);
  const webm = await stack.stream(link, 'format-251');
  await kept(2);
  const [song, file] = await origin.telegramFiles();
  assert.deepEqual([song.method, song.fields.title, song.fields.performer, song.sha256], ['sendAudio', 'Sluice demo: twenty seconds', 'Sluice', sha256(audio.body)]);
  assert.deepEqual([file.method, file.fields.disable_content_type_detection, file.sha256], ['sendDocument', 'true', sha256(webm.body)]);
  assert.equal(sha256((await fromTelegram(stack, link, 'audio-m4a')).body), sha256(audio.body));
  assert.equal(sha256((await fromTelegram(stack, link, 'format-251')).body), sha256(webm.body));
});

test('larger than what can be sent, or read again: not kept', async () => {
  const stack = await start({ SLUICE_TELEGRAM_DOWNLOAD_MAX: '1000000' });
  assert.equal(from(await stack.stream(link, '360p-mp4')), 'source');
  assert.equal(from(await stack.stream(link, 'audio-m4a')), 'source');
  await kept(1);
  assert.equal((await origin.telegramFiles())[0].method, 'sendAudio');
  assert.equal((await telegramCalls('sendVideo')).length, 0);
  assert.equal(from(await stack.stream(link, '360p-mp4')), 'source');
});

test('a pause that Telegram asks for is kept by all, and downloads go on', async () => {
  await origin.configure({ telegram: { refuse: ['sendVideo', 'sendAudio', 'sendDocument'], retryAfterS: 3 } });
  const one = await start();
  const two = await start({}, { dataDir: one.dataDir });
  assert.equal(from(await one.stream(link, '360p-mp4')), 'source');
  await until(async () => (await health(two)) === 'pausing', 'both know of it');
  const refused = Date.now();
  for (const choice of ['audio-m4a', 'format-251', '144p-mp4']) assert.equal(from(await two.stream(link, choice)), 'source');
  await sleep(1000);
  const sends = (await origin.requests()).filter((request) => /\/send\w+$/.test(request.path));
  assert.equal(sends.length, 1, 'nobody tries meanwhile');
  await origin.configure({ telegram: {} });
  await until(async () => (await origin.telegramFiles()).length === 4, 'all four', 30000);
  const first = (await origin.requests()).filter((request) => /\/send\w+$/.test(request.path))[1];
  assert.ok(first.at - refused > 2000, 'not before its time');
});

test('a place that has expired is looked up again; a file that has vanished comes from the source, and is sent anew', async () => {
  const stack = await start();
  const whole = sha256((await stack.stream(link, '360p-mp4')).body);
  await kept(1);
  assert.equal(sha256((await fromTelegram(stack, link, '360p-mp4')).body), whole);
  await origin.telegramVanish(true);
  assert.equal(sha256((await stack.stream(link, '360p-mp4')).body), whole);
  assert.equal(sha256((await fromTelegram(stack, link, '360p-mp4')).body), whole);
  assert.deepEqual([(await telegramCalls('getFile')).length, (await telegramCalls('sendVideo')).length], [2, 1]);

  await origin.telegramVanish();
  const saved = await stack.stream(link, '360p-mp4');
  assert.equal(sha256(saved.body), whole, 'the client notices nothing');
  await stack.stream(link, '360p-mp4');
  await kept(1);
  assert.equal(sha256((await fromTelegram(stack, link, '360p-mp4')).body), whole);
  assert.equal((await telegramCalls('sendVideo')).length, 2);
});

test('whoever sends it is killed: another one does', async () => {
  const stack = await start({ SLUICE_JOB_LEASE_S: '2' });
  const whole = sha256((await stack.stream(link, '360p-mp4')).body);
  await origin.configure({ latencyMs: 1500 }); // so long it waits for the source
  await until(async () => (await telegramCalls('sendVideo')).length === 1, 'the upload begins');
  for (const { pid } of stack.processes('stream.fcgi')) process.kill(pid, 'SIGKILL');
  await origin.configure({ latencyMs: 0 });
  await kept(1);
  assert.equal(sha256((await fromTelegram(stack, link, '360p-mp4')).body), whole);
  assert.deepEqual([(await telegramCalls('sendVideo')).length, (await origin.telegramFiles()).length], [2, 1]);
});

test('what leaves the tier is deleted there', async () => {
  const one = await start();
  await one.stream(link, '360p-mp4');
  await one.stream(link, 'audio-m4a');
  await kept(2);
  await fromTelegram(one, link, '360p-mp4');
  await fromTelegram(one, link, 'audio-m4a');
  await one.sql("UPDATE content_cache SET state = 'leaving', expires_unix_s = 1 WHERE reference LIKE (SELECT reference FROM content_cache WHERE tier = 'telegram' ORDER BY bytes DESC LIMIT 1)");
  await start({}, { dataDir: one.dataDir }); // programs sweep when they begin
  await kept(1);
  assert.equal((await origin.telegramFiles())[0].method, 'sendAudio');
  assert.equal(from(await one.stream(link, 'audio-m4a')), 'telegram');
});

test('a file that vanishes while it is read: gone on with from the source at the same byte', async () => {
  const stack = await start();
  const whole = sha256((await stack.stream(link, '360p-mp4')).body);
  await kept(1);
  await fromTelegram(stack, link, '360p-mp4', { method: 'HEAD' });
  await origin.script({ match: { host: 'api.telegram.org', path: '/file/*' }, action: { type: 'reset', after: 700000 } });
  await origin.script({ match: { host: 'api.telegram.org', path: '/file/*' }, times: Infinity, action: { type: 'status', status: 404 } });
  const answer = await stack.stream(link, '360p-mp4');
  assert.deepEqual([from(answer), sha256(answer.body)], ['telegram', whole]);
  assert.ok((await fileReads()).some((one) => one.bytes === 700000) && (await mediaReads()).length > 0);
});

test('a wrong token: downloads go on, and it is said where one looks', async () => {
  await origin.configure({ telegram: { tokens: [otherToken] } });
  const stack = await start();
  assert.equal(from(await stack.stream(link, '360p-mp4')), 'source');
  await until(async () => (await health(stack)) === 'denied', 'health says so');
  assert.match(stack.log(), /telegram-pauses.*401 Unauthorized/);
  assert.equal(from(await stack.stream(link, '360p-mp4')), 'source');
  assert.match((await stack.get('/metrics')).text(), /^sluice_telegram_up 0$/m);
  const env = programEnv(stack.scratch, { ...usual, SLUICE_DATA_DIR: stack.dataDir, PROXY_URL: origin.proxyUrl, SLUICE_UPSTREAM_CA_FILE: origin.caFile });
  const say = async (more) => {
    const done = await run(path.join(programs, 'sluice'), ['doctor', '--json'], { env: { ...env, ...more } });
    assert.ok(!done.stdout.includes(telegramToken.split(':')[1]));
    return JSON.parse(done.stdout).findings.find(({ check }) => check === 'telegram');
  };
  const wrong = await say({});
  assert.deepEqual([wrong.grade, /no bot's/.test(wrong.text)], ['warn', true], wrong.text);
  assert.deepEqual((await say({ SLUICE_TELEGRAM_TOKEN: otherToken })).grade, 'ok');
  assert.match((await say({ SLUICE_TELEGRAM_TOKEN: otherToken, SLUICE_TELEGRAM_CHAT: '@elsewhere' })).text, /chat not found/);
  await origin.configure({ telegram: { tokens: [otherToken], mayPost: false } });
  assert.match((await say({ SLUICE_TELEGRAM_TOKEN: otherToken })).text, /may not post there/);
  assert.equal((await say({ SLUICE_TELEGRAM_TOKEN: '', SLUICE_TELEGRAM_CHAT: '' })).text, 'not used');
});

test('token and channel are changed while everything runs', async () => {
  await origin.configure({ telegram: { tokens: [telegramToken, otherToken] } });
  const one = await start({ SLUICE_TELEGRAM_TOKEN: '', SLUICE_TELEGRAM_CHAT: '' });
  const two = await start({ SLUICE_TELEGRAM_TOKEN: '', SLUICE_TELEGRAM_CHAT: '' }, { dataDir: one.dataDir });
  const env = programEnv(one.scratch, { SLUICE_DATA_DIR: one.dataDir, PROXY_URL: origin.proxyUrl, SLUICE_UPSTREAM_CA_FILE: origin.caFile });
  const set = async (name, value) => {
    const done = await run(path.join(programs, 'sluice'), ['setting', 'set', name, '-'], { env, input: `${value}\n` });
    assert.equal(done.exit, 0, done.stderr);
  };
  const whole = sha256((await one.stream(link, 'audio-m4a')).body);
  assert.equal(await health(one), 'off');
  await set('telegram_chat', chat);
  await set('telegram_token', telegramToken);
  for (const stack of [one, two]) await until(async () => (await health(stack)) === 'ok', 'it is known');
  await until(async () => from(await two.stream(link, 'audio-m4a')) === 'telegram', 'the sending program knows it, too');
  await kept(1);
  assert.equal(sha256((await fromTelegram(one, link, 'audio-m4a')).body), whole);

  // Another bot, another channel: what the one before has sent is not its own.
  await set('telegram_chat', '@sluice_channel');
  await set('telegram_token', otherToken);
  await until(async () => from(await two.stream(link, 'audio-m4a')) === 'source', 'the other bot');
  await until(async () => from(await one.stream(link, 'audio-m4a')) === 'source', 'the other bot');
  await kept(2);
  assert.equal(sha256((await fromTelegram(two, link, 'audio-m4a')).body), whole);
  const [, file] = await origin.telegramFiles();
  assert.deepEqual([file.bot, file.fields.chat_id], [otherToken.split(':')[0], '@sluice_channel']);

  for (const [name, value] of [['telegram_token', 'secret'], ['telegram_chat', 'somewhere']]) {
    const wrong = await run(path.join(programs, 'sluice'), ['setting', 'set', name, value], { env });
    assert.deepEqual([wrong.exit, /must be like/.test(wrong.stderr)], [1, true], wrong.stderr);
  }

  // Nobody is shown the token.
  const listed = await run(path.join(programs, 'sluice'), ['setting'], { env });
  assert.match(listed.stdout.toString(), /telegram_token +\(set\)/);
  const doctor = await run(path.join(programs, 'sluice'), ['doctor', '--json'], { env });
  assert.match(JSON.parse(doctor.stdout).findings.find(({ check }) => check === 'telegram').text, /may post in @sluice_channel/);
  assert.doesNotMatch(await one.sql('SELECT before, after FROM audit'), new RegExp(otherToken.split(':')[1]));
});

test("a Bot API server of one's own, on this machine", async () => {
  await origin.configure({ telegram: { local: true, uploadMax: 1000, downloadMax: 1000 } });
  const stack = await start({ SLUICE_TELEGRAM_API_URL: `${origin.proxyUrl}/`, SLUICE_TELEGRAM_DOWNLOAD_MAX: '2000000000', SLUICE_TELEGRAM_UPLOAD_MAX: '2000000000' });
  const whole = await stack.stream(video('sluiceBig01'), '1080p-mp4');
  assert.equal(from(whole), 'source');
  await kept(1);
  const again = await fromTelegram(stack, video('sluiceBig01'), '1080p-mp4');
  assert.equal(sha256(again.body), sha256(whole.body));
  assert.ok((await origin.requests()).every((one) => one.host !== 'api.telegram.org'));
});

test('settings that cannot be', async () => {
  const env = programEnv('/tmp', { SLUICE_DATA_DIR: '/tmp' });
  for (const [wrong, says] of [
    [{ SLUICE_TELEGRAM_TOKEN: 'secret-but-no-token', SLUICE_TELEGRAM_CHAT: chat }, /telegram_token must be like/],
    [{ SLUICE_TELEGRAM_TOKEN: telegramToken }, /needs a telegram_chat/],
    [{ SLUICE_TELEGRAM_CHAT: 'no chat' }, /telegram_chat must be like/],
    [{ SLUICE_TELEGRAM_API_URL: 'ftp://x' }, /telegram_api_url must be like/],
  ]) {
    const done = await run(path.join(programs, 'sluice'), ['--check-config'], { env: { ...env, ...wrong } });
    assert.notEqual(done.exit, 0);
    assert.match(done.stderr + done.stdout, says);
    assert.doesNotMatch(done.stderr + done.stdout, /secret-but-no-token/);
  }
});
