// Files that are made while they are sent: exact length, any range, every packet of both sources untouched, whatever
// the codecs, edit lists and fragments; clips by time; tags.
//
// SLUICE_TEST_PARTS: how many random parts of each pair are compared with the whole, by default 1000.
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';

import { assertProblem, run, scratchDir, sha256, startStack } from './harness.mjs';
import {
  assertSameRows,
  boxTypes,
  decoded,
  durationOf,
  endOf,
  ffprobe,
  ffprobeJson,
  packets,
  readByMp4box,
  seeded,
  soundOf,
} from './mp4.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;
const target = (id, fields) => `/api/v1/stream?${new URLSearchParams({ url: watch(id), ...fields })}`;
const partCount = Number(process.env.SLUICE_TEST_PARTS ?? 1000);
const random = seeded(4711);
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

const sourceOf = (name) => origin.media[name].path;

// Downloads into a file; → its path.
async function save(link) {
  const answer = await stack.get(link);
  assert.equal(answer.status, 200, answer.status >= 400 ? answer.text() : '');
  assert.ok(answer.complete);
  const file = path.join(scratch, `${sha256(link).slice(0, 16)}.mp4`);
  writeFileSync(file, answer.body);
  return file;
}

// Asks for random parts, eight at a time: mostly short ones, some at either end, now and then a long one.
async function assertParts(link, whole, count) {
  const one = async () => {
    const near = random(20);
    const start =
      near === 0 ? random(Math.min(whole.length, 3000)) : near === 1 ? whole.length - 1 - random(3000) : random(whole.length);
    const end = Math.min(whole.length - 1, start + random(random(40) ? 5000 : 1 << 20));
    const answer = await stack.get(link, { headers: { Range: `bytes=${start}-${end}` } });
    assert.equal(answer.status, 206, answer.status >= 400 ? answer.text() : '');
    assert.equal(answer.headers['content-range'], `bytes ${start}-${end}/${whole.length}`);
    assert.ok(answer.body.equals(whole.subarray(start, end + 1)), `bytes ${start}-${end}`);
  };
  const worker = async (n) => {
    for (; n > 0; n--) await one();
  };
  await Promise.all(Array.from({ length: 8 }, () => worker(Math.ceil(count / 8))));
}

// name: [video, parameters, picture, sound]
const pairs = {
  'H.264 and AAC': ['sluiceDemo1', { choice: '1080p-mp4' }, 'short-137.mp4', 'short-140.m4a'],
  'H.264 and AAC, over a redirect, with an mfra behind': [
    'sluiceDemo1',
    { choice: '360p-mp4' },
    'short-134.mp4',
    'short-140.m4a',
  ],
  'H.264 with an edit list, AAC in tiny fragments, 10 s': ['sluiceTiny1', { choice: '360p-mp4' }, 'tiny-134.mp4', 'tiny-140.m4a'],
  'H.264 and AAC, both with edit lists, 2 min': ['sluiceLong1', { choice: '1080p-mp4' }, 'long-137.mp4', 'long-140.m4a'],
  'H.264, AAC with an edit list, 2 min': ['sluiceLong1', { choice: '720p-mp4' }, 'long-136.mp4', 'long-140.m4a'],
  'H.264 and AAC, both with edit lists, 15 min': ['sluice15min', { choice: '144p-mp4' }, 'min15-160.mp4', 'min15-140.m4a'],
  'H.264 and AAC, several upstream ranges': ['sluiceBig01', { choice: '1080p-mp4' }, 'big-137.mp4', 'short-140.m4a'],
  'H.264 and AAC of another language': ['sluiceDubs1', { choice: '720p-mp4', lang: 'de' }, 'short-136.mp4', 'short-140-de.m4a'],
  'AV1 and AAC': ['sluiceAv101', { choice: '720p-mp4' }, 'short-398.mp4', 'short-140.m4a'],
  'AV1 and AAC, both with edit lists, aligned fragments': ['sluiceAv102', { choice: '720p-mp4' }, 'edit-398.mp4', 'edit-140.m4a'],
  'VP9 and Opus': ['sluiceVp9_1', { choice: '360p-mp4' }, 'vp9-247.mp4', 'vp9-251.m4a'],
  'VP9 and Opus, both with edit lists': ['sluiceVp9_2', { choice: '360p-mp4' }, 'vp9e-247.mp4', 'vp9e-251.m4a'],
  'AAC alone': ['sluiceDemo1', { choice: 'audio-m4a' }, undefined, 'short-140.m4a'],
  'AAC alone, with an edit list, 2 min': ['sluiceLong1', { choice: 'audio-m4a' }, undefined, 'long-140.m4a'],
  'Opus alone, with an edit list': ['sluiceVp9_2', { choice: 'audio-m4a' }, undefined, 'vp9e-251.m4a'],
};
const fragmented = [
  'H.264 and AAC',
  'H.264 with an edit list, AAC in tiny fragments, 10 s',
  'H.264 and AAC, both with edit lists, 15 min',
  'AV1 and AAC, both with edit lists, aligned fragments',
  'VP9 and Opus',
  'VP9 and Opus, both with edit lists',
];

for (const [name, layout] of [
  ...Object.keys(pairs).map((pair) => [pair, 'progressive']),
  ...fragmented.map((pair) => [pair, 'fragmented']),
]) {
  describe(`${name}, ${layout}`, () => {
    const [id, fields, picture, sound] = pairs[name];
    const link = target(id, { ...fields, layout });
    const tracks = [
      ['V', picture], // V: not the cover
      ['a', sound],
    ].filter(([, source]) => source);
    let whole;
    let file;

    before(async () => {
      whole = await stack.get(link);
      file = path.join(scratch, 'pair.mp4');
      writeFileSync(file, whole.body);
    });

    test('announces exactly what it sends', async () => {
      assert.equal(whole.status, 200, whole.status >= 400 ? whole.text() : '');
      assert.ok(whole.complete);
      const { headers } = whole;
      assert.equal(headers['content-length'], String(whole.body.length));
      assert.equal(headers['content-type'], picture ? 'video/mp4' : 'audio/mp4');
      assert.equal(headers['accept-ranges'], 'bytes');
      assert.equal(headers['x-sluice-choice'], fields.choice);
      assert.match(headers.etag, /^"[!#-~]+"$/);
      const head = await stack.get(link, { method: 'HEAD' });
      const own = { date: '', 'x-request-id': '' };
      assert.deepEqual([head.status, head.body.length, { ...head.headers, ...own }], [200, 0, { ...headers, ...own }]);
    });

    test('every packet is as it was', async () => {
      for (const [kind, source] of tracks) {
        const expected = await packets(sourceOf(source), kind);
        assert.ok(expected.length > 100);
        assertSameRows(await packets(file, kind), expected, kind);
      }
    });

    test('lasts as long as its sources', async () => {
      const sources = tracks.map(([, source]) => sourceOf(source));
      const said = Math.max(...(await Promise.all(sources.map(durationOf))));
      const shown = Math.max(...(await Promise.all(sources.map(endOf))));
      const got = await durationOf(file);
      // A source that begins late without an edit list says less than it shows; both are right.
      assert.ok(got >= said - 0.05 && got <= shown + 0.05, `${got} s; the sources say ${said} s and show ${shown} s`);
    });

    test('what describes the media precedes it', () => {
      const types = boxTypes(whole.body);
      const indexes = tracks.map(() => 'sidx');
      if (layout === 'progressive') assert.deepEqual(types, ['ftyp', 'moov', 'mdat']);
      else assert.match(types.join(' '), new RegExp(`^ftyp moov ${indexes.join(' ')}( moof mdat)+$`));
    });

    test('mp4box.js sees all of it', async () => {
      const seen = readByMp4box(whole.body);
      assert.equal(seen.isFragmented, layout === 'fragmented');
      assert.equal(seen.tracks.length, tracks.length);
      for (const [i, [kind, source]] of tracks.entries()) {
        const expected = (await packets(sourceOf(source), kind)).slice(1).map((row) => row.split(' ').slice(2, 4).join(' '));
        assertSameRows(seen.tracks[i].samples, expected, kind);
      }
    });

    test('any part is a slice of the whole', () => assertParts(link, whole.body, partCount));
  });
}

describe('one file, many ways', () => {
  test('links of the description lead to it; sizes said there are near, or exact where it says so', async () => {
    const d = (await stack.info(watch('sluiceLong1'))).json();
    const made = d.choices.filter((choice) => /^\d+p-mp4$|^audio-m4a$/.test(choice.id));
    assert.deepEqual(
      made.map((choice) => choice.id),
      ['1080p-mp4', '720p-mp4', '360p-mp4', 'audio-m4a'],
    );
    for (const choice of made) {
      const { headers } = await stack.get(choice.stream_url, { method: 'HEAD' });
      const length = Number(headers['content-length']);
      const off = Math.abs(length - choice.size_bytes);
      assert.ok(off <= (choice.size_exact ? 0 : length * 0.1), `${choice.id}: ${choice.size_bytes} said, ${length} sent`);
      assert.equal(choice.resumable, true);
    }
  });

  test('H.264 before AV1, AAC before others', async () => {
    const { choices } = (await stack.info(watch('sluiceDemo1'))).json();
    assert.deepEqual(choices.find(({ id }) => id === '720p-mp4').formats, ['136', '140']);
  });

  test('best is the highest with sound', async () => {
    const answer = await stack.get(target('sluiceLong1', { choice: 'best' }), { method: 'HEAD' });
    assert.equal(answer.headers['x-sluice-choice'], '1080p-mp4');
  });

  test('each language is that track', async () => {
    const sounds = { '': 'short-140.m4a', en: 'short-140.m4a', de: 'short-140-de.m4a', 'fr-FR': 'short-140-fr.m4a' };
    for (const [lang, source] of Object.entries(sounds)) {
      const file = await save(target('sluiceDubs1', { choice: 'audio-m4a', ...(lang && { lang }) }));
      assertSameRows(await packets(file, 'a'), await packets(sourceOf(source), 'a'), lang);
    }
    assertProblem(await stack.get(target('sluiceDubs1', { choice: '720p-mp4', lang: 'tlh' })), 404, 'no_such_choice');
  });

  test('many at once, each its own', async () => {
    const names = ['1080p-mp4', '720p-mp4', '360p-mp4', '144p-mp4', 'audio-m4a'];
    const one = async (i) => {
      const answer = await stack.get(target('sluiceDemo1', { choice: names[i % names.length] }));
      assert.ok(answer.complete);
      return [names[i % names.length], sha256(answer.body)].join(' ');
    };
    const seen = new Set(await Promise.all(Array.from({ length: 25 }, (_, i) => one(i))));
    assert.equal(seen.size, names.length, 'the same choice is always the same file');
  });
});

describe('tags', () => {
  const tagsOf = async (file) => (await ffprobeJson(file, '-show_entries', 'format_tags')).format.tags ?? {};
  // Of each cover: [number of the stream, codec].
  const covers = async (file) => {
    const { streams } = await ffprobeJson(file, '-show_entries', 'stream=index,codec_name:stream_disposition=attached_pic');
    return streams.filter((stream) => stream.disposition.attached_pic).map((stream) => [stream.index, stream.codec_name]);
  };

  for (const [choice, layout] of [
    ['720p-mp4', 'progressive'],
    ['720p-mp4', 'fragmented'],
    ['audio-m4a', 'progressive'],
  ]) {
    test(`${choice}, ${layout}: title, author, source and cover`, async () => {
      const file = await save(target('sluiceLong1', { choice, layout }));
      const tags = await tagsOf(file);
      assert.equal(tags.title, 'Sluice demo: two minutes');
      assert.equal(tags.artist, 'Sluice');
      assert.equal(tags.comment, watch('sluiceLong1'));
      const [[at, codec], ...others] = await covers(file);
      assert.deepEqual([codec, others], ['mjpeg', []]);
      const cover = await run('ffmpeg', ['-v', 'error', '-i', file, '-map', `0:${at}`, '-c', 'copy', '-f', 'image2pipe', '-']);
      assert.equal(sha256(cover.stdout), sha256(readFileSync(sourceOf('thumbnail.jpg'))));
    });

    test(`${choice}, ${layout}: none with metadata=0, and the same media`, async () => {
      const [told, silent] = [
        await save(target('sluiceLong1', { choice, layout })),
        await save(target('sluiceLong1', { choice, layout, metadata: '0' })),
      ];
      const { title, artist, comment } = await tagsOf(silent);
      assert.deepEqual([title, artist, comment], [undefined, undefined, undefined]);
      assert.deepEqual(await covers(silent), []);
      for (const text of ['udta', 'ilst', 'covr', 'sluiceLong1']) assert.ok(!readFileSync(silent).includes(text), text);
      assertSameRows(await packets(silent, 'a'), await packets(told, 'a'));
    });
  }

  test('a hostile title is text in its box and nothing else', async () => {
    const link = target('sluiceEvil1', { choice: 'audio-m4a' });
    const file = await save(link);
    const { title, artist } = await tagsOf(file);
    assert.match(title, /etc\/passwd.*<script>alert\(1\)<\/script>/, 'kept as it is: a player shows it as text');
    assert.match(artist, /<img src=x onerror=alert\(2\)>/);
    assert.doesNotMatch(title + artist, /\p{Cc}/u);
    assert.deepEqual(boxTypes(readFileSync(file)), ['ftyp', 'moov', 'mdat']);
    readByMp4box(readFileSync(file));
    assertSameRows(await packets(file, 'a'), await packets(sourceOf('short-140.m4a'), 'a'));
  });
});

describe('a clip by time', () => {
  const frame = 1 / 24;
  // Of each video a whole to compare with: every picture that is shown, with its time, and the sound.
  const wholes = new Map();
  const wholeOf = async (id, rate, choice) => {
    if (!wholes.has(id)) {
      const file = await save(target(id, { choice }));
      wholes.set(id, {
        pictures: await decoded(file, 'v'),
        sound: await soundOf(file, rate),
        duration: await durationOf(file),
      });
    }
    return wholes.get(id);
  };

  for (const [id, rate, choice = 'best'] of [
    ['sluiceTiny1', 48000],
    ['sluiceLong1', 44100, '360p-mp4'],
    ['sluiceAv102', 44100],
    ['sluiceVp9_2', 48000],
  ])
    for (const [start, end] of [
      ['', '3.3'],
      ['5', '8'],
      ['2.5', '0:09.1'],
      ['0:00:07.3', '9.99'],
      ['8.51', ''],
    ])
      test(`${id} from ${start || 'the beginning'} to ${end || 'the end'}`, async () => {
        const link = target(id, { choice, ...(start && { start }), ...(end && { end }) });
        const answer = await stack.get(link);
        assert.equal(answer.status, 200, answer.status >= 400 ? answer.text() : '');
        assert.equal(answer.headers['content-length'], String(answer.body.length));
        await assertParts(link, answer.body, 24);
        const file = await save(link);
        const whole = await wholeOf(id, rate, choice);
        const seconds = (text) => text.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
        const asked = seconds(start);
        // From the beginning of the picture that is on the screen then.
        const from = whole.pictures.findLast(([time]) => time < asked + 1e-6)?.[0] ?? asked;
        const to = end ? seconds(end) : whole.duration;
        assert.ok(from > asked - frame);

        // Exactly the pictures of the whole that are shown in that time, and at their time.
        const expected = whole.pictures.filter(([time]) => time > from - 1e-6 && time < to - 1e-6);
        const got = (await decoded(file, 'v')).filter(([time]) => time >= 0); // libdav1d shows those before the edit, too
        assertSameRows(
          got.map(([time, hash]) => `${(time + from).toFixed(3)} ${hash}`),
          expected.map(([time, hash]) => `${time.toFixed(3)} ${hash}`),
        );

        // Exactly its sound, but for what a decoder needs to find its feet and for AAC's made-up noise.
        const sound = await soundOf(file, rate);
        const at = Math.round(from * rate);
        assert.ok(Math.abs(sound.length / rate - (to - from)) < 0.05 || !end, `sound of ${sound.length / rate} s`);
        const until = Math.min(sound.length, Math.floor((to - from - 0.03) * rate), whole.sound.length - at);
        for (let i = 4096; i < until; i += 97)
          assert.ok(Math.abs(sound[i] - whole.sound[at + i]) < 0.02, `sound at ${i / rate} s`);
        const lasts = await durationOf(file);
        assert.ok(Math.abs(lasts - (to - from)) < 0.05, `${lasts} s instead of ${to - from} s`);
        readByMp4box(answer.body);
      });

  test('of sound alone', async () => {
    const whole = await soundOf(sourceOf('short-140.m4a'), 44100);
    const file = await save(target('sluiceDemo1', { choice: 'audio-m4a', start: '3.21', end: '4.5' }));
    const sound = await soundOf(file, 44100);
    assert.ok(Math.abs((await durationOf(file)) - 1.29) < 0.03);
    const at = Math.round(3.21 * 44100);
    for (let i = 2048; i < sound.length; i += 100) assert.ok(Math.abs(sound[i] - whole[at + i]) < 0.02, `sample ${i}`);
    assert.equal(await ffprobe(file, '-show_entries', 'stream=codec_type', '-select_streams', 'V', '-of', 'csv'), '');
  });

  for (const [start, end] of [
    ['x', ''],
    ['-1', ''],
    ['20', '10'],
    ['10', '10'],
    ['1:2:3:4', ''],
    ['500', ''],
    ['1:99', ''],
    ['1e1', ''],
    ['5', '99999999999999999999'],
  ])
    test(`from ${start} to ${end || 'the end'} is refused`, async () => {
      const fields = { choice: '720p-mp4', start, ...(end && { end }) };
      assertProblem(await stack.get(target('sluiceLong1', fields)), 400, 'bad_request');
    });
});
