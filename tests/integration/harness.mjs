// Sluice as a whole for integration tests: the stand-in for the internet, `sluice serve` (lighttpd and the programs)
// on a free port with its own data, and clients. The programs come from $SLUICE_BIN, by default the sanitized ones.
//
// stop() is part of every test: it fails when the exit code is not 0, when a process is left over, or when a
// sanitizer had anything to say.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { forkOrigin } from '../origin/origin.mjs';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const programs = path.resolve(process.env.SLUICE_BIN ?? path.join(root, 'build/asan/cgi-bin'));
export const sha256 = (data) => createHash('sha256').update(data).digest('hex');

// Tries until `check` returns something truthy; throws its last complaint after `ms`.
export async function until(check, what, ms = 15000) {
  const end = Date.now() + ms;
  for (let last; ; await sleep(20)) {
    try {
      const value = await check();
      if (value) return value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`waited ${ms} ms for ${what}${last ? `: ${last.message}` : ''}`);
  }
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

// One HTTP exchange on its own connection. Never throws for what the server does: `complete` is false when the
// body fell short of what was announced, `status` is 0 when no answer came. `keep` bytes: leave after that many.
export function request(
  base,
  target,
  { method = 'GET', headers = {}, body, keep = Infinity, pauseMs = 0, timeoutMs = 60000 } = {},
) {
  const url = new URL(base);
  return new Promise((resolve) => {
    const parts = [];
    let size = 0;
    let answer;
    let error;
    const started = Date.now();
    const finish = (complete) =>
      resolve({
        status: answer?.statusCode ?? 0,
        headers: answer?.headers ?? {},
        rawHeaders: answer?.rawHeaders ?? [],
        body: Buffer.concat(parts),
        complete,
        error, // its code, when the connection broke
        ms: Date.now() - started,
        text() {
          return this.body.toString();
        },
        json() {
          return JSON.parse(this.body);
        },
      });
    const req = http.request({ host: url.hostname, port: url.port, path: target, method, headers, agent: false }, (res) => {
      answer = res;
      res.on('data', (part) => {
        parts.push(part);
        size += part.length;
        if (size >= keep) req.destroy();
        else if (pauseMs) {
          res.pause();
          setTimeout(() => res.resume(), pauseMs).unref();
        }
      });
      res.on('error', (failure) => (error = failure.code));
      res.on('close', () => finish(res.complete && size < keep));
    });
    req.setTimeout(timeoutMs, () => req.destroy());
    req.on('error', () => {
      if (!answer) finish(false);
    });
    req.end(body);
  });
}

// { pid, parent, name } of every process; the dead whom nobody has buried yet do not count.
function processTable() {
  const rows = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const [, name, state, parent] = /^\d+ \((.*)\) (\S) (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'));
      if (state !== 'Z') rows.push({ pid: Number(pid), parent: Number(parent), name });
    } catch {
      // it has ended meanwhile
    }
  }
  return rows;
}

export function descendants(pid) {
  const table = processTable();
  const found = [];
  for (let layer = [pid]; layer.length;) {
    const next = table.filter((row) => layer.includes(row.parent));
    found.push(...next);
    layer = next.map((row) => row.pid);
  }
  return found;
}

export const alive = (pid) => processTable().some((row) => row.pid === pid);

// Environment of the programs: nothing of ours but the essentials, sanitizers writing to `dir`/san.*
export function programEnv(dir, env = {}) {
  const log = `log_path=${dir}/san`;
  return {
    PATH: process.env.PATH,
    HOME: dir,
    LANG: 'C.UTF-8',
    TMPDIR: os.tmpdir(),
    ASAN_OPTIONS: `${log}:detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1`,
    SLUICE_ENGINES: 'native', // what the others make of a link is in tests of their own
    UBSAN_OPTIONS: `${log}:print_stacktrace=1`,
    TSAN_OPTIONS: `${log}:suppressions=${path.join(root, 'tests/tsan.supp')}`,
    ...env,
  };
}

export function assertNoSanitizerReports(dir) {
  const reports = readdirSync(dir).filter((name) => name.startsWith('san.'));
  assert.equal(
    reports.map((name) => readFileSync(path.join(dir, name), 'utf8')).join('\n'),
    '',
    'a sanitizer has found something',
  );
}

export const scratchDir = () => realpathSync(mkdtempSync(path.join(os.tmpdir(), 'sluice-test-')));

export function run(file, args, options = {}) {
  return new Promise((resolve) => {
    const child = execFile(file, args, { encoding: 'buffer', maxBuffer: 1 << 28, ...options }, (error, stdout, stderr) =>
      resolve({
        exit: error ? (typeof error.code === 'number' ? error.code : -1) : 0,
        signal: error?.signal,
        stdout,
        stderr: stderr.toString(),
      }),
    );
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
  });
}

// `env`: settings (SLUICE_…); without more, a client may ask as often as it likes. `dataDir`: keep using that one; otherwise a fresh one, removed at the end.
// `origin`: one that runs already (it is then not stopped here); false: no proxy, Sluice connects by itself.
// `bin`: other programs than $SLUICE_BIN.
export async function startStack({ env = {}, port, dataDir, origin, bin = programs } = {}) {
  const scratch = scratchDir();
  const data = dataDir ?? path.join(scratch, 'data');
  const ownOrigin = origin === undefined ? await forkOrigin() : undefined;
  const outside = origin === undefined ? ownOrigin : origin;
  const listen = port ?? (await freePort());
  const base = `http://127.0.0.1:${listen}`;
  const child = spawn(path.join(bin, 'sluice'), ['serve', '--port', String(listen), '--data-dir', data], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: programEnv(scratch, {
      SLUICE_RATE_ANONYMOUS: '0', // tests ask more often in a minute than people in an hour
      ...(outside && { PROXY_URL: outside.proxyUrl, SLUICE_UPSTREAM_CA_FILE: outside.caFile }),
      ...env,
    }),
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (log += text));
  const ended = new Promise((resolve) => {
    child.on('error', (error) => {
      log += error.message;
      resolve({ code: -1 });
    });
    child.on('exit', (code, signal) => resolve({ code, signal }));
  });
  let gone = false;
  ended.then(() => (gone = true));

  let stopping;
  async function stop({ signal = 'SIGINT', code = 0 } = {}) {
    const family = [child.pid, ...descendants(child.pid).map((row) => row.pid)];
    if (!gone) child.kill(signal);
    const end = await Promise.race([ended, sleep(20000, undefined, { ref: false })]);
    try {
      assert.ok(end, `sluice serve did not end within 20 s\n${log}`);
      assert.equal(end.code, code, `exit code (signal ${end.signal})\n${log}`);
      await until(() => !family.some(alive), `the end of ${family.filter(alive)}`, 3000);
      assertNoSanitizerReports(scratch);
    } finally {
      if (ownOrigin) await ownOrigin.stop();
      rmSync(scratch, { recursive: true, force: true });
    }
  }

  const get = (target, options) => request(base, target, options);
  const query = (fields) => new URLSearchParams(fields).toString();
  const stack = {
    base,
    port: listen,
    dataDir: data,
    scratch,
    pid: child.pid,
    origin: outside,
    log: () => log,
    get,
    info: (url, options) => get(`/api/v1/info?${query({ url })}`, options),
    stream: (url, choice, options) => get(`/api/v1/stream?${query({ url, choice })}`, options),
    // What the database says, as sqlite3 prints it.
    sql: async (text) => {
      const done = await run('sqlite3', ['-cmd', '.timeout 5000', path.join(data, 'sluice.db'), text]);
      assert.equal(done.exit, 0, done.stderr);
      return done.stdout.toString();
    },
    curl: (...args) => run('curl', ['--noproxy', '*', '-sS', ...args]),
    // Processes of Sluice with this name, e.g. 'stream.fcgi'.
    processes: (name) => descendants(child.pid).filter((row) => name === undefined || row.name === name),
    // Asked twice, it happens once.
    stop: (how) => (stopping ??= stop(how)),
  };
  try {
    await until(async () => {
      if (gone) throw new Error(`sluice serve ended: ${log}`);
      return (await get('/livez', { timeoutMs: 2000 })).status === 200;
    }, '/livez');
  } catch (error) {
    child.kill('SIGTERM');
    if (ownOrigin) await ownOrigin.stop();
    error.message += `\n${log}`;
    throw error;
  }
  return stack;
}

export function assertProblem(answer, status, code) {
  const body = answer.status < 400 ? `${answer.body.length} bytes of body` : answer.text();
  assert.equal(answer.status, status, body);
  assert.match(answer.headers['content-type'] ?? '', /^application\/problem\+json/);
  const problem = JSON.parse(body);
  assert.equal(problem.code, code, body);
  assert.equal(problem.status, status);
  assert.equal(typeof problem.retryable, 'boolean');
  assert.ok(problem.title && problem.detail, body);
  return problem;
}
