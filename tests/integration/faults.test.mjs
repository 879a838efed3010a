// Media hosts that misbehave. One failure is repaired unseen; a lasting one ends in a clean problem before the
// headers, or in a connection that closes short of its Content-Length. Never a complete-looking wrong file, never a
// 200 with nothing in it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';

import { assertProblem, sha256, startStack, until } from './harness.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;
const media = { path: '/videoplayback' };
let stack;
let origin;
let small;
let big;

before(async () => {
  stack = await startStack({
    env: { SLUICE_STALL_TIMEOUT_S: '1', SLUICE_UPSTREAM_CONNECT_MS: '2000', SLUICE_UPSTREAM_TIMEOUT_MS: '4000' },
  });
  origin = stack.origin;
  small = readFileSync(origin.media['short-136.mp4'].path); // 3 MB, one upstream range
  big = readFileSync(origin.media['big-137.mp4'].path); // 30 MB, three
});
after(() => stack?.stop());

const fetchSmall = (options) => stack.stream(watch('sluiceDemo1'), 'format-136', options);
const fetchBig = (options) => stack.stream(watch('sluiceBig01'), 'format-137', options);

// What may never be broken: an answer that looks complete is right; one that does not is honest about it.
function assertHonest(answer, file) {
  if (answer.status >= 400) return assertProblem(answer, answer.status, answer.json().code);
  assert.ok([200, 206].includes(answer.status), `status ${answer.status}`);
  assert.ok(
    !answer.complete || sha256(answer.body) === sha256(file),
    `a complete answer of ${answer.body.length} bytes that is wrong`,
  );
  assert.ok(file.subarray(0, answer.body.length).equals(answer.body), 'what came is the beginning of the file');
  return undefined;
}

function assertIdentical(answer, file) {
  assertHonest(answer, file);
  assert.equal(answer.status, 200, answer.status >= 400 ? answer.text() : '');
  assert.ok(answer.complete, `ended after ${answer.body.length} of ${file.length} bytes`);
}

const failures = {
  'reset before headers': { type: 'reset', after: -1 },
  'reset at once': { type: 'reset', after: 0 },
  'reset after some': { type: 'reset', after: 700000 },
  'truncated at once': { type: 'truncate', after: 0 },
  'truncated after some': { type: 'truncate', after: 700000 },
  'stall before headers': { type: 'stall', after: -1 },
  'stall at once': { type: 'stall', after: 0 },
  'stall after some': { type: 'stall', after: 700000 },
  'fewer bytes than asked': { type: 'lie', short: 1000000 },
  'server error': { type: 'status', status: 500 },
  'too many requests': { type: 'status', status: 429 },
  'not available': { type: 'status', status: 503, headers: { 'Retry-After': '1' } },
};

describe('a failure that passes', () => {
  beforeEach(() => origin.reset());
  for (const [name, action] of Object.entries(failures)) {
    test(`${name}, once`, async () => {
      await origin.script({ match: media, action });
      assertIdentical(await fetchSmall(), small);
    });
  }

  test('in the second and the third range of a large file', async () => {
    await origin.script({ match: { ...media, range: /^bytes=[1-9]/ }, times: 2, action: { type: 'reset', after: 3000000 } });
    assertIdentical(await fetchBig(), big);
  });

  test('again and again, with progress in between', async () => {
    await origin.script({ match: media, times: 12, action: { type: 'reset', after: 2000000 } });
    assertIdentical(await fetchBig(), big);
  });

  test('in a part', async () => {
    await origin.script({ match: media, action: { type: 'truncate', after: 50000 } });
    const answer = await fetchSmall({ headers: { Range: 'bytes=1000000-2000000' } });
    assert.equal(answer.status, 206);
    assert.ok(answer.body.equals(small.subarray(1000000, 2000001)));
  });

  test('a slow source is no failure', async () => {
    await origin.script({ match: media, action: { type: 'drip', rate: 2000000 } });
    assertIdentical(await fetchSmall(), small);
  });

  test('a late answer is no failure', async () => {
    await origin.script({ match: media, action: { type: 'delay', ms: 600 } });
    assertIdentical(await fetchSmall(), small);
  });
});

// All at once, each with a video of its own: what counts here is waiting.
describe('a failure that stays', { concurrency: 12 }, () => {
  let n = 0;
  for (const [name, action] of Object.entries(failures)) {
    if (action.type === 'lie') continue; // fewer bytes each time is progress
    const video = `sluiceV3${String(n++).padStart(3, '0')}`;
    test(name, async () => {
      await origin.script({ match: { ...media, video }, times: Infinity, action });
      const started = Date.now();
      const answer = await stack.stream(watch(video), 'format-136');
      assertHonest(answer, small);
      if ((action.after ?? -1) <= 0)
        assertProblem(answer, 502, action.status === 429 ? 'rate_limited_upstream' : 'upstream_failed');
      assert.ok(Date.now() - started < 60000, `after ${Date.now() - started} ms`);
    });
  }
});

describe('a failure that stays, for one', () => {
  beforeEach(() => origin.reset());
  test('from the middle on: short of its Content-Length', async () => {
    await origin.script({ match: { ...media, range: /^bytes=[1-9]/ }, times: Infinity, action: { type: 'status', status: 500 } });
    const answer = await fetchBig();
    assertHonest(answer, big);
    assert.equal(answer.status, 200);
    assert.equal(answer.complete, false);
    assert.equal(answer.headers['content-length'], String(big.length));
  });

  test('nobody keeps asking after that', async () => {
    await origin.script({ match: media, times: Infinity, action: { type: 'status', status: 500 } });
    await fetchSmall();
    const { length } = (await origin.requests()).filter((entry) => entry.path === '/videoplayback');
    assert.ok(length <= 40, `${length} requests`);
  });
});

describe('lies', () => {
  beforeEach(() => origin.reset());
  const lies = {
    'another start': { start: 4096 },
    'a smaller total': { total: -1000 },
    'a larger total': { total: 1000 },
    'no Content-Range': { missing: true },
    'the whole file instead of the part': { whole: true },
  };
  for (const [name, how] of Object.entries(lies)) {
    for (const times of [1, Infinity]) {
      test(`${name}, ${times === 1 ? 'once' : 'always'}`, async () => {
        await origin.script({ match: media, times, action: { type: 'lie', ...how } });
        assertHonest(await fetchSmall(), small);
        await origin.reset();
        await origin.script({ match: media, times, action: { type: 'lie', ...how } });
        const part = await fetchSmall({ headers: { Range: 'bytes=500000-599999' } });
        if (part.status >= 400) assertProblem(part, part.status, part.json().code);
        else if (part.complete) assert.ok(part.body.equals(small.subarray(500000, 600000)), 'a wrong part that looks right');
      });
    }
  }

  for (const [name, how] of Object.entries(lies)) {
    test(`${name}, in the second range`, async () => {
      await origin.script({ match: { ...media, range: /^bytes=[1-9]/ }, times: Infinity, action: { type: 'lie', ...how } });
      assertHonest(await fetchBig(), big);
    });
  }

  const others = {
    'a web page with 200': { type: 'html' },
    'nothing with 200': { type: 'status', status: 200, headers: { 'Content-Type': 'video/mp4' }, body: '' },
    'nothing with 206': { type: 'status', status: 206, headers: { 'Content-Range': 'bytes 0-99/3000000' }, body: '' },
    'an absurd range': {
      type: 'status',
      status: 206,
      headers: { 'Content-Range': 'bytes 0-18446744073709551615/18446744073709551616' },
      body: 'x',
    },
    'a range header that is none': { type: 'status', status: 206, headers: { 'Content-Range': 'bytes */*' }, body: 'x' },
    'a multipart answer': {
      type: 'status',
      status: 206,
      headers: { 'Content-Type': 'multipart/byteranges; boundary=x' },
      body: '--x\r\n\r\nabc\r\n--x--',
    },
    'a compressed body': {
      type: 'status',
      status: 206,
      headers: { 'Content-Encoding': 'gzip', 'Content-Range': 'bytes 0-2/3' },
      body: 'abc',
    },
    'a redirect to itself for ever': { type: 'redirect', to: 'https://media.example/loop' },
    'a redirect to a private address': { type: 'redirect', to: 'http://169.254.169.254/latest/' },
  };
  for (const [name, action] of Object.entries(others)) {
    test(`${name}, always`, async () => {
      await origin.script({ match: media, times: Infinity, action });
      const answer = await fetchSmall();
      assert.ok(answer.status >= 400, `status ${answer.status}`);
      assertProblem(answer, answer.status, answer.json().code);
      assert.ok((await origin.requests()).every((entry) => entry.host !== '169.254.169.254'));
    });
  }
});

describe('sources that die', () => {
  beforeEach(() => origin.reset());
  test('URLs withdrawn before the first byte: asked for again', async () => {
    assertIdentical(await fetchSmall(), small);
    await origin.rotate();
    await origin.reset();
    assertIdentical(await fetchSmall(), small);
    assert.ok(
      (await origin.requests()).some((entry) => entry.client && entry.video === 'sluiceDemo1'),
      'described again',
    );
  });

  test('URLs withdrawn in the middle: continued, the client notices nothing', async () => {
    await fetchBig({ method: 'HEAD' });
    await origin.script({ match: media, times: Infinity, action: { type: 'drip', rate: 20000000 } });
    const whole = fetchBig();
    await until(
      async () => (await origin.requests()).some((entry) => entry.path === '/videoplayback' && entry.bytes > 0),
      'the first bytes',
    );
    await origin.rotate();
    assertIdentical(await whole, big);
    assert.ok((await origin.requests()).some((entry) => entry.status === 403));
  });

  test('the file has changed meanwhile: not glued together', async () => {
    await fetchBig({ method: 'HEAD' });
    await origin.script({ match: media, times: Infinity, action: { type: 'drip', rate: 20000000 } });
    const whole = fetchBig();
    await until(
      async () => (await origin.requests()).some((entry) => entry.path === '/videoplayback' && entry.bytes > 0),
      'the first bytes',
    );
    await origin.configure({ version: 1 });
    await origin.rotate();
    const answer = await whole;
    assertHonest(answer, big);
    assert.equal(answer.complete, false);
  });

  test('URLs that are refused for good', async () => {
    await origin.script({ match: media, times: Infinity, action: { type: 'status', status: 403 } });
    assertProblem(await fetchSmall(), 502, 'upstream_failed');
    const calls = (await origin.requests()).filter((entry) => entry.client).length;
    assert.ok(calls <= 12, `${calls} descriptions for one request`);
  });
});

// What a media URL names besides its own host, and whom else the site may be asked as. Its own: rr4---sn-sluice01.
describe('where else the bytes are', () => {
  const own = { ...media, host: 'rr4---sn-sluice01.googlevideo.com' };
  const other = 'rr3---sn-sluice02.googlevideo.com';
  const played = async () => (await origin.requests()).filter((entry) => entry.path === media.path);
  const asked = async () => (await origin.requests()).filter((entry) => entry.client).length;
  before(async () => {
    await origin.rotate(); // what is remembered is of another version: see above
    await origin.reset();
    await Promise.all([fetchSmall(), fetchBig()]);
  });
  beforeEach(() => origin.reset());

  const deaths = {
    'is refused': { type: 'status', status: 403 },
    'is gone': { type: 'status', status: 410 },
    'fails': { type: 'status', status: 500 },
    'is told to wait': { type: 'status', status: 429, headers: { 'Retry-After': '60' } },
    'stalls': { type: 'stall', after: 1000 },
    'is reset': { type: 'reset', after: 0 },
    'is lied to': { type: 'lie', start: 4096 },
  };
  for (const [what, action] of Object.entries(deaths))
    test(`who ${what} by one host goes to the other, and asks nobody for it`, async () => {
      await fetchSmall({ method: 'HEAD' });
      await origin.reset();
      await origin.script({ match: own, times: Infinity, action });
      assertIdentical(await fetchSmall(), small);
      assert.ok((await played()).some((entry) => entry.host === other));
      assert.equal(await asked(), 0);
    });

  test('in the middle: at the same byte', async () => {
    await fetchBig({ method: 'HEAD' });
    await origin.reset();
    await origin.script({ match: { ...own, range: /^bytes=[1-9]/ }, times: Infinity, action: { type: 'status', status: 404 } });
    assertIdentical(await fetchBig(), big);
    const moved = (await played()).filter((entry) => entry.host === other);
    assert.match(moved[0].range, /^bytes=10485760-/);
    assert.ok((await played()).reduce((sum, entry) => sum + entry.bytes, 0) < big.length * 1.1, 'nothing was read twice');
  });

  test('while it is converted', async () => {
    await origin.script({ match: own, times: Infinity, action: deaths['is refused'] });
    const answer = await stack.stream(watch('sluiceDemo1'), 'audio-mp3-128');
    assert.equal(answer.status, 200);
    assert.ok(answer.complete);
    assert.ok((await played()).some((entry) => entry.host === other));
  });

  test('another client of the site, when all that one names is refused', async () => {
    const fetch = () => stack.stream(watch('sluiceV4000'), 'format-136');
    assertIdentical(await fetch(), small);
    await origin.reset();
    await origin.script({ match: { ...media, query: /[?&]c=VISIONOS(&|$)/ }, times: Infinity, action: deaths['is refused'] });
    assertIdentical(await fetch(), small);
    const clients = (await origin.requests()).filter((entry) => entry.client).map((entry) => entry.client);
    assert.equal(clients[0], 'VISIONOS', 'first the same one');
    assert.ok(clients.includes('WEB_EMBEDDED_PLAYER'), clients.join());
    // What that client said is nobody else's description.
    await origin.reset();
    assertIdentical(await fetch(), small);
    assert.ok((await played()).every((entry) => entry.query.includes('c=VISIONOS')));
  });

  test('several times in one download', async () => {
    await fetchBig({ method: 'HEAD' });
    await origin.reset();
    for (const place of ['4', '9', '12', '18', '22', '26'])
      await origin.script({ match: { ...media, range: new RegExp(`^bytes=${place}\\d{6}-`) }, times: 2, action: deaths['is refused'] });
    await origin.script({ match: media, times: Infinity, action: { type: 'truncate', after: 1100000 } });
    assertIdentical(await fetchBig(), big);
    assert.ok((await played()).filter((entry) => entry.status === 403).length >= 4);
  });

  test('nowhere: short, and the log says why', async () => {
    await fetchBig({ method: 'HEAD' });
    await origin.reset();
    await origin.script({ match: { ...media, range: /^bytes=[1-9]/ }, times: Infinity, action: deaths['is refused'] });
    const answer = await fetchBig();
    assertHonest(answer, big);
    assert.equal(answer.complete, false);
    assert.match(stack.log(), /source-renewed why="[^"]*status 403" step="other-host" found="yes"/);
    assert.match(stack.log(), /end="short" error="[^"]*status 403"/);
  });
});
