// The day a video came out: in its description, and in the tags of files.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, test } from 'node:test';

import { run, startStack } from './harness.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;
let stack;
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
});
const start = async (env) => {
  stack = await startStack({ env: { SLUICE_PREPARE: '0', ...env } });
};
const askedWeb = async () => (await stack.origin.requests()).filter((one) => one.client === 'WEB' && one.path.endsWith('/player')).length;

async function dateOf(answer, name) {
  assert.equal(answer.status, 200, answer.body.length < 1000 ? answer.text() : '');
  const file = path.join(stack.scratch, name);
  writeFileSync(file, answer.body);
  const done = await run('ffprobe', ['-v', 'error', '-show_entries', 'format_tags=date', '-of', 'csv=p=0', file]);
  return done.stdout.toString().trim();
}

test('where it is wanted, it is asked for beside everything else, once', async () => {
  await start({ SLUICE_DATE_WAIT_MS: '10000', SLUICE_CACHE_TTL_S: '0' });
  const answer = await stack.info(watch('sluiceDemo1'));
  assert.deepEqual([answer.status, answer.json().engine, answer.json().published], [200, 'youtube:visionos', '2026-01-31'], answer.text());
  assert.equal((await stack.info(watch('sluiceDemo1'))).json().published, '2026-01-31');
  assert.equal(await askedWeb(), 1);
  assert.equal(await dateOf(await stack.stream(watch('sluiceDemo1'), '720p-mp4'), 'merged.mp4'), '2026-01-31');
  assert.equal(await dateOf(await stack.stream(watch('sluiceDemo1'), 'audio-mp3-128'), 'made.mp3'), '2026-01-31');
});

test('it is not waited for longer than that, nor asked for where nobody wants it', async () => {
  await start({ SLUICE_DATE_WAIT_MS: '200' });
  await stack.origin.script({ match: { client: 'WEB' }, times: Infinity, action: { type: 'delay', ms: 8000 } });
  const answer = await stack.info(watch('sluiceDemo1'));
  assert.deepEqual([answer.status, answer.json().published], [200, null], answer.text());
  assert.ok(answer.ms < 6000, `${answer.ms} ms`);
  await stack.stop();
  await start({});
  assert.equal((await stack.info(watch('sluiceDemo1'))).json().published, null);
  assert.equal(await askedWeb(), 0);
  // Others say it by themselves.
  assert.equal((await stack.info('https://www.tiktok.com/@sluice.demo/video/7000000000000000001')).json().published, '2026-01-01');
});

test('other engines say it by themselves', async () => {
  await start({ SLUICE_ENGINES: 'invidious', SLUICE_INVIDIOUS_INSTANCES: 'https://inv1.example' });
  assert.equal((await stack.info(watch('sluiceDemo1'))).json().published, '2026-01-01');
});
