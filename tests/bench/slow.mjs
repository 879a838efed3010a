// Many slow clients at once: none fails, and what each one costs. Behind lighttpd and nginx, with sources that are
// plain, over TLS, and two over TLS that are merged.
//   make bench BENCH=slow    SLOW_CLIENTS=100,1000,9500 SLOW_MERGED=100,2000 SLOW_SECONDS=60 SLOW_SERVERS=lighttpd,nginx SLOW_PER_S=1000 SLOW_SOURCES=http,https
import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { startOrigin } from '../origin/origin.mjs';
import { prepare } from '../origin/prepare.mjs';
import { startFront } from './fronts.mjs';
import { makeWav, nginx } from './stream.mjs';
import { atEnd, descendants, freePort, get, rssOf, startSluice, temporaryDirectory } from './tools.mjs';

const list = (text) => text.split(',').filter(Boolean);
const counts = list(process.env.SLOW_CLIENTS ?? '100,1000,9500').map(Number);
const mergedCounts = list(process.env.SLOW_MERGED ?? '100,2000').map(Number);
const servers = list(process.env.SLOW_SERVERS ?? 'lighttpd,nginx');
const seconds = Number(process.env.SLOW_SECONDS ?? 60);
const perSecond = Number(process.env.SLOW_PER_S ?? 1000); // how many come; each is a handshake with a source over TLS
const bytesPerSecond = 8000;
const file = fileURLToPath(import.meta.url);

// ---- The clients: a process of their own, which has descriptors for so many ----

// Takes so many bytes a second, and knows how it ended.
class Client {
  constructor(port, target) {
    this.ended = null;
    this.began = Date.now();
    this.socket = net.connect({ port, host: '127.0.0.1', readableHighWaterMark: 4096 });
    this.socket.on('error', (error) => this.end(error.code));
    this.socket.on('end', () => this.end('end'));
    this.socket.on('readable', () => { if (!this.head) this.take(4096); });
    this.socket.write(`GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  }

  end(why) {
    this.ended ??= `${why} after ${((Date.now() - this.began) / 1000).toFixed(1)} s, ${this.socket.bytesRead} bytes`;
  }

  take(bytes) {
    const data = this.socket.read(Math.min(bytes, this.socket.readableLength));
    if (!data || this.head) return;
    this.head = data.toString('latin1');
    if (!/^HTTP\/1.1 20[06] /.test(this.head)) this.end(this.head.slice(0, 12));
  }
}

async function beClients({ port, target, count }) {
  const clients = [];
  for (let i = 0; i < count; i++) {
    clients.push(new Client(port, target));
    if (i % 20 === 19) await sleep(20000 / perSecond);
  }
  process.send({ all: true });
  const until = Date.now() + seconds * 1000;
  while (Date.now() < until) {
    const began = Date.now();
    for (const client of clients) client.take(bytesPerSecond);
    await sleep(Math.max(1, 1000 - (Date.now() - began)));
  }
  process.send({ failed: clients.filter((client) => client.ended || !client.head).map((client) => client.ended ?? 'nothing') });
  await new Promise((resolve) => process.once('message', resolve)); // they stay until all is measured
}

// A CONNECT proxy to one port, with no more than two descriptors for each connection (tunnel.c takes six).
function beTunnel(target) {
  const server = http.createServer().on('connect', (req, client, head) => {
    const upstream = net.connect(target, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.write(head);
      upstream.pipe(client).pipe(upstream);
    });
    for (const [one, other] of [[client, upstream], [upstream, client]]) one.on('error', () => {}).on('close', () => other.destroy());
  });
  server.listen({ port: 0, host: '127.0.0.1', backlog: 8192 }, () => process.send({ port: server.address().port }));
}

function startOther(options) {
  const child = fork(file, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  atEnd(() => child.kill());
  child.send(options);
  return child;
}

async function startManyTunnels(target) {
  const child = startOther({ tunnel: target });
  const [{ port }] = await once(child, 'message');
  return `http://127.0.0.1:${port}`;
}

function startClients(options) {
  const child = startOther(options);
  const gone = new Promise((resolve, reject) => child.once('exit', (code) => (code ? reject(new Error(`clients: exit ${code}`)) : resolve())));
  const said = (key) => Promise.race([
    new Promise((resolve) => child.on('message', (message) => { if (key in message) resolve(message[key]); })),
    gone.then(() => { throw new Error('the clients have ended'); }),
  ]);
  return { all: said('all'), failed: said('failed'), leave: () => { child.send({}); return gone; } };
}

// ---- One measurement ----

// What stream.fcgi holds now.
function held(sluice) {
  const sum = (f) => descendants(sluice.pid, 'stream.fcgi').reduce((all, pid) => all + f(pid), 0);
  return { rss: sum(rssOf), fds: sum((pid) => fs.readdirSync(`/proc/${pid}/fd`).length) };
}

// `before`: what it held when it had answered some.
async function measure(sluice, port, target, count, before) {
  const active = async () => JSON.parse((await get(`${sluice.base}/health`)).body).workers.active;
  const clients = startClients({ port, target, count });
  await clients.all;
  const cpu = sluice.cpu('stream.fcgi');
  const failed = await clients.failed;
  const now = held(sluice);
  const result = {
    failed,
    // Cut off by the web server, while their clients still read what is on the way to them.
    lost: count - await active(),
    rss: (now.rss - before.rss) / count,
    fds: (now.fds - before.fds) / count,
    cpu: (sluice.cpu('stream.fcgi') - cpu) / seconds,
  };
  await clients.leave();
  for (let i = 0; i < 300 && await active() > 0; i++) await sleep(100);
  await sleep(1000);
  return { ...result, kept: (held(sluice).rss - before.rss) / count };
}

async function rows(table, what, target, many, limit, start) {
  for (const server of servers) {
    const sluice = await start();
    const front = await startFront(server, sluice, { connections: 21000 });
    for (let i = 0; i < 20; i++) await get(front.base + target, { Range: 'bytes=0-99' });
    const before = held(sluice);
    for (const count of many) {
      const r = await measure(sluice, front.port, target, count, before);
      if (r.failed.length) console.error('failed:', r.failed.slice(0, 10));
      const measured = [
        [`${count} slow clients behind ${server}, ${what}: failed, lost`, `${r.failed.length}, ${r.lost}`, 'none', ''],
        [`  kB of memory each`, (r.rss / 1000).toFixed(0), `limit ${limit}`, (r.rss / 1000 / limit).toFixed(2)],
        [`  kB kept of it when they have left`, (r.kept / 1000).toFixed(0), '', ''],
        [`  descriptors each`, r.fds.toFixed(2), '2', ''],
        [`  CPU ms per s each`, ((r.cpu / count) * 1000).toFixed(3), '', ''],
      ];
      for (const row of measured) console.error(row.join('  ')); // it takes many minutes until the table comes
      table.push(...measured);
    }
  }
}

// Room for all, and no upstream connection is kept waiting.
const limits = (many) => ({ SLUICE_MAX_CONNECTIONS: String(Math.max(...many) + 100), SLUICE_MAX_ACTIVE: String(Math.max(...many) + 100), SLUICE_LOG_LEVEL: 'warn' });

async function slowFiles(table) {
  const certificates = await prepare();
  const dir = temporaryDirectory();
  makeWav(path.join(dir, 'silence.wav'));
  const tls = await freePort();
  const plain = await freePort();
  nginx(dir, 'origin', `
    server { listen 127.0.0.1:${plain} backlog=8192; root ${dir}; }
    server { listen 127.0.0.1:${tls} ssl backlog=8192; ssl_certificate ${certificates.certFile}; ssl_certificate_key ${certificates.keyFile}; root ${dir}; }`, 21000);
  for (const kind of list(process.env.SLOW_SOURCES ?? 'http,https')) {
    // The origin takes requests as a proxy gets them; over TLS, the connection to the proxy is what costs.
    const proxy = kind === 'http' ? `http://127.0.0.1:${plain}` : `https://localhost:${tls}`;
    const start = () => startSluice({ ...limits(counts), PROXY_URL: proxy, SLUICE_UPSTREAM_CA_FILE: certificates.caFile });
    const target = `/api/v1/stream?url=${encodeURIComponent('http://media.example/silence.wav')}&choice=best`;
    await rows(table, `source ${kind}`, target, counts, kind === 'http' ? 100 : 200, start);
  }
}

async function slowMerged(table) {
  const origin = await startOrigin({ long: true });
  atEnd(() => origin.stop());
  const certificates = await prepare();
  const dir = temporaryDirectory();
  for (const name of ['quarter-137.mp4', 'quarter-140.m4a']) fs.symlinkSync(origin.media[name].path, path.join(dir, name));
  const tls = await freePort();
  nginx(dir, 'origin', `
    map $arg_itag $media { 137 quarter-137.mp4; 140 quarter-140.m4a; }
    server { listen 127.0.0.1:${tls} ssl backlog=8192; ssl_certificate ${certificates.certFile}; ssl_certificate_key ${certificates.keyFile}; root ${dir};
      location = /videoplayback { try_files /$media =404; } }`, 21000);
  const env = { ...limits(mergedCounts), SLUICE_UPSTREAM_CA_FILE: origin.caFile, SLUICE_PREPARE: '0' };
  const fields = new URLSearchParams({ url: 'https://www.youtube.com/watch?v=sluiceQuar1', choice: '1080p-mp4' });
  const target = `/api/v1/stream?${fields}`;
  // What the stand-in says about the site is learned first; the media then come from nginx.
  const learner = await startSluice({ ...env, PROXY_URL: origin.proxyUrl });
  const known = await get(learner.base + target, { Range: 'bytes=0-0' });
  if (known.status !== 206) throw new Error(`the learner answers ${known.status}`);
  const env2 = { ...env, PROXY_URL: await startManyTunnels(tls) };
  await rows(table, 'merged of two over TLS', target, mergedCounts, 200, () => startSluice(env2, learner.dataDir));
}

export async function benchSlow(table) {
  if (counts.length) await slowFiles(table);
  if (mergedCounts.length) await slowMerged(table);
}

if (process.argv[1] === file) {
  process.once('message', (options) => (options.tunnel ? beTunnel(options.tunnel) : beClients(options).then(() => process.exit(0))));
}
