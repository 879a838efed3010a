// SIGHUP: the programs are replaced while downloads are under way and requests come in, and nobody notices.
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { forkOrigin } from '../origin/origin.mjs';
import { alive, scratchDir, sha256, startStack, until } from './harness.mjs';

const link = 'https://www.youtube.com/watch?v=sluiceDemo1';
let origin;
let config;
let dir;

before(async () => {
  origin = await forkOrigin();
  dir = scratchDir();
  config = path.join(dir, 'sluice.conf');
  writeFileSync(config, '');
});
beforeEach(() => origin.reset());
after(async () => {
  await origin.stop();
  rmSync(dir, { recursive: true, force: true });
});

const pids = (stack) => ['info.fcgi', 'stream.fcgi', 'admin.fcgi'].flatMap((name) => stack.processes(name).map((row) => row.pid));
const drip = (seconds) =>
  origin.script({
    match: { path: '/videoplayback' },
    times: Infinity,
    action: { type: 'drip', rate: origin.media['short-136.mp4'].size / seconds },
  });
const active = async (stack) => (await stack.get('/health')).json().workers.active;

test('a download goes on in the old program, the new one answers, nothing is refused', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_CONFIG: config } });
  t.after(() => stack.stop());
  await stack.info(link);
  await drip(6);
  const download = stack.stream(link, 'format-136');
  await until(async () => (await active(stack)) === 1, 'the download');
  const old = pids(stack);
  let ended = false;
  let asked = 0;
  const askers = ['/livez', `/api/v1/info?${new URLSearchParams({ url: link })}`, `/api/v1/stream?${new URLSearchParams({ url: link, choice: 'format-140' })}`].map(
    async (target) => {
      for (; !ended; asked++) {
        const answer = await stack.get(target, { method: 'HEAD' });
        assert.equal(answer.status, 200, target);
      }
    },
  );
  const all = Promise.all(askers);
  process.kill(stack.pid, 'SIGHUP');
  await until(() => pids(stack).length === 6, 'the new programs');
  process.kill(stack.pid, 'SIGHUP'); // impatience changes nothing
  await until(() => /is being replaced already/.test(stack.log()), 'the answer to impatience');
  const fresh = pids(stack).filter((pid) => !old.includes(pid));
  await until(() => !alive(old[0]), 'the end of the old info.fcgi', 8000);
  assert.ok(alive(old[1]), 'the old stream.fcgi still sends');
  const answer = await download;
  assert.ok(answer.ms > 4000, `${answer.ms} ms`);
  assert.equal(answer.complete, true);
  assert.equal(sha256(answer.body), sha256(readFileSync(origin.media['short-136.mp4'].path)));
  await until(() => !alive(old[1]), 'the end of the old stream.fcgi');
  ended = true;
  await all;
  assert.ok(asked > 50, `${asked} requests`);
  assert.deepEqual(pids(stack), fresh);
  assert.equal((await stack.get('/health')).json().workers.active, 0);
  await stack.stop();
});

test('programs that would not start do not replace those that run', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_CONFIG: config } });
  t.after(() => stack.stop());
  t.after(() => writeFileSync(config, ''));
  const old = pids(stack);
  writeFileSync(config, 'token_ttl_s = soon\n');
  process.kill(stack.pid, 'SIGHUP');
  await until(() => stack.log().split('the old one stays').length === 4, 'all three complaints');
  await sleep(2500);
  assert.deepEqual(pids(stack), old);
  assert.equal((await stack.info(link)).status, 200);
  writeFileSync(config, '');
  process.kill(stack.pid, 'SIGHUP');
  await until(() => pids(stack).length === 3 && !pids(stack).some((pid) => old.includes(pid)), 'the new programs');
  assert.equal((await stack.info(link)).status, 200);
  await stack.stop();
});

test('what is being sent gets stop_grace_s, and the end does not wait for it', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_STOP_GRACE_S: '1' } });
  t.after(() => stack.stop());
  await stack.info(link);
  await drip(60);
  const download = stack.stream(link, 'format-136');
  await until(async () => (await active(stack)) === 1, 'the download');
  process.kill(stack.pid, 'SIGHUP');
  const cut = await download;
  assert.equal(cut.complete, false);
  assert.ok(cut.ms > 2500 && cut.ms < 10000, `${cut.ms} ms`);
  const again = stack.stream(link, 'format-136');
  await until(async () => (await active(stack)) === 1, 'another download');
  process.kill(stack.pid, 'SIGHUP');
  await until(() => pids(stack).length === 6, 'the new programs');
  const asked = Date.now();
  await stack.stop();
  assert.ok(Date.now() - asked < 10000, `${Date.now() - asked} ms`);
  assert.equal((await again).complete, false);
});
