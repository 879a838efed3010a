// Many slow clients at once: none fails, and what each one costs. Behind lighttpd, sources plain, over TLS, merged.
//   node tests/bench/bench.mjs slow        SLOW_CLIENTS=100,1000,9500 SLOW_SECONDS=60
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { prepare } from '../origin/prepare.mjs';
import { makeWav, nginx } from './stream.mjs';
import { descendants, freePort, rssOf, startSluice, temporaryDirectory } from './tools.mjs';

const counts = (process.env.SLOW_CLIENTS ?? '100,1000,9500').split(',').map(Number);
const seconds = Number(process.env.SLOW_SECONDS ?? 60);
const bytesPerSecond = 8000;

// One client: takes so many bytes a second, and knows how it ended.
class Client {
  constructor(port, target) {
    this.ended = null;
    this.taken = 0;
    this.socket = net.connect({ port, host: '127.0.0.1', readableHighWaterMark: 4096 });
    this.socket.on('error', (error) => (this.ended ??= error.code));
    this.socket.on('end', () => (this.ended ??= 'end'));
    this.socket.on('readable', () => { if (!this.head) this.take(4096); });
    this.socket.write(`GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  }

  take(bytes) {
    const data = this.socket.read(Math.min(bytes, this.socket.readableLength));
    if (!data) return;
    if (!this.head) {
      this.head = data.toString('latin1');
      if (!/^HTTP\/1.1 20[06] /.test(this.head)) this.ended ??= this.head.slice(0, 12);
    }
    this.taken += data.length;
  }
}

async function run(sluice, target, count) {
  const port = Number(new URL(sluice.base).port);
  const processes = () => descendants(sluice.pid, 'stream.fcgi');
  const rss = () => processes().reduce((sum, pid) => sum + rssOf(pid), 0);
  const fds = () => processes().reduce((sum, pid) => sum + fs.readdirSync(`/proc/${pid}/fd`).length, 0);
  const warm = new Client(port, target);
  await sleep(1500);
  const before = { rss: rss(), fds: fds() };
  const clients = [warm];
  for (let i = 0; i < count; i++) {
    clients.push(new Client(port, target));
    if (i % 20 === 19) await sleep(20);
  }
  const until = Date.now() + seconds * 1000;
  let cpu = 0;
  while (Date.now() < until) {
    const began = Date.now();
    for (const client of clients) client.take(bytesPerSecond);
    cpu ||= sluice.cpu('stream.fcgi');
    await sleep(Math.max(1, 1000 - (Date.now() - began)));
  }
  const result = {
    failed: clients.filter((client) => client.ended || !client.head).map((client) => client.ended ?? 'nothing'),
    rss: (rss() - before.rss) / count,
    fds: (fds() - before.fds) / count,
    cpu: (sluice.cpu('stream.fcgi') - cpu) / seconds,
  };
  for (const client of clients) client.socket.destroy();
  for (let i = 0; i < 100 && fds() > before.fds + count / 4; i++) await sleep(100);
  return result;
}

export async function benchSlow(table) {
  const origin = await prepare(); // only for its certificates
  const dir = temporaryDirectory();
  makeWav(path.join(dir, 'silence.wav'));
  const tls = await freePort();
  const plain = await freePort();
  nginx(dir, 'origin', `
    server { listen 127.0.0.1:${plain} backlog=8192; root ${dir}; }
    server { listen 127.0.0.1:${tls} ssl backlog=8192; ssl_certificate ${origin.certFile}; ssl_certificate_key ${origin.keyFile}; root ${dir}; }`, 20000);
  const many = String(Math.max(...counts) + 100);
  for (const kind of ['http', 'https']) {
    // The origin takes requests as a proxy gets them; over TLS, the connection to the proxy is what costs.
    const proxy = kind === 'http' ? `http://127.0.0.1:${plain}` : `https://localhost:${tls}`;
    const sluice = await startSluice({ PROXY_URL: proxy, SLUICE_UPSTREAM_CA_FILE: origin.caFile, SLUICE_MAX_CONNECTIONS: many, SLUICE_MAX_ACTIVE: many });
    const target = `/api/v1/stream?url=${encodeURIComponent(`http://media.example/silence.wav`)}&choice=best`;
    for (const count of counts) {
      const r = await run(sluice, target, count);
      if (r.failed.length) console.error(`${kind} ${count}: failed`, r.failed.slice(0, 10));
      table.push([`${count} slow clients, source ${kind}: failed`, String(r.failed.length), 'none', '']);
      table.push([`  kB of memory each`, (r.rss / 1000).toFixed(0), `limit ${kind === 'http' ? 100 : 200}`, (r.rss / (kind === 'http' ? 1e5 : 2e5)).toFixed(2)]);
      table.push([`  descriptors each`, r.fds.toFixed(2), '2', '']);
      table.push([`  CPU ms per s each`, ((r.cpu / count) * 1000).toFixed(3), '', '']);
    }
  }
}
