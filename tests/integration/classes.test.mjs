// What the video site can answer, and what is made of it: a table of every class of answer, each with a case in the
// stand-in, checked for completeness against the code and the profiles; every reason by its words; every rule of
// fallback; and the recoveries, here or by name where they are tested.
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';

import { forkOrigin } from '../origin/origin.mjs';
import { assertNoSanitizerReports, programEnv, programs, root, run, scratchDir, sha256, startStack } from './harness.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;
const profiles = JSON.parse(readFileSync(path.join(root, 'src/site/youtube/clients.json'), 'utf8'));
const classes = [...readFileSync(path.join(root, 'src/site/youtube/classes.c'), 'utf8').matchAll(/\[CLASS_\w+\] = \{"(\w+)"/g)].map(([, name]) => name);

// Video, the code an answer has then, and what the clients said one after the other.
const cases = [
  ['plays', 'sluiceDemo1', 'ok', ['visionos ok']],
  ['for children', 'sluiceKids1', 'ok', ['visionos unavailable', 'web_embedded unavailable', 'android ok']],
  ['for children, embeddable', 'sluiceKids2', 'ok', ['visionos unavailable', 'web_embedded ok']],
  ['no URLs (SABR)', 'sluiceSabr1', 'ok', ['visionos no_formats', 'android ok']],
  ['another video’s data', 'sluiceSwap1', 'bot_check', ['visionos substituted', 'android substituted']],
  ['limited', 'sluiceRate1', 'rate_limited_upstream', ['visionos rate_limited', 'android rate_limited']],
  ['robots', 'sluiceBotc1', 'bot_check', ['visionos bot_check', 'android bot_check']],
  ['captcha', 'sluiceCapt1', 'bot_check', ['visionos bot_check', 'android bot_check']],
  ['removed', 'sluiceGone1', 'not_found', ['visionos not_found', 'android not_found']],
  ['a wrong id', 'sluiceWrong', 'not_found', ['visionos not_found', 'android not_found']],
  ['an empty answer', 'sluiceNone1', 'not_found', ['visionos not_found', 'android not_found']],
  ['the account is gone', 'sluiceTerm1', 'not_found', ['visionos account_gone']],
  ['live, without a list', 'sluiceLive1', 'live', ['visionos live']],
  ['announced', 'sluiceUpco1', 'upcoming', ['visionos upcoming']],
  ['protected', 'sluiceDrm01', 'drm', ['visionos drm']],
  ['for adults', 'sluiceAge01', 'age_restricted', ['visionos age_restricted', 'web_embedded age_restricted']],
  ['for adults, embeddable', 'sluiceJs001', 'ok', ['visionos age_restricted', 'web_embedded ok']],
  ['the page of embedded players is gone', 'sluiceJs002', 'age_restricted', ['visionos age_restricted', 'web_embedded unavailable', 'android age_restricted'], [{ match: { path: '/embed/sluiceJs002' }, times: Infinity, action: { type: 'status', status: 404 } }]],
  ['not here', 'sluiceGeo01', 'geo_blocked', ['visionos geo_blocked']],
  ['premium', 'sluicePrem1', 'premium', ['visionos premium']],
  ['paid', 'sluicePaid1', 'paid', ['visionos paid']],
  ['members', 'sluiceMemb1', 'members_only', ['visionos members_only']],
  ['private', 'sluicePriv1', 'private', ['visionos private']],
  ['one client fails', 'sluiceV9000', 'ok', ['visionos failed', 'android ok'], [{ match: { client: 'VISIONOS', video: 'sluiceV9000' }, times: Infinity, action: { type: 'status', status: 500 } }]],
  ['all clients fail', 'sluiceV9001', 'upstream_failed', ['visionos failed', 'android failed'], [{ match: { video: 'sluiceV9001' }, times: Infinity, action: { type: 'status', status: 500 } }]],
  ['429', 'sluiceV9002', 'ok', ['visionos rate_limited', 'android ok'], [{ match: { client: 'VISIONOS', video: 'sluiceV9002' }, times: Infinity, action: { type: 'status', status: 429, headers: { 'Retry-After': '0' } } }]],
];

// Recoveries and fallbacks that have tests of their own: what, file, name of the test.
const elsewhere = [
  ['expired visitors', 'clients', 'whose visitors have expired: the answer brings another one, at the cost of one call'],
  ['visitor rotation', 'clients', 'limited for a while: another client is asked, and the visitor is replaced, but not again and again'],
  ['a failing client is tried less, a recovered one comes back', 'clients', 'are asked last, and come back by themselves'],
  ['a slow client gets company', 'clients', 'and slow ones get company: who answers first, counts, and the other one is cancelled'],
  ['PO token required after 1 MB', 'potoken', 'wrong ones are noticed where the first megabyte ends, and another client goes on'],
  ['a token provider that fails', 'potoken', 'a provider that fails costs quality, not the video, and is named'],
  ['429 by one way out', 'egress', 'one that the site told to wait is left alone'],
  ['a proxy that is dead', 'egress', 'one that cannot be reached costs no request'],
  ['an account', 'egress', 'of an account at the video site: only the client that needs them is asked with them, and shows that it can read them'],
  ['ciphered formats', 'js', 'are described and sent, byte by byte'],
  ['the script’s child dies', 'js', 'survive the death of the child'],
  ['its keeper dies', 'js', 'survive the death of the keeper, and of all that solves in the middle of it'],
  ['a hostile player', 'js', 'a player that never ends costs its own request and nothing else'],
  ['yt-dlp dies', 'ytdlp', 'killing all of them at once costs one retry: the program is replaced'],
  ['an Invidious server fails', 'engines', 'a server that dies in the middle costs one more question, and is asked last afterwards'],
];

let origin;
let scratch;
before(async () => {
  origin = await forkOrigin();
  scratch = scratchDir();
  // No company for slow ones: on a busy machine all are.
  writeFileSync(path.join(scratch, 'clients.json'), JSON.stringify({ ...profiles, adaptive: { ...profiles.adaptive, hedge_after_ms: 0 } }));
});
beforeEach(() => origin.reset());
after(async () => {
  await origin?.stop();
  if (scratch) rmSync(scratch, { recursive: true, force: true });
});

let next = 0;
async function extract(link, ...args) {
  // A script that does not get to run on a busy machine is given up, as a hostile one is: that is not what is tested here.
  for (let left = 3; ; left--) {
    const found = await extractOnce(link, ...args);
    if (left === 1 || !found.whys.some((why) => /does not solve/.test(why))) return found;
  }
}

async function extractOnce(link, ...args) {
  const done = await run(path.join(programs, 'sluice'), ['extract', '--trace', '--json', ...args, link], {
    env: programEnv(scratch, { PROXY_URL: origin.proxyUrl, SLUICE_UPSTREAM_CA_FILE: origin.caFile, SLUICE_DATA_DIR: path.join(scratch, `data${next++}`), SLUICE_CLIENTS_FILE: path.join(scratch, 'clients.json') }),
  });
  const { code, trace } = JSON.parse(done.stdout);
  const outcomes = trace.filter(({ step }) => step === 'outcome');
  return { code, said: outcomes.map(({ client, outcome }) => `${client} ${outcome}`), whys: outcomes.map(({ why }) => why) };
}

// A few at a time: each is a program that starts.
async function each(rows, work) {
  const left = [...rows];
  await Promise.all(Array.from({ length: 4 }, async () => {
    while (left.length) await work(left.shift());
  }));
}

test('every class of answer has a case, and is told as it should be; every rule of fallback is used', async () => {
  for (const [, , , , rules = []] of cases) for (const rule of rules) await origin.script(rule);
  const seen = new Set();
  const used = new Set();
  await each(cases, async ([what, id, code, said]) => {
    const found = await extract(watch(id));
    assert.deepEqual({ code: found.code, said: found.said }, { code, said }, `${what}: ${found.whys.join('; ')}`);
    for (const one of said) {
      const [client, outcome] = one.split(' ');
      seen.add(outcome);
      used.add(profiles.fallback.find((rule) => (rule.client === '*' || rule.client === client) && rule.classes.includes(outcome)));
    }
  });
  assertNoSanitizerReports(scratch);
  assert.ok(classes.length > 15);
  assert.deepEqual(classes.filter((name) => !seen.has(name)), [], 'classes without a case');
  assert.deepEqual(profiles.fallback.filter((rule) => !used.has(rule)), [], 'rules without a case');
});

test('every reason of the profiles means its class', async () => {
  const rows = profiles.reasons.map((reason, i) => ({ ...reason, id: `sluiceR${String(i).padStart(4, '0')}` }));
  for (const { id, status = 'UNPLAYABLE', has, equals, contains } of rows) {
    const playability = { status, reason: equals ?? `Sorry: ${contains ?? 'no'}.` };
    (has ?? '').split('.').filter(Boolean).reduce((at, name) => (at[name] = {}), playability);
    await origin.script({
      match: { video: id },
      times: Infinity,
      action: { type: 'status', status: 200, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ responseContext: { visitorData: 'x' }, playabilityStatus: playability }) },
    });
  }
  await each(rows, async ({ id, ...reason }) => {
    assert.deepEqual((await extract(watch(id), '--client', 'visionos')).said, [`visionos ${reason.class}`], JSON.stringify(reason));
  });
});

test('what is tested elsewhere is there', () => {
  for (const [what, file, name] of elsewhere)
    assert.ok(readFileSync(path.join(root, `tests/integration/${file}.test.mjs`), 'utf8').includes(`'${name}'`), `${what}: ${file}: ${name}`);
});

describe('URLs that are locked to the address that asked for them', () => {
  test('fail from another one, and are found anew', async () => {
    const dataDir = path.join(scratch, 'locked');
    const withProxy = (url) => startStack({ origin, dataDir, env: { SLUICE_PREPARE: '0', PROXY_URL: url } });
    let stack = await withProxy(origin.proxyUrls[1]);
    try {
      assert.equal((await stack.info(watch('sluiceDemo1'))).status, 200);
      await stack.stop();
      await origin.reset();
      stack = await withProxy(origin.proxyUrls[2]);
      assert.equal((await stack.info(watch('sluiceDemo1'))).json().cached, true);
      const answer = await stack.stream(watch('sluiceDemo1'), 'format-140');
      assert.deepEqual([answer.status, sha256(answer.body)], [200, sha256(readFileSync(origin.media['short-140.m4a'].path))]);
      const media = (await origin.requests()).filter((one) => one.path === '/videoplayback');
      assert.deepEqual([...new Set(media.map(({ via, status }) => `${via} ${status}`))], ['2 403', '2 206']);
    } finally {
      await stack.stop();
    }
  });
});
