// What files that were merged are judged by: their boxes, ffprobe, ffmpeg's decoders and mp4box.js.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';

import { root, run } from './harness.mjs';

const { createFile, Log } = createRequire(path.join(root, 'www/package.json'))('mp4box');

// Numbers that look random and are the same in every run: below(n) gives one of 0 … n-1.
export function seeded(seed) {
  let state = seed >>> 0;
  return function below(n) {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}

export async function ffprobe(file, ...args) {
  const { exit, stdout, stderr } = await run('ffprobe', ['-v', 'error', ...args, file]);
  assert.equal(exit, 0, stderr);
  assert.equal(stderr, '', 'ffprobe has nothing to complain about');
  return stdout.toString();
}

export const ffprobeJson = async (file, ...args) => JSON.parse(await ffprobe(file, '-of', 'json', ...args));

// Of each packet of the first stream of a kind (V: picture, not a cover; a: sound) its times in the stream's own
// unit, its size, whether it is a sync sample, and a hash of its bytes. The first line is that unit.
export async function packets(file, kind) {
  const entries = 'stream=time_base:packet=pts,dts,size,flags,data_hash';
  const args = ['-select_streams', `${kind}:0`, '-show_packets', '-show_data_hash', 'md5', '-show_entries', entries];
  const { streams, packets: list } = await ffprobeJson(file, ...args);
  return [
    streams[0].time_base,
    ...list.map((packet) => [packet.pts, packet.dts, packet.size, packet.flags[0], packet.data_hash].join(' ')),
  ];
}

// Lists of thousands of rows: says where they part.
export function assertSameRows(got, expected, what = '') {
  const at = expected.findIndex((row, i) => row !== got[i]);
  const rows = (list) => list.slice(Math.max(0, at - 1), at + 2).join(' | ');
  assert.ok(at < 0, `${what}: row ${at} of ${expected.length} is another one: ${rows(got)} instead of ${rows(expected)}`);
  assert.equal(got.length, expected.length, what);
}

// When the last of its pictures and sounds is over, whatever its headers say.
export async function endOf(file) {
  const { packets: list } = await ffprobeJson(file, '-show_entries', 'packet=pts_time,duration_time');
  return Math.max(...list.map((packet) => Number(packet.pts_time) + Number(packet.duration_time ?? 0)));
}

export async function durationOf(file) {
  const { format } = await ffprobeJson(file, '-show_entries', 'format=duration');
  return Number(format.duration);
}

// Types of the boxes that a file consists of, to its last byte.
export function boxTypes(data) {
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

// Things mp4box.js does not know though they are right: a JPEG as cover (type 13 of a `data` box), one index a track,
// boxes before each fragment.
const unknownToMp4box = /itif data type: 13$|multiple boxes of type (sidx|styp|emsg)/;

// What mp4box.js makes of a file that arrives in pieces: { isFragmented, tracks: [{ codec, samples: ['size flag'] }] }.
// It has to be content with all of it.
export function readByMp4box(data, piece = 1 << 20) {
  const complaints = [];
  const { warn, error } = Log;
  const complain = (module, message) => unknownToMp4box.test(message) || complaints.push(`${module}: ${message}`);
  Log.warn = Log.error = complain;
  try {
    const file = createFile();
    let readyAt = -1;
    file.onReady = () => (readyAt = file.boxes.length);
    file.onError = complain;
    for (let at = 0; at < data.length; at += piece) {
      const part = new Uint8Array(data.subarray(at, at + piece)).buffer;
      part.fileStart = at;
      file.appendBuffer(part, at + piece >= data.length);
    }
    file.flush();
    assert.deepEqual(complaints, []);
    assert.ok(readyAt >= 0, 'mp4box.js is ready to play');
    const info = file.getInfo();
    return {
      isFragmented: info.isFragmented,
      tracks: info.tracks.map((track) => ({
        codec: track.codec,
        samples: file.getTrackSamplesInfo(track.id).map(({ size, is_sync: sync }) => `${size} ${sync ? 'K' : '_'}`),
      })),
    };
  } finally {
    Object.assign(Log, { warn, error });
  }
}

// Of each decoded picture (v) or stretch of sound (a) that is presented: [time in s, hash].
export async function decoded(file, kind) {
  const args = ['-v', 'error', '-i', file, '-map', `0:${kind}:0`, '-fps_mode', 'passthrough', '-copyts', '-f', 'framemd5', '-'];
  const { exit, stdout, stderr } = await run('ffmpeg', args);
  assert.deepEqual([exit, stderr], [0, '']);
  const lines = stdout.toString().split('\n');
  const [, top, bottom] = /^#tb 0: (\d+)\/(\d+)$/m.exec(stdout);
  return lines
    .filter((line) => /^\d+,/.test(line))
    .map((line) => line.split(',').map((field) => field.trim()))
    .map(([, , pts, , , hash]) => [(Number(pts) * Number(top)) / Number(bottom), hash]);
}

// The sound of a file, one channel, as floating-point samples, the first of which is that at time 0.
export async function soundOf(file, rate) {
  const args = [
    '-v',
    'error',
    '-i',
    file,
    '-map',
    '0:a:0',
    '-ac',
    '1',
    '-ar',
    String(rate),
    '-af',
    'aresample=async=1:first_pts=0',
    '-f',
    'f32le',
    '-',
  ];
  const { exit, stdout, stderr } = await run('ffmpeg', args);
  assert.deepEqual([exit, stderr], [0, '']);
  return new Float32Array(stdout.buffer.slice(stdout.byteOffset, stdout.byteOffset + (stdout.length & ~3)));
}
