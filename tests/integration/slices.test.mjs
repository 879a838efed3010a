// Slices of sources on disk (cache_bytes): many clients of one video cost one reading of it; what comes out of slices is
// byte for byte what the origin has, whatever is evicted, damaged or killed meanwhile; a disk that is full switches them
// off, and back on.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { forkOrigin } from '../origin/origin.mjs';
import { programEnv, programs, run, scratchDir, startStack, until } from './harness.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;
const rounds = Number(process.env.SLUICE_SLICE_ROUNDS ?? 10); // of kill -9
const times = (n, make) => Promise.all(Array.from({ length: n }, (_, i) => make(i)));
let origin;

before(async () => (origin = await forkOrigin()));
beforeEach(() => origin.reset());
after(() => origin?.stop());

const fileOf = (name) => readFileSync(origin.media[name].path);
const start = (env = {}, options = {}) => startStack({ origin, env: { SLUICE_CACHE_BYTES: String(1 << 30), ...env }, ...options });
const media = async () => (await origin.requests()).filter((entry) => entry.range);
const upstream = async () => (await media()).reduce((sum, entry) => sum + entry.bytes, 0);

// The slice files, and what they weigh.
function slicesOf(stack) {
  const dir = path.join(stack.dataDir, 'slices');
  return readdirSync(dir, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => readdirSync(path.join(dir, entry.name)).map((name) => path.join(dir, entry.name, name)));
}
const bytesOf = (files) => files.reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);

async function metric(stack, name) {
  const line = (await stack.get('/metrics')).text().match(new RegExp(`^${name} (\\d+)$`, 'm'));
  assert.ok(line, name);
  return Number(line[1]);
}

async function cache(stack, ...args) {
  const env = programEnv(stack.scratch, { SLUICE_DATA_DIR: stack.dataDir, SLUICE_CACHE_BYTES: String(1 << 30) });
  const done = await run(path.join(programs, 'sluice'), ['cache', ...args, '--json'], { env });
  assert.ok(done.exit === 0 || args[0] === 'verify', done.stderr);
  return JSON.parse(done.stdout);
}

// Always the same "random" numbers: from 0 to n - 1.
function seeded(seed) {
  let x = seed;
  return (n) => (x = (x * 1103515245 + 12345) % 2147483648) % n;
}

describe('many clients', () => {
  let stack;
  before(async () => (stack = await start()));
  after(() => stack?.stop());

  test('200 of one fresh video, fast and slow, of all of it and of parts: the source is read once', async () => {
    const file = fileOf('short-136.mp4');
    const link = watch('sluiceDemo1');
    await stack.stream(link, 'format-136', { method: 'HEAD' });
    await origin.reset();
    const answers = await times(200, (i) => {
      const from = (i * 7919 * 131) % (file.length - 1000);
      const headers = i % 4 === 3 ? { Range: `bytes=${from}-` } : {};
      return stack.stream(link, 'format-136', { headers, pauseMs: i % 10 === 0 ? 2 : 0 }).then((answer) => [answer, headers.Range ? from : 0]);
    });
    for (const [answer, from] of answers) {
      assert.ok(answer.complete, `${answer.status} ${answer.body.length}`);
      assert.ok(answer.body.equals(file.subarray(from)));
    }
    const read = await upstream();
    assert.ok(read <= 1.02 * file.length, `${(read / file.length).toFixed(3)} times its bytes`);
  });

  test('every choice that is made of it shares it', async () => {
    const link = watch('sluiceBig01');
    await stack.stream(link, 'format-137');
    await origin.reset();
    const whole = await stack.stream(link, '1080p-mp4');
    assert.equal(whole.status, 200);
    const clip = await stack.get(`/api/v1/stream?${new URLSearchParams({ url: link, choice: '1080p-mp4', start: '5', end: '15' })}`);
    assert.equal(clip.status, 200);
    const file = fileOf('big-137.mp4');
    const again = (await media()).filter((entry) => entry.query.includes('itag=137')).reduce((sum, entry) => sum + entry.bytes, 0);
    assert.ok(again < file.length / 20, `${again} bytes read again of ${file.length}`); // the headers of its fragments
  });

  test('a slow client holds up nobody', async () => {
    await stack.stream(watch('sluiceLong1'), 'format-137', { method: 'HEAD' });
    const slow = stack.stream(watch('sluiceLong1'), 'format-137', { pauseMs: 200, keep: 1 << 20 });
    const began = Date.now();
    const fast = await stack.stream(watch('sluiceLong1'), 'format-137');
    assert.ok(fast.complete);
    const ms = Date.now() - began;
    const slowAnswer = await slow;
    assert.ok(ms < slowAnswer.ms, `${ms} ms beside ${slowAnswer.ms} ms`);
  });

  test('where an answer comes from is said', async () => {
    const link = watch('sluiceV2000');
    const from = async (headers) => (await stack.stream(link, 'format-136', { headers })).headers['x-sluice-cache'];
    const first = await from({});
    assert.notEqual(first, 'slices');
    assert.equal(await from({}), 'slices');
    assert.equal(await from({ Range: 'bytes=1000000-2000000' }), 'slices');
    const part = watch('sluiceV2001');
    await stack.stream(part, 'format-136', { headers: { Range: 'bytes=100-200' } });
    await until(async () => (await stack.stream(part, 'format-136', { method: 'HEAD', headers: { Range: 'bytes=0-999999' } })).headers['x-sluice-cache'] === 'slices', 'the rest of its slice', 5000);
    assert.notEqual((await stack.stream(part, 'format-136')).headers['x-sluice-cache'], 'slices');
  });

  test('what is converted reads them, too', async () => {
    const link = watch('sluiceV2002');
    const { choices } = (await stack.info(link)).json();
    const [sound] = choices.find((choice) => choice.id === 'audio-mp3-128').formats;
    await stack.stream(link, `format-${sound}`);
    await origin.reset();
    const mp3 = await stack.stream(link, 'audio-mp3-128');
    assert.ok(mp3.complete && mp3.body.length > 100000, `${mp3.status}`);
    const again = (await media()).filter((entry) => entry.query.includes(`itag=${sound}&`));
    assert.deepEqual(again, []);
  });

  test('the command line: what there is, and letting go of it', async () => {
    const link = watch('sluiceV2003');
    const whole = await stack.stream(link, 'format-136');
    await until(async () => (await cache(stack, 'stat')).slices === slicesOf(stack).length, 'the index to know all', 5000);
    const known = await cache(stack, 'stat');
    assert.equal(known.slice_bytes, bytesOf(slicesOf(stack)));
    assert.deepEqual(await cache(stack, 'verify'), { files_good: 0, files_damaged: 0, good: known.slices, damaged: 0, unlisted: 0, missing: 0, leftovers: 0 });
    assert.equal((await cache(stack, 'purge', '--link', link)).slices, Math.ceil(whole.body.length / (1 << 20)));
    const song = 'https://media.example/song.mp3';
    await stack.stream(song, 'best');
    await until(async () => (await cache(stack, 'stat')).slices === slicesOf(stack).length, 'its slice to be listed', 5000);
    assert.equal((await cache(stack, 'purge', '--link', song)).slices, 1);
    assert.equal((await cache(stack, 'purge', '--unused', '3600')).slices, 0);
    assert.ok((await cache(stack, 'purge', '--site', 'youtube')).slices > 0);
    assert.deepEqual(slicesOf(stack), []);
    assert.equal((await cache(stack, 'stat')).slices, 0);
    assert.ok((await stack.stream(link, 'format-136')).body.equals(whole.body));
    await stack.stream(link, 'format-134');
    const env = programEnv(stack.scratch, { SLUICE_DATA_DIR: stack.dataDir });
    assert.equal((await run(path.join(programs, 'sluice'), ['gc'], { env })).exit, 0);
    assert.ok(slicesOf(stack).length > 0, 'a command that does not know of cache_bytes deletes nothing');
    const misuse = await run(path.join(programs, 'sluice'), ['cache', 'purge', '--unused', 'x'], { env: programEnv(stack.scratch) });
    assert.equal(misuse.exit, 2);
  });

  test('what it counts', async () => {
    assert.ok((await metric(stack, 'sluice_slice_hits_total')) > 0);
    assert.ok((await metric(stack, 'sluice_slice_misses_total')) > 0);
    assert.ok((await metric(stack, 'sluice_slice_shared_total')) > 0);
    await until(async () => (await metric(stack, 'sluice_slice_bytes')) === bytesOf(slicesOf(stack)), 'the index to know all', 5000);
    assert.equal(await metric(stack, 'sluice_slices'), slicesOf(stack).length);
  });
});

// What is asked for in tests that only look at bytes: formats of different files.
const wanted = [
  ['sluiceBig01', 'format-137', 'big-137.mp4'],
  ['sluiceDemo1', 'format-136', 'short-136.mp4'],
  ['sluiceDemo1', 'format-134', 'short-134.mp4'],
  ['sluiceLong1', 'format-140', 'long-140.m4a'],
];

async function assertRandomPart(stack, random) {
  const [video, choice, name] = wanted[random(wanted.length)];
  const file = fileOf(name);
  const from = random(file.length);
  const to = Math.min(file.length, from + 1 + random(3 << 20));
  const answer = await stack.stream(watch(video), choice, { headers: { Range: `bytes=${from}-${to - 1}` } });
  assert.equal(answer.status, 206, answer.text().slice(0, 500));
  assert.ok(answer.body.equals(file.subarray(from, to)), `${choice} ${from}-${to}: ${answer.body.length} bytes`);
}

describe('what goes wrong', () => {
  test('damaged files are noticed, deleted and fetched anew', async () => {
    const stack = await start();
    try {
      const file = fileOf('short-136.mp4');
      await stack.stream(watch('sluiceDemo1'), 'format-136');
      const random = seeded(11);
      const files = slicesOf(stack);
      assert.ok(files.length > 1);
      for (const [i, name] of files.entries()) {
        const bytes = readFileSync(name);
        bytes[i === 0 ? 40 : 4096 + random(bytes.length - 4096)] ^= 1 << random(8);
        writeFileSync(name, i === 1 ? bytes.subarray(0, bytes.length - 1) : bytes);
      }
      await origin.reset();
      const answer = await stack.stream(watch('sluiceDemo1'), 'format-136');
      assert.ok(answer.complete && answer.body.equals(file), `${answer.status}, ${answer.body.length} bytes`);
      assert.equal(await metric(stack, 'sluice_slice_damaged_total'), files.length);
      assert.equal(await upstream(), file.length);
      assert.equal((await cache(stack, 'verify')).damaged, 0);
    } finally {
      await stack.stop();
    }
  });

  test('two installations that share their directory read once', async () => {
    const stack = await start();
    const other = await start({}, { dataDir: stack.dataDir });
    try {
      const file = fileOf('short-136.mp4');
      await stack.stream(watch('sluiceDemo1'), 'format-136', { method: 'HEAD' });
      await origin.reset();
      const answers = await times(40, (i) => [stack, other][i % 2].stream(watch('sluiceDemo1'), 'format-136'));
      for (const answer of answers) assert.ok(answer.body.equals(file));
      const read = await upstream();
      assert.ok(read <= 1.02 * file.length, `${(read / file.length).toFixed(3)} times its bytes`);
    } finally {
      await other.stop();
      await stack.stop();
    }
  });
});

describe('under pressure', { concurrency: 5 }, () => {
  test('what is evicted meanwhile is never missing or wrong, and the limit holds', async () => {
    const limit = 8 << 20;
    const stack = await start({ SLUICE_CACHE_BYTES: String(limit) });
    try {
      const random = seeded(7);
      let most = 0;
      for (let i = 0; i < 5; i++) {
        await times(16, () => assertRandomPart(stack, random));
        most = Math.max(most, bytesOf(slicesOf(stack)));
      }
      assert.ok(most <= limit, `${most} bytes of ${limit}`);
      await until(async () => (await metric(stack, 'sluice_slice_evictions_total')) > 0, 'evictions', 5000);
    } finally {
      await stack.stop();
    }
  });

  test(`kill -9 in ${rounds} rounds: bytes and index are right`, async () => {
    const stack = await start();
    try {
      const random = seeded(13);
      for (let i = 0; i < rounds; i++) {
        const [video, choice] = wanted[random(wanted.length)];
        const clients = times(3, () => stack.stream(watch(video), choice, { headers: { Range: `bytes=${random(2 << 20)}-` } }));
        await sleep(random(120));
        for (const { pid } of stack.processes('stream.fcgi')) process.kill(pid, 'SIGKILL');
        await clients;
        if (i % 5 === 4) for (const file of slicesOf(stack).filter(() => random(3) === 0)) rmSync(file); // so that there is something to write
      }
      await until(async () => (await stack.get('/api/v1/stream?url=x')).status === 400, 'stream.fcgi', 15000);
      for (const [video, choice, name] of wanted) {
        const answer = await stack.stream(watch(video), choice);
        assert.ok(answer.complete && answer.body.equals(fileOf(name)), `${choice}: ${answer.status}, ${answer.body.length} bytes`);
      }
      const found = await cache(stack, 'verify');
      assert.equal(found.damaged, 0, JSON.stringify(found));
      await until(async () => (await cache(stack, 'stat')).slices === slicesOf(stack).length, 'the index', 5000);
      assert.deepEqual(await cache(stack, 'verify'), { files_good: 0, files_damaged: 0, good: slicesOf(stack).length, damaged: 0, unlisted: 0, missing: 0, leftovers: 0 });
    } finally {
      await stack.stop();
    }
  });

  test('what killed processes have left among the temporary files goes', async () => {
    const data = path.join(scratchDir(), 'data');
    const left = path.join(data, 'tmp', `${'0123456789abcdef'.repeat(2)}-000001`);
    mkdirSync(path.dirname(left), { recursive: true });
    writeFileSync(left, 'half of a slice');
    const stack = await start({}, { dataDir: data });
    try {
      await until(() => !existsSync(left), 'its end', 5000);
    } finally {
      await stack.stop();
      rmSync(path.dirname(data), { recursive: true });
    }
  });

  test('a full disk: without slices, and with them again when there is room', async (t) => {
    const data = path.join(scratchDir(), 'data');
    mkdirSync(data);
    const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=0700', 'sluice', data]);
    if (mounted.exit !== 0) {
      t.skip(`no file system of its own can be mounted here: ${mounted.stderr}`);
      return;
    }
    const stack = await start({}, { dataDir: data });
    try {
      const offs = () => stack.log().match(/ slices-off /g)?.length ?? 0;
      const file = fileOf('big-137.mp4');
      const filler = path.join(data, 'filler');
      await stack.stream(watch('sluiceBig01'), 'format-137', { headers: { Range: 'bytes=0-99' } });
      writeFileSync(filler, Buffer.alloc((24 << 20) - (4 << 20) - bytesOf(slicesOf(stack))));
      const answer = await stack.stream(watch('sluiceBig01'), 'format-137');
      assert.ok(answer.complete && answer.body.equals(file), `${answer.status}, ${answer.body.length} bytes`);
      assert.equal(offs(), 1, stack.log());
      assert.equal(await metric(stack, 'sluice_slice_off_total'), 1);
      assert.ok((await stack.stream(watch('sluiceBig01'), 'format-137')).body.equals(file));
      assert.equal(offs(), 1, 'said once');
      rmSync(filler);
      await until(async () => {
        await stack.stream(watch('sluiceDemo1'), 'format-134');
        return / slices-on/.test(stack.log());
      }, 'slices again', 15000);
      const count = slicesOf(stack).length;
      await stack.stream(watch('sluiceDemo1'), 'format-136');
      assert.ok(slicesOf(stack).length > count);
    } finally {
      await stack.stop();
      await run('umount', [data]);
      rmSync(path.dirname(data), { recursive: true });
    }
  });

  test('off: what was kept is deleted', async () => {
    const data = path.join(scratchDir(), 'data');
    let stack = await start({}, { dataDir: data });
    try {
      await stack.stream(watch('sluiceDemo1'), 'format-134');
      assert.ok(slicesOf(stack).length > 0);
      await stack.stop();
      stack = await start({ SLUICE_CACHE_BYTES: '0' }, { dataDir: data });
      await until(() => slicesOf(stack).length === 0, 'their end', 5000);
      const answer = await stack.stream(watch('sluiceDemo1'), 'format-134');
      assert.ok(answer.body.equals(fileOf('short-134.mp4')));
      assert.equal(slicesOf(stack).length, 0);
    } finally {
      await stack.stop();
      rmSync(path.dirname(data), { recursive: true });
    }
  });
});
