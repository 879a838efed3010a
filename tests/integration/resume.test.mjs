// Merged downloads that are interrupted: by a killed client, a killed server, a restart, another installation. What
// the real download tools put together in the end is the file. SLUICE_TEST_ROUNDS: how often each is killed.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';

import { run, scratchDir, sha256, startStack, until } from './harness.mjs';
import { seeded } from './mp4.mjs';

const target = (id, fields) =>
  `/api/v1/stream?${new URLSearchParams({ url: `https://www.youtube.com/watch?v=${id}`, ...fields })}`;
const link = target('sluiceLong1', { choice: '1080p-mp4' });
const rounds = Number(process.env.SLUICE_TEST_ROUNDS ?? 3);
const random = seeded(815);
let stack;
let origin;
let scratch;
let whole; // of `link`

before(async () => {
  scratch = scratchDir();
  stack = await startStack();
  origin = stack.origin;
  whole = await stack.get(link);
  assert.equal(whole.status, 200);
  assert.ok(whole.complete);
});
beforeEach(() => origin.reset());
after(async () => {
  rmSync(scratch, { recursive: true, force: true });
  await stack?.stop();
});

// Of each tool: its arguments, those to be slow enough to be caught, and those that make it go on by itself.
const tools = {
  curl: (file, url) => ({
    args: ['--noproxy', '*', '-sS', '--fail', '-C', '-', '-o', file, url],
    slow: ['--limit-rate', '20M'],
  }),
  wget: (file, url) => ({
    args: ['--no-proxy', '-q', '-c', '-O', file, url],
    slow: ['--limit-rate=20m'],
  }),
  'aria2c, one connection': (file, url) => aria2c(file, url, 1),
  'aria2c, four connections': (file, url) => aria2c(file, url, 4),
};

function aria2c(file, url, connections) {
  const place = ['-d', path.dirname(file), '-o', path.basename(file)];
  const quiet = ['--no-conf', '--all-proxy=', '-q', '--file-allocation=none'];
  return {
    // It writes down which pieces it has; what it has not written down when it is killed it fetches again.
    args: [...quiet, '-c', '--auto-save-interval=1', `-s${connections}`, `-x${connections}`, '-k1M', ...place, url],
    slow: ['--max-overall-download-limit=12M'],
    notes: `${file}.aria2`,
  };
}

const hasBytes = (file, count) => existsSync(file) && statSync(file).blocks * 512 >= count;

// Starts a tool and kills it when about `count` bytes are there; → how it ended.
async function runAndKill(name, { args, slow, notes }, file, count) {
  const child = spawn(name.split(',')[0], [...slow, ...args], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
  await until(() => hasBytes(file, count) || child.exitCode !== null, `${count} bytes`, 30000);
  if (notes) await until(() => existsSync(notes) || child.exitCode !== null, notes);
  child.kill('SIGKILL');
  return ended;
}

const isWhole = (file) => sha256(readFileSync(file)) === sha256(whole.body);

describe('a client that is killed', { concurrency: 2 }, () => {
  for (const [name, make] of Object.entries(tools))
    for (let round = 0; round < rounds; round++) {
      const first = random(20000000);
      const second = first + random(9000000);
      test(`${name}, at bytes ${first} and ${second}`, async () => {
        const dir = path.join(scratch, `${name}-${round}`);
        mkdirSync(dir);
        const file = path.join(dir, 'file.mp4');
        const tool = make(file, stack.base + link);
        assert.equal(await runAndKill(name, tool, file, first), 'SIGKILL', 'killed on the way');
        assert.ok(!isWhole(file));
        assert.equal(await runAndKill(name, tool, file, second), 'SIGKILL', 'killed once more');
        const { exit, stderr } = await run(name.split(',')[0], tool.args);
        assert.equal(exit, 0, stderr);
        assert.ok(isWhole(file));
        rmSync(dir, { recursive: true });
      });
    }
});

describe('a server that is killed', () => {
  const killStreams = () => {
    for (const { pid } of stack.processes('stream.fcgi')) process.kill(pid, 'SIGKILL');
  };
  const back = () => until(async () => (await stack.get(link, { method: 'HEAD' })).status === 200, 'stream.fcgi to be back');

  test('curl says that the file is not whole, and goes on when told to', async () => {
    const file = path.join(scratch, 'killed-server.mp4');
    const { args, slow } = tools.curl(file, stack.base + link);
    for (let kills = 0; kills < 2; kills++) {
      const count = (existsSync(file) ? statSync(file).size : 0) + 1000000 + random(9000000);
      const download = run('curl', [...slow, ...args]);
      await until(() => hasBytes(file, count), `${count} bytes`, 30000);
      killStreams();
      const { exit } = await download;
      assert.ok([18, 56].includes(exit), `exit ${exit}`);
      await back();
      assert.ok(!isWhole(file));
    }
    assert.equal((await run('curl', args)).exit, 0);
    assert.ok(isWhole(file));
  });

  for (const name of ['wget', 'aria2c, four connections'])
    test(`${name} goes on by itself`, async () => {
      const file = path.join(scratch, `${name}.mp4`);
      const { args, slow } = tools[name](file, stack.base + link);
      const patient = name === 'wget' ? ['--retry-on-http-error=503', '--waitretry=1'] : ['--retry-wait=1', '--max-tries=20'];
      const download = run(name.split(',')[0], [...patient, ...slow, ...args]);
      await until(() => hasBytes(file, 5000000 + random(9000000)), 'the first bytes', 30000);
      killStreams();
      assert.equal((await download).exit, 0);
      assert.ok(isWhole(file));
    });

  test('the next part comes from the same file', async () => {
    for (let i = 0; i < 3; i++) {
      killStreams();
      await back();
      const start = random(whole.body.length - 70000);
      const answer = await stack.get(link, {
        headers: { Range: `bytes=${start}-${start + 69999}`, 'If-Range': whole.headers.etag },
      });
      assert.equal(answer.status, 206);
      assert.equal(answer.headers.etag, whole.headers.etag);
      assert.ok(answer.body.equals(whole.body.subarray(start, start + 70000)));
    }
  });
});

describe('the same file, wherever and whenever', () => {
  const files = {
    progressive: link,
    fragmented: target('sluiceLong1', { choice: '1080p-mp4', layout: 'fragmented' }),
    'without tags': target('sluiceLong1', { choice: '1080p-mp4', metadata: '0' }),
    'a clip': target('sluiceLong1', { choice: '1080p-mp4', start: '10', end: '61.5' }),
    'sound alone': target('sluiceLong1', { choice: 'audio-m4a' }),
    'another height': target('sluiceLong1', { choice: '720p-mp4' }),
    'VP9 and Opus': target('sluiceVp9_2', { choice: '360p-mp4' }),
  };
  const known = {}; // name: [ETag, length, hash of the first million bytes]
  const look = async (from, file) => {
    const { headers, body } = await from.get(file, { headers: { Range: 'bytes=0-999999' } });
    return [headers.etag, headers['content-range'], sha256(body)];
  };
  const assertSame = async (from) => {
    for (const [name, file] of Object.entries(files)) assert.deepEqual(await look(from, file), known[name], name);
  };
  before(async () => {
    for (const [name, file] of Object.entries(files)) known[name] = await look(stack, file);
  });

  test('each has a tag of its own', () => {
    const tags = Object.values(known).map(([etag]) => etag);
    assert.ok(tags.every((etag) => /^"[!#-~]+"$/.test(etag)));
    assert.equal(new Set(tags).size, tags.length);
  });

  test('after the addresses of the sources were withdrawn', async () => {
    await origin.rotate();
    await assertSame(stack);
  });

  test('in another installation, and in that after a restart, with other addresses', async () => {
    const dataDir = path.join(scratch, 'data');
    for (const turn of ['first', 'second', 'third']) {
      const other = await startStack({ origin, dataDir });
      try {
        await assertSame(other);
        if (turn === 'second') await origin.rotate();
      } finally {
        await other.stop();
      }
    }
  });

  test('in another installation where headers and cover came late and out of order', async () => {
    for (const match of [{ path: '/videoplayback', range: /^bytes=[1-9]/ }, { host: 'i.ytimg.com' }])
      await origin.script({ match, times: 2, action: { type: 'status', status: 503 } });
    await origin.script({ match: { path: '/videoplayback' }, times: 6, action: { type: 'delay', ms: 300 } });
    const other = await startStack({ origin });
    try {
      await assertSame(other);
    } finally {
      await other.stop();
    }
  });

  test('If-Range: a part of it, or all of what there is now', async () => {
    const ask = (tag) => stack.get(files.fragmented, { headers: { Range: 'bytes=500000-599999', 'If-Range': tag } });
    const [etag, range] = known.fragmented;
    const length = range.split('/')[1];
    const hit = await ask(etag);
    assert.deepEqual([hit.status, hit.headers['content-range']], [206, `bytes 500000-599999/${length}`]);
    for (const stale of [known.progressive[0], `W/${etag}`, '"x"', 'Mon, 02 Nov 2026 08:00:00 GMT']) {
      const miss = await ask(stale);
      assert.deepEqual([miss.status, miss.headers.etag, miss.body.length], [200, etag, Number(length)]);
      assert.ok(miss.complete);
      assert.ok(miss.body.subarray(500000, 600000).equals(hit.body));
    }
  });
});
