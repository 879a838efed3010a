// A local stand-in for the outside world. The product reaches it by its ordinary settings only: it is the HTTP
// proxy of PROXY_URL, and CONNECT to a known name ends at its own TLS server, whose CA is SLUICE_UPSTREAM_CA_FILE.
// Names it does not know are refused with 502, as a proxy does with names that do not resolve.
//
//   node tests/origin/origin.mjs [--port N]     prints {"proxy_url", "ca_file"} and runs until a signal
import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import { fileURLToPath } from 'node:url';

import { answerText, makeRule, send, takeAction } from './answer.mjs';
import { makeDirect } from './direct.mjs';
import { engineHost, makeEngines } from './engines.mjs';
import { prepare } from './prepare.mjs';
import { makeTelegram, telegramHost } from './telegram.mjs';
import { makeTiktok, tiktokHost } from './tiktok.mjs';
import { makeYoutube, mediaVideo } from './youtube.mjs';

const self = fileURLToPath(import.meta.url);
const logMax = 20000;
const knownHost =
  /^(([a-z0-9-]+\.)*(youtube\.com|youtube-nocookie\.com|googlevideo\.com|googleapis\.com|ytimg\.com)|youtu\.be|((media|cdn|wrong-name|xn--bcher-kva\.media)\.example))$/;
const isKnown = (host) => knownHost.test(host) || engineHost.test(host) || tiktokHost.test(host) || telegramHost.test(host);
const usualSettings = { expiresInS: 21540, latencyMs: 0, version: 0, folder: '', telegram: {} };

async function readBody(req) {
  const parts = [];
  for await (const part of req) parts.push(part);
  try {
    return JSON.parse(Buffer.concat(parts).toString());
  } catch {
    return undefined;
  }
}

// Starts the stand-in in this process; `long`: with the long media, see prepare.mjs. Returns:
//   proxyUrl, caFile     for the product's settings
//   proxyUrls            three ways in: [0] is proxyUrl; to who comes by another one, the world looks as from 192.0.2.N
//                        (`via` in the log and in rules)
//   media                rows of the files served, by file name, with `path` (see media.mjs)
//   requests()           what came in since the last reset: { method, host, path, query, range, status, bytes, … };
//                        tunnels are logged as method CONNECT
//   script(rule)         adds a rule, see answer.mjs
//   configure({expiresInS: of media URLs, latencyMs: before every answer, version: added to every lastModified,
//              folder: whose files https://media.example/made/ has, telegram: see telegram.mjs})
//   telegramFiles()      what bots have sent and is still there; telegramVanish(pathsOnly)
//   acceptToken(token)   a proof-of-origin token that is good for everything. A server that makes others is at proxyUrl
//                        itself: POST /get_pot
//   rotate()             refuses every media URL given out so far; forgetVisitors()
//   reset()              forgets log, rules and settings (not visitors)
//   stop()
export async function startOrigin({ port = 0, long = false } = {}) {
  const { caFile, certFile, keyFile, media } = await prepare({ long });
  const settings = { ...usualSettings };
  const youtube = makeYoutube({ media, settings });
  const direct = makeDirect({ media, settings });
  const engines = makeEngines({ media });
  const tiktok = makeTiktok({ media });
  const telegram = makeTelegram({ settings });
  const sockets = new Set();
  const portsOf = (socket) => `${socket.localPort}:${socket.remotePort}`;
  const tunnels = new Map(); // a connection's ports → the socket under TLS, which alone can be reset
  const vias = new Map(); // port of a proxy → its number
  const underWay = new Map(); // target → how many requests for it are being answered
  let log = [];
  let rules = [];

  const note = (entry) => {
    if (log.length >= logMax) log.splice(0, logMax / 2);
    log.push(entry);
    return entry;
  };

  async function handle(req, res, secure) {
    // Asked not as a proxy but by itself: see `provide` in youtube.mjs.
    const url = new URL(secure ? `https://${req.headers.host ?? req.authority}${req.url}` : req.url, 'http://provider.invalid');
    const host = url.hostname.replace(/^h2\./, 'www.'); // the same by HTTP/2
    const others = underWay.get(url.href) ?? 0;
    underWay.set(url.href, others + 1);
    res.on('close', () => {
      const left = underWay.get(url.href) - 1;
      if (left) underWay.set(url.href, left);
      else underWay.delete(url.href);
    });
    const via = vias.get(req.socket.localPort) ?? 0;
    const seen = {
      via,
      host,
      others,
      url,
      path: url.pathname,
      query: url.search,
      method: req.method,
      itag: url.searchParams.get('itag'),
      generation: url.searchParams.get('generation'),
      range: req.headers.range,
    };
    const entry = note({
      at: Date.now(),
      via,
      method: req.method,
      host,
      path: url.pathname,
      query: url.search,
      secure,
      connection: req.socket.remotePort,
      range: req.headers.range,
      agent: req.headers['user-agent'],
      headers: req.headers,
      ...(secure && { http: req.httpVersion, tls: req.socket.getProtocol?.(), cipher: req.socket.getCipher?.().name }),
      status: 0,
      bytes: 0,
      aborted: false,
    });
    res.on('close', () => Object.assign(entry, { ended: Date.now(), aborted: !res.writableFinished }));
    res.on('error', () => {});
    const bot = await telegram.answer({ host, url, headers: req.headers }, req);
    const body = req.method === 'POST' && !bot ? await readBody(req) : undefined;
    entry.video = seen.video = body?.videoId ?? body?.playerRequest?.videoId ?? mediaVideo(url);
    entry.client = seen.client = body?.context?.client?.clientName;
    const full = { ...seen, headers: req.headers, body, address: via ? `192.0.2.${via}` : req.socket.remoteAddress };
    if (settings.latencyMs) await new Promise((resolve) => setTimeout(resolve, settings.latencyMs));
    const answer =
      bot ||
      (host === 'provider.invalid' && youtube.provide(full)) ||
      (isKnown(host) && (youtube.answer(full) ?? direct.answer(full) ?? engines.answer(full) ?? tiktok.answer(full))) ||
      answerText(isKnown(host) ? 404 : 502, 'text/plain', '');
    const raw = tunnels.get(portsOf(req.socket)) ?? req.socket;
    await send(req, res, entry, answer, takeAction(rules, seen), () => raw.resetAndDestroy());
  }

  const serve = (secure) => (req, res) =>
    handle(req, res, secure).catch((error) => {
      if (!res.destroyed) process.stderr.write(`origin: ${req.method} ${req.url}: ${error.stack}\n`);
      res.destroy();
    });
  const quiet = (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy());
  };

  const tls = https.createServer(
    { cert: readFileSync(certFile), key: readFileSync(keyFile), keepAliveTimeout: 65000, maxHeaderSize: 65536 },
    serve(true),
  );
  const plain = http.createServer((req, res) => {
    req.url = `http://${req.headers.host}${req.url}`; // as the proxy gets them
    return serve(false)(req, res);
  });
  const proxies = [0, 1, 2].map(() => http.createServer({ keepAliveTimeout: 65000, maxHeaderSize: 65536 }, serve(false)));
  // For names that begin with h2.
  const modern = http2.createSecureServer({ cert: readFileSync(certFile), key: readFileSync(keyFile), allowHTTP1: true }, serve(true));
  modern.on('secureConnection', quiet).on('tlsClientError', (_, socket) => socket.destroy());
  tls.on('secureConnection', quiet).on('tlsClientError', (_, socket) => socket.destroy());
  const tunnel = (req, socket, head) => {
    const [, host, portText] = /^(.*):(\d+)$/.exec(req.url) ?? [];
    const known = ['80', '443'].includes(portText) && isKnown(host ?? '');
    note({ at: Date.now(), method: 'CONNECT', host, port: Number(portText), status: known ? 200 : 502, bytes: 0 });
    if (!known) return socket.end('HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n');
    const ports = portsOf(socket);
    tunnels.set(ports, socket);
    socket.on('close', () => tunnels.get(ports) === socket && tunnels.delete(ports));
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
    if (head.length) socket.unshift(head);
    return (portText !== '443' ? plain : host.startsWith('h2.') ? modern : tls).emit('connection', socket);
  };

  for (const [via, proxy] of proxies.entries()) {
    proxy.on('connection', quiet).on('connect', tunnel);
    await new Promise((resolve, reject) => proxy.on('error', reject).listen(via ? 0 : port, '127.0.0.1', resolve));
    vias.set(proxy.address().port, via);
  }
  const proxyUrls = proxies.map((proxy) => `http://127.0.0.1:${proxy.address().port}`);
  return {
    proxyUrl: proxyUrls[0],
    proxyUrls,
    caFile,
    media,
    requests: () => log,
    script: (rule) => void rules.push(makeRule(rule)),
    configure: (changes) => void Object.assign(settings, changes),
    rotate: () => void youtube.rotate(),
    acceptToken: (token) => youtube.acceptToken(token),
    forgetVisitors: () => youtube.forgetVisitors(),
    telegramFiles: () => telegram.files(),
    telegramVanish: (pathsOnly) => telegram.vanish(pathsOnly),
    reset() {
      log = [];
      rules = [];
      Object.assign(settings, usualSettings);
      telegram.reset();
    },
    async stop() {
      const closed = Promise.all(proxies.map((proxy) => new Promise((resolve) => proxy.close(resolve))));
      for (const socket of sockets) socket.destroy();
      await closed;
      telegram.stop();
    },
  };
}

// The same in a child process, so that serving does not wait for the caller's own work. Every function of the
// result is asynchronous; the rest is as above.
export async function forkOrigin() {
  const child = fork(self, ['--child'], { serialization: 'advanced', stdio: ['ignore', 2, 2, 'ipc'] });
  const waiting = new Map();
  let next = 0;
  const facts = await new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code) => reject(new Error(`the origin ended at once (${code})`)));
  });
  child.on('message', ({ id, result, error }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error) reject(new Error(error));
    else resolve(result);
  });
  const call =
    (name) =>
    (...args) =>
      new Promise((resolve, reject) => {
        waiting.set(++next, { resolve, reject });
        child.send({ id: next, name, args });
      });
  const names = ['acceptToken', 'requests', 'script', 'configure', 'rotate', 'forgetVisitors', 'telegramFiles', 'telegramVanish', 'reset'];
  return {
    ...facts,
    ...Object.fromEntries(names.map((name) => [name, call(name)])),
    async stop() {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await gone;
    },
  };
}

async function main() {
  const asChild = process.argv.includes('--child');
  const at = process.argv.indexOf('--port');
  const origin = await startOrigin({ port: at > 0 ? Number(process.argv[at + 1]) : 0 });
  const { proxyUrl, proxyUrls, caFile, media } = origin;
  const end = () => origin.stop().then(() => process.exit(0));
  process.on('SIGTERM', end).on('SIGINT', asChild ? () => {} : end);
  if (!asChild) return process.stdout.write(`${JSON.stringify({ proxy_url: proxyUrl, ca_file: caFile })}\n`);
  process.on('disconnect', end); // whoever started us is gone
  process.on('message', async ({ id, name, args }) => {
    try {
      process.send({ id, result: await origin[name](...args) });
    } catch (error) {
      process.send({ id, error: error.message });
    }
  });
  return process.send({ proxyUrl, proxyUrls, caFile, media });
}

if (process.argv[1] === self) await main();
