// One source over several connections: a fast client of a source that limits each connection gets the sum of them, in
// order; a slow client has one. What the origin saw says how many there were.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { after, before, beforeEach, describe, test } from 'node:test';

import { forkOrigin } from '../origin/origin.mjs';
import { sha256, startStack, until } from './harness.mjs';

const perConnection = 3000000; // bytes per second
const link = 'https://media.example/gigabyte.mp4';
let origin;
const stacks = {};

before(async () => {
  origin = await forkOrigin();
  for (const parallel of [1, 4]) stacks[parallel] = await startStack({ origin, env: { SLUICE_PARALLEL: String(parallel) } });
});
after(async () => {
  for (const stack of Object.values(stacks)) await stack.stop();
  await origin?.stop();
});
beforeEach(() => origin.reset());

// The most connections over which media came at once. A request on a connection means that the one before is over.
async function mostAtOnce() {
  const changes = (await origin.requests()).filter((entry) => entry.range).flatMap((entry) => [
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

// The link has been described: from now on only what is sent is fetched, as slowly as this.
async function limited(stack, path, match, rate) {
  await stack.get(path, { method: 'HEAD' });
  await origin.reset();
  await origin.script({ match, times: Infinity, action: { type: 'drip', rate } });
}

const target = (url, choice = 'best') => `/api/v1/stream?${new URLSearchParams({ url, choice })}`;
const rssOf = (pid) => Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;

// Takes the bytes without keeping them; `rate`: no more a second.
function take(stack, path, { range, rate = Infinity, seconds = Infinity } = {}) {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const options = { host: '127.0.0.1', port: stack.port, path, agent: false, headers: range ? { Range: range } : {} };
    const req = http.get(options, (answer) => {
      const hash = createHash('sha256');
      let bytes = 0;
      const done = () => resolve({ bytes, hash: hash.digest('hex'), complete: answer.complete, seconds: (performance.now() - started) / 1000 });
      answer.on('data', (piece) => {
        bytes += piece.length;
        hash.update(piece);
        const ahead = (bytes / rate) * 1000 - (performance.now() - started);
        if (performance.now() - started > seconds * 1000) req.destroy();
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

// The file is one of which only the beginning is not zero.
function expected(first, last) {
  const file = readFileSync(origin.media['short-18.mp4'].path);
  const hash = createHash('sha256').update(file.subarray(first, last + 1));
  const zeros = Buffer.alloc(1 << 20);
  for (let at = Math.max(first, file.length); at <= last; at += zeros.length) hash.update(zeros.subarray(0, last + 1 - at));
  return hash.digest('hex');
}

describe('a source that limits each connection', () => {
  test('a fast client gets three times as much over four as over one, the same bytes, in bounded memory', async (t) => {
    await limited(stacks[1], target(link), { path: '/gigabyte.mp4' }, perConnection);
    const [first, few, many] = [1000, 12000000, 96000000];
    const one = await take(stacks[1], target(link), { range: `bytes=${first}-${few}` });
    assert.equal(await mostAtOnce(), 1);
    assert.equal(one.hash, expected(first, few));
    await limited(stacks[4], target(link), { path: '/gigabyte.mp4' }, perConnection);
    const { pid } = stacks[4].processes('stream.fcgi')[0];
    const before = rssOf(pid);
    let peak = before;
    const timer = setInterval(() => (peak = Math.max(peak, rssOf(pid))), 50);
    const four = await take(stacks[4], target(link), { range: `bytes=${first}-${many}` });
    clearInterval(timer);
    assert.equal(four.hash, expected(first, many));
    const atOnce = await mostAtOnce();
    assert.ok(atOnce >= 3 && atOnce <= 4, `${atOnce} connections at once`);
    const gain = four.bytes / four.seconds / (one.bytes / one.seconds);
    t.diagnostic(`${gain.toFixed(2)} times as fast, ${((peak - before) / 1e6).toFixed(1)} MB more memory`);
    assert.ok(gain >= 3, `${gain.toFixed(2)} times as fast`);
    // three parts of 2 MiB and four rings; freed memory waits a while in the sanitizers' quarantine
    const slack = process.env.SLUICE_BIN?.includes('san') ? 300e6 : 5e6;
    assert.ok(peak - before < 3 * 2097152 + 4 * 131072 + slack, `${peak - before} bytes more`);
  });

  test('a slow client has one connection', async () => {
    await limited(stacks[4], target(link), { path: '/gigabyte.mp4' }, perConnection);
    const slow = await take(stacks[4], target(link), { rate: 400000, seconds: 10 });
    assert.ok(slow.bytes > 1000000, `${slow.bytes} bytes`);
    const took = (await origin.requests()).reduce((sum, entry) => sum + entry.bytes, 0);
    assert.equal(await mostAtOnce(), 1, `${took - slow.bytes} bytes ahead of the client`);
  });
});
