// Real media for the stand-in, made by ffmpeg: each adaptive format is one file in YouTube's layout, that is
// `ftyp moov | sidx | (moof mdat)*` for MP4 and Cues before the first Cluster for WebM. Small pictures are scaled
// up and encoded with the fastest presets; long videos repeat a short encoding, so all of it takes seconds.
//
// The picture flashes a white square, and the sound beeps, during the first 100 ms of every second.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

import { readLayout } from './layout.mjs';
import { rewrites } from './rewrite.mjs';

const run = promisify(execFile);
const fps = 24;

function picture(seconds, height, extra = '') {
  const flash = "drawbox=x=16:y=16:w=96:h=96:color=white:t=fill:enable='lt(mod(t\\,1)\\,0.1)'";
  const size = `${Math.round((height * 16) / 9 / 2) * 2}:${height}`;
  return ['-f', 'lavfi', '-i', `testsrc2=s=640x360:r=${fps}:d=${seconds},${flash},scale=${size}:flags=neighbor${extra}`];
}

function sound(seconds, hertz, rate) {
  const left = `0.25*sin(2*PI*${hertz}*t)*(0.6+0.4*sin(2*PI*3*t))+0.4*sin(2*PI*1000*t)*lt(mod(t,1),0.1)`;
  const right = `0.25*sin(2*PI*${hertz * 1.5}*t)*(0.6+0.4*cos(2*PI*3*t))+0.4*sin(2*PI*1000*t)*lt(mod(t,1),0.1)`;
  return ['-f', 'lavfi', '-i', `aevalsrc=exprs='${left}|${right}':s=${rate}:d=${seconds}`];
}

const groups = ['-g', String(5 * fps), '-pix_fmt', 'yuv420p'];
const h264 = (rate) => [
  '-c:v',
  'libx264',
  '-preset',
  'ultrafast',
  '-bf',
  '2',
  '-sc_threshold',
  '0',
  ...groups,
  '-keyint_min',
  String(5 * fps),
  '-b:v',
  rate,
  '-maxrate',
  rate,
  '-bufsize',
  rate,
];
const av1 = ['-c:v', 'libsvtav1', '-preset', '12', '-crf', '48', ...groups];
const vp9 = (rate) => ['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8', '-row-mt', '1', '-b:v', rate, ...groups];
const aac = ['-c:a', 'aac', '-b:a', '128k'];
const opus = ['-c:a', 'libopus', '-b:a', '128k'];
const copy = ['-c', 'copy'];

// facts of the layout: one fragment per 5 s of video and per 9.984 s of sound, an index of all, no mfra at the end.
const fragments = '+dash+global_sidx+frag_keyframe+default_base_moof+skip_trailer';
const mp4 = ['-movflags', fragments];
const mp4WithMfra = ['-movflags', fragments.replace('+skip_trailer', '')];
const mp4WithEdits = ['-movflags', `${fragments}+delay_moov`, '-use_editlist', '1'];
const every = (us) => ['-frag_duration', String(us), '-f', 'mp4'];
const soundFragments = fragments.replace('+frag_keyframe', '');
const withEdits = ['-movflags', `${soundFragments}+delay_moov`, '-use_editlist', '1'];
const m4a = ['-movflags', soundFragments, ...every(9984000)];
const m4aWithEdits = [...withEdits, ...every(9984000)];
const webm = ['-cues_to_front', '1', '-cluster_time_limit', '5000'];

const input = (name) => ['-i', name];
const looped = (name, times) => ['-stream_loop', String(times - 1), '-i', name];
const both = (video, audio) => [...input(video), ...input(audio), '-map', '0:v', '-map', '1:a'];
const title = ['-metadata', 'title=Sluice test tone', '-metadata', 'artist=Sluice'];

// First what is encoded, then what is put together from it without encoding, then what is a good file spoilt
// (rewrite.mjs). Names of adaptive formats are SET-ITAG.EXT; sets: short 20 s, long 120 s, big 20 s at a bit rate
// that needs several range requests, tiny 10 s with sound fragments much shorter than the picture's, min15 15 min,
// edit both with edit lists and aligned fragments, vp9 and vp9e (with edit lists) VP9 and Opus in MP4.
const encoded = {
  'short-137.mp4': [...picture(20, 1080), ...h264('2500k'), ...mp4],
  'short-136.mp4': [...picture(20, 720), ...h264('1200k'), ...mp4],
  'short-134.mp4': [...picture(20, 360), ...h264('500k'), ...mp4WithMfra],
  'short-160.mp4': [...picture(20, 144), ...h264('100k'), ...mp4],
  'short-398.mp4': [...picture(20, 720), ...av1, ...mp4],
  'short-247.webm': [...picture(20, 720), ...vp9('800k'), ...webm],
  'short-243.webm': [...picture(20, 360), ...vp9('300k'), ...webm],
  'short-140.m4a': [...sound(20, 220, 44100), ...aac, ...m4a],
  'short-140-de.m4a': [...sound(20, 262, 44100), ...aac, ...m4a],
  'short-140-fr.m4a': [...sound(20, 330, 44100), ...aac, ...m4a],
  'short-140-drc.m4a': [...sound(20, 196, 44100), ...aac, ...m4a],
  'short-251.webm': [...sound(20, 220, 48000), ...opus, ...webm],
  'tiny-134.mp4': [...picture(10, 360), ...h264('500k'), '-g', '48', '-keyint_min', '48', ...mp4WithEdits],
  'tiny-140.m4a': [...sound(10, 220, 48000), ...aac, '-movflags', soundFragments, ...every(700000)],
  'vp9-247.mp4': [...picture(20, 360), ...vp9('300k'), ...mp4],
  'vp9-251.m4a': [...sound(20, 220, 48000), ...opus, ...m4a],
  'big-137.mp4': [...picture(20, 1080, ',noise=alls=12:allf=t'), ...h264('12M'), '-minrate', '12M', ...mp4],
  'long-140.m4a': [...sound(120, 220, 44100), ...aac, ...m4aWithEdits],
  'long-251.webm': [...sound(120, 220, 48000), ...opus, ...webm],
  'song.mp3': [...sound(20, 294, 44100), '-c:a', 'libmp3lame', '-b:a', '192k', ...title],
  'tone.ogg': [...sound(10, 440, 48000), '-c:a', 'libvorbis', ...title],
  'tone.wav': [...sound(5, 440, 48000), '-c:a', 'pcm_s16le'],
  'thumbnail.jpg': ['-f', 'lavfi', '-i', 'mandelbrot=s=1280x720:start_scale=0.4', '-frames:v', '1', '-q:v', '6'],
};
const assembled = {
  'long-137.mp4': [...looped('short-137.mp4', 6), ...copy, ...mp4WithEdits],
  'long-136.mp4': [...looped('short-136.mp4', 6), ...copy, ...mp4],
  'long-134.mp4': [...looped('short-134.mp4', 6), ...copy, ...mp4],
  'long-398.mp4': [...looped('short-398.mp4', 6), ...copy, ...mp4],
  'long-247.webm': [...looped('short-247.webm', 6), ...copy, ...webm],
  'edit-398.mp4': [...input('short-398.mp4'), ...copy, ...mp4WithEdits],
  'edit-140.m4a': [...input('short-140.m4a'), ...copy, ...withEdits, ...every(5000000)],
  'vp9e-247.mp4': [...input('vp9-247.mp4'), ...copy, ...mp4WithEdits],
  'vp9e-251.m4a': [...input('vp9-251.m4a'), ...copy, ...m4aWithEdits],
  'min15-160.mp4': [...looped('short-160.mp4', 45), ...copy, ...mp4WithEdits],
  'min15-140.m4a': [...looped('short-140.m4a', 45), ...copy, ...m4aWithEdits],
  'short-18.mp4': [...both('short-134.mp4', 'short-140.m4a'), ...copy, '-movflags', '+faststart'],
  'clip-tail.mp4': [...both('short-134.mp4', 'short-140.m4a'), ...copy, ...title],
  'clip.webm': [...both('short-243.webm', 'short-251.webm'), ...copy],
  'movie.mkv': [...both('short-136.mp4', 'short-140.m4a'), ...copy, ...title],
  'clip.ts': [...both('short-134.mp4', 'short-140.m4a'), ...copy],
};

// What only the benchmarks need: 15 minutes at 4 Mbit/s, and an hour.
const longEncoded = {
  'seed-137.mp4': [...picture(20, 1080, ',noise=alls=6:allf=t'), ...h264('4M'), '-minrate', '4M', ...mp4],
  'seed-134.mp4': [...picture(20, 360), ...h264('500k'), ...mp4],
  'seed-140.m4a': [...sound(20, 220, 44100), ...aac, ...m4a],
};
const longAssembled = {
  'quarter-137.mp4': [...looped('seed-137.mp4', 45), ...copy, ...mp4],
  'quarter-140.m4a': [...looped('seed-140.m4a', 45), ...copy, ...m4a],
  'hour-134.mp4': [...looped('seed-134.mp4', 180), ...copy, ...mp4],
  'hour-140.m4a': [...looped('seed-140.m4a', 180), ...copy, ...m4a],
};

// Each: recipes in the order they can be made.
export const usualMedia = [encoded, assembled, rewrites];
export const longMedia = [longEncoded, longAssembled];

// Raise when rows of media.json change their meaning.
const rowsVersion = 2;
export const mediaKey = (recipes) =>
  createHash('sha256')
    .update(JSON.stringify([rowsVersion, ...recipes]))
    .update(readFileSync(new URL('rewrite.mjs', import.meta.url)))
    .digest('hex')
    .slice(0, 12);

async function ffmpeg(dir, name, args) {
  await run(
    'ffmpeg',
    [
      '-hide_banner',
      '-loglevel',
      'error',
      '-nostdin',
      '-y',
      '-threads',
      '2',
      ...args,
      '-fflags',
      '+bitexact',
      '-flags',
      '+bitexact',
      name,
    ],
    { cwd: dir, env: { ...process.env, SVT_LOG: '0' } },
  );
}

// `like`: a file of the same picture or sound, for those that ffprobe does not understand.
async function describe(dir, file, like = file) {
  const { stdout } = await run(
    'ffprobe',
    ['-v', 'error', '-of', 'json', '-show_entries', 'format=duration:stream=codec_type,width,height,sample_rate,channels', like],
    { cwd: dir },
  );
  const probe = JSON.parse(stdout);
  const video = probe.streams.find((stream) => stream.codec_type === 'video');
  const audio = probe.streams.find((stream) => stream.codec_type === 'audio');
  return {
    file,
    size: statSync(path.join(dir, file)).size,
    durationMs: Math.round(Number(probe.format.duration ?? 0) * 1000),
    ...(video && { width: video.width, height: video.height, fps }),
    ...(audio && { sampleRate: Number(audio.sample_rate), channels: audio.channels }),
    ...readLayout(readFileSync(path.join(dir, file)), file),
  };
}

// Fills `dir`; media.json has one row per file: size, durationMs, init, index {start, end}, codecs, …
export async function makeMedia(dir, recipes) {
  process.stderr.write('origin: making media with ffmpeg, once\n');
  for (const step of recipes) {
    const todo = Object.entries(step);
    const worker = async () => {
      for (let next = todo.shift(); next; next = todo.shift()) {
        const [name, recipe] = next;
        if (recipe.make) writeFileSync(path.join(dir, name), recipe.make(readFileSync(path.join(dir, recipe.from))));
        else await ffmpeg(dir, name, recipe);
      }
    };
    await Promise.all(Array.from({ length: Math.min(os.cpus().length, 4) }, worker));
  }
  const rows = {};
  for (const step of recipes) for (const [file, { from }] of Object.entries(step)) rows[file] = await describe(dir, file, from);
  writeFileSync(path.join(dir, 'media.json'), JSON.stringify(rows, null, 1));
}
