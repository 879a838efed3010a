// Streams take no thread: many more at once than the program has threads, slow and fast, all whole in the end.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';

import { forkOrigin } from '../origin/origin.mjs';
import { startStack, until } from './harness.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;
const sha = (data) => createHash('sha256').update(data).digest('hex');

describe('hundreds of streams', () => {
  const count = 150;
  const part = { Range: 'bytes=1000-8388607' };
  let origin;
  let stack;

  before(async () => {
    origin = await forkOrigin();
    stack = await startStack({ origin, env: { SLUICE_MAX_CONNECTIONS: '400', SLUICE_MAX_ACTIVE: '400' } });
  });
  after(async () => {
    await stack?.stop();
    await origin?.stop();
  });

  const workers = async () => (await stack.get('/health')).json().workers;
  const threads = () => fs.readdirSync(`/proc/${stack.processes('stream.fcgi')[0].pid}/task`).length;

  // A client that has got its head and takes no more until it is told to.
  const open = (target) => new Promise((resolve, reject) => {
    http.get({ host: '127.0.0.1', port: stack.port, path: target, agent: false, headers: part }, (answer) => {
      answer.pause();
      resolve(answer);
    }).on('error', reject);
  });

  test('wait for their clients side by side, and all end whole', async () => {
    const target = `/api/v1/stream?${new URLSearchParams({ url: watch('sluiceBig01'), choice: 'format-137' })}`;
    const whole = (await stack.get(target, { headers: part })).body;
    const answers = await Promise.all(Array.from({ length: count }, () => open(target)));
    assert.ok(answers.every((answer) => answer.statusCode === 206));
    await until(async () => (await workers()).active === count, 'all of them at once');
    assert.ok(threads() < 110, `${threads()} threads`);
    const expected = sha(whole);
    const sums = await Promise.all(answers.map(async (answer) => {
      const hash = createHash('sha256');
      for await (const piece of answer) hash.update(piece);
      return hash.digest('hex');
    }));
    assert.ok(sums.every((sum) => sum === expected));
    await until(async () => (await workers()).active === 0, 'their places');
  });

  test('more than there are places wait in line, and all get theirs', async () => {
    const narrow = await startStack({ origin, env: { SLUICE_MAX_CONNECTIONS: '200', SLUICE_MAX_ACTIVE: '5', SLUICE_QUEUE_WAIT_S: '60' } });
    try {
      const target = `/api/v1/stream?${new URLSearchParams({ url: watch('sluiceDemo1'), choice: 'format-140' })}`;
      const whole = sha((await narrow.get(target)).body);
      const all = await Promise.all(Array.from({ length: 150 }, () => narrow.get(target)));
      assert.deepEqual(new Set(all.map((answer) => `${answer.status} ${sha(answer.body)}`)), new Set([`200 ${whole}`]));
    } finally {
      await narrow.stop();
    }
  });
});
