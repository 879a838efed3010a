// How the order in which the site's clients are asked follows from how they fared, and what an operator sees of it.
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { assertProblem, programEnv, programs, root, run, scratchDir, startStack, until } from './harness.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;
const isPlayer = ({ path: where }) => /\/(player|reel_item_watch)$/.test(where);

describe('clients that fail', () => {
  let stack;
  let next = 0;
  const scratch = scratchDir();
  const fresh = () => watch(`sluiceV${String(next++).padStart(4, '0')}`);
  const file = path.join(scratch, 'clients.json');
  const profiles = (change) => {
    const clients = JSON.parse(readFileSync(path.join(root, 'src/site/youtube/clients.json'), 'utf8'));
    change(clients);
    writeFileSync(file, JSON.stringify(clients));
  };
  before(async () => {
    // So that a test does not take an hour: what was a second ago counts half, and every other extraction explores.
    profiles((clients) => Object.assign(clients.adaptive, { explore_percent: 0, half_life_s: 20 }));
    stack = await startStack({ env: { SLUICE_PREPARE: '0', SLUICE_CLIENTS_FILE: file } });
  });
  after(async () => {
    await stack?.stop();
    rmSync(scratch, { recursive: true, force: true });
  });

  const sluice = async (...args) => {
    const done = await run(path.join(programs, 'sluice'), args, { env: programEnv(stack.scratch, { SLUICE_DATA_DIR: stack.dataDir }) });
    assert.equal(done.exit, 0, done.stderr);
    return done.stdout.toString();
  };
  const asked = async (client) => (await stack.origin.requests()).filter((one) => one.client === client && isPlayer(one)).length;

  test('are asked last, and come back by themselves', async () => {
    const rule = { match: { client: 'VISIONOS', path: '*/player' }, times: Infinity, action: { type: 'status', status: 403 } };
    await stack.origin.script(rule);
    for (let i = 0; i < 6; i++) {
      const answer = await stack.info(fresh());
      assert.equal(answer.status, 200, answer.text());
      assert.equal(answer.json().engine, 'youtube:android');
    }
    const before_ = await asked('VISIONOS');
    assert.ok(before_ >= 2 && before_ <= 4, `${before_} questions in six extractions`);
    for (let i = 0; i < 6; i++) assert.equal((await stack.info(fresh())).json().engine, 'youtube:android');
    assert.equal(await asked('VISIONOS'), before_, 'it is not asked any more');

    // It works again: exploring notices.
    await stack.origin.reset();
    profiles((clients) => Object.assign(clients.adaptive, { explore_percent: 50, half_life_s: 20 }));
    await until(async () => (await stack.info(fresh())).json().engine === 'youtube:visionos', 'the first success', 20000);
    profiles((clients) => Object.assign(clients.adaptive, { explore_percent: 0, half_life_s: 1 }));
    await sleep(2500); // bad outcomes fade without anybody asking
    assert.equal((await stack.info(fresh())).json().engine, 'youtube:visionos');
    assert.equal((await stack.info(fresh())).json().engine, 'youtube:visionos');
  });

  test('are shown with the reasons', async () => {
    const seen = await until(async () => {
      const { clients } = JSON.parse(await sluice('clients', '--json'));
      const visionos = clients.find((one) => one.client === 'visionos' && one.kind === 'normal');
      return visionos?.last_hour.succeeded >= 3 && visionos;
    }, 'what was counted');
    const failed = seen.last_hour.outcomes.find((one) => one.outcome === 'failed');
    assert.match(failed.why, /visionos: status 403/);
    assert.equal(seen.last_hour.failed, failed.count);
    assert.ok(seen.last_hour.success_rate > 0 && seen.last_hour.success_rate < 1);
    assert.deepEqual(seen.last_day.asked, seen.last_hour.asked);
    const table = await sluice('clients');
    assert.match(table, /^visionos +normal +1 h +\d+ +[\d.]+ % +\d+ +ok \d+ failed \d+$/m);
    assert.match(table, /visionos: status 403/);
  });

  test('of a kind count for that kind', async () => {
    assert.equal((await stack.info(watch('sluiceKids1'))).json().engine, 'youtube:android');
    const kids = await until(async () => {
      const { clients } = JSON.parse(await sluice('clients', '--json'));
      return clients.find((one) => one.client === 'android' && one.kind === 'kids');
    }, 'what was counted');
    assert.equal(kids.last_hour.succeeded, 1);
  });

  test('altogether leave a trace of the failure, which says nothing of who asked', async () => {
    await stack.origin.script({ match: { path: '*/youtubei/*' }, times: Infinity, action: { type: 'status', status: 500 } });
    await stack.origin.script({ match: { path: '/youtubei/*' }, times: Infinity, action: { type: 'status', status: 500 } });
    assertProblem(await stack.info(watch('sluiceLong1'), { headers: { 'X-Forwarded-For': '198.51.100.7' } }), 502, 'upstream_failed');
    assertProblem(await stack.info(fresh()), 502, 'upstream_failed');
    await stack.origin.reset();
    const text = await sluice('clients', '--failures', '--json');
    const { failures } = JSON.parse(text);
    const failure = failures.find((one) => one.id === 'sluiceLong1');
    assert.equal(failure.code, 'upstream_failed');
    assert.deepEqual(failure.trace.filter((step) => step.step === 'outcome').map((step) => step.client).sort(), ['android', 'visionos']);
    assert.doesNotMatch(text, /127\.0\.0\.1|198\.51/);
    assert.match(await sluice('clients', '--failures'), /youtube sluiceLong1 {2}upstream_failed: [^]*POST https:\/\/www\.youtube\.com/);
  });

  test('but a video that is private is no failure of ours', async () => {
    assertProblem(await stack.info(watch('sluicePriv1')), 403, 'private');
    const { failures } = JSON.parse(await sluice('clients', '--failures', '--json'));
    assert.ok(failures.every((one) => one.code !== 'private'));
  });

  test('and slow ones get company: who answers first, counts, and the other one is cancelled', async () => {
    profiles((clients) => Object.assign(clients.adaptive, { explore_percent: 0, half_life_s: 1, hedge_after_ms: 400 }));
    await sleep(3000); // what failed above fades
    await stack.info(fresh()); // all have a visitor
    await stack.origin.reset();
    await stack.origin.script({ match: { client: 'VISIONOS', path: '*/player' }, times: 1, action: { type: 'delay', ms: 8000 } });
    const slow = await stack.info(fresh());
    assert.equal(slow.json().engine, 'youtube:android', slow.text());
    assert.ok(slow.ms < 7500, `${slow.ms} ms`);
    const [given] = (await stack.origin.requests()).filter((one) => one.client === 'VISIONOS' && isPlayer(one));
    await until(async () => (await stack.origin.requests()).find(({ at }) => at === given.at).aborted, 'the end of the slow one', 3000);
    // What the second choice found is not kept for as long as usual.
    assert.ok(new Date(slow.json().expires_at) - Date.now() < 301000, slow.json().expires_at);

    await stack.origin.reset();
    await stack.origin.script({ match: { client: 'VISIONOS', path: '*/player' }, times: 1, action: { type: 'delay', ms: 900 } });
    await stack.origin.script({ match: { client: 'ANDROID' }, times: 1, action: { type: 'delay', ms: 8000 } });
    const both = await stack.info(fresh());
    assert.equal(both.json().engine, 'youtube:visionos', both.text());
    assert.ok(both.ms < 7500, `${both.ms} ms`);
    assert.equal(await asked('ANDROID'), 1);

    // The other one was faster, but has small files only: it waits a moment for the better answer.
    profiles((clients) => Object.assign(clients.adaptive, { explore_percent: 0, half_life_s: 1, hedge_after_ms: 400, hedge_grace_ms: 6000 }));
    await stack.origin.reset();
    await stack.origin.script({ match: { client: 'VISIONOS', path: '*/player' }, times: 1, action: { type: 'delay', ms: 3000 } });
    const better = await stack.info(fresh());
    assert.equal(better.json().engine, 'youtube:visionos', better.text());
    assert.ok(better.json().formats.length > 1);
    assert.equal(await asked('ANDROID'), 1);

    await stack.origin.reset();
    assert.equal((await stack.info(fresh())).json().engine, 'youtube:visionos');
    assert.equal(await asked('ANDROID'), 0, 'a quick one gets none');
  });
});

// What else the site does to its clients, each on its own.
describe('clients', () => {
  let stack;
  before(async () => {
    stack = await startStack({ env: { SLUICE_PREPARE: '0' } });
  });
  after(() => stack?.stop());
  beforeEach(() => stack.origin.reset());
  const engineOf = async (id) => {
    const answer = await stack.info(watch(id));
    return answer.status === 200 ? answer.json().engine : answer.json().code;
  };

  test('told to use another protocol: one that is given a URL is asked', async () => {
    assert.equal(await engineOf('sluiceSabr1'), 'youtube:android');
  });

  test('whose visitors have expired: the answer brings another one, at the cost of one call', async () => {
    assert.equal(await engineOf('sluiceV0100'), 'youtube:visionos');
    await stack.origin.forgetVisitors();
    await stack.origin.reset();
    assert.equal(await engineOf('sluiceV0101'), 'youtube:visionos');
    assert.equal((await stack.origin.requests()).filter(isPlayer).length, 2);
    await stack.origin.reset();
    assert.equal(await engineOf('sluiceV0102'), 'youtube:visionos');
    assert.equal((await stack.origin.requests()).filter(isPlayer).length, 1, 'it is remembered');
  });

  test('limited for a while: another client is asked, and the visitor is replaced, but not again and again', async () => {
    const limited = { status: 200, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ playabilityStatus: { status: 'UNPLAYABLE', reason: "This content isn't available, try again later." } }) };
    await stack.origin.script({ match: { client: 'VISIONOS', path: '*/player' }, times: 2, action: { type: 'status', ...limited } });
    assert.equal(await engineOf('sluiceV0110'), 'youtube:android');
    assert.equal(await engineOf('sluiceV0111'), 'youtube:android');
    assert.equal(await engineOf('sluiceV0112'), 'youtube:visionos');
    const visitors = (await stack.origin.requests()).filter((one) => one.client === 'VISIONOS' && /visitor_id$/.test(one.path));
    assert.equal(visitors.length, 1);
  });
});
