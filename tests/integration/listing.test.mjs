// Playlists, channels and search: pages in order, cursors that work with their own list alone, errors by name.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { assertProblem, startStack } from './harness.mjs';

let stack;
let origin;
before(async () => {
  stack = await startStack({ env: { SLUICE_PREPARE: '0', SLUICE_UPSTREAM_INTERVAL_MS: '0' } });
  origin = stack.origin;
});
beforeEach(() => origin.reset());
after(() => stack?.stop());

const list = (fields) => stack.get(`/api/v1/list?${new URLSearchParams(fields)}`);
const search = (fields) => stack.get(`/api/v1/search?${new URLSearchParams(fields)}`);
const playlist = (id) => `https://www.youtube.com/playlist?list=${id}`;
const calls = async () => (await origin.requests()).filter((entry) => /browse|search|resolve_url/.test(entry.path ?? ''));

async function good(answer) {
  assert.equal(answer.status, 200, answer.text());
  assert.match(answer.headers['content-type'], /^application\/json/);
  return answer.json();
}

// All pages of a list.
async function all(ask, fields) {
  const items = [];
  let page = await good(await ask(fields));
  const first = page;
  for (let n = 0; n < 5; n++) {
    items.push(...page.items);
    if (!page.next) return { first, items };
    page = await good(await ask({ ...fields, cursor: page.next }));
  }
  return assert.fail('it has no end');
}

test('a playlist, page by page, shapes old and new', async () => {
  const { first, items } = await all(list, { url: playlist('PLsluice1') });
  assert.deepEqual([first.site, first.kind, first.id, first.url, first.title, first.author], ['youtube', 'playlist', 'PLsluice1', playlist('PLsluice1'), 'List PLsluice1 & more', 'Sluice']);
  assert.deepEqual(items.map((item) => item.title), Array.from({ length: 7 }, (_, n) => `Number ${n} of PLsluice1 <b>`));
  assert.deepEqual(items.map((item) => item.duration_s), [20, 3621, null, 3623, 24, 3625, 26]);
  assert.deepEqual(items.map((item) => item.live), [false, false, true, false, false, false, false]);
  const [{ thumbnail_url: picture, ...second }] = items.slice(1, 2);
  assert.deepEqual(second, {
    id: 'sluiceV9001',
    url: 'https://www.youtube.com/watch?v=sluiceV9001',
    title: 'Number 1 of PLsluice1 <b>',
    author: 'Sluice',
    author_url: 'https://www.youtube.com/channel/UCsluiceSluiceSluiceSlui',
    duration_s: 3621,
    thumbnail: 'https://i.ytimg.com/vi/sluiceV9001/hq.jpg',
    live: false,
  });
  assert.equal((await stack.info(items[1].url)).status, 200, 'each leads to a description');
  assert.deepEqual(items.slice(0, 3).map((item) => item.author_url === null), [false, false, true]);
  assert.equal((await list({ url: second.author_url })).status, 200, 'and to a channel');
  const { status, headers } = await stack.get(picture);
  assert.deepEqual([status, headers['content-type']], [200, 'image/jpeg']);
});

test('the list of a link to a video in it; what is remembered is not asked for again', async () => {
  const one = await good(await list({ url: 'https://www.youtube.com/watch?v=sluiceDemo1&list=PLsluice2&index=3' }));
  assert.deepEqual([one.id, one.items.length], ['PLsluice2', 3]);
  const bare = (page) => ({ ...page, items: page.items.map((item) => ({ ...item, thumbnail_url: null })) }); // sealed anew each time
  assert.deepEqual(bare(await good(await list({ url: playlist('PLsluice2') }))), bare(one));
  assert.equal((await calls()).length, 1);
});

test('a channel, by id and by name', async () => {
  const id = 'UCsluiceSluiceSluiceSlui';
  const { first, items } = await all(list, { url: `https://www.youtube.com/channel/${id}/videos` });
  assert.deepEqual([first.kind, first.id, first.url, items.length], ['channel', id, `https://www.youtube.com/channel/${id}`, 7]);
  for (const name of ['@sluice', 'c/sluice', 'user/sluice']) {
    const named = await all(list, { url: `https://www.youtube.com/${name}` });
    assert.deepEqual([named.first.kind, named.first.id, named.items.length], ['channel', id, 7], name);
  }
});

test('search', async () => {
  const { first, items } = await all(search, { q: 'water {visitor_data} & "more"' });
  assert.deepEqual([first.kind, first.id, first.url, first.title], ['search', 'water {visitor_data} & "more"', null, null]);
  assert.equal(items[0].title, 'Number 0 of water {visitor_data} & "more" <b>', 'what is searched for is no template');
  assert.deepEqual((await good(await search({ q: 'nothing' }))).items, []);
});

test('a cursor works with its own list alone', async () => {
  const { next } = await good(await list({ url: playlist('PLsluice1') }));
  assert.match(next, /^[\w-]+$/);
  const count = (await calls()).length;
  for (const [ask, fields] of [
    [list, { url: playlist('PLsluice2'), cursor: next }],
    [search, { q: 'PLsluice1', cursor: next }],
    [list, { url: playlist('PLsluice1'), cursor: `${next}x` }],
    [list, { url: playlist('PLsluice1'), cursor: 'AAAA' }],
    [list, { url: playlist('PLsluice1'), cursor: '%' }],
  ])
    assertProblem(await ask(fields), 400, 'bad_request');
  assert.equal((await calls()).length, count);
});

test('what is no list, or none that can be had', async () => {
  for (const [url, status, code] of [
    ['https://www.youtube.com/watch?v=sluiceDemo1', 422, 'unsupported_site'],
    ['https://www.youtube.com/watch?v=sluiceDemo1&list=RDsluiceDemo1', 422, 'unsupported_site'],
    ['https://www.youtube.com/about', 422, 'unsupported_site'],
    ['https://media.example/list.html?list=PLsluice1', 422, 'unsupported_site'],
    ['https://www.youtube.com.evil.example/playlist?list=PLsluice1', 400, 'bad_url'],
    ['', 400, 'bad_url'],
    [playlist('PLprivate'), 403, 'private'],
    [playlist('PLgone'), 404, 'not_found'],
    [playlist('PLunknown'), 404, 'not_found'],
    ['https://www.youtube.com/@nobody', 404, 'not_found'],
    ['https://www.youtube.com/@odd', 404, 'not_found'],
  ])
    assertProblem(await list({ url }), status, code);
  assertProblem(await search({}), 400, 'bad_request');
  assertProblem(await search({ q: 'x'.repeat(300) }), 400, 'bad_request');
});

test('what the site does wrong', async () => {
  for (const [id, action, status, code] of [
    ['PLsluiceA', { type: 'html' }, 502, 'upstream_failed'],
    ['PLsluiceC', { type: 'huge', bytes: 9 << 20 }, 502, 'upstream_failed'],
    ['PLsluiceB', { type: 'status', status: 429 }, 502, 'rate_limited_upstream'], // the last: we are to wait then
  ]) {
    await origin.script({ match: { path: '/youtubei/v1/browse' }, times: 2, action });
    assertProblem(await list({ url: playlist(id) }), status, code);
    await origin.reset();
  }
});
