// What the benchmarks share: processes and their CPU time, a stack of the product, a CONNECT proxy, medians.
import { execFile, execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

export const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '../..');
export const bin = process.env.SLUICE_BIN ?? path.join(root, 'build/cgi-bin');

const ticks = Number(execFileSync('getconf', ['CLK_TCK']));
const cleanups = [];

export const atEnd = (f) => cleanups.push(f);
export async function endAll() {
  while (cleanups.length) await cleanups.pop()();
}

export const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// CPU seconds (user + system) a process and its threads have used so far.
export function cpuOf(pid) {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
  const f = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(f[11]) + Number(f[12])) / ticks;
}

export function rssOf(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'latin1'))[1]) * 1024;
}

// Every process below `pid` whose name is `name`.
export function descendants(pid, name) {
  const found = [];
  for (const child of fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').filter(Boolean)) {
    if (fs.readFileSync(`/proc/${child}/comm`, 'latin1').trim() === name) found.push(Number(child));
    found.push(...descendants(child, name));
  }
  return found;
}

export async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function waitFor(url) {
  for (let i = 0; i < 200; i++) {
    const ok = await new Promise((resolve) => {
      http.get(url, (res) => { res.resume(); resolve(res.statusCode < 500); }).on('error', () => resolve(false));
    });
    if (ok) return;
    await sleep(50);
  }
  throw new Error(`${url} does not answer`);
}

export function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'], ...options });
  atEnd(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  });
  return child;
}

export function temporaryDirectory() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-bench-'));
  atEnd(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}

// The product, complete, as `make run` starts it.
export async function startSluice(env, dataDir = temporaryDirectory()) {
  const port = await freePort();
  const child = start(path.join(bin, 'sluice'), ['serve', '--port', String(port), '--data-dir', dataDir], {
    env: { ...process.env, SLUICE_RATE_ANONYMOUS: '0', ...env },
  });
  const base = `http://127.0.0.1:${port}`;
  await waitFor(`${base}/livez`);
  return { base, dataDir, pid: child.pid, cpu: (name) => descendants(child.pid, name).reduce((sum, pid) => sum + cpuOf(pid), 0) };
}

// A bare CONNECT proxy to one local port, whatever name is asked for (tunnel.c).
export async function startTunnel(targetPort) {
  const child = start(path.join(root, 'build/bench/tunnel'), [String(targetPort)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const port = await new Promise((resolve) => child.stdout.once('data', (text) => resolve(String(text).trim())));
  return `http://127.0.0.1:${port}`;
}

// wrk's figures: { rps, p50_ms, p99_ms, errors }.
export function wrk(url, { connections = 32, seconds = 8, threads = 2, headers = {} } = {}) {
  const extra = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const text = execFileSync('wrk', ['-t', threads, '-c', connections, '-d', `${seconds}s`, '--latency', ...extra, url].map(String)).toString();
  const ms = (s) => (s.endsWith('us') ? parseFloat(s) / 1000 : s.endsWith('ms') ? parseFloat(s) : parseFloat(s) * 1000);
  return {
    requests: Number(/(\d+) requests in/.exec(text)[1]),
    rps: parseFloat(/Requests\/sec:\s+([\d.]+)/.exec(text)[1]),
    p50_ms: ms(/50%\s+(\S+)/.exec(text)[1]),
    p99_ms: ms(/99%\s+(\S+)/.exec(text)[1]),
    errors: Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0),
  };
}

export function get(url, headers = {}) {
  return new Promise((resolve, reject) => {
    http.get(url, { headers }, (res) => {
      const parts = [];
      res.on('data', (p) => parts.push(p));
      res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, body: Buffer.concat(parts) }));
      res.on('error', reject);
    }).on('error', reject);
  });
}

// Downloads, to nowhere if not told where; the number of bytes.
export async function drain(url, file = '/dev/null', range) {
  const { stdout } = await promisify(execFile)('curl', ['-sS', '--fail', ...(range ? ['-r', range] : []), '-o', file, '-w', '%{size_download}', url]);
  return Number(stdout);
}

// Bytes of resident memory that each of `count` slow clients (50 kB/s) adds to stream.fcgi, after a first one has warmed it.
export async function memoryPerStream(sluice, url, count = 100) {
  const rss = () => descendants(sluice.pid, 'stream.fcgi').reduce((sum, pid) => sum + rssOf(pid), 0);
  const clients = [];
  const join = () => clients.push(spawn('curl', ['-sS', '-o', '/dev/null', '--limit-rate', '50k', url], { stdio: 'ignore' }));
  join();
  await sleep(2000);
  const before = rss();
  for (let i = 0; i < count; i++) join();
  await sleep(8000);
  const running = clients.filter((child) => child.exitCode === null).length;
  const each = (rss() - before) / count;
  for (const child of clients) child.kill();
  if (running !== clients.length) throw new Error(`only ${running} of ${clients.length} slow streams are running`);
  return each;
}
