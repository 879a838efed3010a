// Merged files: how long a plan takes when the source is 40 ms away, how soon the first byte comes once there is
// one; CPU per GB and memory per stream, beside nginx passing on the same bytes and ffmpeg joining the same sources.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';

import { startOrigin } from '../origin/origin.mjs';
import { prepare } from '../origin/prepare.mjs';
import { startFront } from './fronts.mjs';
import { nginx, workerCpu } from './stream.mjs';
import { atEnd, drain, freePort, median, memoryPerStream, startSluice, startTunnel, temporaryDirectory, waitFor } from './tools.mjs';

const awayMs = 40;
const rounds = 3;
const quarter = { url: 'https://www.youtube.com/watch?v=sluiceQuar1', choice: '1080p-mp4' };
const hour = { url: 'https://www.youtube.com/watch?v=sluiceHour1', choice: '360p-mp4' };

const target = (sluice, fields) => `${sluice.base}/api/v1/stream?${new URLSearchParams(fields)}`;

// Milliseconds until the first byte of the body (of a HEAD: until the headers), and the answer, which is left.
function firstByte(url, method = 'GET') {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const req = http.request(url, { method, agent: false }, (res) => {
      res.on('error', () => {}); // we leave in the middle
      if (res.statusCode !== 200) return reject(new Error(`${url} answers ${res.statusCode}`));
      const done = () => {
        resolve({ ms: performance.now() - began, length: Number(res.headers['content-length']) });
        req.destroy();
      };
      return method === 'HEAD' ? done() : res.once('data', done);
    });
    req.on('error', reject).end();
  });
}

async function planTimes(origin, env, fields) {
  const made = [];
  const first = [];
  for (let i = 0; i < rounds; i++) {
    const sluice = await startSluice(env);
    origin.configure({ latencyMs: 0 });
    await firstByte(target(sluice, { ...fields, choice: 'format-140' }), 'HEAD'); // the description is known
    origin.configure({ latencyMs: awayMs });
    made.push((await firstByte(target(sluice, fields), 'HEAD')).ms);
    for (let k = 0; k < 3; k++) first.push((await firstByte(target(sluice, fields))).ms);
  }
  return { made: median(made), first: median(first) };
}

// CPU seconds of ffmpeg joining both sources into a pipe.
function ffmpegCpu(base) {
  const inputs = ['137.mp4', '140.m4a'].map((name) => `-i ${base}/quarter-${name}`).join(' ');
  const command = `TIMEFORMAT='%U %S'; { time ffmpeg -v error -nostdin ${inputs} -map 0:v -map 1:a -c copy -f mp4 -movflags frag_keyframe+empty_moov pipe:1; } | cat >/dev/null`;
  const { stderr } = spawnSync('bash', ['-c', command]);
  const [user, system] = stderr.toString().trim().split('\n').pop().split(' ').map(Number);
  if (!(user + system > 0)) throw new Error(`ffmpeg: ${stderr}`);
  return user + system;
}

async function measureCost(table, origin, media, env) {
  const dir = temporaryDirectory();
  for (const name of ['quarter-137.mp4', 'quarter-140.m4a']) fs.symlinkSync(media[name].path, path.join(dir, name));
  const certificates = await prepare();
  const tls = await freePort();
  const proxy = await freePort();
  nginx(dir, 'origin', `
    map $arg_itag $media { 137 quarter-137.mp4; 140 quarter-140.m4a; }
    server { listen 127.0.0.1:${tls} ssl; ssl_certificate ${certificates.certFile}; ssl_certificate_key ${certificates.keyFile}; root ${dir};
      location = /videoplayback { try_files /$media =404; } }`);
  const peer = nginx(dir, 'peer', `
    server { listen 127.0.0.1:${proxy};
      location / { proxy_pass https://127.0.0.1:${tls}; proxy_ssl_server_name on; proxy_ssl_name media.example;
        proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffers 8 64k; proxy_buffer_size 64k; proxy_max_temp_file_size 0; } }`);
  await waitFor(`http://127.0.0.1:${proxy}/nothing`);

  // The stand-in speaks for the site; what was learned from it is known to the one whose media come from nginx.
  origin.configure({ latencyMs: 0 });
  const learner = await startSluice(env);
  await firstByte(target(learner, { ...quarter, choice: 'format-140' }), 'HEAD');
  const before = learner.cpu('stream.fcgi');
  const { length } = await firstByte(target(learner, quarter), 'HEAD');
  const planCpu = learner.cpu('stream.fcgi') - before;
  const sluice = await startSluice({ ...env, PROXY_URL: await startTunnel(tls) }, learner.dataDir);
  const through = target(sluice, quarter);
  const merged = path.join(dir, 'merged.mp4');
  await drain(through, merged);
  if (fs.statSync(merged).size !== length) throw new Error('the merged file fell short');

  const fronts = {};
  for (const kind of ['nginx', 'apache', 'lighttpd']) fronts[kind] = { ...await startFront(kind, sluice), spent: [] };
  const passed = [];
  const joined = [];
  for (let i = 0; i < rounds; i++) {
    let cpu = workerCpu(peer);
    if (await drain(`http://127.0.0.1:${proxy}/merged.mp4`) !== length) throw new Error('the peer fell short');
    passed.push(workerCpu(peer) - cpu);
    for (const front of Object.values(fronts)) {
      cpu = sluice.cpu('stream.fcgi');
      if (await drain(target(front, quarter)) !== length) throw new Error('the stream fell short');
      front.spent.push(sluice.cpu('stream.fcgi') - cpu);
    }
    joined.push(ffmpegCpu(`https://127.0.0.1:${tls}`));
  }
  const perGb = (list) => median(list) / (length / 1e9);
  for (const [kind, { spent }] of Object.entries(fronts)) {
    table.push([`merged over TLS behind ${kind}, CPU s per GB`, perGb(spent).toFixed(2), `nginx proxy_pass ${perGb(passed).toFixed(2)}`, (median(spent) / median(passed)).toFixed(2)]);
    table.push(['', '', `ffmpeg -c copy ${perGb(joined).toFixed(2)}`, (median(spent) / median(joined)).toFixed(2)]);
  }
  table.push(['plan of 15 min, CPU ms', (planCpu * 1000).toFixed(0), '', '']);
  const each = await memoryPerStream(sluice, through);
  table.push(['merged over TLS, kB of memory per slow stream', (each / 1000).toFixed(0), 'limit 200', (each / 200000).toFixed(2)]);
}

export async function benchMerge(table) {
  const origin = await startOrigin({ long: true });
  atEnd(() => origin.stop());
  const env = { PROXY_URL: origin.proxyUrl, SLUICE_UPSTREAM_CA_FILE: origin.caFile, SLUICE_PREPARE: '0', SLUICE_LOG_LEVEL: 'warn' };
  for (const [name, fields] of [['15 min', quarter], ['1 h', hour]]) {
    const { made, first } = await planTimes(origin, env, fields);
    table.push([`plan of ${name}, source ${awayMs} ms away, ms`, made.toFixed(0), '', '']);
    table.push([`first byte of ${name} once it is planned, ms`, first.toFixed(0), `one round trip ${awayMs}`, (first / awayMs).toFixed(2)]);
  }
  await measureCost(table, origin, origin.media, env);
}
