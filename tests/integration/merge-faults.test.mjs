// Merged downloads whose sources misbehave, in their headers or in their media. What passes is repaired unseen; what
// stays ends in a clean problem before the headers or in a connection that closes short. Never wrong bytes.
//
// SLUICE_TEST_FAULTS: how many downloads with random faults, by default 60. SLUICE_TEST_SEED: other ones.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';

import { assertProblem, startStack, until } from './harness.mjs';
import { seeded } from './mp4.mjs';

const media = { path: '/videoplayback' };
const count = Number(process.env.SLUICE_TEST_FAULTS ?? 60);
const seed = Number(process.env.SLUICE_TEST_SEED ?? 1);
let stack;
let origin;

// Videos that nobody has asked for yet, all alike; without tags so are the files made of them.
let used = 0;
const freshVideo = () => `sluiceV${String(5000 + used++)}`;
const target = (video, fields) =>
  `/api/v1/stream?${new URLSearchParams({ url: `https://www.youtube.com/watch?v=${video}`, metadata: '0', ...fields })}`;
const choices = {
  progressive: { choice: '720p-mp4' },
  fragmented: { choice: '720p-mp4', layout: 'fragmented' },
  clip: { choice: '720p-mp4', start: '3', end: '17' },
  sound: { choice: 'audio-m4a' },
};
const wholes = {};

before(async () => {
  stack = await startStack({
    env: { SLUICE_STALL_TIMEOUT_S: '1', SLUICE_UPSTREAM_CONNECT_MS: '2000', SLUICE_UPSTREAM_TIMEOUT_MS: '4000' },
  });
  origin = stack.origin;
  for (const [name, fields] of Object.entries(choices)) {
    const answer = await stack.get(target(freshVideo(), fields));
    assert.equal(answer.status, 200);
    assert.ok(answer.complete);
    wholes[name] = answer.body;
  }
});
after(() => stack?.stop());

// What may never be broken; → whether it is the whole file.
function assertHonest(answer, whole, what) {
  if (answer.status >= 400) {
    const { code, retryable } = assertProblem(answer, answer.status, answer.json().code);
    assert.equal(retryable, code !== 'refused_address', `${what}: ${answer.text()}`);
    return false;
  }
  assert.equal(answer.status, 200, what);
  assert.equal(answer.headers['content-length'], String(whole.length), what);
  assert.ok(whole.subarray(0, answer.body.length).equals(answer.body), `${what}: what came is the beginning of the file`);
  assert.equal(answer.complete, answer.body.length === whole.length, what);
  return answer.complete;
}

// Which requests: of the picture (136) or the sound (140), for its index, its fragments' headers, or its media.
const places = {
  'the index of the picture': { itag: '136', range: /^bytes=0-/ },
  'the index of the sound': { itag: '140', range: /^bytes=0-/ },
  'a header of the picture': { itag: '136', range: /^bytes=\d{6,}-/ },
  'a header of the sound': { itag: '140', range: /^bytes=\d{6,}-/ },
  'the picture': { itag: '136', range: /^bytes=\d{3,4}-\d{7}$/ },
  'the sound': { itag: '140', range: /^bytes=\d{3,4}-\d{6}$/ },
};
const faults = {
  'a reset instead of an answer': { type: 'reset', after: -1 },
  'a reset': { type: 'reset', after: 300 },
  'a truncated answer': { type: 'truncate', after: 300 },
  'a stall': { type: 'stall', after: 300 },
  'fewer bytes than asked': { type: 'lie', short: 200 },
  'a server error': { type: 'status', status: 500 },
  'too many requests': { type: 'status', status: 429 },
  'an expired address': { type: 'status', status: 403 },
  'another start': { type: 'lie', start: 4096 },
  'another total': { type: 'lie', total: 1000 },
  'no Content-Range': { type: 'lie', missing: true },
  'a web page': { type: 'html' },
};

describe('a failure that passes', { concurrency: 6 }, () => {
  for (const [where, match] of Object.entries(places))
    for (const [what, action] of Object.entries(faults))
      test(`${what} for ${where}`, async () => {
        const video = freshVideo();
        await origin.script({ match: { ...media, ...match, video }, action });
        const answer = await stack.get(target(video, choices.progressive));
        assert.ok(assertHonest(answer, wholes.progressive, what), `${answer.status}, ${answer.body.length} bytes`);
        const requests = await origin.requests();
        assert.ok(
          requests.some((entry) => entry.video === video && entry.path === media.path),
          'the source was asked',
        );
      });
});

describe('a failure that stays', { concurrency: 6 }, () => {
  for (const [where, match] of Object.entries(places))
    for (const [what, action] of Object.entries(faults)) {
      if (what === 'fewer bytes than asked' && !where.includes('index') && !where.includes('header')) continue; // progress
      test(`${what} for ${where}`, async () => {
        const video = freshVideo();
        const { range, ...rest } = match;
        // Where media is asked for again it is from another byte on.
        const always = where.startsWith('the index') || where.startsWith('a header') ? match : { ...rest, range: /-\d{6,7}$/ };
        await origin.script({ match: { ...media, ...always, video }, times: Infinity, action });
        const answer = await stack.get(target(video, choices.progressive));
        assert.ok(!assertHonest(answer, wholes.progressive, what), `${answer.status}: ${String(range)}`);
        assert.ok(answer.ms < 45000, `after ${answer.ms} ms`);
      });
    }
});

describe('sources that die on the way', () => {
  beforeEach(() => origin.reset());

  for (const layout of ['progressive', 'fragmented'])
    for (const itag of ['136', '140'])
      test(`the address of ${itag} expires, ${layout}: asked for again, and the client notices nothing`, async () => {
        const video = freshVideo();
        const whole = wholes[layout];
        const match = { ...media, video, itag };
        await stack.get(target(video, choices[layout]), { method: 'HEAD' }); // planned: from here on only media is fetched
        const reset = { type: 'reset', after: itag === '136' ? 900000 : 100000 };
        await origin.script({
          match: { ...match, range: places[itag === '136' ? 'the picture' : 'the sound'].range },
          action: reset,
        });
        await origin.script({ match: { ...match, range: /^bytes=\d{6,}-/ }, times: 4, action: faults['an expired address'] }); // on both hosts, each asked twice
        assert.ok(assertHonest(await stack.get(target(video, choices[layout])), whole, itag));
        const requests = (await origin.requests()).filter((entry) => entry.video === video);
        assert.ok(
          requests.some((entry) => entry.status === 403),
          'it did expire',
        );
        assert.ok(requests.filter((entry) => entry.client).length >= 2, 'the site was asked again');
      });

  for (const layout of ['progressive', 'fragmented'])
    test(`all addresses are withdrawn at once, ${layout}`, async () => {
      const video = freshVideo();
      const link = target(video, choices[layout]);
      await stack.get(link, { method: 'HEAD' });
      await origin.script({ match: { ...media, video }, times: Infinity, action: { type: 'drip', rate: 4000000 } });
      const answer = stack.get(link);
      const sent = async () =>
        (await origin.requests()).reduce((sum, entry) => sum + (entry.video === video ? entry.bytes : 0), 0);
      await until(async () => (await sent()) > 1000000, 'the first bytes');
      await origin.rotate();
      await origin.script({ match: { ...media, video }, times: 1, action: { type: 'reset', after: 0 } });
      assert.ok(assertHonest(await answer, wholes[layout], layout));
    });

  test('another file behind the new address: not glued together', async () => {
    const video = freshVideo();
    const link = target(video, choices.progressive);
    await stack.get(link, { method: 'HEAD' });
    await origin.script({
      match: { ...media, video, range: places['the picture'].range },
      action: { type: 'reset', after: 1500000 },
    });
    await origin.script({ match: { ...media, video }, times: Infinity, skip: 1, action: faults['an expired address'] });
    await origin.configure({ version: 1 });
    const answer = await stack.get(link);
    assert.ok(!assertHonest(answer, wholes.progressive, 'changed'));
    assert.equal(answer.status, 200);
    assert.match(stack.log(), /the source changed while it was being sent/);
  });
});

// Up to three faults of any kind, at any place, once, twice or always.
describe(`random faults, seed ${seed}`, { concurrency: 6 }, () => {
  const random = seeded(seed);
  const pick = (list) => list[random(list.length)];
  const actions = [
    () => ({ type: 'reset', after: pick([-1, 0, random(3000), random(1000000)]) }),
    () => ({ type: 'truncate', after: pick([0, random(3000), random(1000000)]) }),
    () => ({ type: 'stall', after: pick([-1, 0, random(3000), random(1000000)]) }),
    () => ({ type: 'status', status: pick([403, 404, 410, 429, 500, 503]) }),
    () => ({ type: 'lie', short: 1 + random(100000) }),
    () => ({ type: 'lie', start: pick([-1, 1, 4096, 100000]) }),
    () => ({ type: 'lie', total: pick([-1000, -1, 1, 1000]) }),
    () => ({ type: 'lie', missing: true }),
    () => ({ type: 'lie', whole: true }),
    () => ({ type: 'html' }),
    () => ({
      type: 'redirect',
      to: pick(['https://media.example/loop', 'https://media.example/clip.mp4', 'http://169.254.169.254/']),
    }),
    () => ({ type: 'delay', ms: random(1500) }),
    () => ({ type: 'drip', rate: 500000 + random(5000000) }),
  ];
  let complete = 0;

  for (let i = 0; i < count; i++) {
    const [name, fields] = pick(Object.entries(choices));
    const rules = Array.from({ length: 1 + random(3) }, () => ({
      itag: pick(['136', '140']),
      skip: random(8),
      times: pick([1, 1, 1, 2, 3, Infinity]),
      action: pick(actions)(),
    }));
    const what = `${name}: ${rules.map((rule) => `${rule.itag} ${rule.skip}+${rule.times} ${JSON.stringify(rule.action)}`).join('; ')}`;
    test(what, async () => {
      const video = freshVideo();
      for (const { itag, ...rule } of rules) await origin.script({ match: { ...media, video, itag }, ...rule });
      const answer = await stack.get(target(video, fields));
      if (assertHonest(answer, wholes[name], what)) complete++;
      const hosts = new Set((await origin.requests()).map((entry) => entry.host));
      assert.ok(!hosts.has('169.254.169.254'));
      // And when it is over, nothing of it is left.
      await origin.script({ match: { ...media, video }, times: 0 });
    });
  }

  after(() => assert.ok(complete >= count / 2, `only ${complete} of ${count} came through`));
});
