// stream.fcgi: CPU per GB of one file passed through over TLS, beside nginx proxy_pass of the same file.
import fs from 'node:fs';
import path from 'node:path';

import { prepare } from '../origin/prepare.mjs';
import { cpuOf, descendants, drain, freePort, median, memoryPerStream, start, startSluice, startTunnel, temporaryDirectory, waitFor } from './tools.mjs';

const bytes = 1 << 30;
const rounds = 3;

// One GiB of silence that libavformat accepts: a WAV header and a hole.
export function makeWav(file, size = bytes) {
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(size - 8, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(2, 22);
  head.writeUInt32LE(48000, 24);
  head.writeUInt32LE(192000, 28);
  head.writeUInt16LE(4, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36);
  head.writeUInt32LE(size - 44, 40);
  fs.writeFileSync(file, head);
  fs.truncateSync(file, size);
}

export function nginx(dir, name, server, connections = 512) {
  const conf = path.join(dir, `${name}.conf`);
  fs.writeFileSync(conf, `
user root; daemon off; worker_processes 1; pid ${dir}/${name}.pid; error_log stderr error;
worker_rlimit_nofile 40000; events { worker_connections ${connections}; }
http {
  access_log off; default_type audio/wav; sendfile on;
  client_body_temp_path ${dir}/${name}-1; proxy_temp_path ${dir}/${name}-2; fastcgi_temp_path ${dir}/${name}-3;
  uwsgi_temp_path ${dir}/${name}-4; scgi_temp_path ${dir}/${name}-5;
  ${server}
}
`);
  return start('/usr/sbin/nginx', ['-c', conf, '-p', dir]);
}

export const workerCpu = (master) => descendants(master.pid, 'nginx').reduce((sum, pid) => sum + cpuOf(pid), 0);

export async function benchStream(table) {
  const origin = await prepare(); // only for its certificates
  const dir = temporaryDirectory();
  makeWav(path.join(dir, 'silence.wav'));
  const tls = await freePort();
  const proxy = await freePort();
  nginx(dir, 'origin', `
    server { listen 127.0.0.1:${tls} ssl; ssl_certificate ${origin.certFile}; ssl_certificate_key ${origin.keyFile}; root ${dir}; }`);
  const peer = nginx(dir, 'peer', `
    server { listen 127.0.0.1:${proxy};
      location / { proxy_pass https://127.0.0.1:${tls}; proxy_ssl_server_name on; proxy_ssl_name media.example;
        proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffers 8 64k; proxy_buffer_size 64k; proxy_max_temp_file_size 0; } }`);
  const sluice = await startSluice({ PROXY_URL: await startTunnel(tls), SLUICE_UPSTREAM_CA_FILE: origin.caFile });
  const through = `${sluice.base}/api/v1/stream?url=${encodeURIComponent('https://media.example/silence.wav')}&choice=best`;
  await waitFor(`http://127.0.0.1:${proxy}/nothing`);
  const ours = [];
  const theirs = [];
  for (let i = 0; i < rounds; i++) {
    let before = workerCpu(peer);
    if (await drain(`http://127.0.0.1:${proxy}/silence.wav`) !== bytes) throw new Error('the peer fell short');
    theirs.push(workerCpu(peer) - before);
    before = sluice.cpu('stream.fcgi');
    if (await drain(through) !== bytes) throw new Error('the stream fell short');
    ours.push(sluice.cpu('stream.fcgi') - before);
  }
  const gb = bytes / 1e9;
  table.push(['passthrough over TLS, CPU s per GB', (median(ours) / gb).toFixed(2), `nginx proxy_pass ${(median(theirs) / gb).toFixed(2)}`, (median(ours) / median(theirs)).toFixed(2)]);
  const each = await memoryPerStream(sluice, through);
  table.push(['passthrough over TLS, kB of memory per slow stream', (each / 1000).toFixed(0), 'limit 200', (each / 200000).toFixed(2)]);
}
