// /api/v1/stream: what arrives is byte for byte the origin's file, whole and in any part, with the right headers.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { assertProblem, sha256, startStack, until } from './harness.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;
let stack;
let origin;

before(async () => {
  stack = await startStack();
  origin = stack.origin;
});
beforeEach(() => origin.reset());
after(() => stack?.stop());

const fileOf = (name) => readFileSync(origin.media[name].path);

// Small enough for every kind of range; the muxed file's size is not told by the site; one comes over a redirect.
const small = {
  'muxed-18': [watch('sluiceKids1'), 'muxed-18', 'short-18.mp4', 'video/mp4', 'mp4'],
  'format-140': [watch('sluiceDemo1'), 'format-140', 'short-140.m4a', 'audio/mp4', 'm4a'],
  'format-243, redirected': [watch('sluiceDemo1'), 'format-243', 'short-243.webm', 'video/webm', 'webm'],
  'a plain file': ['https://media.example/song.mp3', 'best', 'song.mp3', 'audio/mpeg', 'mp3'],
};

for (const [name, [link, choice, media, type, extension]] of Object.entries(small)) {
  describe(name, () => {
    let file;
    let etag;
    const fetch = (headers, options = {}) => stack.stream(link, choice, { headers, ...options });

    before(async () => {
      file = fileOf(media);
      etag = (await fetch({}, { method: 'HEAD' })).headers.etag;
    });

    test('whole', async () => {
      const answer = await fetch({});
      assert.equal(answer.status, 200, answer.body.length < 2000 ? answer.text() : '');
      assert.ok(answer.complete);
      assert.equal(sha256(answer.body), sha256(file));
      const { headers } = answer;
      assert.equal(headers['content-length'], String(file.length));
      assert.equal(headers['content-type'], type);
      assert.equal(headers['accept-ranges'], 'bytes');
      assert.match(headers.etag, /^"[!#-~]+"$/, 'a strong tag');
      assert.match(headers['cache-control'], /private/);
      assert.match(headers['cache-control'], /no-store/);
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.match(headers['content-security-policy'], /sandbox/);
      assert.match(
        headers['content-disposition'],
        new RegExp(`^attachment; filename=".+\\.${extension}"; filename\\*=UTF-8''.+\\.${extension}$`),
      );
      assert.equal(headers['content-encoding'], undefined);
      assert.ok(headers['x-sluice-choice']);
    });

    test('HEAD', async () => {
      const answer = await fetch({}, { method: 'HEAD' });
      assert.deepEqual([answer.status, answer.headers['content-length'], answer.body.length], [200, String(file.length), 0]);
      assert.equal(answer.headers.etag, etag);
      const part = await fetch({ Range: 'bytes=10-19' }, { method: 'HEAD' });
      assert.ok([200, 206].includes(part.status));
    });

    const size = () => file.length;
    const ranges = {
      first: ['bytes=0-99', () => [0, 99]],
      middle: ['bytes=100000-200001', () => [100000, 200001]],
      'one byte': ['bytes=7-7', () => [7, 7]],
      suffix: ['bytes=-500', () => [size() - 500, size() - 1]],
      'open end': ['bytes=250000-', () => [250000, size() - 1]],
      'all of it': ['bytes=0-', () => [0, size() - 1]],
      'past the end': ['bytes=300-99999999999', () => [300, size() - 1]],
      'a suffix longer than the file': ['bytes=-99999999999', () => [0, size() - 1]],
      'last byte': ['bytes=-1', () => [size() - 1, size() - 1]],
      'upper case': ['Bytes=5-9', () => [5, 9]],
    };
    for (const [what, [header, expected]] of Object.entries(ranges)) {
      test(`range: ${what}`, async () => {
        const [start, end] = expected();
        const answer = await fetch({ Range: header });
        assert.equal(answer.status, 206);
        assert.equal(answer.headers['content-range'], `bytes ${start}-${end}/${file.length}`);
        assert.equal(answer.headers['content-length'], String(end - start + 1));
        assert.ok(answer.body.equals(file.subarray(start, end + 1)), 'the bytes');
        assert.equal(answer.headers.etag, etag);
      });
    }

    for (const header of [() => `bytes=${size()}-`, () => `bytes=${size() + 5}-${size() + 9}`, () => 'bytes=-0']) {
      test(`416: ${header.toString().slice(6)}`, async () => {
        const answer = await fetch({ Range: header() });
        assertProblem(answer, 416, 'bad_range');
        assert.equal(answer.headers['content-range'], `bytes */${file.length}`);
      });
    }

    for (const header of [
      'bytes=0-9,20-29',
      'bytes=9-5',
      'bytes=a-b',
      'bytes=--5',
      'items=0-5',
      'bytes=0-99999999999999999999999999',
      'bytes = 0 - 9',
      'bytes=',
    ]) {
      test(`not a single range we know, so everything or the right part: ${header}`, async () => {
        const answer = await fetch({ Range: header });
        assert.ok([200, 206].includes(answer.status), String(answer.status));
        assert.ok(answer.complete);
        assert.equal(sha256(answer.body), sha256(file.subarray(0, answer.body.length)));
        if (answer.status === 200) assert.equal(answer.body.length, file.length);
      });
    }

    test('several ranges give all of it', async () => assert.equal((await fetch({ Range: 'bytes=0-9,20-29' })).status, 200));

    test('If-Range', async () => {
      assert.equal((await fetch({ Range: 'bytes=5-9', 'If-Range': etag })).status, 206);
      for (const stale of ['"something else"', `W/${etag}`, 'Mon, 02 Nov 2026 08:00:00 GMT']) {
        const answer = await fetch({ Range: 'bytes=5-9', 'If-Range': stale });
        assert.equal(answer.status, 200, stale);
        assert.equal(answer.body.length, file.length);
      }
    });

    test('If-None-Match', async () => {
      for (const tag of [etag, `"x", ${etag}`, `W/${etag}`, '*']) {
        const answer = await fetch({ 'If-None-Match': tag });
        assert.deepEqual([answer.status, answer.body.length, answer.headers.etag], [304, 0, etag], tag);
      }
      assert.equal((await fetch({ 'If-None-Match': '"x"' })).status, 200);
    });
  });
}

describe('a file of several upstream ranges', () => {
  test('whole, and the requests it took', async () => {
    const file = fileOf('big-137.mp4');
    const answer = await stack.stream(watch('sluiceBig01'), 'format-137');
    assert.equal(answer.status, 200);
    assert.equal(sha256(answer.body), sha256(file));
    const reads = (await origin.requests()).filter((entry) => entry.path === '/videoplayback');
    assert.ok(reads.length >= 3);
    for (const { range, headers, status } of reads) {
      const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(range);
      assert.ok(end - start < 10 * 1024 * 1024, range);
      assert.equal(status, 206);
      assert.ok([undefined, 'identity'].includes(headers['accept-encoding']), headers['accept-encoding']);
      assert.equal(headers.cookie, undefined);
      assert.equal(headers.referer, undefined);
    }
    const asked = reads.reduce((sum, { bytes }) => sum + bytes, 0);
    assert.ok(asked < file.length * 1.1, `${asked} bytes read for ${file.length}`);
  });

  test('fifty random parts', async () => {
    const file = fileOf('big-137.mp4');
    let seed = 12345;
    const random = (below) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
    for (let i = 0; i < 50; i++) {
      const start = random(file.length);
      const end = Math.min(file.length - 1, start + random(i % 10 === 0 ? 12 << 20 : 70000));
      const answer = await stack.stream(watch('sluiceBig01'), 'format-137', { headers: { Range: `bytes=${start}-${end}` } });
      assert.equal(answer.status, 206);
      assert.ok(answer.body.equals(file.subarray(start, end + 1)), `${start}-${end}`);
    }
  });

  test('twenty at once', async () => {
    const expected = sha256(fileOf('short-136.mp4'));
    const answers = await Promise.all(Array.from({ length: 20 }, () => stack.stream(watch('sluiceDemo1'), 'format-136')));
    for (const answer of answers) assert.equal(sha256(answer.body), expected);
  });

  test('a slow reader slows the source down, and gets everything', async () => {
    const size = 4 << 20;
    const answer = await stack.stream(watch('sluiceBig01'), 'format-137', {
      headers: { Range: `bytes=0-${size - 1}` },
      pauseMs: 5,
    });
    assert.equal(sha256(answer.body), sha256(fileOf('big-137.mp4').subarray(0, size)));
  });
});

describe('clients that leave', () => {
  const active = async () => (await stack.get('/health')).json().workers.active;

  test('the source is read no further, and the place is free again', async () => {
    await until(async () => (await active()) === 0, 'no active stream');
    const answer = await stack.stream(watch('sluiceBig01'), 'format-137', { keep: 100000 });
    assert.equal(answer.complete, false);
    await until(async () => (await active()) === 0, 'the slot to be given back', 5000);
    await sleep(300);
    const read = (await origin.requests()).reduce((sum, entry) => sum + (entry.path === '/videoplayback' ? entry.bytes : 0), 0);
    assert.ok(read < 25 << 20, `${read} bytes were read for a client that took 100 kB`);
  });

  test('thirty who leave at once leave nothing behind', async () => {
    await Promise.all(
      Array.from({ length: 30 }, (_, i) => stack.stream(watch('sluiceBig01'), 'format-137', { keep: 1 + i * 20000 })),
    );
    await until(async () => (await active()) === 0, 'all slots to be given back', 5000);
    assert.equal((await stack.stream(watch('sluiceDemo1'), 'format-140')).status, 200);
  });
});

describe('names and links', () => {
  test('a hostile title ends as a harmless name', async () => {
    const answer = await stack.stream(watch('sluiceEvil1'), 'format-140', { headers: { Range: 'bytes=0-9' } });
    assert.equal(answer.status, 206);
    const names = answer.rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase());
    for (const evil of ['x-evil', 'set-cookie']) assert.ok(!names.includes(evil));
    const disposition = answer.headers['content-disposition'];
    const [, ascii, extended] = /^attachment; filename="([^"]*)"; filename\*=UTF-8''([^;]*)$/.exec(disposition);
    for (const name of [ascii, decodeURIComponent(extended)]) {
      assert.match(name, /\.m4a$/);
      assert.doesNotMatch(name, /[\p{Cc}/\\\u200e\u200f\u202a-\u202e\u2066-\u2069]/u);
      assert.doesNotMatch(name, /^[. ]/);
      assert.ok(Buffer.byteLength(name) <= 180);
    }
    assert.match(ascii, /^[ -~]+$/);
  });

  test('links of a description work by themselves', async () => {
    const d = (await stack.info(watch('sluiceDemo1'))).json();
    const { stream_url: link } = d.choices.find((choice) => choice.id === 'format-134');
    const answer = await stack.get(link);
    assert.equal(sha256(answer.body), sha256(fileOf('short-134.mp4')));
    assert.equal(answer.headers['x-sluice-choice'], 'format-134');
  });

  test('damaged links are refused', async () => {
    const { stream_url: link } = (await stack.info(watch('sluiceDemo1'))).json().choices[0];
    const data = new URL(link, stack.base).searchParams.get('data');
    const at = (n, c) => data.slice(0, n) + (data[n] === c ? 'B' : c) + data.slice(n + 1);
    for (const bad of [
      'x',
      data.slice(0, -1),
      `${data}A`,
      at(0, 'A'),
      at(data.length >> 1, 'A'),
      at(data.length - 4, 'A'),
      'A'.repeat(data.length),
      'A'.repeat(20000),
      `${data}%`,
    ])
      assertProblem(await stack.get(`/api/v1/stream?data=${encodeURIComponent(bad)}`), 400, 'token_invalid');
    for (const empty of ['/api/v1/stream', '/api/v1/stream?data=', `/api/v1/stream?data=${data}%00`]) {
      const answer = await stack.get(empty);
      assertProblem(answer, 400, answer.json().code);
    }
  });

  test('choices by rule say what was chosen, and never more than asked', async () => {
    const chosen = async (choice) =>
      (await stack.stream(watch('sluiceDemo1'), choice, { method: 'HEAD' })).headers['x-sluice-choice'];
    const height = (id) =>
      Number(
        /(\d+)p/.exec(id)?.[1] ?? { 137: 1080, 136: 720, 398: 720, 247: 720, 134: 360, 243: 360, 160: 144 }[/\d+$/.exec(id)],
      );
    assert.equal(height(await chosen('best')), 1080);
    assert.equal(height(await chosen('<=720p')), 720);
    assert.equal(height(await chosen('<=719p')), 360);
    assert.equal(height(await chosen('<=144p')), 144);
    for (const none of ['<=100p', 'format-999', 'muxed-18', 'nonsense', '<=p', '../../x', 'format-'])
      assertProblem(await stack.stream(watch('sluiceDemo1'), none), 404, 'no_such_choice');
  });

  test('the site is asked once for info and stream together', async () => {
    await stack.info(watch('sluiceDubs1'));
    await stack.stream(watch('sluiceDubs1'), 'format-140', { method: 'HEAD' });
    const calls = (await origin.requests()).filter((entry) => entry.client && entry.video === 'sluiceDubs1');
    assert.ok(calls.length <= 2, 'one call, and one more when the visitor was new');
  });
});

test('the web server makes no ranges of its own where Sluice has none', async () => {
  const { subtitles } = (await stack.info(watch('sluiceDemo1'))).json();
  for (const target of ['/livez', '/health', `/api/v1/info?url=${watch('sluiceDemo1')}`, subtitles[0].stream_url]) {
    const answer = await stack.get(target, { headers: { Range: 'bytes=0-9' } });
    assert.deepEqual([answer.status, answer.headers['content-range']], [200, undefined], target);
    assert.ok(answer.body.length > 10, target);
  }
});

describe('sources without length or ranges', () => {
  for (const name of ['norange.mp4', 'chunked.mp4']) {
    test(name, async () => {
      const answer = await stack.stream(`https://media.example/${name}`, 'best');
      if (answer.status === 200) assert.equal(sha256(answer.body), sha256(fileOf('short-18.mp4')));
      else assertProblem(answer, answer.status, answer.json().code);
    });
  }
});
