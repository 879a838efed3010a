// Broadcasts: a real HLS stream that ffmpeg makes while it is watched, recorded from now on as MP4 until it ends or
// the client leaves.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { assertProblem, run, scratchDir, startStack, until } from './harness.mjs';

const link = 'https://media.example/made/live.m3u8';
const watch = 'https://www.youtube.com/watch?v=sluiceLive2';
let stack;
let folder;
let encoder;

// One second a piece; the list has the last five, and older files are deleted.
function broadcast() {
  const input = ['-re', '-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=10', '-re', '-f', 'lavfi', '-i', 'sine=440:r=44100'];
  const codecs = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '10', '-keyint_min', '10', '-sc_threshold', '0', '-c:a', 'aac'];
  const list = ['-f', 'hls', '-hls_time', '1', '-hls_list_size', '5', '-hls_flags', 'delete_segments+temp_file', path.join(folder, 'live.m3u8')];
  return spawn('ffmpeg', ['-v', 'error', ...input, ...codecs, ...list], { stdio: ['pipe', 'ignore', 'ignore'] });
}

const list = () => readFileSync(path.join(folder, 'live.m3u8'), 'utf8');

before(async () => {
  folder = scratchDir();
  encoder = broadcast();
  stack = await startStack({ env: { SLUICE_PREPARE: '0' } });
  await stack.origin.configure({ folder });
  writeFileSync(path.join(folder, 'master.m3u8'), '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=300000,RESOLUTION=320x180,CODECS="avc1.42c00d,mp4a.40.2"\nlive.m3u8\n');
  await until(() => existsSync(path.join(folder, 'live.m3u8')) && list().split('EXTINF').length > 5, 'five pieces', 20000);
});
after(async () => {
  encoder?.kill('SIGKILL');
  await stack?.stop();
  rmSync(folder, { recursive: true, force: true });
});

// What came within `ms`, or all of it when the stream ended before.
function record(target, ms) {
  return new Promise((resolve, reject) => {
    const parts = [];
    const req = http.get(new URL(target, stack.base), (res) => {
      const done = (complete) => resolve({ status: res.statusCode, headers: res.headers, body: Buffer.concat(parts), complete });
      const timer = setTimeout(() => (done(false), req.destroy()), ms);
      timer.unref();
      res.on('data', (part) => parts.push(part)).on('end', () => (clearTimeout(timer), done(true))).on('error', () => done(false));
    });
    req.on('error', (error) => parts.length || reject(error));
  });
}

// Seconds of picture and of sound in a recording.
async function lengths(body) {
  const file = path.join(folder, 'recorded.mp4');
  writeFileSync(file, body);
  const ask = ['-v', 'error', '-show_entries', 'packet=stream_index,pts_time', '-of', 'csv=p=0', file];
  const rows = (await run('ffprobe', ask)).stdout.toString().trim().split('\n').map((row) => row.split(',').map(Number));
  return [0, 1].map((index) => rows.filter(([stream]) => stream === index).map(([, at]) => at)).map((times) => Math.max(...times) - Math.min(...times));
}

test('a link to a list without an end is a broadcast', async () => {
  const answer = await stack.info(link);
  assert.equal(answer.status, 200, answer.text());
  const d = answer.json();
  assert.deepEqual([d.live, d.duration_s, d.formats.length], [true, null, 1]);
  assert.deepEqual(d.formats.map((f) => [f.kind, f.container]), [['muxed', 'hls']]);
  for (const choice of d.choices) {
    assert.match(choice.label, /live$/);
    assert.deepEqual([choice.size_bytes, choice.size_exact, choice.resumable], [null, false, false]);
  }
});

test('it is recorded from now on, as long as it is watched, without a length', async () => {
  const d = (await stack.info(link)).json();
  const choice = d.choices.find((one) => one.container === 'mp4');
  const began = Date.now();
  const got = await record(choice.stream_url, 9000);
  assert.deepEqual([got.status, got.headers['content-length'], got.headers['accept-ranges'], got.complete], [200, undefined, 'none', false]);
  const [picture, sound] = await lengths(got.body);
  const watched = (Date.now() - began) / 1000;
  // three pieces from before, and what has come since, but for a fragment under way
  assert.ok(picture > 5 && picture < watched + 6, `${picture} s of picture in ${watched} s`);
  assert.ok(Math.abs(picture - sound) < 2, `${sound} s of sound`);
  await until(async () => (await stack.get('/health')).json().workers.active === 0, 'the end of the stream', 8000);
});

test('a video of the site that is on now', async () => {
  const d = (await stack.info(watch)).json();
  assert.deepEqual([d.site, d.live, d.duration_s, d.title], ['youtube', true, null, 'Sluice demo: on now']);
  const choice = d.choices.find((one) => one.container === 'mp4');
  const got = await record(choice.stream_url, 5000);
  assert.equal(got.status, 200);
  assert.ok((await lengths(got.body))[0] > 2, JSON.stringify(choice));
  assert.deepEqual([choice.size_bytes, got.complete], [null, false]);
  assertProblem(await stack.info('https://www.youtube.com/watch?v=sluiceLive1'), 409, 'live'); // nothing to have it by
});

test('it ends when the broadcast does; a piece that was gone before it was read is passed over', async () => {
  await stack.origin.script({ match: { path: '/made/live*.ts' }, skip: 5, times: 1, action: { type: 'status', status: 404 } });
  const recording = record(`/api/v1/stream?${new URLSearchParams({ url: link, choice: 'best' })}`, 40000);
  await sleep(6000);
  encoder.stdin.write('q');
  const got = await recording;
  assert.equal(got.complete, true);
  assert.match(list(), /EXT-X-ENDLIST/);
  assert.ok((await lengths(got.body))[0] > 4);
});
