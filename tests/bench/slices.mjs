// Slices on disk: CPU per GB of stream.fcgi where the source is read into them, and where it comes out of them, beside
// the same file without slices, in the same run.
import path from 'node:path';

import { startOrigin } from '../origin/origin.mjs';
import { prepare } from '../origin/prepare.mjs';
import { makeWav, nginx } from './stream.mjs';
import { atEnd, drain, freePort, get, median, memoryPerStream, startSluice, startTunnel, temporaryDirectory } from './tools.mjs';

const bytes = 1 << 30;
const rounds = 3;
const clients = 200;

// What 200 clients of a 15 min video cost upstream, every tenth of whom wants all of it, and the others an eighth.
async function benchShared(table) {
  const origin = await startOrigin({ long: true });
  atEnd(() => origin.stop());
  const sluice = await startSluice({ PROXY_URL: origin.proxyUrl, SLUICE_UPSTREAM_CA_FILE: origin.caFile, SLUICE_CACHE_BYTES: String(2 ** 34), SLUICE_PREPARE: '0' });
  const url = `${sluice.base}/api/v1/stream?${new URLSearchParams({ url: 'https://www.youtube.com/watch?v=sluiceQuar1', choice: '1080p-mp4' })}`;
  const { headers } = await get(url, { Range: 'bytes=0-0' });
  const length = Number(headers['content-range'].split('/')[1]);
  const eighth = Math.floor(length / 8);
  const got = await Promise.all(Array.from({ length: clients }, (_, i) => {
    const from = Math.floor(((i * 7919) % 1000 / 1000) * (length - eighth));
    return i % 10 === 0 ? drain(url) : drain(url, '/dev/null', `${from}-${from + eighth - 1}`);
  }));
  got.forEach((size, i) => { if (size !== (i % 10 === 0 ? length : eighth)) throw new Error(`client ${i} got ${size}`); });
  const content = ['quarter-137.mp4', 'quarter-140.m4a'].reduce((sum, name) => sum + origin.media[name].size, 0);
  const read = origin.requests().reduce((sum, entry) => sum + (entry.range ? entry.bytes : 0), 0);
  table.push([`${clients} clients of a 15 min video, MB read upstream`, (read / 1e6).toFixed(1), `its formats ${(content / 1e6).toFixed(1)}`, (read / content).toFixed(3)]);
}

export async function benchSlices(table) {
  await benchShared(table);
  const origin = await prepare(); // only for its certificates
  const dir = temporaryDirectory();
  makeWav(path.join(dir, 'silence.wav'));
  const tls = await freePort();
  nginx(dir, 'origin', `
    server { listen 127.0.0.1:${tls} ssl; ssl_certificate ${origin.certFile}; ssl_certificate_key ${origin.keyFile}; root ${dir}; keepalive_requests 1000000; }`);
  const env = { PROXY_URL: await startTunnel(tls), SLUICE_UPSTREAM_CA_FILE: origin.caFile };
  const plain = await startSluice(env);
  const kept = await startSluice({ ...env, SLUICE_CACHE_BYTES: String(2 ** 34) });
  const target = (n) => `/api/v1/stream?url=${encodeURIComponent(`https://media.example/silence.wav?n=${n}`)}&choice=best`;
  const cost = async (sluice, n) => {
    await get(sluice.base + target(n), { Range: 'bytes=0-0' });
    const before = sluice.cpu('stream.fcgi');
    if ((await drain(sluice.base + target(n))) !== bytes) throw new Error('the stream fell short');
    return sluice.cpu('stream.fcgi') - before;
  };
  const costs = { plain: [], miss: [], hit: [] };
  for (let i = 0; i < rounds; i++) {
    costs.plain.push(await cost(plain, i));
    costs.miss.push(await cost(kept, i)); // nobody has had this one
    costs.hit.push(await cost(kept, i));
  }
  const perGb = (list) => median(list) / (bytes / 1e9);
  const without = `without slices ${perGb(costs.plain).toFixed(2)}`;
  table.push(['source read into slices, CPU s per GB', perGb(costs.miss).toFixed(2), without, (perGb(costs.miss) / perGb(costs.plain)).toFixed(2)]);
  table.push(['out of slices, CPU s per GB', perGb(costs.hit).toFixed(2), without, (perGb(costs.hit) / perGb(costs.plain)).toFixed(2)]);
  const each = await memoryPerStream(kept, kept.base + target(0));
  table.push(['out of slices, kB of memory per slow stream', (each / 1000).toFixed(0), 'limit 100', (each / 100000).toFixed(2)]);
}
