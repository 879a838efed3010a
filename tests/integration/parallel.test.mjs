// One source over several connections: a fast client of a source that limits each connection gets the sum of them, in
// order; a slow client has one. What the origin saw says how many there were.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { forkOrigin } from '../origin/origin.mjs';
import { root, sha256, startStack } from './harness.mjs';

const target = (url, choice = 'best') => `/api/v1/stream?${new URLSearchParams({ url, choice, metadata: '0' })}`;
let origin;
let four;

before(async () => {
  origin = await forkOrigin();
  four = await startStack({ origin, env: { SLUICE_PARALLEL: '4' } });
});
after(async () => {
  await four?.stop();
  await origin?.stop();
});

// A link that nobody has asked for yet, described: from now on only what is sent is fetched.
let links = 0;
async function gigabyte(stack, rate, fields) {
  const query = `?${new URLSearchParams({ n: links++, rate, ...fields })}`;
  const where = target(`http://media.example/gigabyte.mp4${query}`);
  assert.equal((await stack.get(where, { method: 'HEAD' })).status, 200);
  return { where, query, since: Date.now() };
}

const requestsOf = async ({ query, path: name, since }) =>
  (await origin.requests()).filter((entry) => entry.range && entry.at >= since && (query ? entry.query === query : entry.path === name));

// The most connections over which media came at once. A request on a connection means that the one before is over.
async function mostAtOnce(link) {
  const changes = (await requestsOf(link)).flatMap((entry) => [
    [entry.at, entry.connection, 1],
    [entry.ended ?? Infinity, entry.connection, -1],
  ]);
  changes.sort((a, b) => a[0] - b[0] || a[2] - b[2]);
  const busy = new Map();
  let most = 0;
  for (const [, connection, change] of changes) {
    busy.set(connection, (busy.get(connection) ?? 0) + change);
    if (!busy.get(connection)) busy.delete(connection);
    most = Math.max(most, busy.size);
  }
  return most;
}

// Takes the bytes without keeping them; `rate`: no more a second, `seconds`: no longer. `speed` is that of the last half.
function take(stack, where, { range, rate = Infinity, seconds = Infinity } = {}) {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const options = { host: '127.0.0.1', port: stack.port, path: where, agent: false, headers: range ? { Range: range } : {} };
    const req = http.get(options, (answer) => {
      const hash = createHash('sha256');
      const half = Number(answer.headers['content-length']) / 2;
      let bytes = 0;
      let halfAt = 0;
      const done = () =>
        resolve({
          bytes,
          hash: hash.digest('hex'),
          complete: answer.complete,
          speed: half / ((performance.now() - halfAt) / 1000),
        });
      answer.on('data', (piece) => {
        bytes += piece.length;
        hash.update(piece);
        if (bytes >= half) halfAt ||= performance.now();
        const ahead = (bytes / rate) * 1000 - (performance.now() - began);
        if (performance.now() - began > seconds * 1000) req.destroy();
        else if (ahead > 5) {
          answer.pause();
          setTimeout(() => answer.resume(), ahead).unref();
        }
      });
      answer.on('error', () => {});
      answer.on('close', done);
    });
    req.on('error', reject);
  });
}

// Of the gigabyte, of which all but the beginning is zero.
function expected(first, last) {
  const file = readFileSync(origin.media['short-18.mp4'].path);
  const hash = createHash('sha256').update(file.subarray(first, last + 1));
  const zeros = Buffer.alloc(1 << 20);
  for (let at = Math.max(first, file.length); at <= last; at += zeros.length) hash.update(zeros.subarray(0, last + 1 - at));
  return hash.digest('hex');
}

describe('a source that limits each connection', () => {
  test('a fast client gets three times as much over four as over one, and the same bytes', async (t) => {
    const one = await startStack({ origin, env: { SLUICE_PARALLEL: '1' } });
    try {
      const [first, few, many] = [1000, 8000000, 64000000];
      let gain = 0;
      // A machine that is busy with other things is no slow source: once more.
      for (let i = 0; i < 3 && gain < 3; i++) {
        const alone = await gigabyte(one, 2000000);
        const together = await gigabyte(four, 2000000);
        const single = await take(one, alone.where, { range: `bytes=${first}-${few}` });
        assert.equal(single.hash, expected(first, few));
        assert.equal(await mostAtOnce(alone), 1);
        const several = await take(four, together.where, { range: `bytes=${first}-${many}` });
        assert.equal(several.hash, expected(first, many));
        const most = await mostAtOnce(together);
        assert.ok(most <= 4, `${most} connections at once`);
        gain = several.speed / single.speed;
        t.diagnostic(`${gain.toFixed(2)} times as fast over ${most}`);
      }
      assert.ok(gain >= 3, `${gain.toFixed(2)} times as fast`);
    } finally {
      await one.stop();
    }
  });

  test('what the connections read ahead is bounded', async (t) => {
    const rssOf = (pid) => Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
    // Sanitizers keep what was freed.
    const plain = await startStack({ origin, bin: path.join(root, 'build/cgi-bin'), env: { SLUICE_PARALLEL: '4' } });
    try {
      const link = await gigabyte(plain, 6000000);
      const { pid } = plain.processes('stream.fcgi')[0];
      const atFirst = rssOf(pid);
      let peak = atFirst;
      const timer = setInterval(() => (peak = Math.max(peak, rssOf(pid))), 20);
      const answer = await take(plain, link.where, { range: 'bytes=0-60000000' });
      clearInterval(timer);
      assert.equal(answer.hash, expected(0, 60000000));
      const most = await mostAtOnce(link);
      assert.ok(most > 1 && most <= 4, `${most} connections at once`);
      t.diagnostic(`${((peak - atFirst) / 1e6).toFixed(1)} MB more`);
      // three parts of 2 MiB, four rings; and a part that the allocator has not given back
      assert.ok(peak - atFirst < 3 * 2097152 + 4 * 131072 + 4e6, `${peak - atFirst} bytes more`);
    } finally {
      await plain.stop();
    }
  });

  test('a merged file is the same', async () => {
    const where = target('https://www.youtube.com/watch?v=sluiceBig01', '1080p-mp4');
    const whole = await four.get(where);
    assert.equal(whole.status, 200);
    const link = { path: '/videoplayback', since: Date.now() };
    await origin.script({ match: { path: link.path }, times: Infinity, action: { type: 'drip', rate: 4000000 } });
    const answer = await take(four, where);
    assert.ok(answer.complete);
    assert.equal(answer.hash, sha256(whole.body));
    const most = await mostAtOnce(link);
    assert.ok(most > 2 && most <= 5, `${most} connections at once`); // four, and the one for the sound
    for (const { range } of await requestsOf(link)) {
      const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(range);
      assert.ok(end - start < 10 * 1024 * 1024, range);
    }
  });
});

describe('those who get one connection, and all they ask for', { concurrency: 3 }, () => {
  test('a slow client', async () => {
    const link = await gigabyte(four, 3000000);
    const slow = await take(four, link.where, { rate: 150000, seconds: 8 });
    assert.ok(slow.bytes > 500000, `${slow.bytes} bytes`);
    assert.equal(await mostAtOnce(link), 1);
  });

  test('a source that knows no ranges', async () => {
    const link = await gigabyte(four, 3000000, { whole: '' });
    const answer = await take(four, link.where, { seconds: 8 });
    assert.ok(answer.bytes > 13000000, `${answer.bytes} bytes`);
    assert.equal(answer.hash, expected(0, answer.bytes - 1));
    assert.ok((await requestsOf(link)).length >= 2, 'more were tried');
  });

  // What such a source does to every request beside another one.
  const dislikes = {
    'a source that refuses more': { type: 'status', status: 429 },
    'a source that resets more': { type: 'reset', after: 100000 },
    'a source that breaks off more': { type: 'truncate', after: 0 },
    'a source that is busy with more': { type: 'status', status: 503 },
  };
  for (const [what, action] of Object.entries(dislikes))
    test(what, async () => {
      const link = await gigabyte(four, 3000000);
      await origin.script({ match: { query: link.query, others: /[1-9]/ }, times: Infinity, action });
      const answer = await take(four, link.where, { range: 'bytes=0-24000000' });
      assert.ok(answer.complete, `${answer.bytes} bytes`);
      assert.equal(answer.hash, expected(0, 24000000));
      assert.ok((await mostAtOnce(link)) >= 2, 'more were tried');
    });
});
