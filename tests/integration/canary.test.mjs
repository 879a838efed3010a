// The canary: links that are looked at on a schedule, and where an operator sees how they fared.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';

import { programEnv, programs, run, startStack, until } from './harness.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;

describe('the canary', () => {
  let stack;
  const env = { SLUICE_CANARY_LINKS: `${watch('sluiceDemo1')}, ${watch('sluiceLong1')} https://media.example/clip.mp4?secret=1`, SLUICE_CANARY_INTERVAL_S: '1' };
  before(async () => {
    stack = await startStack({ env: { SLUICE_PREPARE: '0', SLUICE_UPSTREAM_INTERVAL_MS: '0', ...env } });
  });
  after(() => stack?.stop());
  beforeEach(() => stack.origin.reset());

  const ready = async () => {
    const answer = await stack.get('/readyz');
    return { code: answer.status, ...answer.json() };
  };
  const metrics = async () => (await stack.get('/metrics')).text();
  const fails = (match) => stack.origin.script({ match, times: Infinity, action: { type: 'status', status: 500 } });

  test('sings', async () => {
    const seen = await until(async () => {
      const now = await ready();
      return now.checks.canary === 'ok' && now;
    }, 'a good round');
    assert.deepEqual([seen.code, seen.status], [200, 'ok']);
    const text = await metrics();
    assert.match(text, /^sluice_canary_links 3$/m);
    assert.match(text, /^sluice_canary_failed 0$/m);
    await until(async () => /^sluice_client_succeeded\{client="visionos",kind="normal"\} [1-9]/m.test(await metrics()), 'the clients in /metrics');
  });

  test('some links that cannot be had: degraded, and there is work to be done', async () => {
    await fails({ host: 'media.example' });
    const seen = await until(async () => {
      const now = await ready();
      return now.status === 'degraded' && now;
    }, 'a round that fails in part');
    assert.equal(seen.code, 200);
    assert.match(await metrics(), /^sluice_canary_failed 1$/m);
  });

  test('none that can be had: failing; and it sings again by itself', async () => {
    await fails({ host: 'media.example' });
    await fails({ path: '/youtubei/*' });
    const seen = await until(async () => {
      const now = await ready();
      return now.status === 'failing' && now;
    }, 'a round that fails');
    assert.equal(seen.code, 503);
    await stack.origin.reset();
    await until(async () => (await ready()).status === 'ok', 'a good round', 30000);
  });

  test('by hand, for cron: shows each link, without what may be private', async () => {
    const sluice = (...args) =>
      run(path.join(programs, 'sluice'), args, {
        env: programEnv(stack.scratch, { PROXY_URL: stack.origin.proxyUrl, SLUICE_UPSTREAM_CA_FILE: stack.origin.caFile, SLUICE_DATA_DIR: path.join(stack.scratch, 'other'), ...env }),
      });
    const good = await sluice('canary');
    assert.equal(good.exit, 0, good.stderr + good.stdout);
    assert.match(good.stdout.toString(), /^youtube sluiceDemo1 +ok +\d+ ms +youtube:visionos$/m);
    assert.doesNotMatch(good.stdout.toString(), /secret/);
    await fails({ host: 'media.example' });
    const bad = await sluice('canary', '--json');
    assert.equal(bad.exit, 1);
    const { state, failed, links } = JSON.parse(bad.stdout);
    assert.deepEqual([state, failed], ['degraded', 1]);
    assert.deepEqual(links.map(({ link, ok }) => [link, ok]), [
      ['youtube sluiceDemo1', true],
      ['youtube sluiceLong1', true],
      ['media.example', false],
    ]);
    assert.equal((await sluice('canary', '--what')).exit, 2);
  });
});
