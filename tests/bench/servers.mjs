// The three web servers in front of the same programs: CPU per GB and small answers per second, beside nginx
// proxy_pass of the same TLS source in the same run.
import path from 'node:path';

import { prepare } from '../origin/prepare.mjs';
import { startFront } from './fronts.mjs';
import { makeWav, nginx, workerCpu } from './stream.mjs';
import { drain, freePort, get, median, startSluice, startTunnel, temporaryDirectory, waitFor, wrk } from './tools.mjs';

const bytes = 1 << 30;
const rounds = 3;
const part = 'bytes=1000000-1004095'; // 4 kB

export async function benchServers(table) {
  const certificates = await prepare();
  const dir = temporaryDirectory();
  makeWav(path.join(dir, 'silence.wav'));
  const tls = await freePort();
  const proxy = await freePort();
  nginx(dir, 'origin', `
    server { listen 127.0.0.1:${tls} ssl; ssl_certificate ${certificates.certFile}; ssl_certificate_key ${certificates.keyFile}; root ${dir}; keepalive_requests 1000000; }`);
  const peer = nginx(dir, 'peer', `
    upstream source { server 127.0.0.1:${tls}; keepalive 64; keepalive_requests 1000000; }
    server { listen 127.0.0.1:${proxy};
      location / { proxy_pass https://source; proxy_ssl_server_name on; proxy_ssl_name media.example;
        proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffers 8 64k; proxy_buffer_size 64k; proxy_max_temp_file_size 0; } }`);
  const sluice = await startSluice({ PROXY_URL: await startTunnel(tls), SLUICE_UPSTREAM_CA_FILE: certificates.caFile, SLUICE_LOG_LEVEL: 'warn' });
  await waitFor(`http://127.0.0.1:${proxy}/nothing`);
  const target = `/api/v1/stream?url=${encodeURIComponent('https://media.example/silence.wav')}&choice=best`;
  const fronts = { lighttpd: null, nginx: null, apache: null };
  for (const kind of Object.keys(fronts)) fronts[kind] = await startFront(kind, sluice);

  const direct = [];
  const own = Object.fromEntries(Object.keys(fronts).map((kind) => [kind, { program: [], server: [] }]));
  for (let i = 0; i < rounds; i++) {
    let before = workerCpu(peer);
    if (await drain(`http://127.0.0.1:${proxy}/silence.wav`) !== bytes) throw new Error('the peer fell short');
    direct.push(workerCpu(peer) - before);
    for (const [kind, front] of Object.entries(fronts)) {
      before = sluice.cpu('stream.fcgi');
      const serverBefore = front.cpu();
      if (await drain(front.base + target) !== bytes) throw new Error(`behind ${kind} the stream fell short`);
      own[kind].program.push(sluice.cpu('stream.fcgi') - before);
      own[kind].server.push(front.cpu() - serverBefore);
    }
  }
  const perGb = (list) => median(list) / (bytes / 1e9);
  for (const [kind, { program, server }] of Object.entries(own))
    table.push([`behind ${kind}, CPU s per GB: stream.fcgi + ${kind}`, `${perGb(program).toFixed(2)} + ${perGb(server).toFixed(2)}`,
      `nginx proxy_pass ${perGb(direct).toFixed(2)}`, ((perGb(program) + perGb(server)) / perGb(direct)).toFixed(2)]);

  const load = { connections: 32, seconds: 6, headers: { Range: part } };
  const passed = wrk(`http://127.0.0.1:${proxy}/silence.wav`, load);
  for (const [kind, front] of Object.entries(fronts)) {
    const first = await get(front.base + target, { Range: part });
    if (first.status !== 206 || first.body.length !== 4096) throw new Error(`behind ${kind}: ${first.status}`);
    const small = wrk(front.base + target, load);
    if (small.errors) throw new Error(`behind ${kind}: ${small.errors} failed requests`);
    table.push([`behind ${kind}, 4 kB streams per second`, small.rps.toFixed(0), `nginx proxy_pass ${passed.rps.toFixed(0)}`, (small.rps / passed.rps).toFixed(2)]);
    table.push([`  p99 ms at full load`, small.p99_ms.toFixed(1), `nginx proxy_pass ${passed.p99_ms.toFixed(1)}`, (small.p99_ms / passed.p99_ms).toFixed(2)]);
  }
}
