// Proof-of-origin tokens: clients that need one are asked where one can be had, and their media go on beyond the first
// megabyte.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';

import { forkOrigin } from '../origin/origin.mjs';
import { programEnv, programs, run, sha256, startStack } from './harness.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;

describe('proof-of-origin tokens', () => {
  let origin;
  let stack;
  before(async () => {
    origin = await forkOrigin();
  });
  after(() => origin?.stop());
  beforeEach(async () => {
    await origin.reset();
    await origin.script({ match: { client: 'VISIONOS', path: '*/player' }, times: Infinity, action: { type: 'status', status: 403 } });
  });
  afterEach(async () => {
    await stack?.stop();
    stack = undefined;
  });
  const start = async (env) => {
    stack = await startStack({ origin, env: { SLUICE_PREPARE: '0', ...env } });
  };
  const provided = async () => (await origin.requests()).filter((one) => one.path === '/get_pot');

  test('from a provider: once for each visitor, and the file is whole', async () => {
    await start({ SLUICE_POT_PROVIDER_URL: origin.proxyUrl });
    const answer = await stack.info(watch('sluiceBig01'));
    assert.equal(answer.status, 200, answer.text() + stack.log());
    assert.equal(answer.json().engine, 'youtube:mweb');
    const media = await stack.stream(watch('sluiceBig01'), 'format-140');
    assert.equal(media.status, 200, media.text());
    assert.equal(sha256(media.body), sha256(readFileSync(origin.media['short-140.m4a'].path)));
    const tail = await stack.stream(watch('sluiceBig01'), 'format-137', { headers: { Range: 'bytes=2000000-2099999' } });
    assert.deepEqual([tail.status, tail.body.length], [206, 100000]);
    assert.equal((await stack.info(watch('sluiceLong1'))).json().engine, 'youtube:mweb');
    assert.equal((await stack.info(watch('sluiceV0001'))).json().engine, 'youtube:mweb');
    assert.equal((await provided()).length, 1, 'bound to the visitor, and kept');
    assert.ok((await origin.requests()).filter((one) => one.path === '/videoplayback').every((one) => one.query.includes('pot=')));
  });

  test('made by hand', async () => {
    await origin.acceptToken('Made_by-hand0');
    await start({ SLUICE_PO_TOKENS: 'mweb.gvs+Made_by-hand0' });
    assert.equal((await stack.info(watch('sluiceBig01'))).json().engine, 'youtube:mweb');
    const tail = await stack.stream(watch('sluiceBig01'), 'format-137', { headers: { Range: 'bytes=2000000-2099999' } });
    assert.deepEqual([tail.status, tail.body.length], [206, 100000]);
    assert.doesNotMatch(stack.log(), /Made_by/);
  });

  test('wrong ones are noticed where the first megabyte ends, and another client goes on', async () => {
    await start({ SLUICE_PO_TOKENS: 'mweb.gvs+not-known' });
    assert.equal((await stack.info(watch('sluiceBig01'))).json().engine, 'youtube:mweb');
    const head = await stack.stream(watch('sluiceBig01'), 'format-137', { headers: { Range: 'bytes=0-99999' } });
    assert.deepEqual([head.status, head.body.length], [206, 100000]);
    const tail = await stack.stream(watch('sluiceBig01'), 'format-137', { headers: { Range: 'bytes=2000000-2099999' } });
    assert.deepEqual([tail.status, tail.complete, tail.body.length], [206, true, 100000]);
    const media = (await origin.requests()).filter((one) => one.path === '/videoplayback');
    assert.ok(media.some((one) => one.status === 403 && one.query.includes('c=MWEB')));
    assert.ok(media.some((one) => one.status === 206 && one.query.includes('c=WEB_EMBEDDED_PLAYER')));
  });

  test('a provider that fails costs quality, not the video, and is named', async () => {
    await origin.script({ match: { path: '/get_pot' }, times: Infinity, action: { type: 'status', status: 500, headers: { 'Content-Type': 'application/json' }, body: '{"error":"attestation failed"}' } });
    await start({ SLUICE_POT_PROVIDER_URL: `${origin.proxyUrl}/` });
    const answer = await stack.info(watch('sluiceDemo1'));
    assert.equal(answer.json().engine, 'youtube:android');
    assert.match(stack.log(), /the token provider answered 500: attestation failed/);
  });

  test('without any, the clients that need one are not asked', async () => {
    await start();
    assert.equal((await stack.info(watch('sluiceDemo1'))).json().engine, 'youtube:android');
    assert.deepEqual((await origin.requests()).filter(({ client }) => client === 'MWEB' || client === 'WEB'), []);
  });

  test('no link reaches the provider', async () => {
    await start({ SLUICE_POT_PROVIDER_URL: origin.proxyUrl, SLUICE_UPSTREAM_PORTS: `80,443,${new URL(origin.proxyUrl).port}` });
    assert.equal((await stack.info(`${origin.proxyUrl}/ping`)).status, 403);
    assert.deepEqual((await origin.requests()).filter((one) => one.path === '/ping'), []);
  });

  test('a wrong setting is named', async () => {
    for (const [env, words] of [
      [{ SLUICE_POT_PROVIDER_URL: 'localhost:4416' }, /pot_provider_url/],
      [{ SLUICE_PO_TOKENS: 'mweb.gsv+abc' }, /po_tokens/],
      [{ SLUICE_PO_TOKENS: 'mweb.gvs+a b' }, /po_tokens/],
    ]) {
      const done = await run(path.join(programs, 'sluice'), ['--check-config'], { env: programEnv('/tmp', { SLUICE_DATA_DIR: '/tmp/none', ...env }) });
      assert.equal(done.exit, 1);
      assert.match(done.stderr, words);
    }
  });
});

test('children’s videos that other pages may show come in full quality by the embedded player', async () => {
  const stack = await startStack({ env: { SLUICE_PREPARE: '0' } });
  try {
    const answer = await stack.info(watch('sluiceKids2'));
    assert.equal(answer.json().engine, 'youtube:web_embedded', answer.text());
    assert.deepEqual(answer.json().formats.map(({ id }) => id).sort(), ['136', '140']);
    assert.equal((await stack.info(watch('sluiceKids1'))).json().engine, 'youtube:android');
  } finally {
    await stack.stop();
  }
});
