// Files that libav makes in our process: CPU beside ffmpeg making the same of the same sources. Ours fetches them over
// TLS, ffmpeg has them on the disk.
import { spawnSync } from 'node:child_process';

import { startOrigin } from '../origin/origin.mjs';
import { atEnd, drain, get, median, startSluice } from './tools.mjs';

const rounds = 3;
const url = 'https://www.youtube.com/watch?v=sluiceLong1'; // two minutes
// [what, choice, how often in a round: the clock of the kernel ticks every 10 ms, what ffmpeg does with the inputs]
const rows = [
  ['MP3, 320 kbit/s', 'audio-mp3-320', 1, ['-vn', '-c:a', 'libmp3lame', '-b:a', '320k', '-f', 'mp3']],
  ['WebM, picture and sound', '720p-webm', 10, ['-c', 'copy', '-f', 'webm']],
];

function ffmpegCpu(files, output) {
  const inputs = files.flatMap((file) => ['-i', file]);
  const maps = files.flatMap((_, i) => ['-map', String(i)]);
  const command = 'TIMEFORMAT="%U %S"; { time ffmpeg -v error -nostdin "$@" pipe:1; } | cat >/dev/null';
  const { stderr } = spawnSync('bash', ['-c', command, 'ffmpeg', ...inputs, ...maps, ...output]);
  const [user, system] = stderr.toString().trim().split('\n').pop().split(' ').map(Number);
  if (!(user + system > 0)) throw new Error(`ffmpeg: ${stderr}`);
  return user + system;
}

export async function benchMade(table) {
  const origin = await startOrigin();
  atEnd(() => origin.stop());
  const env = { PROXY_URL: origin.proxyUrl, SLUICE_UPSTREAM_CA_FILE: origin.caFile, SLUICE_PREPARE: '0', SLUICE_LOG_LEVEL: 'warn' };
  const sluice = await startSluice(env);
  const info = JSON.parse((await get(`${sluice.base}/api/v1/info?${new URLSearchParams({ url })}`)).body);
  for (const [what, id, times, output] of rows) {
    const choice = info.choices.find((one) => one.id === id);
    const files = choice.formats.map((itag) => {
      const name = ['mp4', 'm4a', 'webm'].map((ext) => `long-${itag}.${ext}`).find((one) => origin.media[one]);
      return origin.media[name].path;
    });
    const link = `${sluice.base}/api/v1/stream?${new URLSearchParams({ url, choice: id })}`;
    const ours = [];
    const theirs = [];
    await drain(link); // once for all: what the link leads to, the picture
    for (let round = 0; round < rounds; round++) {
      const before = sluice.cpu('stream.fcgi');
      for (let i = 0; i < times; i++) await drain(link);
      ours.push((sluice.cpu('stream.fcgi') - before) / times);
      theirs.push(ffmpegCpu(files, output));
    }
    const perMinute = (list) => (median(list) * 1000) / (info.duration_s / 60);
    table.push([`${what}, CPU ms per minute of it`, perMinute(ours).toFixed(1), `ffmpeg ${perMinute(theirs).toFixed(1)}`, (median(ours) / median(theirs)).toFixed(2)]);
  }
}
