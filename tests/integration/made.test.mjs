// What is made while it is sent: WebM, Ogg, MP3. Through the whole stack: what arrives is what was announced, it
// plays, its packets are the source's; a client that leaves frees the worker; too many at once are told so.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { assertProblem, freePort, request, run, sha256, startStack, until } from './harness.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;
const media = { path: '/videoplayback' };
let stack;
let origin;
let choices;

before(async () => {
  stack = await startStack({ env: { SLUICE_STALL_TIMEOUT_S: '5', SLUICE_UPSTREAM_TIMEOUT_MS: '4000' } });
  origin = stack.origin;
  choices = Object.fromEntries((await stack.info(watch('sluiceDemo1'))).json().choices.map((choice) => [choice.id, choice]));
});
after(() => stack?.stop());

const conversions = async (of = stack) => (await of.get('/health')).json().conversions;

async function probe(body, name) {
  const file = path.join(stack.scratch, name);
  writeFileSync(file, body);
  const args = ['-v', 'error', '-of', 'json', '-show_format', '-show_streams', file];
  const { stdout, stderr, exit } = await run('ffprobe', args);
  assert.deepEqual([exit, stderr], [0, ''], name);
  return { file, ...JSON.parse(stdout) };
}

// Hashes of all packets of the first stream of that kind, as they are in the file.
async function packets(file, kind) {
  const { stdout, exit } = await run('ffmpeg', ['-v', 'error', '-i', file, '-map', `0:${kind}:0`, '-c', 'copy', '-f', 'framemd5', '-']);
  assert.equal(exit, 0);
  const lines = stdout.toString().split('\n').filter((line) => /^0,/.test(line));
  assert.ok(lines.length > 10);
  return lines.map((line) => line.split(',')[5].trim());
}

async function decodes(file) {
  const { stderr, exit } = await run('ffmpeg', ['-v', 'error', '-xerror', '-i', file, '-f', 'null', '-']);
  assert.deepEqual([exit, stderr], [0, '']);
}

async function seconds(file) {
  const { stdout } = await run('ffmpeg', ['-v', 'error', '-i', file, '-f', 's16le', '-ac', '1', '-ar', '48000', '-']);
  return stdout.length / 2 / 48000;
}

describe('what is offered', () => {
  test('heights as WebM, Opus, MP3 at four rates', () => {
    const made = ['720p-webm', '360p-webm', 'audio-opus', 'audio-mp3-320', 'audio-mp3-256', 'audio-mp3-192', 'audio-mp3-128'];
    for (const id of made) assert.ok(choices[id], id);
    assert.equal(choices['1080p-webm'], undefined, 'there is no VP9 of that height');
  });

  test('promises are kept small', () => {
    for (const choice of Object.values(choices)) {
      const inexact = /webm$|opus$/.test(choice.id) && !choice.id.startsWith('format-');
      if (inexact) assert.deepEqual([choice.size_exact, choice.resumable], [false, false], choice.id);
      if (choice.id.includes('mp3')) assert.deepEqual([choice.size_exact, choice.resumable], [true, true], choice.id);
    }
  });

  test('the plain file of a video for children has MP3, its size unknown', async () => {
    const list = (await stack.info(watch('sluiceKids1'))).json().choices;
    const mp3 = list.find((choice) => choice.id === 'audio-mp3-192');
    assert.deepEqual([mp3.size_exact, mp3.resumable, mp3.formats.length], [false, false, 1]);
  });
});

describe('copies', () => {
  for (const [id, video, audio] of [
    ['720p-webm', 'short-247.webm', 'short-251.webm'],
    ['360p-webm', 'short-243.webm', 'short-251.webm'],
    ['audio-opus', undefined, 'short-251.webm'],
  ]) {
    test(id, async () => {
      const answer = await stack.stream(watch('sluiceDemo1'), id);
      assert.equal(answer.status, 200, answer.status === 200 ? '' : answer.text());
      assert.ok(answer.complete);
      assert.equal(answer.headers['content-length'], undefined);
      assert.equal(answer.headers['accept-ranges'], 'none');
      assert.equal(answer.headers['x-sluice-choice'], id);
      const about = choices[id].size_bytes;
      assert.ok(Math.abs(answer.body.length - about) < about / 20 + 200000, `${answer.body.length}, announced about ${about}`);
      const { file, format, streams } = await probe(answer.body, `${id}.${choices[id].container}`);
      assert.ok(Math.abs(format.duration - 20) < 0.1, `${format.duration} s`);
      const tags = { ...format.tags, ...streams[0].tags };
      assert.equal(tags.title, 'Sluice demo: twenty seconds');
      await decodes(file);
      if (video) assert.deepEqual(await packets(file, 'v'), await packets(origin.media[video].path, 'v'));
      assert.deepEqual(await packets(file, 'a'), await packets(origin.media[audio].path, 'a'));
    });
  }

  test('Opus has its cover', async () => {
    const { streams } = await probe((await stack.stream(watch('sluiceDemo1'), 'audio-opus')).body, 'covered.opus');
    assert.ok(streams.some((stream) => stream.disposition.attached_pic));
  });

  test('a range of what has no length is all of it', async () => {
    const answer = await stack.stream(watch('sluiceDemo1'), '360p-webm', { headers: { Range: 'bytes=100-199' } });
    assert.equal(answer.status, 200);
    assert.ok(answer.body.length > 100000);
  });

  test('HEAD', async () => {
    const answer = await stack.stream(watch('sluiceDemo1'), '360p-webm', { method: 'HEAD' });
    assert.deepEqual([answer.status, answer.body.length, answer.headers['content-type']], [200, 0, 'video/webm']);
  });
});

describe('MP3', () => {
  const url = watch('sluiceDemo1');
  let whole;
  before(async () => (whole = await stack.stream(url, 'audio-mp3-192')));
  const part = (range, more = {}) => stack.stream(url, 'audio-mp3-192', { headers: { Range: range, ...more } });

  for (const rate of [320, 256, 192, 128]) {
    test(`${rate} kbit/s: the announced bytes, the whole sound`, async () => {
      const id = `audio-mp3-${rate}`;
      const answer = await stack.stream(url, id);
      assert.equal(answer.status, 200);
      assert.ok(answer.complete);
      assert.equal(answer.body.length, choices[id].size_bytes);
      assert.equal(answer.headers['content-length'], String(choices[id].size_bytes));
      const { file, format, streams } = await probe(answer.body, `${id}.mp3`);
      const [sound] = streams.filter((stream) => stream.codec_type === 'audio');
      assert.deepEqual([sound.codec_name, Number(sound.bit_rate), sound.channels], ['mp3', rate * 1000, 2]);
      assert.deepEqual(
        [format.tags.title, format.tags.artist, format.tags.comment],
        ['Sluice demo: twenty seconds', 'Sluice', url],
      );
      assert.ok(streams.some((stream) => stream.disposition.attached_pic), 'the cover');
      await decodes(file);
      const [got, source] = [await seconds(file), await seconds(origin.media['short-251.webm'].path)];
      assert.ok(Math.abs(got - source) < 0.05, `${got} s of ${source} s`);
    });
  }

  test('HEAD says the same', async () => {
    const answer = await stack.stream(url, 'audio-mp3-192', { method: 'HEAD' });
    assert.equal(answer.headers['content-length'], String(whole.body.length));
    assert.equal(answer.headers.etag, whole.headers.etag);
  });

  test('the same bytes again', async () => {
    assert.equal(sha256((await stack.stream(url, 'audio-mp3-192')).body), sha256(whole.body));
  });

  test('parts are slices of the whole', async () => {
    let seed = 7;
    const random = (below) => (seed = (seed * 1103515245 + 12345) % 2147483648) % below;
    for (let i = 0; i < 12; i++) {
      const start = random(whole.body.length);
      const end = Math.min(whole.body.length - 1, start + random(i % 3 ? 5000 : 400000));
      const answer = await part(`bytes=${start}-${end}`, { 'If-Range': whole.headers.etag });
      assert.equal(answer.status, 206);
      assert.equal(answer.headers['content-range'], `bytes ${start}-${end}/${whole.body.length}`);
      assert.ok(answer.complete && answer.body.equals(whole.body.subarray(start, end + 1)), `${start}-${end}`);
    }
    assert.ok((await part('bytes=-128')).body.equals(whole.body.subarray(-128)));
  });

  test('conditions', async () => {
    assert.equal((await part('bytes=0-9', { 'If-Range': '"x"' })).status, 200);
    assertProblem(await part(`bytes=${whole.body.length}-`), 416, 'bad_range');
    const cached = await stack.stream(url, 'audio-mp3-192', { headers: { 'If-None-Match': whole.headers.etag } });
    assert.deepEqual([cached.status, cached.body.length], [304, 0]);
  });

  test('without tags', async () => {
    const answer = await stack.get(`/api/v1/stream?${new URLSearchParams({ url, choice: 'audio-mp3-192', metadata: '0' })}`);
    assert.equal(answer.headers['content-length'], String(answer.body.length));
    assert.equal(answer.body.length, whole.body.length - 160 * 1024);
    assert.notEqual(answer.headers.etag, whole.headers.etag);
    const { format } = await probe(answer.body, 'plain.mp3');
    assert.equal(format.tags?.title, undefined);
  });

  test('resumed by curl', async () => {
    const file = path.join(stack.scratch, 'resumed.mp3');
    writeFileSync(file, whole.body.subarray(0, 123456));
    const target = `${stack.base}/api/v1/stream?${new URLSearchParams({ url, choice: 'audio-mp3-192' })}`;
    const { exit, stderr } = await stack.curl('-C', '-', '-o', file, target);
    assert.deepEqual([exit, stderr], [0, '']);
    assert.equal(sha256(readFileSync(file)), sha256(whole.body));
  });

  for (const [name, link] of [
    ['a film', 'https://media.example/clip.mp4'],
    ['a film with its index at the end', 'https://media.example/tail.mp4'],
    ['Ogg', 'https://media.example/tone.ogg'],
    ['WAV', 'https://media.example/tone.wav'],
    ['what has no ranges', 'https://media.example/norange.mp4'],
    ['a video for children', watch('sluiceKids1')],
  ]) {
    test(`of ${name}: no length, the whole sound`, async () => {
      const answer = await stack.stream(link, 'audio-mp3-128');
      assert.equal(answer.status, 200, answer.status === 200 ? '' : answer.text());
      assert.ok(answer.complete);
      assert.equal(answer.headers['content-length'], undefined);
      const { file } = await probe(answer.body, 'direct.mp3');
      const expected = { 'tone.ogg': 10, 'tone.wav': 5 }[path.basename(link)] ?? 20;
      assert.ok(Math.abs((await seconds(file)) - expected) < 0.12, `${await seconds(file)} s`);
    });
  }
});

describe('HLS', () => {
  const list = (name) => `https://media.example/hls/${name}`;

  test('a list of pieces: one file of all of them', async () => {
    const info = (await stack.info(list('clip.m3u8'))).json();
    assert.deepEqual([info.duration_s, info.formats.length, info.preselected], [20, 1, 'muxed-source']);
    for (const name of ['clip.m3u8', 'plain.txt']) {
      const answer = await stack.stream(list(name), 'best');
      assert.equal(answer.status, 200, answer.status === 200 ? '' : answer.text());
      assert.ok(answer.complete);
      assert.equal(answer.headers['content-type'], 'video/mp4');
      const { file, streams } = await probe(answer.body, 'pieces.mp4');
      assert.deepEqual(streams.map((stream) => [stream.codec_name, stream.height]), [['h264', 360], ['aac', undefined]]);
      await decodes(file);
      assert.deepEqual(await packets(file, 'a'), await packets(origin.media['short-140.m4a'].path, 'a'));
      assert.equal((await packets(file, 'v')).length, 480);
      assert.ok(Math.abs((await seconds(file)) - 20) < 0.1);
    }
  });

  test('a list of lists: heights, languages, picture and sound from lists of their own', async () => {
    const info = (await stack.info(list('master.m3u8'))).json();
    assert.deepEqual([info.duration_s, info.preselected], [20, '720p-mp4']);
    const ids = info.choices.map((choice) => choice.id);
    for (const id of ['720p-mp4', '360p-mp4', 'audio-mp3-320', 'format-a0', 'format-v1']) assert.ok(ids.includes(id), id);
    for (const [query, video, audio] of [
      [{ choice: '720p-mp4' }, 'short-136.mp4', 'short-140.m4a'],
      [{ choice: '<=400p', lang: 'de' }, 'short-134.mp4', 'short-140-de.m4a'],
    ]) {
      const answer = await stack.get(`/api/v1/stream?${new URLSearchParams({ url: list('master.m3u8'), ...query })}`);
      assert.equal(answer.status, 200, answer.status === 200 ? '' : answer.text());
      const { file } = await probe(answer.body, 'lists.mp4');
      await decodes(file);
      assert.deepEqual(await packets(file, 'v'), await packets(origin.media[video].path, 'v'));
      assert.deepEqual(await packets(file, 'a'), await packets(origin.media[audio].path, 'a'));
    }
  });

  test('its sound as MP3', async () => {
    const { file } = await probe((await stack.stream(list('master.m3u8'), 'audio-mp3-128')).body, 'list.mp3');
    assert.ok(Math.abs((await seconds(file)) - 20) < 0.12);
  });

  test('a list of lists whose pieces hold both', async () => {
    const answer = await stack.stream(list('muxed.m3u8'), 'best');
    assert.equal(answer.headers['x-sluice-choice'], 'muxed-v0');
    assert.equal((await probe(answer.body, 'both.mp4')).streams.length, 2);
  });

  test('what is refused', async () => {
    assert.equal((await stack.info(list('live.m3u8'))).json().live, true); // which is recorded: live.test.mjs
    assertProblem(await stack.info(list('locked.m3u8')), 403, 'drm');
    assertProblem(await stack.info(list('inward.m3u8')), 403, 'refused_address');
    assert.ok((await origin.requests()).every((entry) => entry.host !== '169.254.169.254'));
  });

  test('a piece that cannot be had ends it short; a reset is repaired', async () => {
    const whole = (await stack.stream(list('clip.m3u8'), 'best')).body;
    for (const name of ['clip.m3u8', 'whole.m3u8']) {
      await origin.script({ match: { path: '/hls/pieces/3.ts' }, action: { type: 'reset', after: 50000 } });
      const repaired = (await stack.stream(list(name), 'best')).body;
      assert.ok(Math.abs(repaired.length - whole.length) < 20, name); // the title is another
      if (name === 'clip.m3u8') assert.equal(sha256(repaired), sha256(whole));
    }
    await origin.script({ match: { path: '/hls/pieces/5.ts' }, times: Infinity, action: { type: 'status', status: 404 } });
    const answer = await stack.stream(list('clip.m3u8'), 'best');
    assert.deepEqual([answer.status, answer.complete], [200, false]);
    await origin.reset();
    await origin.script({ match: { path: '/hls/pieces/0.ts' }, times: Infinity, action: { type: 'status', status: 404 } });
    assertProblem(await stack.stream(list('clip.m3u8'), 'best'), 502, 'upstream_failed');
    await origin.reset();
  });

  test('one client that leaves', async () => {
    await origin.script({ match: { path: '/hls/pieces/*' }, times: Infinity, action: { type: 'drip', rate: 300000 } });
    await stack.stream(list('clip.m3u8'), 'best', { keep: 100000 });
    await until(async () => (await conversions()).active === 0, 'the worker to be free', 1000);
    await origin.reset();
  });
});

describe('sources that fail', () => {
  beforeEach(() => origin.reset());
  const passing = {
    reset: { type: 'reset', after: 100000 },
    'server error': { type: 'status', status: 503 },
    truncated: { type: 'truncate', after: 0 },
  };
  for (const [name, action] of Object.entries(passing)) {
    test(`${name}, once`, async () => {
      const expected = sha256((await stack.stream(watch('sluiceDemo1'), '720p-webm')).body);
      await origin.script({ match: media, action });
      assert.equal(sha256((await stack.stream(watch('sluiceDemo1'), '720p-webm')).body), expected);
    });
  }

  test('URLs withdrawn in the middle: continued, the client notices nothing', async () => {
    const expected = sha256((await stack.stream(watch('sluiceLong1'), '720p-webm')).body);
    await origin.reset();
    await origin.script({ match: { ...media, itag: '247' }, action: { type: 'reset', after: 4000000 } });
    await origin.script({ match: media, times: Infinity, action: { type: 'drip', rate: 20000000 } });
    const answer = stack.stream(watch('sluiceLong1'), '720p-webm');
    await until(async () => (await origin.requests()).some((entry) => entry.bytes > 500000), 'bytes');
    await origin.rotate();
    assert.equal(sha256((await answer).body), expected);
    assert.ok((await origin.requests()).some((entry) => entry.status === 403));
  });

  for (const id of ['720p-webm', 'audio-opus', 'audio-mp3-192']) {
    test(`${id}: refused for good is a problem, not a file`, async () => {
      await origin.script({ match: media, times: Infinity, action: { type: 'status', status: 403 } });
      assertProblem(await stack.stream(watch('sluiceV4001'), id), 502, 'upstream_failed');
      await until(async () => (await conversions()).active === 0, 'the worker to be free', 1000);
    });

    test(`${id}: rubbish is a problem, not a file`, async () => {
      await origin.script({ match: { ...media, range: /^bytes=0-/ }, times: Infinity, action: { type: 'lie', flip: 2 } });
      const answer = await stack.stream(watch('sluiceV4002'), id);
      assertProblem(answer, answer.status, answer.json().code);
    });
  }

  test('from the middle on: the connection ends short', async () => {
    for (const id of ['720p-webm', 'audio-mp3-128']) {
      await origin.reset();
      await origin.script({ match: media, times: 2, action: { type: 'truncate', after: 300000 } });
      await origin.script({ match: media, times: Infinity, action: { type: 'status', status: 500 } });
      const answer = await stack.stream(watch('sluiceLong1'), id);
      assert.equal(answer.status, 200);
      assert.ok(answer.body.length > 10000);
      assert.equal(answer.complete, false, id);
    }
  });
});

describe('clients that leave', () => {
  beforeEach(async () => {
    await origin.reset();
    await until(async () => (await conversions()).active === 0, 'no conversion');
  });

  test('in the middle: the worker is free, the source is read no further', async () => {
    await origin.script({ match: media, times: Infinity, action: { type: 'drip', rate: 400000 } });
    await stack.stream(watch('sluiceLong1'), '720p-webm', { keep: 200000 });
    const left = Date.now();
    await until(async () => (await conversions()).active === 0, 'the worker to be free', 1000);
    assert.ok(Date.now() - left < 1000);
    const bytes = async () => (await origin.requests()).reduce((sum, entry) => sum + entry.bytes, 0);
    await sleep(300);
    const then = await bytes();
    await sleep(500);
    assert.equal(await bytes(), then);
  });
});

// While nothing is being sent only nginx tells that the client has left (lighttpd and Apache find out when they write).
describe('clients of nginx that leave while there is nothing to send', () => {
  let nginx;
  let base;
  before(async () => {
    const port = await freePort();
    const config = path.join(stack.scratch, 'nginx.conf');
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${stack.scratch}/${name};`);
    writeFileSync(
      config,
      `daemon off; ${process.getuid() === 0 ? 'user root;' : ''} worker_processes 1; pid ${stack.scratch}/nginx.pid; error_log ${stack.scratch}/nginx.log;
      events {} http { access_log off; ${temporary.join(' ')} server { listen 127.0.0.1:${port}; location / {
      include /etc/nginx/fastcgi_params; fastcgi_buffering off; fastcgi_pass unix:${stack.dataDir}/run-127.0.0.1-${stack.port}/stream.sock; } } }`,
    );
    nginx = spawn('/usr/sbin/nginx', ['-c', config, '-p', stack.scratch], { stdio: 'ignore' });
    base = `http://127.0.0.1:${port}`;
    await until(async () => (await request(base, '/api/v1/stream')).status === 400, 'nginx');
  });
  after(async () => {
    const ended = new Promise((resolve) => nginx.on('exit', resolve));
    nginx.kill('SIGTERM');
    await ended;
  });
  beforeEach(async () => {
    await origin.reset();
    await until(async () => (await conversions()).active === 0, 'no conversion');
  });
  const leave = async (choice, options) => {
    const client = request(base, `/api/v1/stream?${new URLSearchParams({ url: watch('sluiceLong1'), choice })}`, {
      timeoutMs: 700,
      ...options,
    });
    await until(async () => (await conversions()).active === 1, 'a conversion', 600);
    await client;
    await until(async () => (await conversions()).active === 0, 'the worker to be free', 300);
  };

  test('before the first byte, while the source says nothing', async () => {
    await origin.script({ match: media, times: Infinity, action: { type: 'stall', after: -1 } });
    await leave('720p-webm');
  });

  test('while the source has fallen silent', async () => {
    await origin.script({ match: media, times: Infinity, action: { type: 'stall', after: 200000 } });
    await leave('720p-webm');
  });

  test('who asked for the end of an MP3', async () => {
    const { headers } = await stack.stream(watch('sluiceLong1'), 'audio-mp3-320', { method: 'HEAD' });
    await origin.script({ match: media, times: Infinity, action: { type: 'drip', rate: 200000 } });
    await leave('audio-mp3-320', { headers: { Range: `bytes=${headers['content-length'] - 100}-` } });
  });
});

describe('more than there are workers', () => {
  let few;
  before(async () => (few = await startStack({ origin, env: { SLUICE_MAX_WORKERS: '1', SLUICE_QUEUE_WAIT_S: '1' } })));
  after(() => few?.stop());

  test('one waits, then is told so; streams that need none go on', async () => {
    await origin.reset();
    await origin.script({ match: { ...media, itag: '251' }, action: { type: 'drip', rate: 150000 } });
    const first = few.stream(watch('sluiceDemo1'), 'audio-mp3-320');
    await until(async () => (await conversions(few)).active === 1, 'a conversion');
    assert.equal((await conversions(few)).max, 1);
    const second = few.stream(watch('sluiceDemo1'), 'audio-mp3-128');
    await until(async () => (await conversions(few)).waiting === 1, 'one that waits');
    assert.equal((await few.stream(watch('sluiceDemo1'), 'format-140')).status, 200);
    const refused = await second;
    assertProblem(refused, 503, 'busy');
    assert.ok(Number(refused.headers['retry-after']) > 0);
    assert.equal((await first).body.length, choices['audio-mp3-320'].size_bytes);
    assert.equal((await few.stream(watch('sluiceDemo1'), 'audio-mp3-128')).status, 200);
  });
});
