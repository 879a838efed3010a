// Files that are made while they are sent: exact length, any range, every packet of both sources untouched.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';

import { assertProblem, run, scratchDir, sha256, startStack, until } from './harness.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;
const target = (fields) => `/api/v1/stream?${new URLSearchParams(fields)}`;
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

async function ffprobe(file, ...args) {
  const { exit, stdout, stderr } = await run('ffprobe', ['-v', 'error', '-of', 'json', ...args, file]);
  assert.equal(exit, 0, stderr);
  assert.equal(stderr, '', 'ffprobe has nothing to complain about');
  return JSON.parse(stdout);
}

// What a player is given: of each packet its times, size, whether it is a key frame, and a hash of its bytes.
async function packets(file, kind) {
  const entries = 'packet=pts_time,dts_time,size,flags,data_hash';
  const { packets: list } = await ffprobe(
    file,
    '-select_streams',
    kind,
    '-show_packets',
    '-show_data_hash',
    'md5',
    '-show_entries',
    entries,
  );
  return list.map((packet) => [packet.pts_time, packet.dts_time, packet.size, packet.flags[0], packet.data_hash].join(' '));
}

// When the last of its pictures and sounds is over.
async function endOf(file) {
  const { packets: list } = await ffprobe(file, '-show_entries', 'packet=pts_time,duration_time');
  return Math.max(
    ...list.map((packet) => Number(packet.pts_time) + Number(packet.duration_time)).filter((end) => !Number.isNaN(end)),
  );
}

async function durationOf(file) {
  const { format } = await ffprobe(file, '-show_entries', 'format=duration');
  return Number(format.duration);
}

function boxesOf(data) {
  const types = [];
  for (let at = 0; at < data.length;) {
    const small = data.readUInt32BE(at);
    const size = small === 1 ? Number(data.readBigUInt64BE(at + 8)) : small;
    assert.ok(size >= 8 && at + size <= data.length, `box of ${size} bytes at ${at} of ${data.length}`);
    types.push(data.toString('latin1', at + 4, at + 8));
    at += size;
  }
  return types;
}

let seed = 4711;
const random = (below) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;

// Asks for `count` random parts, eight at a time.
async function assertParts(link, whole, count) {
  const one = async () => {
    const start = random(whole.length);
    const end = Math.min(whole.length - 1, start + random(random(10) ? 5000 : 1 << 20));
    const answer = await stack.get(link, { headers: { Range: `bytes=${start}-${end}` } });
    assert.equal(answer.status, 206);
    assert.equal(answer.headers['content-range'], `bytes ${start}-${end}/${whole.length}`);
    assert.ok(answer.body.equals(whole.subarray(start, end + 1)), `bytes ${start}-${end}`);
  };
  for (let left = count; left > 0; left -= 8) await Promise.all(Array.from({ length: Math.min(left, 8) }, one));
}

const cases = {
  'H.264 and AAC': [{ url: watch('sluiceDemo1'), choice: '1080p-mp4' }, 'short-137.mp4', 'short-140.m4a'],
  'small, over a redirect, with an mfra behind': [
    { url: watch('sluiceDemo1'), choice: '360p-mp4' },
    'short-134.mp4',
    'short-140.m4a',
  ],
  'AV1 and AAC': [{ url: watch('sluiceAv101'), choice: '720p-mp4' }, 'short-398.mp4', 'short-140.m4a'],
  'both with edit lists': [{ url: watch('sluiceLong1'), choice: '1080p-mp4' }, 'long-137.mp4', 'long-140.m4a'],
  'one with an edit list': [{ url: watch('sluiceLong1'), choice: '720p-mp4' }, 'long-136.mp4', 'long-140.m4a'],
  'several upstream ranges': [{ url: watch('sluiceBig01'), choice: '1080p-mp4' }, 'big-137.mp4', 'short-140.m4a'],
  'another language': [{ url: watch('sluiceDubs1'), choice: '720p-mp4', lang: 'de' }, 'short-136.mp4', 'short-140-de.m4a'],
  'fragmented layout': [{ url: watch('sluiceLong1'), choice: '720p-mp4', layout: 'fragmented' }, 'long-136.mp4', 'long-140.m4a'],
  'sound alone': [{ url: watch('sluiceDemo1'), choice: 'audio-m4a' }, undefined, 'short-140.m4a'],
  'long sound alone': [{ url: watch('sluiceLong1'), choice: 'audio-m4a' }, undefined, 'long-140.m4a'],
};

for (const [name, [fields, picture, sound]] of Object.entries(cases)) {
  describe(name, () => {
    const link = target(fields);
    let whole;
    let file;

    before(async () => {
      whole = await stack.get(link);
      file = path.join(scratch, `${name.replaceAll(' ', '-')}.mp4`);
      writeFileSync(file, whole.body);
    });

    test('announces exactly what it sends', async () => {
      assert.equal(whole.status, 200, whole.status >= 400 ? whole.text() : '');
      assert.ok(whole.complete);
      assert.equal(whole.headers['content-length'], String(whole.body.length));
      assert.equal(whole.headers['accept-ranges'], 'bytes');
      assert.equal(whole.headers['x-sluice-choice'], fields.choice);
      assert.match(whole.headers.etag, /^"[!#-~]+"$/);
      const head = await stack.get(link, { method: 'HEAD' });
      assert.equal(head.headers['content-length'], String(whole.body.length));
      assert.equal(head.headers.etag, whole.headers.etag);
    });

    test('every packet is as it was', async () => {
      for (const [kind, source] of [
        ['V', picture], // V: not the cover
        ['a', sound],
      ]) {
        if (!source) continue;
        const expected = await packets(origin.media[source].path, kind);
        assert.ok(expected.length > 100);
        assert.deepEqual(await packets(file, kind), expected, kind);
      }
    });

    test('it lasts as long as its sources', async () => {
      const sources = [picture, sound].filter(Boolean).map((source) => origin.media[source].path);
      const said = Math.max(...(await Promise.all(sources.map(durationOf))));
      const shown = Math.max(...(await Promise.all(sources.map(endOf))));
      const got = await durationOf(file);
      // A source that begins late without an edit list says less than it shows; both are right.
      assert.ok(got >= said - 0.05 && got <= shown + 0.05, `${got} s; the sources say ${said} s and show ${shown} s`);
    });

    test('what describes the media precedes it', () => {
      const types = boxesOf(whole.body);
      assert.equal(types[0], 'ftyp');
      assert.ok(types.includes('mdat') && types.indexOf('moov') < types.indexOf('mdat'), types.slice(0, 6).join(' '));
    });

    test('any part is a slice of the whole', async () => {
      await assertParts(link, whole.body, 80);
    });
  });
}

describe('one file, many ways', () => {
  const fields = { url: watch('sluiceLong1'), choice: '1080p-mp4' };

  test('its tag is the same for other processes, after new URLs, and another one for other bytes', async (t) => {
    const tagOf = async (from, more = {}) => (await from.get(target({ ...fields, ...more }), { method: 'HEAD' })).headers.etag;
    const tag = await tagOf(stack);
    const other = await startStack({ origin });
    t.after(() => other.stop());
    assert.equal(await tagOf(other), tag);
    await origin.rotate();
    assert.equal(await tagOf(stack), tag);
    const tags = [
      tag,
      await tagOf(stack, { choice: '720p-mp4' }),
      await tagOf(stack, { layout: 'fragmented' }),
      await tagOf(stack, { metadata: '0' }),
      await tagOf(stack, { end: '60' }),
    ];
    assert.equal(new Set(tags).size, tags.length);
  });

  test('links of the description lead to it; sizes said there are near, or exact where it says so', async () => {
    const d = (await stack.info(fields.url)).json();
    const made = d.choices.filter((choice) => /^\d+p-mp4$|^audio-m4a$/.test(choice.id));
    assert.deepEqual(
      made.map((choice) => choice.id),
      ['1080p-mp4', '720p-mp4', '360p-mp4', 'audio-m4a'],
    );
    for (const choice of made) {
      const { headers } = await stack.get(choice.stream_url, { method: 'HEAD' });
      const length = Number(headers['content-length']);
      if (choice.size_exact) assert.equal(length, choice.size_bytes, choice.id);
      else
        assert.ok(
          Math.abs(length - choice.size_bytes) < choice.size_bytes * 0.1,
          `${choice.id}: ${choice.size_bytes} said, ${length} sent`,
        );
      assert.equal(choice.resumable, true);
    }
  });

  test('best is the highest with sound', async () => {
    const answer = await stack.get(target({ ...fields, choice: 'best' }), { method: 'HEAD' });
    assert.equal(answer.headers['x-sluice-choice'], '1080p-mp4');
  });

  test('title, author and source are in it, unless they are not wanted', async () => {
    const file = path.join(scratch, 'tags.m4a');
    const tags = async (more) => {
      writeFileSync(file, (await stack.get(target({ url: fields.url, choice: 'audio-m4a', ...more }))).body);
      return (await ffprobe(file, '-show_entries', 'format_tags')).format.tags ?? {};
    };
    const told = await tags({});
    assert.equal(told.title, 'Sluice demo: two minutes');
    assert.equal(told.artist, 'Sluice');
    assert.ok(
      Object.values(told).some((value) => value.includes('sluiceLong1')),
      JSON.stringify(told),
    );
    assert.equal((await tags({ metadata: '0' })).title, undefined);
  });

  test('failures and withdrawn URLs on the way change nothing', async () => {
    const link = target({ url: watch('sluiceBig01'), choice: '1080p-mp4' });
    const expected = sha256((await stack.get(link)).body);
    await origin.script({
      match: { path: '/videoplayback', range: /-\d{7,}$/ },
      times: 5,
      action: { type: 'reset', after: 1500000 },
    });
    assert.equal(sha256((await stack.get(link)).body), expected);
    await origin.reset();
    await origin.script({ match: { path: '/videoplayback' }, times: Infinity, action: { type: 'drip', rate: 20000000 } });
    const whole = stack.get(link);
    await until(async () => (await origin.requests()).some((entry) => entry.bytes > 1000000), 'the first bytes');
    await origin.rotate();
    assert.equal(sha256((await whole).body), expected);
  });

  test('a source whose headers are broken ends in a problem', async () => {
    for (const action of [
      { type: 'lie', flip: 1500 },
      { type: 'lie', flip: 900 },
      { type: 'status', status: 500 },
      { type: 'html' },
    ]) {
      await origin.reset();
      await origin.script({ match: { path: '/videoplayback', video: 'sluiceV4000' }, times: Infinity, action });
      const answer = await stack.get(target({ url: watch('sluiceV4000'), choice: '1080p-mp4' }), { keep: 20 << 20 });
      if (answer.status >= 400) assertProblem(answer, answer.status, answer.json().code);
      else assert.equal(action.type, 'lie', 'only changed media can go unnoticed');
    }
  });
});

describe('a clip by time', () => {
  const clip = (start, end) =>
    target({ url: watch('sluiceLong1'), choice: '720p-mp4', ...(start && { start }), ...(end && { end }) });

  for (const [start, end, seconds] of [
    ['12', '20', 8],
    ['0:31.5', '1:02', 30.5],
    ['', '5', 5],
    ['00:01:50', '', 10],
  ]) {
    test(`from ${start || 'the beginning'} to ${end || 'the end'}`, async () => {
      const answer = await stack.get(clip(start, end));
      assert.equal(answer.status, 200, answer.status >= 400 ? answer.text() : '');
      assert.equal(answer.headers['content-length'], String(answer.body.length));
      const file = path.join(scratch, 'clip.mp4');
      writeFileSync(file, answer.body);
      const got = await durationOf(file);
      assert.ok(Math.abs(got - seconds) <= 0.1, `${got} s instead of ${seconds} s`);
      await assertParts(clip(start, end), answer.body, 16);
      const decoded = await run('ffmpeg', ['-v', 'error', '-i', file, '-f', 'null', '-']);
      assert.deepEqual([decoded.exit, decoded.stderr], [0, '']);
    });
  }

  for (const [start, end] of [
    ['x', ''],
    ['-1', ''],
    ['20', '10'],
    ['10', '10'],
    ['1:2:3:4', ''],
    ['500', ''],
    ['1:99', ''],
  ]) {
    test(`from ${start} to ${end || 'the end'} is refused`, async () => {
      assertProblem(await stack.get(clip(start, end)), 400, 'bad_request');
    });
  }
});

// Real download tools, killed on the way and started again.
describe('a download that is killed goes on', () => {
  const link = () => `${stack.base}${target({ url: watch('sluiceLong1'), choice: '1080p-mp4' })}`;
  const tools = {
    curl: (file) => [
      ['--noproxy', '*', '-sS', '-C', '-', '-o', file, link()],
      ['--limit-rate', '4M'],
    ],
    wget: (file) => [['--no-proxy', '-q', '-c', '-O', file, link()], ['--limit-rate=4m']],
    aria2c: (file) => [
      [
        '--no-conf',
        '--all-proxy=',
        '-q',
        '-c',
        '--file-allocation=none',
        '--auto-save-interval=1',
        '-s4',
        '-x4',
        '-k1M',
        '-d',
        path.dirname(file),
        '-o',
        path.basename(file),
        link(),
      ],
      ['--max-overall-download-limit=4M'],
    ],
  };
  let expected;
  before(async () => {
    expected = (await stack.get(target({ url: watch('sluiceLong1'), choice: '1080p-mp4' }))).body;
  });

  for (const [tool, make] of Object.entries(tools)) {
    test(tool, async (t) => {
      if ((await run(tool, ['--version'])).exit !== 0) return t.skip(`${tool} is not installed`);
      const dir = path.join(scratch, tool);
      mkdirSync(dir);
      const file = path.join(dir, 'file.mp4');
      const [args, slowly] = make(file);
      const child = spawn(tool, [...slowly, ...args], { stdio: 'ignore' });
      const ended = new Promise((resolve) => child.once('exit', resolve));
      const enough = 2000000 + random(4000000);
      await until(() => existsSync(file) && statSync(file).size >= enough, `${enough} bytes`, 20000);
      if (tool === 'aria2c') await until(() => existsSync(`${file}.aria2`), 'its control file');
      child.kill('SIGKILL');
      await ended;
      assert.ok(!readFileSync(file).equals(expected), 'it was killed on the way');
      const { exit, stderr } = await run(tool, args);
      assert.equal(exit, 0, stderr);
      assert.equal(sha256(readFileSync(file)), sha256(expected));
      return undefined;
    });
  }
});

test('many at once, each its own', async () => {
  const names = ['1080p-mp4', '720p-mp4', '360p-mp4', '144p-mp4', 'audio-m4a'];
  const one = async (i) => {
    const answer = await stack.get(target({ url: watch('sluiceDemo1'), choice: names[i % names.length] }));
    assert.ok(answer.complete);
    return [names[i % names.length], sha256(answer.body)].join(' ');
  };
  const seen = new Set(await Promise.all(Array.from({ length: 25 }, (_, i) => one(i))));
  assert.equal(seen.size, names.length, 'the same choice is always the same file');
});
