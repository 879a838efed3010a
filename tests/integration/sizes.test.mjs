// Exact sizes, asked for: found out behind the answer, by one at a time who asks, and then known to everybody.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { assertProblem, startStack, until } from './harness.mjs';

const link = 'https://www.youtube.com/watch?v=sluiceLong1';
let stack;
let origin;

before(async () => {
  stack = await startStack({ env: { SLUICE_RATE_ANONYMOUS: '600' } });
  origin = stack.origin;
});
after(() => stack?.stop());

const dataOf = (choice) => new URL(choice.stream_url, stack.base).searchParams.get('data');
const size = (data) => stack.get(`/api/v1/size?${new URLSearchParams({ data })}`);
const look = async () => (await stack.info(link)).json();
const byId = (info, id) => info.choices.find((choice) => choice.id === id);

test('a joined file nobody has asked for: pending, then to the byte, in later descriptions as well', async () => {
  const choice = byId(await look(), '144p-mp4') ?? (await look()).choices.find(({ size_exact: exact, resumable }) => !exact && resumable);
  assert.equal(choice.size_exact, false);
  const first = (await size(dataOf(choice))).json();
  assert.deepEqual([first.choice, first.size_exact, first.pending], [choice.id, false, true]);
  let exact;
  await until(async () => (exact = (await size(dataOf(choice))).json()).size_exact, 'the exact size');
  assert.equal(exact.pending, false);
  const file = await stack.get(choice.stream_url);
  assert.equal(exact.size_bytes, file.body.length);
  const again = byId(await look(), choice.id);
  assert.deepEqual([again.size_bytes, again.size_exact], [file.body.length, true], 'a remembered answer is made anew');
});

test('what is known is said without a question to the source, and costs nothing', async () => {
  const info = await look();
  const left = async () => (await stack.get('/api/v1/usage')).json().requests.remaining;
  const had = await left();
  await origin.reset();
  for (const choice of info.choices.filter(({ size_exact: exact }) => exact)) {
    const answer = (await size(dataOf(choice))).json();
    assert.deepEqual([answer.size_bytes, answer.size_exact, answer.pending], [choice.size_bytes, true, false], choice.id);
  }
  assert.deepEqual(await origin.requests(), []);
  assert.ok(await left() >= had, 'time gives some back');
});

test('of all who ask at once, one makes it', async () => {
  const choice = (await look()).choices.find(({ size_exact: exact, resumable }) => !exact && resumable);
  await origin.reset();
  await Promise.all(Array.from({ length: 20 }, () => size(dataOf(choice))));
  await until(async () => (await size(dataOf(choice))).json().size_exact, 'the exact size');
  const starts = (await origin.requests()).filter(({ path, range }) => path === '/videoplayback' && /^bytes=0-/.test(range ?? ''));
  assert.ok(starts.length <= 4, `${starts.length} times the beginning of a source`);
});

test('what is made while it is sent has no size to wait for', async () => {
  const choice = (await look()).choices.find(({ id }) => id.endsWith('-webm') || id === 'audio-opus');
  const { size_exact: exact, pending } = (await size(dataOf(choice))).json();
  assert.deepEqual([exact, pending], [false, false]);
});

test('no link, a damaged one, one of another kind', async () => {
  assertProblem(await stack.get('/api/v1/size'), 400, 'token_invalid');
  assertProblem(await size('AAAA'), 400, 'token_invalid');
  const picture = new URL((await look()).thumbnail_url, stack.base).searchParams.get('data');
  assertProblem(await size(picture), 404, 'no_such_choice');
});

test('where nothing is prepared, it says what it knows', async () => {
  const plain = await startStack({ origin, env: { SLUICE_PREPARE: '0' } });
  try {
    const choice = (await plain.info(link)).json().choices.find(({ size_exact: exact, resumable }) => !exact && resumable);
    const answer = (await plain.get(`/api/v1/size?${new URLSearchParams({ data: new URL(choice.stream_url, plain.base).searchParams.get('data') })}`)).json();
    assert.deepEqual([answer.size_bytes, answer.size_exact, answer.pending], [choice.size_bytes, false, false]);
  } finally {
    await plain.stop();
  }
});
