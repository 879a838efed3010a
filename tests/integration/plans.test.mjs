// What is remembered of merged files: made ahead, made once, used by whoever comes later, and never wrong.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { forkOrigin } from '../origin/origin.mjs';
import { assertProblem, programEnv, programs, run, scratchDir, sha256, startStack, until } from './harness.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;
const target = (fields) => `/api/v1/stream?${new URLSearchParams(fields)}`;
const times = (n, make) => Promise.all(Array.from({ length: n }, (_, i) => make(i)));
let origin;
let scratch;

before(async () => {
  origin = await forkOrigin();
  scratch = scratchDir();
});
beforeEach(() => origin.reset());
after(async () => {
  await origin?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

// What was read of media: { itag, start, end } of each request.
async function reads() {
  const log = (await origin.requests()).filter((entry) => entry.path === '/videoplayback');
  return log.map(({ query, range }) => {
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(range);
    return { itag: new URLSearchParams(query).get('itag'), start: Number(start), end: Number(end) };
  });
}

const headOf = (stack, fields, headers) => stack.get(target(fields), { method: 'HEAD', headers });
const choiceOf = async (stack, url, id) => (await stack.info(url)).json().choices.find((choice) => choice.id === id);
// Pictures lie beside them.
const isPicture = (file) => readFileSync(file).subarray(0, 1000).includes(Buffer.from([0xff, 0xd8, 0xff]));
const kept = (dataDir) => {
  const dir = path.join(dataDir, 'plans');
  return existsSync(dir) ? readdirSync(dir).map((name) => path.join(dir, name)) : [];
};
const plans = (dataDir) => kept(dataDir).filter((file) => existsSync(file) && !isPicture(file));
const fresh = () => path.join(scratch, `data-${Math.random().toString(36).slice(2)}`);
const start = (options) => startStack({ origin, dataDir: fresh(), ...options });

describe('made ahead', () => {
  const url = watch('sluiceLong1');
  const fields = { url, choice: '1080p-mp4' };
  const dataDir = () => stack.dataDir;
  let stack;
  let length;
  let etag;
  let part;

  before(async () => (stack = await start()));
  after(() => stack?.stop());

  test('asking what there is has the likely choice planned, and nothing else fetched', async () => {
    const told = (await stack.info(url)).json();
    assert.equal(told.preselected, '1080p-mp4');
    assert.equal(told.choices.find((choice) => choice.id === told.preselected).size_exact, false);
    await until(() => plans(dataDir()).length === 1, 'the plan');
    const done = await reads();
    assert.deepEqual([...new Set(done.map(({ itag }) => itag))].sort(), ['137', '140']);
    assert.ok(done.length > 4, 'the headers of all fragments');
    const bytes = done.reduce((sum, range) => sum + range.end - range.start + 1, 0);
    const { size } = origin.media['long-137.mp4'];
    assert.ok(bytes < size * 0.05, `${bytes} of ${size} bytes were read`);
  });

  test('its size is exact from then on', async () => {
    const choice = await until(async () => {
      const it = await choiceOf(stack, url, '1080p-mp4');
      return it.size_exact && it;
    }, 'the exact size');
    length = choice.size_bytes;
    assert.equal(choice.resumable, true);
    assert.equal((await headOf(stack, fields)).headers['content-length'], String(length));
    assert.equal((await choiceOf(stack, url, '720p-mp4')).size_exact, false);
  });

  test('it comes without another look at the headers', async () => {
    const answer = await stack.get(target(fields), { headers: { Range: 'bytes=0-99999' } });
    assert.equal(answer.status, 206);
    ({ etag } = answer.headers);
    part = answer.body;
    const done = await reads();
    assert.ok(done.length <= 2, JSON.stringify(done));
    assert.ok(
      done.every((range) => range.start > 0),
      'no head is read',
    );
  });

  test('nor do other processes need them, later', async () => {
    await stack.stop();
    stack = await start({ dataDir: dataDir() });
    await origin.reset();
    const offset = Math.floor(length / 2);
    const middle = await stack.get(target(fields), { headers: { Range: `bytes=${offset}-${offset + 999}` } });
    assert.deepEqual([middle.status, middle.headers.etag], [206, etag]);
    const done = await reads();
    assert.ok(done.length <= 2, JSON.stringify(done));
    assert.ok(
      done.every((range) => range.end - range.start < 1000),
      'nothing is read but what was asked for',
    );
    const first = await stack.get(target(fields), { headers: { Range: 'bytes=0-99999' } });
    assert.ok(first.body.equals(part), 'the same bytes');
  });

  test('new addresses of the source change nothing', async () => {
    await origin.rotate();
    assert.equal((await headOf(stack, fields)).headers.etag, etag);
    const answer = await stack.get(target(fields), { headers: { Range: 'bytes=0-99999', 'If-Range': etag, 'If-Match': etag } });
    assert.equal(answer.status, 206);
    assert.ok(answer.body.equals(part));
  });

  test('a memory of its own leads to the same', async (t) => {
    const other = await start();
    t.after(() => other.stop());
    const answer = await other.get(target(fields), { headers: { Range: 'bytes=0-99999' } });
    assert.deepEqual([answer.headers.etag, answer.headers['content-range']], [etag, `bytes 0-99999/${length}`]);
    assert.ok(answer.body.equals(part));
  });

  test('a damaged memory is thrown away', async () => {
    for (const damage of [
      (file) => truncateSync(file, 5000),
      (file) => truncateSync(file, 0),
      (file) => {
        const data = readFileSync(file);
        data[data.length - 1000] ^= 1;
        writeFileSync(file, data);
      },
      (file) => rmSync(file),
    ]) {
      await stack.stop(); // what is in use needs no file
      const [file] = plans(dataDir());
      damage(file);
      stack = await start({ dataDir: dataDir() });
      const answer = await stack.get(target(fields), { headers: { Range: 'bytes=0-99999' } });
      assert.equal(answer.status, 206);
      assert.equal(answer.headers.etag, etag, String(damage));
      assert.ok(answer.body.equals(part));
      assert.deepEqual(plans(dataDir()), [file], 'made anew');
    }
  });

  test('the same for the page without script', async () => {
    const answer = await stack.get(`/api/v1/page?${new URLSearchParams({ url: watch('sluiceDemo1') })}`);
    assert.equal(answer.status, 200);
    await until(() => plans(dataDir()).length === 2, 'the plan');
    const again = await stack.get(`/api/v1/page?${new URLSearchParams({ url: watch('sluiceDemo1') })}`);
    const [, row] = /choice choice-best">([\s\S]*?)<\/li>/.exec(again.text());
    assert.doesNotMatch(row, /≈|about/);
  });

  test('what is sent as it is has nothing to plan', async () => {
    await origin.reset();
    const told = (await stack.info('https://media.example/clip.mp4')).json();
    assert.equal(told.preselected, told.choices[0].id);
    assert.equal(told.choices[0].size_exact, true);
    await sleep(300);
    assert.equal(plans(dataDir()).length, 2);
  });
});

describe('a source that is replaced', () => {
  const fields = { url: watch('sluiceDemo1'), choice: '720p-mp4' };
  const part = { Range: 'bytes=100000-199999' };
  let stack;
  let version = 0;
  let old;

  before(async () => (stack = await start()));
  beforeEach(async () => {
    await origin.configure({ version });
    old = (await stack.get(target(fields), { headers: part })).headers.etag;
    // The addresses we know are dead, and new ones lead to a new version.
    await origin.configure({ version: ++version });
    await origin.rotate();
  });
  after(() => stack?.stop());

  test('If-Range: all of the new one', async () => {
    const answer = await stack.get(target(fields), { headers: { ...part, 'If-Range': old } });
    assert.equal(answer.status, 200);
    assert.notEqual(answer.headers.etag, old);
    assert.equal(answer.headers['content-range'], undefined);
    assert.equal(answer.headers['content-length'], String(answer.body.length));
    assert.equal(answer.body.toString('latin1', 4, 8), 'ftyp');
  });

  test('If-Match: 412', async () => {
    // HEAD is answered from what is known; a body asks the source.
    assertProblem(await stack.get(target(fields), { headers: { ...part, 'If-Match': old } }), 412, 'precondition_failed');
    const now = (await headOf(stack, fields)).headers.etag;
    assert.notEqual(now, old);
    for (const tag of [now, `"x", ${now}`, '*'])
      assert.equal((await stack.get(target(fields), { headers: { ...part, 'If-Match': tag } })).status, 206, tag);
    for (const tag of [old, `W/${now}`, '"x"'])
      assert.equal((await headOf(stack, fields, { 'If-Match': tag })).status, 412, tag);
  });

  test('no condition: the new one, with its tag', async () => {
    const answer = await stack.get(target(fields), { headers: part });
    assert.equal(answer.status, 206);
    assert.notEqual(answer.headers.etag, old);
    assert.equal((await headOf(stack, fields)).headers.etag, answer.headers.etag);
  });

  test('the order of conditions', async () => {
    const now = (await stack.get(target(fields), { headers: part })).headers.etag;
    const ask = async (headers) => (await stack.get(target(fields), { headers })).status;
    assert.equal(await ask({ 'If-Match': '"x"', 'If-None-Match': now }), 412);
    assert.equal(await ask({ 'If-Match': now, 'If-None-Match': now }), 304);
    assert.equal(await ask({ 'If-Match': now, 'If-None-Match': '"x"', ...part, 'If-Range': now }), 206);
    assert.equal(await ask({ 'If-Match': now, 'If-None-Match': now, Range: 'bytes=999999999-' }), 304);
    assert.equal(await ask({ 'If-Match': '"x"', Range: 'bytes=999999999-' }), 412);
  });
});

describe('many at once', () => {
  let one;
  let other;

  before(async () => {
    one = await start({ env: { SLUICE_PREPARE: '0' } });
    other = await startStack({ origin, dataDir: one.dataDir, env: { SLUICE_PREPARE: '0' } });
  });
  after(async () => {
    await other?.stop();
    await one?.stop();
  });

  test('fifty first requests, in two installations: every header is read once', async () => {
    await origin.configure({ latencyMs: 50 });
    const link = target({ url: watch('sluiceLong1'), choice: '1080p-mp4' });
    const answers = await times(50, (i) => [one, other][i % 2].get(link, { headers: { Range: 'bytes=0-99' } }));
    for (const answer of answers) assert.equal(answer.status, 206, answer.text());
    assert.equal(new Set(answers.map((answer) => answer.headers.etag)).size, 1);
    const done = (await reads()).map(({ itag, start: from }) => `${itag} ${from}`);
    assert.ok(done.length > 4);
    assert.deepEqual(done, [...new Set(done)], 'nothing twice');
    assert.equal((await origin.requests()).filter((entry) => entry.path?.startsWith('/vi/')).length, 1, 'nor the cover');
  });

  test('one picture for all that is made of a video', async () => {
    const made = await Promise.all(
      ['1080p-mp4', '720p-mp4', 'audio-m4a', 'audio-mp3-128'].map((choice) => headOf(one, { url: watch('sluiceV4700'), choice })),
    );
    assert.deepEqual(made.map(({ status }) => status), [200, 200, 200, 200]);
    assert.equal((await origin.requests()).filter((entry) => entry.path?.startsWith('/vi/')).length, 1);
  });

  test('the fragmented layout: some of the fragments that it patches unread are looked at, the last one too', async () => {
    const fields = { url: watch('sluiceLong1'), choice: '1080p-mp4', layout: 'fragmented', metadata: '0' };
    assert.equal((await headOf(one, fields)).status, 200);
    const done = await reads();
    const looks = done.filter((range) => range.end - range.start < 100);
    for (const itag of ['137', '140']) {
      const starts = done.filter((range) => range.itag === itag).map((range) => range.start);
      assert.ok(looks.some((range) => range.itag === itag && range.start === Math.max(...starts)), JSON.stringify(done));
    }
  });

  test('a program that is killed while it plans keeps nobody waiting', async () => {
    const link = target({ url: watch('sluiceLong1'), choice: '720p-mp4' });
    await origin.configure({ latencyMs: 700 });
    const lost = one.get(link, { headers: { Range: 'bytes=0-99' } });
    await until(async () => (await reads()).length > 0, 'the first header');
    const waiting = other.get(link, { headers: { Range: 'bytes=0-99' } });
    await sleep(300);
    for (const { pid } of one.processes('stream.fcgi')) process.kill(pid, 'SIGKILL');
    const killed = Date.now();
    await origin.configure({ latencyMs: 0 });
    assert.equal((await waiting).status, 206);
    assert.ok(Date.now() - killed < 5000, `${Date.now() - killed} ms`);
    // the web server may try again by itself
    assert.ok((await lost).status === 206 || (await lost).status >= 500);
    await until(async () => (await one.get('/api/v1/stream?url=x')).status === 400, 'stream.fcgi again');
  });

  test('a failure is one failure for all, and is soon over', async () => {
    const link = target({ url: watch('sluiceDemo1'), choice: '1080p-mp4' });
    const ask = (i) => [one, other][i % 2].get(link, { headers: { Range: 'bytes=0-99' } });
    await one.info(watch('sluiceDemo1'));
    await origin.reset();
    await origin.script({ match: { path: '/videoplayback' }, times: Infinity, action: { type: 'status', status: 404 } });
    for (const answer of await times(30, ask)) assertProblem(answer, 502, 'upstream_failed');
    const { length } = await reads();
    // Of both sources: asked once more, at the other host, and extracted anew.
    assert.ok(length <= 10, `${length} requests for 30 that failed`);
    await origin.reset();
    await until(async () => (await ask(0)).status === 206, 'another try', 15000);
  });

  test('one header that fails once does not matter', async () => {
    await origin.script({ match: { path: '/videoplayback', itag: '140' }, action: { type: 'reset', after: -1 } });
    await origin.script({ match: { path: '/videoplayback', itag: '398' }, action: { type: 'status', status: 503 } });
    const answer = await one.get(target({ url: watch('sluiceAv101'), choice: '720p-mp4' }), { headers: { Range: 'bytes=0-9' } });
    assert.equal(answer.status, 206, answer.text());
    assert.equal((await origin.requests()).filter((entry) => entry.client).length, 1, 'no new extraction for that');
  });
});

describe('what is not kept', () => {
  const twice = async (stack, fields) => {
    await headOf(stack, fields);
    const before_ = (await reads()).length;
    assert.equal((await headOf(stack, fields)).status, 200);
    return (await reads()).length - before_;
  };

  test('of an unknown version: no longer than its description', async (t) => {
    const stack = await start({ env: { SLUICE_CACHE_TTL_S: '0', SLUICE_PREPARE: '0' } });
    t.after(() => stack.stop());
    assert.equal(await twice(stack, { url: watch('sluiceDemo1'), choice: '720p-mp4' }), 0);
    assert.ok((await twice(stack, { url: watch('sluiceVers1'), choice: '720p-mp4' })) > 0);
    const usual = await start({ env: { SLUICE_PREPARE: '0' } });
    t.after(() => usual.stop());
    assert.equal(await twice(usual, { url: watch('sluiceVers1'), choice: '720p-mp4' }), 0);
  });

  test('switched off: everything works all the same', async (t) => {
    const stack = await start({ env: { SLUICE_PLAN_CACHE_BYTES: '0' } });
    t.after(() => stack.stop());
    const fields = { url: watch('sluiceDemo1'), choice: '720p-mp4' };
    assert.equal((await choiceOf(stack, fields.url, '720p-mp4')).size_exact, false);
    await sleep(500);
    assert.deepEqual(await reads(), [], 'nothing is made ahead that would be lost');
    assert.ok((await twice(stack, fields)) > 0);
    const [whole, again] = [await stack.get(target(fields)), await stack.get(target(fields))];
    assert.equal(sha256(whole.body), sha256(again.body));
    assert.equal(whole.headers.etag, again.headers.etag);
    assert.deepEqual(kept(stack.dataDir), []);
  });

  test('a bound that holds', async (t) => {
    const bound = 2000000;
    const stack = await start({ env: { SLUICE_PLAN_CACHE_BYTES: String(bound), SLUICE_PREPARE: '0' } });
    t.after(() => stack.stop());
    for (let i = 0; i < 30; i++)
      assert.equal((await headOf(stack, { url: watch(`sluiceV${4500 + i}`), choice: '1080p-mp4' })).status, 200);
    const sizes = kept(stack.dataDir).map((file) => readFileSync(file).length);
    const total = sizes.reduce((sum, size) => sum + size, 0);
    assert.ok(total <= bound && total > bound / 2, `${total} bytes in ${sizes.length} files`);
    assert.ok(plans(stack.dataDir).length < 30);
  });

  test('a source that stalls holds up no answer, however many are asked for', async (t) => {
    const stack = await start();
    t.after(() => stack.stop());
    await origin.script({ match: { path: '/videoplayback' }, times: Infinity, action: { type: 'stall', after: -1 } });
    await stack.info(watch('sluiceDemo1'));
    const began = Date.now();
    const answers = await times(40, (i) => stack.info(watch(`sluiceV${4600 + i}`)));
    for (const answer of answers) assert.equal(answer.status, 200, answer.text());
    assert.ok(Date.now() - began < 8000, `${Date.now() - began} ms`);
  });

  test('a source that stalls does not hold up the end', async () => {
    const stack = await start();
    await origin.script({ match: { path: '/videoplayback' }, times: Infinity, action: { type: 'stall', after: -1 } });
    await stack.info(watch('sluiceDemo1'));
    await until(async () => (await origin.requests()).some((entry) => entry.path === '/videoplayback'), 'the first read');
    const began = Date.now();
    await stack.stop();
    assert.ok(Date.now() - began < 4500, `${Date.now() - began} ms`);
  });

  test('planning ahead can be switched off', async (t) => {
    const stack = await start({ env: { SLUICE_PREPARE: '0' } });
    t.after(() => stack.stop());
    await stack.info(watch('sluiceDemo1'));
    await sleep(500);
    assert.deepEqual(await reads(), []);
  });
});

test('plain CGI plans nothing ahead, and uses what others have planned', async () => {
  const dir = scratchDir();
  const cgi = (program, route, fields, method) =>
    run(path.join(programs, program), [], {
      env: programEnv(dir, {
        PROXY_URL: origin.proxyUrl,
        SLUICE_UPSTREAM_CA_FILE: origin.caFile,
        SLUICE_DATA_DIR: path.join(dir, 'data'),
        GATEWAY_INTERFACE: 'CGI/1.1',
        SERVER_PROTOCOL: 'HTTP/1.1',
        REQUEST_METHOD: method,
        REQUEST_URI: `/api/v1/${route}?${new URLSearchParams(fields)}`,
        QUERY_STRING: `${new URLSearchParams(fields)}`,
      }),
    });
  const fields = { url: watch('sluiceLong1'), choice: '720p-mp4' };
  assert.match((await cgi('info.fcgi', 'info', fields, 'GET')).stdout.toString(), /"preselected":"1080p-mp4"/);
  await sleep(300);
  assert.deepEqual(await reads(), []);
  const tagOf = async () => {
    const { stdout, stderr } = await cgi('stream.fcgi', 'stream', fields, 'HEAD');
    return /ETag: (".*?")/i.exec(stdout.toString())?.[1] ?? stderr;
  };
  const tag = await tagOf();
  assert.match(tag, /^"[0-9a-f]{32}"$/);
  await origin.reset();
  assert.equal(await tagOf(), tag);
  assert.deepEqual(await reads(), [], 'the second one has it from the first');
  rmSync(dir, { recursive: true, force: true });
});
