// A kept file: sent by lighttpd itself, and by stream.fcgi through it, beside nginx with the same file in its folder.
import { execFileSync } from 'node:child_process';
import path from 'node:path';

import { prepare } from '../origin/prepare.mjs';
import { makeWav, nginx, workerCpu } from './stream.mjs';
import { drain, freePort, get, median, sleep, startSluice, startTunnel, temporaryDirectory, waitFor } from './tools.mjs';

const bytes = 1 << 30;
const rounds = 5;

async function untilKept(url) {
  for (let i = 0; i < 600; i++) {
    const { headers } = await get(url, { range: 'bytes=0-0' });
    if (headers['x-sluice-cache'] === 'files') return;
    await sleep(200);
  }
  throw new Error('the file is not kept');
}

export async function benchKept(table) {
  const origin = await prepare(); // only for its certificates
  const dir = temporaryDirectory();
  const dataDir = temporaryDirectory();
  makeWav(path.join(dir, 'silence.wav'));
  const tls = await freePort();
  const plain = await freePort();
  nginx(dir, 'origin', `
    server { listen 127.0.0.1:${tls} ssl; ssl_certificate ${origin.certFile}; ssl_certificate_key ${origin.keyFile}; root ${dir}; }`);
  const peer = nginx(dir, 'peer', `server { listen 127.0.0.1:${plain}; root ${dir}; }`);
  const env = {
    PROXY_URL: await startTunnel(tls),
    SLUICE_UPSTREAM_CA_FILE: origin.caFile,
    SLUICE_FILES_BYTES: String(4 * bytes),
    SLUICE_FILES_AFTER: '1',
  };
  const handing = await startSluice({ ...env, SLUICE_SENDFILE: 'x-lighttpd-send-file' }, dataDir);
  const sending = await startSluice({ ...env, SLUICE_SENDFILE: 'off' }, dataDir);
  const of = (sluice) => `${sluice.base}/api/v1/stream?url=${encodeURIComponent('https://media.example/silence.wav')}&choice=best`;
  await waitFor(`http://127.0.0.1:${plain}/nothing`);
  if (await drain(of(handing)) !== bytes) throw new Error('the stream fell short');
  await untilKept(of(sending));
  execFileSync('cat', [path.join(dir, 'silence.wav')], { stdio: 'ignore' }); // both files are in memory then
  const cpu = { nginx: () => workerCpu(peer), handed: () => handing.cpu('lighttpd') + handing.cpu('stream.fcgi'), sent: () => sending.cpu('lighttpd') + sending.cpu('stream.fcgi'), program: () => sending.cpu('stream.fcgi') };
  const used = { nginx: [], handed: [], sent: [], program: [] };
  const seconds = { nginx: [], handed: [], sent: [] };
  for (let i = 0; i < rounds; i++)
    for (const [name, url] of Object.entries({ nginx: `http://127.0.0.1:${plain}/silence.wav`, handed: of(handing), sent: of(sending) })) {
      const before = Object.fromEntries(Object.entries(cpu).map(([key, read]) => [key, read()]));
      const started = process.hrtime.bigint();
      if (await drain(url) !== bytes) throw new Error(`${name} fell short`);
      seconds[name].push(Number(process.hrtime.bigint() - started) / 1e9);
      used[name].push(cpu[name]() - before[name]);
      if (name === 'sent') used.program.push(cpu.program() - before.program);
    }
  const gb = bytes / 1e9;
  const row = (what, name) =>
    table.push([what, (median(used[name]) / gb).toFixed(2), `nginx static ${(median(used.nginx) / gb).toFixed(2)}`, (median(used[name]) / Math.max(median(used.nginx), 0.01)).toFixed(2)]);
  row('kept file sent by lighttpd itself, CPU s per GB', 'handed');
  row('kept file through stream.fcgi and lighttpd, CPU s per GB', 'sent');
  row('of that stream.fcgi alone', 'program');
  table.push(['kept file sent by lighttpd itself, GB/s', (gb / median(seconds.handed)).toFixed(2), `nginx static ${(gb / median(seconds.nginx)).toFixed(2)}`, (median(seconds.nginx) / median(seconds.handed)).toFixed(2)]);
}
