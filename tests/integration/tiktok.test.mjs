// TikTok: described from the page's own data, fetched with the page's cookie; and the route of an older client.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, test } from 'node:test';

import { assertProblem, startStack } from './harness.mjs';

const link = (id) => `https://www.tiktok.com/@sluice.demo/video/700000000000000000${id}`;
let stack;
let origin;
let whole;
before(async () => {
  stack = await startStack({ env: { SLUICE_PREPARE: '0' } });
  origin = stack.origin;
  whole = readFileSync(origin.media['short-18.mp4'].path);
});
beforeEach(() => origin.reset());
after(() => stack?.stop());

const post = (fields, headers = {}) => stack.get('/tiktok', { method: 'POST', body: JSON.stringify(fields), headers: { 'Content-Type': 'application/json', ...headers } });

test('a public video: what the page says, and the bytes it is allowed', async () => {
  const answer = await stack.info(`${link(1)}?is_from_webapp=1`);
  assert.equal(answer.status, 200, answer.text());
  const d = answer.json();
  assert.deepEqual(
    [d.site, d.engine, d.id, d.url, d.title, d.author, d.duration_s],
    ['tiktok', 'tiktok', '7000000000000000001', link(1), 'A demo <b>video</b> #sluice', 'Sluice', 20],
  );
  assert.deepEqual(d.formats.map((f) => [f.id, f.kind, f.container, f.height, f.size_bytes]), [['normal_360_0', 'muxed', 'mp4', 360, whole.length]]);
  const part = await stack.stream(link(1), 'best', { headers: { Range: 'bytes=100-199' } });
  assert.equal(part.status, 206, part.text());
  assert.ok(part.body.equals(whole.subarray(100, 200)));
  assert.match((await stack.get(d.subtitles[0].stream_url)).text(), /Hi\./, 'they are for who has the page’s cookie, too');
  const sent = (await origin.requests()).find((entry) => entry.host === 'v16-webapp.tiktok.com' && entry.headers).headers;
  assert.match(sent.cookie, /tt_chain_token=sluice-chain/);
  assert.doesNotMatch(sent.cookie, /Domain|HttpOnly/);
});

test('a short link leads to the same', async () => {
  const d = (await stack.info('https://vm.tiktok.com/7000000000000000001')).json();
  assert.deepEqual([d.id, d.url], ['7000000000000000001', link(1)]);
  await origin.script({ match: { host: 'vm.tiktok.com' }, action: { type: 'redirect', to: 'http://127.0.0.1/@a/video/1' } });
  const count = (await origin.requests()).length;
  assertProblem(await stack.info('https://vm.tiktok.com/7000000000000000007'), 403, 'refused_address');
  assert.ok((await origin.requests()).length - count <= 2);
});

test('what is no video says why', async () => {
  const cases = { 2: [403, 'private'], 3: [502, 'rate_limited_upstream'], 4: [404, 'not_found'], 5: [502, 'bot_check'], 9: [502, 'bot_check'] };
  for (const [id, [status, code]] of Object.entries(cases)) assertProblem(await stack.info(link(id)), status, code);
  for (const [id, action, status, code] of [
    [6, { type: 'status', status: 403 }, 502, 'bot_check'],
    [7, { type: 'html' }, 502, 'bot_check'],
    [8, { type: 'status', status: 503 }, 502, 'upstream_failed'],
  ]) {
    await origin.script({ match: { host: 'www.tiktok.com' }, times: 2, action });
    assertProblem(await stack.info(link(id)), status, code);
    await origin.reset();
  }
});

test('POST /tiktok: a row for every choice, whose streamData streams', async () => {
  const answer = await post({ url: link(1) });
  assert.equal(answer.status, 200, answer.text());
  const { code, data } = answer.json();
  assert.equal(code, 0);
  const row = data.video_data.find((one) => one.format_id === 'muxed-normal_360_0');
  assert.deepEqual(Object.keys(row).sort(), ['format', 'format_id', 'streamData', 'url']);
  assert.match(row.format, /360p/);
  assert.equal(row.url, `/api/v1/stream?data=${row.streamData}`);
  const stream = await stack.get(`/api/v1/stream?data=${row.streamData}`);
  assert.ok(stream.body.equals(whole));
  assertProblem(await post({}), 400, 'bad_url');
  assertProblem(await post({ url: 'https://media.example/clip.mp4' }), 422, 'unsupported_site');
  assertProblem(await post({ url: link(2) }), 403, 'private');
  assertProblem(await stack.get('/tiktok'), 405, 'bad_method');
});
