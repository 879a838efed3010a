// Slices on disk: CPU per GB of stream.fcgi where the source is read into them, and where it comes out of them, beside
// the same file without slices, in the same run.
import path from 'node:path';

import { prepare } from '../origin/prepare.mjs';
import { makeWav, nginx } from './stream.mjs';
import { drain, freePort, get, median, memoryPerStream, startSluice, startTunnel, temporaryDirectory } from './tools.mjs';

const bytes = 1 << 30;
const rounds = 3;

export async function benchSlices(table) {
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
