// `sluice extract`: what it shows of one link, when it can be had and when not.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';

import { forkOrigin } from '../origin/origin.mjs';
import { assertNoSanitizerReports, programEnv, programs, run, scratchDir } from './harness.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;

describe('sluice extract', () => {
  let origin;
  let scratch;
  before(async () => {
    origin = await forkOrigin();
  });
  after(() => origin?.stop());
  beforeEach(async () => {
    await origin.reset();
    scratch = scratchDir();
  });

  async function sluice(...args) {
    const done = await run(path.join(programs, 'sluice'), args, {
      env: programEnv(scratch, {
        PROXY_URL: origin.proxyUrl,
        SLUICE_UPSTREAM_CA_FILE: origin.caFile,
        SLUICE_DATA_DIR: path.join(scratch, 'data'),
      }),
    });
    assertNoSanitizerReports(scratch);
    return { exit: done.exit, out: done.stdout.toString(), err: done.stderr, json: () => JSON.parse(done.stdout) };
  }
  const extract = async (...args) => {
    const done = await sluice('extract', ...args);
    rmSync(scratch, { recursive: true, force: true });
    return done;
  };

  test('shows the formats', async () => {
    const done = await extract(watch('sluiceDemo1'));
    assert.equal(done.exit, 0, done.err);
    assert.match(done.out, /^Sluice demo: twenty seconds\nyoutube sluiceDemo1, by youtube:visionos: 9 formats/);
    assert.match(done.out, /^137 +video +mp4 +avc1/m);
  });

  test('traces each step, without secrets', async () => {
    const done = await extract('--trace', '--json', watch('sluiceDemo1'));
    assert.equal(done.exit, 0, done.err);
    const { ok, trace, description } = done.json();
    assert.equal(ok, true);
    assert.equal(description.formats.length, 9);
    const calls = trace.filter((step) => step.step === 'call');
    assert.deepEqual(
      calls.map(({ client, method, host, path: where, status }) => [client, method, host, where, status]),
      [
        ['visionos', 'POST', 'www.youtube.com', '/youtubei/v1/visitor_id', 200],
        ['visionos', 'POST', 'www.youtube.com', '/youtubei/v1/player', 200],
      ],
    );
    assert.ok(calls[1].bytes > 1000 && calls[1].sent_bytes > 100 && calls[1].took_ms >= 0);
    assert.match(calls[1].headers['X-Goog-Visitor-Id'], /^\(\d+ bytes\)$/);
    assert.equal(calls[1].headers['X-YouTube-Client-Name'], '101');
    const [outcome] = trace.filter((step) => step.step === 'outcome');
    assert.deepEqual([outcome.client, outcome.outcome, outcome.kind, outcome.formats], ['visionos', 'ok', 'normal', 9]);
  });

  test('says why each client was given up, in the order they were asked', async () => {
    await origin.script({ match: { client: 'VISIONOS', path: '*/player' }, times: Infinity, action: { type: 'status', status: 500 } });
    const done = await extract('--trace', '--json', watch('sluiceDemo1'));
    assert.equal(done.exit, 0, done.err);
    const outcomes = done.json().trace.filter((step) => step.step === 'outcome');
    assert.deepEqual(
      outcomes.map(({ client, outcome }) => [client, outcome]),
      [
        ['visionos', 'failed'],
        ['android', 'ok'],
      ],
    );
    assert.match(outcomes[0].why, /status 500/);
    assert.equal(done.json().description.engine, 'youtube:android');
  });

  test('counts solved challenges', async () => {
    const done = await extract('--trace', '--json', watch('sluiceJs001'));
    assert.equal(done.exit, 0, done.err);
    const { trace } = done.json();
    const [solved] = trace.filter((step) => step.step === 'solved');
    assert.deepEqual([solved.signatures, solved.n, solved.unsolved_formats], [3, 4, 0]);
    const [gated, played] = trace.filter((step) => step.step === 'outcome');
    assert.deepEqual([gated.outcome, played.outcome, played.kind], ['age_restricted', 'ok', 'age_gated']);
  });

  test('asks only the client that was named', async () => {
    const done = await extract('--client', 'android', '--trace', watch('sluiceDemo1'));
    assert.equal(done.exit, 0, done.err);
    assert.match(done.out, /by youtube:android/);
    assert.match(done.out, /android +POST https:\/\/youtubei\.googleapis\.com\/youtubei\/v1\/reel\/reel_item_watch: status 200/);
    assert.ok((await origin.requests()).every(({ client }) => client !== 'VISIONOS'));
    const unknown = await sluice('extract', '--client', 'radio', watch('sluiceDemo1'));
    assert.equal(unknown.exit, 2);
    assert.match(unknown.err, /no client radio; there are: visionos android/);
  });

  test('says what is wrong with what cannot be had', async () => {
    const gone = await extract(watch('sluicePriv1'));
    assert.deepEqual([gone.exit, gone.out], [1, '']);
    assert.match(gone.err, /^sluice: private: visionos: private: /);
    const bad = await extract('--json', 'nonsense');
    assert.deepEqual([bad.exit, bad.json().code], [1, 'bad_url']);
    assert.equal((await extract()).exit, 2);
    assert.equal((await extract('--client')).exit, 2);
  });

  test('hostile titles do not reach the terminal as they are', async () => {
    const done = await extract('--trace', watch('sluiceEvil1'));
    assert.equal(done.exit, 0, done.err);
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(done.out, /[\u0000-\u0009\u000b-\u001f]/);
  });

  test('a link to a file', async () => {
    const done = await extract('--trace', '--json', 'https://media.example/clip.mp4');
    const { trace } = done.json();
    assert.ok(trace.some((step) => step.step === 'call' && step.host === 'media.example' && step.range), done.out);
  });
});
