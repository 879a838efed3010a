// A gigabyte from its source into a bucket of OpenStack Swift (tests/origin/s3.mjs), beside s3cmd putting the ready file
// there in parts of the same size: throughput, and what stream.fcgi grows by meanwhile.
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

import { prepare } from '../origin/prepare.mjs';
import { startS3 } from '../origin/s3.mjs';
import { makeWav, nginx } from './stream.mjs';
import { atEnd, descendants, freePort, get, median, rssOf, sleep, startSluice, startTunnel, temporaryDirectory } from './tools.mjs';

const bytes = 1 << 30;
const rounds = 2;
const seconds = (from) => Number(process.hrtime.bigint() - from) / 1e9;

export async function benchS3(table) {
  const origin = await prepare(); // only for its certificates
  const dir = temporaryDirectory();
  const file = path.join(dir, 'silence.wav');
  makeWav(file);
  const tls = await freePort();
  nginx(dir, 'origin', `
    server { listen 127.0.0.1:${tls} ssl; ssl_certificate ${origin.certFile}; ssl_certificate_key ${origin.keyFile}; root ${dir}; }`);
  const s3 = await startS3();
  atEnd(() => s3.stop());
  const env = s3.env({ PROXY_URL: await startTunnel(tls), SLUICE_UPSTREAM_CA_FILE: origin.caFile, SLUICE_S3_ENDPOINT: s3.direct });
  const sluice = await startSluice(env);
  const [pid] = descendants(sluice.pid, 'stream.fcgi');
  const ours = [];
  const theirs = [];
  const cpu = [];
  const before = rssOf(pid);
  let most = before;
  for (let i = 0; i < rounds; i++) {
    let started = process.hrtime.bigint();
    const used = sluice.cpu('stream.fcgi');
    const answer = await fetch(`${sluice.base}/api/v1/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ kind: 's3', url: 'https://media.example/silence.wav', choice: 'best' }),
    });
    const { url } = await answer.json();
    for (let job; job?.state !== 'done'; await sleep(50)) {
      job = JSON.parse((await get(sluice.base + url)).body);
      if (job.state === 'failed') throw new Error(JSON.stringify(job));
      most = Math.max(most, rssOf(pid));
    }
    ours.push(bytes / 1e6 / seconds(started));
    cpu.push(sluice.cpu('stream.fcgi') - used);
    started = process.hrtime.bigint();
    await promisify(execFile)('s3cmd', [...s3.s3cmdArgs, '--no-progress', '--multipart-chunk-size-mb=5', 'put', file, `s3://${s3.bucket}/ready-${i}.wav`]);
    theirs.push(bytes / 1e6 / seconds(started));
  }
  table.push(['upload of 1 GiB to S3, MB/s', median(ours).toFixed(0), `s3cmd put of the ready file ${median(theirs).toFixed(0)}`, (median(ours) / median(theirs)).toFixed(2)]);
  table.push(['the same, CPU s per GB of stream.fcgi', (median(cpu) / (bytes / 1e9)).toFixed(2), '', '']);
  table.push(['the same, MB by which stream.fcgi grows', ((most - before) / 1e6).toFixed(1), 'limit 40', ((most - before) / 40e6).toFixed(2)]);
}
