// Hundreds of downloads in parallel batches, from hosts at which anything may go wrong at any time: by chance, but by the
// same chance in every run.
//
// First anything goes: each download is byte-identical, or visibly short, and then the log says why. Then what goes wrong
// either passes, or stays with one host or with the URLs of one description: all downloads are whole.
//
// SLUICE_TEST_FAULTS: how many downloads in the first run, by default 500; half of that in the second. SLUICE_TEST_SEED:
// other ones.
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { root, scratchDir, startStack, until } from './harness.mjs';
import { seeded } from './mp4.mjs';

const count = Number(process.env.SLUICE_TEST_FAULTS ?? 500);
const seed = Number(process.env.SLUICE_TEST_SEED ?? 1);
const atOnce = 40;
const media = { path: '/videoplayback' };
const own = '*sn-sluice01.googlevideo.com';
let stack;
let origin;
let scratch;

const target = (video, fields) =>
  `/api/v1/stream?${new URLSearchParams({ url: `https://www.youtube.com/watch?v=${video}`, metadata: '0', ...fields })}`;
// itags: what each is made of.
const kinds = [
  { choice: 'format-134', itags: ['134'] },
  { choice: 'format-140', itags: ['140'] },
  { choice: 'format-160', itags: ['160'] },
  { choice: '144p-mp4', itags: ['160', '140'] },
  { choice: '360p-mp4', itags: ['134', '140'] },
  { choice: '144p-mp4', layout: 'fragmented', itags: ['160', '140'] },
  { choice: '144p-mp4', start: '3', end: '17', itags: ['160', '140'] },
  { choice: 'audio-m4a', itags: ['140'] },
];
const wholes = [];

before(async () => {
  // One client, however slow: another one's answer may lack what is asked for here.
  scratch = scratchDir();
  const clients = JSON.parse(readFileSync(path.join(root, 'src/site/youtube/clients.json'), 'utf8'));
  Object.assign(clients.adaptive, { hedge_after_ms: 0, explore_percent: 0, failing_below_percent: 0 });
  writeFileSync(path.join(scratch, 'clients.json'), JSON.stringify(clients));
  stack = await startStack({
    env: {
      SLUICE_CLIENTS_FILE: path.join(scratch, 'clients.json'),
      SLUICE_STALL_TIMEOUT_S: '1',
      SLUICE_UPSTREAM_CONNECT_MS: '2000',
      SLUICE_UPSTREAM_TIMEOUT_MS: '2000',
      SLUICE_UPSTREAM_INTERVAL_MS: '0', // the site is asked as often as it takes
      SLUICE_PLAN_WAIT_S: '60', // then another layout would do
    },
  });
  origin = stack.origin;
  for (const { itags, ...fields } of kinds) {
    const answer = await stack.get(target('sluiceDemo1', fields));
    assert.ok(answer.status === 200 && answer.complete && itags);
    wholes.push(answer.body);
  }
});
after(async () => {
  await stack?.stop();
  rmSync(scratch, { recursive: true, force: true });
});

// Faults of one download, as rules for the origin.
const passing = (random, pick) =>
  pick([
    () => ({ type: 'reset', after: pick([-1, 0, random(3000), random(300000)]) }),
    () => ({ type: 'truncate', after: pick([0, random(3000), random(300000)]) }),
    () => ({ type: 'status', status: pick([403, 404, 410, 429, 500, 503]) }),
    () => ({ type: 'lie', short: 1 + random(3000) }), // the last ones come byte by byte, if it stays
    () => ({ type: 'lie', start: pick([-1, 1, 4096, 100000]) }),
    () => ({ type: 'lie', total: pick([-1000, -1, 1, 1000]) }),
    () => ({ type: 'lie', missing: true }),
    () => ({ type: 'html' }),
    () => ({ type: 'move', host: 'rr5---sn-sluice02.googlevideo.com' }),
    () => ({ type: 'delay', ms: random(300) }),
    () => ({ type: 'drip', rate: 300000 + random(3000000) }),
    // A stall takes as long as one is told from slowness.
    () => (random(3) ? { type: 'delay', ms: random(900) } : { type: 'stall', after: pick([-1, 0, random(300000)]) }),
  ])();

const anything = (random, pick, itags) =>
  Array.from({ length: 1 + random(3) }, () => ({
    match: { itag: pick(itags) },
    skip: random(8),
    times: pick([1, 1, 2, 3, Infinity]),
    action: random(8) ? passing(random, pick) : { type: 'redirect', to: pick(['https://media.example/loop', 'https://media.example/clip.mp4', 'http://169.254.169.254/']) },
  }));

// One fault that passes, and one that stays where there is a way around it.
function mendable(random, pick, itags) {
  const stays = pick([
    { type: 'status', status: pick([403, 404, 410]) },
    { type: 'status', status: 500 },
    { type: 'reset', after: random(100000) },
    { type: 'truncate', after: 0 },
    { type: 'lie', start: 1 },
    random(3) ? { type: 'status', status: 403 } : { type: 'stall', after: random(1000) },
  ]);
  const where = pick([{ host: own }, { generation: '0' }, { generation: '0', itag: pick(itags) }]);
  return [
    { match: { itag: pick(itags) }, skip: random(6), times: 1, action: passing(random, pick) },
    { match: where, skip: random(4), times: Infinity, action: stays },
  ];
}

// → whether it came whole; throws where it looks better than it is.
function judge(answer, whole, range, what) {
  const id = answer.headers['x-request-id'];
  const wanted = range ? whole.subarray(range[0], range[1] + 1) : whole;
  if ([200, 206].includes(answer.status)) {
    assert.equal(answer.status, range ? 206 : 200, what);
    assert.equal(answer.headers['content-length'], String(wanted.length), what);
    assert.ok(wanted.subarray(0, answer.body.length).equals(answer.body), `${what}: what came is the beginning`);
    assert.equal(answer.complete, answer.body.length === wanted.length, what);
    if (answer.complete) return true;
  } else {
    assert.ok(answer.status >= 400, `${what}: status ${answer.status}`);
    assert.ok(answer.json().code, what);
  }
  const said = stack.log().match(new RegExp(`request id="${id}".*`))?.[0];
  assert.match(said ?? '', / error="[^"]+"/, `${what}: the log says why. ${answer.status}, ${answer.body.length} bytes, ${answer.error}`);
  return false;
}

async function runAll(first, many, faultsOf, onEnd) {
  let next = 0;
  const one = async () => {
    for (let i; (i = next++) < many;) {
      const random = seeded(seed * 100000 + first + i);
      const pick = (list) => list[random(list.length)];
      const video = `sluiceV${String(first + i).padStart(4, '0')}`;
      const k = random(kinds.length);
      const { itags, ...fields } = kinds[k];
      const start = random(wholes[k].length);
      const range = random(4) ? undefined : [start, Math.min(start + random(500000), wholes[k].length - 1)];
      const rules = faultsOf(random, pick, itags);
      const what = `${first + i}: ${new URLSearchParams(fields)} ${range ?? ''} ${rules.map((rule) => JSON.stringify({ ...rule, times: String(rule.times) })).join(' ')}`;
      for (const rule of rules) await origin.script({ ...rule, match: { ...media, video, ...rule.match } });
      const options = range ? { headers: { Range: `bytes=${range[0]}-${range[1]}` } } : {};
      const answer = await stack.get(target(video, fields), options);
      // What the programs say comes by a pipe, which may be slower.
      if (!answer.complete || answer.status >= 400)
        await until(() => stack.log().includes(`request id="${answer.headers['x-request-id']}"`), 'the log', 5000).catch(() => {});
      onEnd(judge(answer, wholes[k], range, what), `${what}: ${answer.status}, ${answer.body.length} bytes`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
}

describe(`${count} downloads, seed ${seed}`, () => {
  test('anything goes wrong: whole, or visibly short with a reason', async (t) => {
    await origin.reset();
    let whole = 0;
    await runAll(0, count, anything, (came) => (whole += came));
    t.diagnostic(`${whole} of ${count} whole`);
    assert.ok(whole >= count / 2, `${whole} of ${count}`);
    assert.ok((await origin.requests()).every((entry) => entry.host !== '169.254.169.254'));
  });

  test('what can be mended is: all whole', async (t) => {
    await origin.reset();
    const failed = [];
    await runAll(5000, count / 2, mendable, (came, what) => came || failed.push(what));
    const renewed = stack.log().match(/source-renewed .* found="yes"/g)?.length ?? 0;
    t.diagnostic(`${renewed} sources renewed`);
    assert.equal(failed.join('\n'), '');
    assert.ok(renewed > count / 20, `only ${renewed} sources had to be renewed`);
  });

  test('and then nothing is left of it', async () => {
    await origin.reset();
    await until(async () => (await stack.get('/health')).json().workers.active === 0, 'all places', 5000);
    assert.equal(stack.processes('stream.fcgi').length, 1);
    assert.doesNotMatch(stack.log(), /came back|killed|signal/);
  });
});
