// The other engines: what one cannot do goes on to the next, in the operator's order; what is certain does not.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';

import { resolverKey } from '../origin/engines.mjs';
import { forkOrigin } from '../origin/origin.mjs';
import { assertProblem, programs, run, startStack } from './harness.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;
let origin;
before(async () => (origin = await forkOrigin()));
beforeEach(() => origin.reset());
after(() => origin?.stop());

async function withStack(env, work) {
  const stack = await startStack({ origin, env: { SLUICE_PREPARE: '0', SLUICE_UPSTREAM_TIMEOUT_MS: '4000', ...env } });
  try {
    await work(stack);
  } finally {
    await stack.stop();
  }
}

async function described(stack, url) {
  const answer = await stack.info(url);
  assert.equal(answer.status, 200, answer.text());
  return answer.json();
}

const asked = async (host) => (await origin.requests()).filter((entry) => entry.host === host && entry.method !== 'CONNECT');
const bytesOf = (name) => readFileSync(origin.media[name].path);

describe('Invidious', () => {
  const two = { SLUICE_ENGINES: 'native,invidious', SLUICE_INVIDIOUS_INSTANCES: 'https://inv1.example/, https://inv2.example' };

  test('answers for a video that the site refuses to our address; its media are merged with exact sizes', () =>
    withStack(two, async (stack) => {
      const d = await described(stack, watch('sluiceBotc1'));
      assert.deepEqual([d.engine, d.site, d.id, d.duration_s], ['invidious:inv1.example', 'youtube', 'sluiceBotc1', 20]);
      assert.deepEqual(d.formats.map((f) => f.id).sort(), ['136', '137', '140', '18', '251']);
      const merged = d.choices.find((choice) => choice.id === '720p-mp4');
      assert.deepEqual([merged.formats, merged.resumable], [['136', '140'], true]);
      const answer = await stack.get(merged.stream_url);
      assert.equal(answer.status, 200, answer.body.length < 1000 ? answer.text() : '');
      assert.equal(answer.body.length, Number(answer.headers['content-length']));
      const one = await stack.stream(watch('sluiceBotc1'), 'format-140');
      assert.ok(one.body.equals(bytesOf('short-140.m4a')));
      const vtt = await stack.get(d.subtitles[0].stream_url);
      assert.match(vtt.text(), /^WEBVTT/);
      assert.equal((await asked('inv2.example')).length, 0);
    }));

  test('a server that dies in the middle costs one more question, and is asked last afterwards', () =>
    withStack(two, async (stack) => {
      await origin.script({ match: { host: 'inv1.example', path: '/api/v1/*' }, times: Infinity, action: { type: 'reset', after: 100 } });
      assert.equal((await described(stack, watch('sluiceBotc1'))).engine, 'invidious:inv2.example');
      assert.deepEqual([(await asked('inv1.example')).length, (await asked('inv2.example')).length], [1, 1]);
      assert.equal((await described(stack, watch('sluiceCapt1'))).engine, 'invidious:inv2.example');
      assert.deepEqual([(await asked('inv1.example')).length, (await asked('inv2.example')).length], [1, 2]);
    }));

  const answers = {
    'an error page': { type: 'html' },
    'the answer about another video': { type: 'status', status: 200, body: '{"videoId":"sluiceOther","title":"x"}' },
    'nothing that can be fetched': { type: 'status', status: 200, body: '{"videoId":"sluiceBotc1","adaptiveFormats":[{"url":"file:///etc/passwd","itag":"1","type":"video/mp4"}]}' },
    'no end of JSON': { type: 'huge', bytes: 6 << 20 },
    'a status': { type: 'status', status: 403, body: '{"error":"closed"}' },
  };
  test('what no server can do is told by what the site itself said', () =>
    withStack(two, async (stack) => {
      const videos = ['sluiceBotc1', 'sluiceCapt1', 'sluiceRate1', 'sluiceAge01', 'sluiceGeo01'];
      const codes = { sluiceBotc1: [502, 'bot_check'], sluiceCapt1: [502, 'bot_check'], sluiceRate1: [502, 'rate_limited_upstream'], sluiceAge01: [403, 'age_restricted'], sluiceGeo01: [403, 'geo_blocked'] };
      for (const [index, [name, action]] of Object.entries(answers).entries()) {
        await origin.reset();
        await origin.script({ match: { host: /^inv\d\.example$/ }, times: Infinity, action });
        assertProblem(await stack.info(watch(videos[index])), ...codes[videos[index]]);
        assert.ok((await asked('inv1.example')).length + (await asked('inv2.example')).length >= 2, name);
      }
      assert.match(stack.log(), /"?engine"?.*invidious/);
    }));

  test('what the site says for certain is asked of nobody else', () =>
    withStack(two, async (stack) => {
      for (const id of ['sluicePriv1', 'sluiceMemb1', 'sluicePaid1', 'sluicePrem1', 'sluiceUpco1', 'sluiceGone1'])
        assert.notEqual((await stack.info(watch(id))).status, 200, id);
      assert.equal((await asked('inv1.example')).length + (await asked('inv2.example')).length, 0);
    }));

  test('the operator decides about the order', () =>
    withStack({ ...two, SLUICE_ENGINES: 'invidious,native' }, async (stack) => {
      assert.equal((await described(stack, watch('sluiceDemo1'))).engine, 'invidious:inv1.example');
      await origin.script({ match: { host: /^inv\d\.example$/ }, times: Infinity, action: { type: 'status', status: 500 } });
      assert.match((await described(stack, watch('sluiceTiny1'))).engine, /^youtube:/);
    }));

  test('an address inside is none for a server either', () =>
    withStack({ SLUICE_ENGINES: 'invidious', SLUICE_INVIDIOUS_INSTANCES: 'http://127.0.0.1' }, async (stack) => {
      assertProblem(await stack.info(watch('sluiceDemo1')), 502, 'upstream_failed');
      assert.match(stack.log(), /127\.0\.0\.1/);
      assert.equal((await origin.requests()).length, 0);
    }));
});

describe('resolver', () => {
  const fields = 'title=data.name,author=data.channel.name,duration_s=data.seconds,formats=data.list,format.url=link,format.id=no,format.container=ext,format.height=h,format.width=w,format.referer=from';
  const link = 'https://media.example/page.html';
  const cases = {
    plain: {},
    sealed: { SLUICE_RESOLVER_KEY: resolverKey },
    wrapped: { SLUICE_RESOLVER_KEY: resolverKey, SLUICE_RESOLVER_FIELDS: `sealed=payload.text,${fields}` },
  };
  for (const [name, env] of Object.entries(cases)) {
    test(`${name}: a page that we cannot read, found by the operator's server`, () =>
      withStack({ SLUICE_ENGINES: 'native,resolver', SLUICE_RESOLVER_URL: `https://resolver.example/${name}?url={url}`, SLUICE_RESOLVER_FIELDS: fields, ...env }, async (stack) => {
        const d = await described(stack, link);
        assert.deepEqual([d.engine, d.title, d.author, d.duration_s], ['resolver', `Resolved ${link}`, 'Somebody', 20]);
        assert.deepEqual(d.formats.map((f) => [f.id, f.container, f.height]), [['7', 'mp4', 360]]);
        const answer = await stack.stream(link, 'best');
        assert.equal(answer.status, 200, answer.body.length < 1000 ? answer.text() : '');
        assert.ok(answer.body.equals(bytesOf('short-18.mp4')), 'the referer it named was sent');
      }));
  }

  test('its failures leave what was known before', () =>
    withStack({ SLUICE_ENGINES: 'native,resolver', SLUICE_RESOLVER_URL: 'https://resolver.example/sealed?url={url}', SLUICE_RESOLVER_KEY: resolverKey.replace('00', '01') }, async (stack) => {
      assertProblem(await stack.info('https://media.example/page.html?1'), 502, 'upstream_failed'); // another key
      await origin.script({ match: { host: 'resolver.example' }, times: Infinity, action: { type: 'status', status: 500 } });
      assertProblem(await stack.info(watch('sluiceBotc1')), 502, 'bot_check');
      assertProblem(await stack.info('http://10.1.2.3/page.html'), 403, 'refused_address');
    }));
});

test('settings that cannot be meant are told by name', async () => {
  const cases = [
    [{ SLUICE_ENGINES: 'native,warp' }, /warp/],
    [{ SLUICE_INVIDIOUS_INSTANCES: 'inv1.example' }, /invidious_instances/],
    [{ SLUICE_RESOLVER_URL: 'ftp://x.example/' }, /resolver_url/],
    [{ SLUICE_RESOLVER_KEY: 'abc' }, /resolver_key/],
    [{ SLUICE_RESOLVER_IV: '00' }, /resolver_iv/],
    [{ SLUICE_RESOLVER_FIELDS: 'title=a,colour=b' }, /resolver_fields: colour/],
  ];
  for (const [env, pattern] of cases) {
    const done = await run(`${programs}/info.fcgi`, ['--check-config'], { env: { SLUICE_DATA_DIR: '/nowhere', ...env } });
    assert.equal(done.exit, 1, done.stderr);
    assert.match(done.stderr, pattern);
  }
});
