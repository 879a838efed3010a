// Subtitles on their own, in both forms, and as tracks in merged files.
import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';

import { assertProblem, run, scratchDir, startStack } from './harness.mjs';
import { assertSameRows, packets } from './mp4.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;
const target = (fields) => `/api/v1/stream?${new URLSearchParams(fields)}`;
const odd = watch('sluiceSubs1');
let stack;
let origin;
let scratch;

before(async () => {
  scratch = scratchDir();
  stack = await startStack();
  origin = stack.origin;
});
beforeEach(() => origin.reset());
after(async () => {
  rmSync(scratch, { recursive: true, force: true });
  await stack?.stop();
});

async function tool(name, ...args) {
  const { exit, stdout, stderr } = await run(name, ['-v', 'error', ...args]);
  assert.deepEqual([exit, stderr], [0, '']);
  return stdout.toString().replaceAll('\r', '');
}

// What ffmpeg makes of a subtitle track: [start, end, text] of each cue.
const cuesOf = (srt) =>
  srt.split('\n\n').filter(Boolean).map((block) => {
    const [, times, ...lines] = block.replace(/^\n/, '').split('\n');
    return [...times.split(' --> '), lines.join('\n')];
  });
const extract = async (file, track = 0) => cuesOf(await tool('ffmpeg', '-i', file, '-map', `0:s:${track}`, '-f', 'srt', '-'));

async function download(fields) {
  const answer = await stack.get(target(fields));
  assert.equal(answer.status, 200, answer.status >= 400 ? answer.text() : '');
  assert.ok(answer.complete);
  assert.equal(answer.headers['content-length'], String(answer.body.length));
  const file = path.join(scratch, 'file.mp4');
  writeFileSync(file, answer.body);
  return { ...answer, file };
}

const second = (n, more = '') => [`00:00:${String(n).padStart(2, '0')},000`, `00:00:${String(n + 1).padStart(2, '0')},000`, `Second ${n}${more}`];
const seconds = (from, to, more) => Array.from({ length: to - from }, (_, i) => second(from + i, more));

describe('on their own', () => {
  test('as SubRip: by the link of the description, and by link and choice', async () => {
    const { subtitles } = (await stack.info(watch('sluiceDemo1'))).json();
    const answer = await stack.get(subtitles[0].srt_url);
    assert.equal(answer.status, 200, answer.text());
    assert.match(answer.headers['content-type'], /^application\/x-subrip/);
    assert.match(answer.headers['content-disposition'], /^attachment;.*\.en\.srt"/);
    assert.equal(answer.headers['x-sluice-choice'], 'subtitle-en');
    assert.deepEqual(cuesOf(answer.text()), seconds(0, 20));
    const same = await stack.get(target({ url: watch('sluiceDemo1'), choice: 'subtitle-en', format: 'srt' }));
    assert.equal(same.text(), answer.text());
  });

  test('two tracks of one language are two downloads', async () => {
    const url = watch('sluiceSubs2');
    const { subtitles } = (await stack.info(url)).json();
    const got = await Promise.all(subtitles.map(({ stream_url: link }) => stack.get(link)));
    assert.deepEqual(
      got.map((answer) => answer.headers['x-sluice-choice']),
      ['subtitle-en', 'subtitle-en-2', 'subtitle-en-auto'],
    );
    assert.match(got[0].text(), /Second 0\n/);
    assert.match(got[1].text(), /\[door\]/);
    assert.match(got[2].text(), /Second 0 \(automatic\)/);
    const page = (await stack.get(`/api/v1/page?${new URLSearchParams({ url })}`)).text();
    const links = [...page.matchAll(/<li><a href="([^"]+)"[^>]*>(English[^<]*)</g)].map(([, link, label]) => [label, link]);
    assert.deepEqual(links.map(([label]) => label), ['English', 'English - SDH', 'English (auto-generated)']);
    const offered = await stack.get(links[1][1].replaceAll('&amp;', '&'));
    assert.match(offered.text(), /\[door\]/);
    const { file } = await download({ url, choice: '720p-mp4', subs: 'en-2' });
    assert.deepEqual((await extract(file)).map(([, , text]) => text), ['[door]']);
  });

  test('as the site has them unless asked otherwise', async () => {
    const raw = await stack.get(target({ url: odd, choice: 'subtitle-en-auto' }));
    assert.match(raw.text(), /<00:00:01\.480><c> today<\/c>/);
  });

  test('captions that roll are told once', async () => {
    const clean = await stack.get(target({ url: odd, choice: 'subtitle-en-auto', format: 'vtt' }));
    assert.match(clean.headers['content-type'], /^text\/vtt/);
    assert.equal(
      clean.text(),
      'WEBVTT\n\n00:00:01.000 --> 00:00:03.560\nso today we\n\n00:00:03.560 --> 00:00:06.000\ngo outside\n\n',
    );
  });

  test('hostile text stays text', async () => {
    const srt = await stack.get(target({ url: odd, choice: 'subtitle-pt-BR', format: 'srt' }));
    const cues = cuesOf(srt.text());
    assert.deepEqual(cues.slice(0, 2), [
      ['00:00:01,000', '00:00:02,000', '00:00:08,000 -- > 00:00:09,000[2J\ufffd'],
      ['00:00:05,000', '00:00:06,000', '<script>alert(4)</script> &amp; alert(5)'],
    ]);
    assert.ok(srt.body.length < 10000);
    assert.doesNotMatch(srt.text(), /evil|img|never/);
    const vtt = await stack.get(target({ url: odd, choice: 'subtitle-pt-BR', format: 'vtt' }));
    assert.doesNotMatch(vtt.text(), /<|evil|&lt;img/);
  });

  test('what cannot be had ends in a problem', async () => {
    assertProblem(await stack.get(target({ url: odd, choice: 'subtitle-en-auto', format: 'ttml' })), 400, 'bad_request');
    assertProblem(await stack.get(target({ url: odd, choice: 'subtitle-xx', format: 'srt' })), 404, 'no_such_choice');
    assertProblem(await stack.get(target({ url: odd, choice: 'subtitle-fr', format: 'srt' })), 502, 'upstream_failed');
    assertProblem(await stack.get(target({ url: odd, choice: 'subtitle-fr' })), 502, 'upstream_failed');
  });
});

describe('as tracks of a merged file', () => {
  test('come out of it as they went in', async () => {
    const { file } = await download({ url: watch('sluiceDemo1'), choice: '1080p-mp4', subs: 'en,en-auto' });
    const entries = 'stream=codec_name,codec_type:stream_tags=language:stream_disposition=default';
    const { streams } = JSON.parse(await tool('ffprobe', '-of', 'json', '-select_streams', 's', '-show_entries', entries, file));
    assert.deepEqual(
      streams.map((one) => [one.codec_name, one.tags.language, one.disposition.default]),
      [
        ['mov_text', 'eng', 1],
        ['mov_text', 'eng', 0],
      ],
    );
    assert.deepEqual(await extract(file, 0), seconds(0, 20));
    assert.deepEqual(await extract(file, 1), seconds(0, 20, ' (automatic)'));
  });

  test('picture and sound do not notice', async () => {
    const url = watch('sluiceDemo1');
    const of = async (more) => {
      const { file } = await download({ url, choice: '720p-mp4', ...more });
      return { V: await packets(file, 'V'), a: await packets(file, 'a') };
    };
    const bare = await of({});
    const withThem = await of({ subs: 'en' });
    assert.ok(bare.V.length > 400 && bare.a.length > 800);
    for (const kind of ['V', 'a']) assertSameRows(withThem[kind], bare[kind], kind);
  });

  test('any part is a slice of the whole, and its tag is its own', async () => {
    const fields = { url: odd, choice: '720p-mp4' };
    const tag = async (more) => (await stack.get(target({ ...fields, ...more }), { method: 'HEAD' })).headers.etag;
    const whole = await download({ ...fields, subs: 'de,en-auto,pt-BR' });
    const link = target({ ...fields, subs: 'de,en-auto,pt-BR' });
    for (let i = 0; i < 60; i++) {
      const start = Math.floor((whole.body.length / 61) * i);
      const end = Math.min(whole.body.length - 1, start + 30000);
      const part = await stack.get(link, { headers: { Range: `bytes=${start}-${end}`, 'If-Range': whole.headers.etag } });
      assert.equal(part.status, 206);
      assert.ok(part.body.equals(whole.body.subarray(start, end + 1)), `bytes ${start}-${end}`);
    }
    const asked = (await origin.requests()).filter((entry) => entry.path === '/api/timedtext');
    assert.ok(asked.length >= 1 && asked.length <= 3, `${asked.length} calls for three tracks and 61 requests`);
    const tags = [whole.headers.etag, await tag({}), await tag({ subs: 'de' }), await tag({ subs: 'en-auto' })];
    assert.equal(new Set(tags).size, tags.length);
    assert.equal(await tag({ subs: 'de,en-auto,pt-BR' }), whole.headers.etag);
  });

  test('hostile text is harmless', async () => {
    const { file } = await download({ url: odd, choice: '720p-mp4', subs: 'pt-BR' });
    const cues = await extract(file);
    assert.deepEqual(cues.slice(0, 2).map(([start, end]) => [start, end]), [
      ['00:00:01,000', '00:00:02,000'],
      ['00:00:05,000', '00:00:06,000'],
    ]);
    const { format } = JSON.parse(await tool('ffprobe', '-of', 'json', '-show_entries', 'format=duration', file));
    assert.ok(Math.abs(Number(format.duration) - 20) < 0.1, `${format.duration} s: a cue that never ends ends with the file`);
  });

  test('a clip takes its part of them', async () => {
    const { file } = await download({ url: watch('sluiceDemo1'), choice: '720p-mp4', subs: 'en', start: '3.5', end: '6' });
    assert.deepEqual(await extract(file), [
      ['00:00:00,000', '00:00:00,500', 'Second 3'],
      ['00:00:00,500', '00:00:01,500', 'Second 4'],
      ['00:00:01,500', '00:00:02,500', 'Second 5'],
    ]);
  });

  for (const [name, fields, status, code] of [
    ['a language that is not there', { subs: 'xx' }, 404, 'no_such_choice'],
    ['one of two that is not there', { subs: 'de,xx' }, 404, 'no_such_choice'],
    ['only automatic ones of that language', { subs: 'en' }, 404, 'no_such_choice'],
    ['nothing between commas', { subs: 'de,,en-auto' }, 404, 'no_such_choice'],
    ['five', { subs: 'de,de,de,de,de' }, 400, 'bad_request'],
    ['the other layout', { subs: 'de', layout: 'fragmented' }, 400, 'bad_request'],
    ['a format as it is', { subs: 'de', choice: 'format-136' }, 400, 'bad_request'],
    ['sound alone', { subs: 'de', choice: 'audio-m4a' }, 400, 'bad_request'],
    ['a site that answers something else', { subs: 'fr' }, 502, 'upstream_failed'],
  ]) {
    test(`${name}: ${code}`, async () => {
      assertProblem(await stack.get(target({ url: odd, choice: '720p-mp4', ...fields })), status, code);
    });
  }

  test('a site that fails: no file without them', async () => {
    await origin.script({ match: { path: '/api/timedtext' }, times: Infinity, action: { type: 'status', status: 500 } });
    assertProblem(await stack.get(target({ url: watch('sluiceLong1'), choice: '360p-mp4', subs: 'en' })), 502, 'upstream_failed');
    await origin.script({ match: { path: '/api/timedtext' }, times: Infinity, action: { type: 'status', status: 404 } });
    assertProblem(await stack.get(target({ url: watch('sluiceLong1'), choice: '360p-mp4', subs: 'en-auto' })), 502, 'upstream_failed');
  });
});
