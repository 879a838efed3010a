// Every web server that Sluice ships a configuration for, started for real from what `sluice snippet` prints, and one
// table of what has to hold behind each. The defaults around the snippets are made hostile first: timeouts of 3 s.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';

import { forkOrigin } from '../origin/origin.mjs';
import {
  alive,
  assertNoSanitizerReports,
  assertProblem,
  descendants,
  freePort,
  programEnv,
  programs,
  request,
  root,
  run,
  scratchDir,
  sha256,
  until,
} from './harness.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;
const big = watch('sluiceBig01');
const query = (fields) => new URLSearchParams(fields).toString();
const defaultTimeoutS = 3;
// Apache does not serve as root; so nobody here does. 33: www-data.
const user = process.getuid() === 0 ? { uid: 33, gid: 33 } : {};

const apacheModules =
  'mpm_event authz_core dir mime alias rewrite headers env filter deflate proxy proxy_fcgi fcgid cgid setenvif xsendfile';

// How each is started; `reload`: the signal that makes it read its configuration again, with downloads under way.
const kinds = {
  lighttpd: {
    command: (s) => ['/usr/sbin/lighttpd', '-D', '-f', s.snippetFile],
    reload: 'SIGUSR1',
  },
  nginx: {
    command: (s) => ['/usr/sbin/nginx', '-e', `${s.scratch}/error.log`, '-c', s.mainFile],
    reload: 'SIGHUP',
    main: (s) => `
      daemon off;
      pid ${s.scratch}/nginx.pid;
      error_log ${s.scratch}/error.log warn;
      worker_processes 1;
      events {}
      http {
        ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${s.spool}/${name};`).join('\n')}
        access_log ${s.scratch}/access.log;
        types { text/html html; text/css css; text/javascript js; image/svg+xml svg; }
        fastcgi_read_timeout ${defaultTimeoutS}s;
        send_timeout ${defaultTimeoutS}s;
        include ${s.snippetFile};
      }`,
  },
  apache: {
    command: (s) => ['/usr/sbin/apache2', '-D', 'FOREGROUND', '-f', s.mainFile],
    reload: 'SIGUSR1',
    main: (s) => `
      ${apacheModules.split(' ').map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
      ServerRoot "${s.scratch}"
      ServerName localhost
      Listen 127.0.0.1:${s.port}
      DefaultRuntimeDir "${s.scratch}"
      Mutex "file:${s.scratch}" default
      PidFile "${s.scratch}/apache.pid"
      ScriptSock "${s.scratch}/cgid.sock"
      FcgidIPCDir "${s.scratch}/fcgid"
      FcgidProcessTableFile "${s.scratch}/fcgid.table"
      ErrorLog "${s.scratch}/error.log"
      CustomLog "${s.scratch}/access.log" "%r"
      TypesConfig /etc/mime.types
      ${s.shared ? '' : `TimeOut ${defaultTimeoutS}` /* .htaccess could not change it */}
      KeepAliveTimeout 1
      LimitRequestFieldSize 16380
      FcgidBusyTimeout ${defaultTimeoutS}
      FcgidBusyScanInterval 1
      <Directory "/">
        Require all granted
      </Directory>
      ${s.shared ? `DocumentRoot "${s.docroot}"\n<Directory "${s.docroot}">\nAllowOverride All\n</Directory>` : `Include ${s.snippetFile}`}`,
  },
};

// external: the programs run on their own, started by spawn-fcgi; held: by way of `sluice hold`, as systemd does.
const table = [
  { snippet: 'lighttpd.conf', kind: 'lighttpd', external: true },
  { snippet: 'lighttpd-spawned.conf', kind: 'lighttpd' },
  { snippet: 'lighttpd-cgi.conf', kind: 'lighttpd' },
  { snippet: 'nginx.conf', kind: 'nginx', external: true, held: true },
  { snippet: 'apache-proxy.conf', kind: 'apache', external: true },
  { snippet: 'apache-fcgid.conf', kind: 'apache' },
  { snippet: 'apache-cgi.conf', kind: 'apache' },
  { snippet: 'shared.htaccess', kind: 'apache', shared: true },
];

function chownAll(dir) {
  if (user.uid === undefined) return;
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    if (entry.isDirectory()) chownAll(path.join(dir, entry.name));
    else chownSync(path.join(dir, entry.name), user.uid, user.gid);
  }
  chownSync(dir, user.uid, user.gid);
}

// Bytes of files below a directory, and of those that a process still has open there after their names have gone.
function bytesBelow(dir, pids) {
  let sum = 0;
  for (const entry of existsSync(dir) ? readdirSync(dir, { withFileTypes: true }) : []) {
    const name = path.join(dir, entry.name);
    if (entry.isDirectory()) sum += bytesBelow(name, []);
    else if (entry.isFile()) sum += statSync(name, { throwIfNoEntry: false })?.size ?? 0;
  }
  for (const pid of pids) {
    let fds = [];
    try {
      fds = readdirSync(`/proc/${pid}/fd`);
    } catch {
      // as plain CGI it has ended meanwhile
    }
    for (const fd of fds) {
      const file = statSync(`/proc/${pid}/fd/${fd}`, { throwIfNoEntry: false });
      if (file?.isFile() && file.nlink === 0) sum += file.size;
    }
  }
  return sum;
}

function rssBytes(pid) {
  try {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

async function startServer(row, { origin, prefix = '' }) {
  const scratch = scratchDir();
  const spool = path.join(scratch, 'spool');
  const port = await freePort();
  const s = {
    ...row,
    scratch,
    spool,
    port,
    prefix,
    docroot: path.join(scratch, 'www'),
    snippetFile: path.join(scratch, row.snippet),
    mainFile: path.join(scratch, 'main.conf'),
    base: `http://127.0.0.1:${port}`,
  };
  const own = path.join(scratch, 'programs');
  for (const dir of [spool, own, path.join(scratch, 'data'), path.join(scratch, 'fcgid')]) mkdirSync(dir);
  for (const program of ['sluice', 'info.fcgi', 'stream.fcgi', 'admin.fcgi']) copyFileSync(path.join(programs, program), path.join(own, program));
  copyFileSync(origin.caFile, path.join(scratch, 'ca.pem')); // as the programs: whose user may not reach this checkout
  const pages = path.join(s.docroot, s.shared ? prefix : '');
  cpSync(path.join(root, 'build/www'), pages, { recursive: true });
  const config = path.join(scratch, 'sluice.conf');
  writeFileSync(
    config,
    `data_dir = ${scratch}/data\nproxy_url = ${origin.proxyUrl}\nupstream_ca_file = ${scratch}/ca.pem\nmax_active = 2\nmax_connections = 2\nrate_anonymous = 0\nadmin_password = seven wonders\n${row.settings ?? ''}`,
  );

  const snippet = async (name) => {
    const values = { prefix, docroot: s.docroot, programs: own, 'run-dir': spool, port: String(port), config, ...(row.settings && { outputs: `${scratch}/data/outputs` }) };
    const args = Object.entries(values).flatMap(([key, value]) => [`--${key}`, value]);
    const out = await run(path.join(programs, 'sluice'), ['snippet', name, ...args], { env: programEnv(scratch) });
    assert.equal(out.exit, 0, out.stderr);
    return out.stdout.toString();
  };
  const text = await snippet(row.snippet);
  writeFileSync(s.snippetFile, row.kind === 'lighttpd' ? text.replace('"/tmp"', `"${spool}"`) : text);
  if (s.shared) {
    writeFileSync(path.join(pages, '.htaccess'), text);
    for (const program of ['info.fcgi', 'stream.fcgi', 'admin.fcgi']) {
      writeFileSync(path.join(pages, program), await snippet('shared.fcgi'));
      chmodSync(path.join(pages, program), 0o755);
    }
  }
  const kind = kinds[row.kind];
  if (kind.main) writeFileSync(s.mainFile, kind.main(s));
  chownAll(scratch);

  const children = [];
  let said = '';
  const start = ([file, ...args], env = {}) => {
    // In a group of its own, as everywhere: lighttpd with workers signals its whole group when it ends.
    const child = spawn(file, args, { ...user, detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: programEnv(scratch, env) });
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part) => (said += part));
    child.ended = new Promise((resolve) => child.once('exit', resolve));
    children.push(child);
    return child;
  };
  const end = async (child) => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    const late = await Promise.race([child.ended.then(() => false), sleep(15000, true, { ref: false })]);
    if (late) child.kill('SIGKILL');
    assert.ok(!late, `${child.spawnfile} does not end\n${said}`);
  };
  if (s.external) {
    // The command lines are those of the comment in the file; -n: do not fork.
    for (const [, args, file, name] of text.matchAll(/^# {3}spawn-fcgi (.* -- )(.*\/(info|stream|admin)\.fcgi)$/gm)) {
      const command = `${args}${s.held ? `${path.join(own, 'sluice')} hold ${name}.fcgi` : file}`;
      s[name] = start(['/usr/bin/spawn-fcgi', '-n', ...command.split(' ')], { SLUICE_CONFIG: config });
    }
    await until(() => ['info', 'stream', 'admin'].every((name) => existsSync(path.join(spool, `${name}.sock`))), 'the sockets');
  }
  const log = () => `${said}\n${existsSync(`${scratch}/error.log`) ? readFileSync(`${scratch}/error.log`, 'utf8') : ''}`;
  const ready = async () => {
    try {
      await until(async () => (await request(s.base, `${prefix}/livez`, { timeoutMs: 2000 })).status === 200, '/livez', 20000);
    } catch (error) {
      error.message += `\n${row.snippet}\n${log()}`;
      throw error;
    }
  };
  s.web = start(kind.command(s));
  s.get = (target, options) => request(s.base, `${prefix}${target}`, options);
  s.infoOf = (url) => s.get(`/api/v1/info?${query({ url })}`);
  s.streamOf = (url, choice, options) => s.get(`/api/v1/stream?${query({ url, choice })}`, options);
  s.log = log;
  s.reload = () => s.web.kill(kind.reload);
  s.restart = async () => {
    await end(s.web);
    s.web = start(kind.command(s));
    await ready();
  };
  s.stop = async () => {
    for (const child of [...children].reverse()) await end(child);
    assertNoSanitizerReports(scratch);
    assert.doesNotMatch(log(), /Sanitizer|runtime error/);
    rmSync(scratch, { recursive: true, force: true });
  };
  try {
    await ready();
  } catch (error) {
    for (const child of children) child.kill('SIGKILL');
    throw error;
  }
  return s;
}

const merged = new Set(); // hashes of one merged file behind all servers

function suite(row) {
  let origin;
  let s;
  before(async () => {
    origin = await forkOrigin();
    s = await startServer(row, { origin });
  });
  after(async () => {
    try {
      await s?.stop();
    } finally {
      await origin.stop();
    }
  });
  beforeEach(() => origin.reset());

  const fileOf = (name) => readFileSync(origin.media[name].path);
  const drip = (rate) =>
    origin.script({ match: { path: '/videoplayback' }, times: Infinity, action: { type: 'drip', rate } });
  const active = async () => (await s.get('/health')).json().workers.active;
  const idle = () => until(async () => (await active()) === 0, 'no stream', 10000);

  test('pages: compressed, asked for again only when changed, confined', async () => {
    const page = await s.get('/', { headers: { 'Accept-Encoding': 'gzip' } });
    assert.equal(page.status, 200, page.text());
    assert.equal(page.headers['content-encoding'], 'gzip');
    assert.match(gunzipSync(page.body).toString(), /<title>Sluice<\/title>/);
    assert.match(page.headers['content-security-policy'], /default-src 'none'/);
    const script = await s.get('/app.js');
    assert.equal(script.headers['cache-control'], 'no-cache');
    assert.match(script.headers['content-type'], /^(text|application)\/javascript/);
    const again = await s.get('/app.js', { headers: { 'If-None-Match': script.headers.etag } });
    assert.equal(again.status, 304);
  });

  test('a description by GET and POST, errors, links that work', async () => {
    const got = await s.infoOf(watch('sluiceDemo1'));
    assert.equal(got.status, 200, got.text());
    assert.doesNotMatch(got.headers['content-security-policy'] ?? '', /script-src/);
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const posted = await s.get('/api/v1/info', { method: 'POST', headers, body: query({ url: watch('sluiceKids1') }) });
    assert.equal(posted.json().id, 'sluiceKids1');
    const large = await s.get('/api/v1/info', { method: 'POST', headers, body: `url=${'x'.repeat(60000)}` });
    assert.equal(large.status, 400);
    assertProblem(await s.infoOf('http://127.0.0.1/x.mp4'), 403, 'refused_address');
    assertProblem(await s.get('/api/v1/nothing'), 404, 'not_found');
  });

  test('lengths, HEAD and ranges', async () => {
    const file = fileOf('short-136.mp4');
    const { stream_url: link } = (await s.infoOf(watch('sluiceDemo1'))).json().choices.find(({ id }) => id === 'format-136');
    const ask = (headers = {}, method = 'GET') => request(s.base, link, { headers, method });
    const whole = await ask({ 'Accept-Encoding': 'gzip' });
    assert.equal(whole.headers['content-length'], String(file.length));
    assert.equal(sha256(whole.body), sha256(file));
    const head = await ask({}, 'HEAD');
    assert.deepEqual([head.status, head.headers['content-length']], [200, String(file.length)]);
    for (const [headers, status, body] of [
      [{ Range: 'bytes=1000-1999' }, 206, file.subarray(1000, 2000)],
      [{ Range: 'bytes=-1000' }, 206, file.subarray(-1000)],
      [{ Range: 'bytes=1000-1999', 'If-Range': head.headers.etag }, 206, file.subarray(1000, 2000)],
      [{ Range: 'bytes=1000-1999', 'If-Range': '"other"' }, 200, file],
      [{ Range: 'bytes=0-9,20-29' }, 200, file],
    ]) {
      const part = await ask(headers);
      assert.equal(part.status, status, JSON.stringify(headers));
      assert.equal(part.headers['content-length'], String(body.length), JSON.stringify(headers));
      assert.ok(part.body.equals(body), JSON.stringify(headers));
      if (status === 206) assert.match(part.headers['content-range'], new RegExp(`^bytes \\d+-\\d+/${file.length}$`));
    }
    assert.equal((await ask({ 'If-None-Match': head.headers.etag })).status, 304);
    const beyond = await ask({ Range: 'bytes=99999999-' });
    assertProblem(beyond, 416, 'bad_range');
    assert.equal(beyond.headers['content-range'], `bytes */${file.length}`);
  });

  test('a merged file is the same behind every server', async () => {
    const whole = await s.streamOf(watch('sluiceDemo1'), '720p-mp4');
    assert.equal(whole.status, 200, whole.text().slice(0, 500));
    assert.equal(whole.headers['content-length'], String(whole.body.length));
    merged.add(sha256(whole.body));
    assert.equal(merged.size, 1);
  });

  test('a source that dies: the client sees that its file is short', async () => {
    await origin.script({
      match: { path: '/videoplayback', range: /^bytes=[1-9]/ },
      times: Infinity,
      action: { type: 'status', status: 500 },
    });
    const answer = await s.streamOf(big, 'format-137');
    assert.equal(answer.status, 200);
    assert.equal(answer.complete, false);
    await idle();
  });

  test('a gigabyte for a slow client: nothing is spooled', async (t) => {
    const pids = [s.web.pid, ...descendants(s.web.pid).map(({ pid }) => pid)];
    const disk = bytesBelow(s.spool, pids.filter(alive));
    const { choices } = (await s.infoOf('https://media.example/gigabyte.mp4')).json();
    const answer = await new Promise((resolve, reject) => {
      http.get(`${s.base}${choices[0].stream_url}`, { agent: false }, resolve).on('error', reject);
    });
    answer.on('error', () => {});
    t.after(() => answer.destroy());
    assert.equal(answer.headers['content-length'], String(2 ** 30));
    await new Promise((resolve) => answer.once('readable', resolve)); // and no more
    await sleep(2500);
    const now = [s.web.pid, ...descendants(s.web.pid).map(({ pid }) => pid)].filter(alive);
    const spooled = bytesBelow(s.spool, now) - disk;
    const sent = (await origin.requests()).reduce((sum, entry) => sum + (entry.path === '/gigabyte.mp4' ? entry.bytes : 0), 0);
    const web = now.filter((pid) => !/fcgi$/.test(readFileSync(`/proc/${pid}/comm`, 'utf8').trim()));
    answer.destroy();
    assert.ok(spooled < 4 << 20, `${spooled} bytes on disk`);
    assert.ok(sent < 64 << 20, `${sent} bytes taken from the source`);
    for (const pid of web) assert.ok(rssBytes(pid) < 128 << 20, `${rssBytes(pid)} bytes of memory`);
    await idle();
  });

  test('a client that leaves ends the fetch', async () => {
    await drip(2000000);
    const left = await s.streamOf(big, 'format-137', { keep: 400000 });
    assert.equal(left.status, 200);
    const gone = Date.now();
    await until(async () => (await origin.requests()).some((entry) => entry.path === '/videoplayback' && entry.aborted), 'the end of the fetch', 3000);
    assert.ok(Date.now() - gone < 3000);
    await idle();
  });

  test('one too many is refused at once', async () => {
    await drip(1000000);
    const running = [1, 2].map(() => s.streamOf(big, 'format-137', { keep: 3000000 }));
    await until(async () => (await active()) === 2, 'two streams');
    const refused = await s.streamOf(big, 'format-137');
    const problem = assertProblem(refused, 503, 'busy');
    assert.equal(refused.headers['retry-after'], String(problem.retry_after_s));
    for (const answer of await Promise.all(running)) assert.equal(answer.status, 200);
    await idle();
  });

  test(`a download that takes longer than the ${defaultTimeoutS} s around it, and is silent for that long`, async () => {
    await origin.script({
      match: { path: '/videoplayback', range: /^bytes=[1-9]/ },
      times: 1,
      action: { type: 'delay', ms: (2 * defaultTimeoutS - 1) * 1000 },
    });
    const answer = await s.streamOf(big, 'format-137');
    assert.ok(answer.ms > (2 * defaultTimeoutS - 1) * 1000, `${answer.ms} ms`);
    assert.equal(answer.complete, true);
    assert.equal(sha256(answer.body), sha256(fileOf('big-137.mp4')));
  });

  test('the web server is reloaded and restarted with a download under way', async () => {
    const file = fileOf('short-136.mp4');
    await drip(file.length / 3);
    const stream = s.streamOf(watch('sluiceDemo1'), 'format-136');
    await until(async () => (await active()) === 1, 'the stream');
    if (s.external) {
      s.reload();
      const answer = await stream;
      assert.equal(sha256(answer.body), sha256(file), 'it went on while the web server was reloaded');
    }
    const cut = s.external ? s.streamOf(watch('sluiceDemo1'), 'format-136') : stream;
    if (s.external) await until(async () => (await active()) === 1, 'another one');
    await s.restart();
    await cut;
    for (const name of s.external ? ['info', 'stream', 'admin'] : []) assert.ok(alive(s[name].pid), name);
    await origin.reset();
    assert.equal((await s.streamOf(watch('sluiceDemo1'), 'format-136')).body.length, file.length);
  });

  if (row.external) {
    test('connections to the programs: those of nginx are kept and used again, the others end with their answer', async () => {
      const connections = (name) => // accepted ones; by inode
        readFileSync('/proc/net/unix', 'utf8').split('\n').map((line) => line.trim().split(/\s+/))
          .filter((line) => line[5] === '03' && line[7] === path.join(s.spool, name)).map((line) => line[6]);
      const { stream_url: link } = (await s.infoOf(watch('sluiceDemo1'))).json().choices.find(({ id }) => id === 'format-136');
      const file = fileOf('short-136.mp4');
      const askAll = async () => {
        for (let i = 0; i < 10; i++) {
          assert.equal((await s.get('/livez')).status, 200);
          const headers = { Range: `bytes=${i * 1000}-${i * 1000 + 999}` };
          assert.ok((await request(s.base, link, { headers })).body.equals(file.subarray(i * 1000, i * 1000 + 1000)));
        }
        assert.equal(sha256((await request(s.base, link)).body), sha256(file));
      };
      await askAll();
      if (row.kind !== 'nginx') {
        for (const name of ['info.sock', 'stream.sock']) await until(() => connections(name).length === 0, `the end of those to ${name}`);
        return;
      }
      const kept = { info: connections('info.sock'), stream: connections('stream.sock') };
      assert.ok(kept.info.length > 0 && kept.stream.length > 0, JSON.stringify(kept));
      await askAll();
      assert.deepEqual({ info: connections('info.sock'), stream: connections('stream.sock') }, kept);
      await s.streamOf(big, 'format-137', { keep: 100000 }); // left in the middle: that one is not used again
      await idle();
      await askAll();
    });
  }

  if (row.held) {
    test('systemctl reload: the program is replaced under a download', async () => {
      const file = fileOf('short-136.mp4');
      const old = descendants(s.stream.pid);
      assert.deepEqual(old.map(({ name }) => name), ['stream.fcgi']);
      await drip(file.length / 5);
      const stream = s.streamOf(watch('sluiceDemo1'), 'format-136');
      await until(async () => (await active()) === 1, 'the stream');
      s.stream.kill('SIGHUP');
      while (alive(old[0].pid))
        assert.equal((await s.streamOf(watch('sluiceDemo1'), 'format-140', { method: 'HEAD' })).status, 200);
      const answer = await stream;
      assert.equal(sha256(answer.body), sha256(file));
      assert.ok(answer.ms > 4000, `${answer.ms} ms`);
      assert.equal(descendants(s.stream.pid).length, 1);
    });
  }

  test('the admin pages: a cookie and a token come and go', async () => {
    assertProblem(await s.get('/api/v1/admin/session'), 401, 'auth_required');
    const post = (route, fields, headers) =>
      s.get(`/api/v1/admin/${route}`, { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers }, body: query(fields) });
    const answer = await post('login', { name: 'admin', password: 'seven wonders' });
    assert.equal(answer.status, 200, answer.text());
    const [cookie] = answer.headers['set-cookie'][0].split(';');
    assertProblem(await post('keys/create', { label: 'x' }, { cookie }), 403, 'forbidden');
    const made = await post('keys/create', { label: 'x' }, { cookie, 'x-csrf-token': answer.json().csrf_token });
    assert.match(made.json().text, /^slc_/);
    if (row.shared) return; // there the dashboard asks now and then: see below
    const url = new URL(s.base);
    const first = new Promise((resolve, reject) => {
      const req = http.get({ host: url.hostname, port: url.port, path: '/api/v1/admin/events', headers: { cookie }, agent: false, timeout: 5000 }, (res) => {
        res.setEncoding('utf8').once('data', (part) => { resolve(part); req.destroy(); });
      });
      req.on('timeout', () => req.destroy(new Error('no event within 5 s'))).on('error', reject);
    });
    assert.match(await first, /^event: dashboard\ndata: \{"time":/);
  });

  test('the Authorization header arrives', async () => {
    // That it complains shows that it saw it: nobody has such a key, and it takes 8192 bytes of one.
    for (const target of ['/livez', `/api/v1/stream?${query({ url: watch('sluiceDemo1'), choice: 'format-140' })}`]) {
      const ask = (bytes) => s.get(target, { headers: { Authorization: `Bearer ${'x'.repeat(bytes)}` } });
      if (target === '/livez') assert.equal((await ask(20)).status, 200);
      else assertProblem(await ask(20), 401, 'bad_key');
      assertProblem(await ask(9000), 400, 'bad_request');
    }
  });

  test('metrics: for who asks on this machine', async () => {
    const answer = await s.get('/metrics');
    assert.equal(answer.status, 200, answer.text());
    assert.match(answer.text(), /^sluice_http_requests_total\{route="\/livez",code="ok"\} [1-9]/m);
    assertProblem(await s.get('/metrics', { headers: { 'X-Forwarded-For': '203.0.113.9' } }), 401, 'auth_required');
  });

  // mod_fcgid collects 64 KB where nothing but .htaccess says otherwise: there a job is polled.
  if (!row.shared)
    test('events of a job leave when they come', async () => {
      await origin.script({ match: { path: '/youtubei/*' }, times: Infinity, action: { type: 'delay', ms: 5000 } });
      const headers = { 'Content-Type': 'application/json' };
      const body = JSON.stringify({ kind: 'prepare', url: watch('sluiceHour1') });
      const job = (await s.get('/api/v1/jobs', { method: 'POST', headers, body })).json();
      const url = new URL(s.base);
      let text = '';
      const ended = new Promise((resolve, reject) => {
        const req = http.get({ host: url.hostname, port: url.port, path: job.events_url, agent: false }, (res) => {
          res.setEncoding('utf8').on('data', (part) => (text += part));
          res.on('close', () => resolve(res.complete));
        });
        req.on('error', reject);
      });
      await until(() => /"state":"(queued|running)"/.test(text), 'the first event', 5000);
      assert.equal((await s.get(job.url, { method: 'DELETE' })).json().state, 'cancelled');
      assert.equal(await ended, true);
      assert.match(text, /event: job\ndata: .*"state":"cancelled"/);
    });

  test('no log has what was asked for', async () => {
    const file = `${s.scratch}/access.log`;
    const logged = existsSync(file) ? readFileSync(file, 'utf8') : '';
    if (s.shared) assert.match(logged, /GET \/livez/); // what the comment in the file is about
    else assert.equal(logged, '');
  });

  // Also below `folder`, which is a server of its own.
  async function olderClients(on, prefix) {
    const url = watch('sluiceDemo1');
    assert.equal((await on.get(`/info?${query({ url })}`)).json().id, 'sluiceDemo1');
    const { formats } = (await on.get(`/api/video?${query({ url })}`)).json();
    const { url: link } = formats.find(({ itag, quality }) => itag === '134' && quality !== 'audio only');
    assert.ok(link.startsWith(`${prefix}/api/v1/stream?data=`), link);
    const file = fileOf('short-134.mp4');
    for (const [target, options] of [
      [`/stream${link.slice(link.indexOf('?'))}`],
      [`/download?${query({ url, quality: 'format-134' })}`],
      ['/stream_video', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ url, quality: 'format-134' }) }],
    ]) {
      const answer = await on.get(target, options);
      assert.equal(answer.status, 200, `${target} ${answer.text().slice(0, 300)}`);
      assert.equal(answer.headers['content-length'], String(file.length), target);
      assert.equal(sha256(answer.body), sha256(file), target);
    }
    const part = await on.get(`/download?${query({ url, quality: 'format-134' })}`, { headers: { Range: 'bytes=-1000' } });
    assert.ok(part.status === 206 && part.body.equals(file.subarray(-1000)));
    assertProblem(await on.get('/progress?id=0123456789abcdef'), 404, 'not_found');
    assertProblem(await on.get('/download?url=x', { headers: { Authorization: `Bearer ${'x'.repeat(20)}` } }), 401, 'bad_key');
  }

  test('the routes of older clients', () => olderClients(s, ''));

  test('in a sub-folder', async (t) => {
    const folder = await startServer(row, { origin, prefix: '/media' });
    t.after(() => folder.stop());
    assert.match((await folder.get('/')).text(), /<title>Sluice<\/title>/);
    const moved = await folder.get('');
    assert.equal(moved.status, 301);
    assert.match(moved.headers.location, /\/media\/$/);
    assert.equal((await folder.get('/health')).status, 200);
    const { stream_url: link } = (await folder.infoOf(watch('sluiceDemo1'))).json().choices.find(({ id }) => id === 'format-136');
    assert.match(link, /^\/media\/api\/v1\/stream\?data=/);
    const part = await request(folder.base, link, { headers: { Range: 'bytes=-1000' } });
    assert.ok(part.body.equals(fileOf('short-136.mp4').subarray(-1000)));
    await olderClients(folder, '/media');
  });

  if (row.held) {
    test('systemctl stop: what is being sent is finished first', async () => {
      const file = fileOf('short-136.mp4');
      await drip(file.length / 3);
      const stream = s.streamOf(watch('sluiceDemo1'), 'format-136');
      await until(async () => (await active()) === 1, 'the stream');
      s.stream.kill('SIGTERM');
      const answer = await stream;
      assert.equal(sha256(answer.body), sha256(file));
      assert.ok(answer.ms > 2000, `${answer.ms} ms`);
      assert.equal(await s.stream.ended, 0);
    });
  }
}

test('systemd takes the units, and finds little to complain about', async (t) => {
  if ((await run('systemd-analyze', ['--version'])).exit !== 0) return t.skip('no systemd-analyze here');
  const scratch = scratchDir();
  t.after(() => rmSync(scratch, { recursive: true, force: true }));
  const files = [];
  for (const unit of ['info.socket', 'stream.socket', 'admin.socket', 'info.service', 'stream.service', 'admin.service']) {
    const name = `sluice-${unit}`;
    const out = await run(path.join(programs, 'sluice'), ['snippet', name, '--programs', programs, '--config', '/etc/sluice/sluice.conf']);
    files.push(path.join(scratch, name));
    writeFileSync(files.at(-1), out.stdout);
  }
  const verified = await run('systemd-analyze', ['verify', ...files]);
  assert.deepEqual([verified.exit, verified.stdout.toString() + verified.stderr], [0, '']);
  for (const file of files.slice(3)) {
    const judged = await run('systemd-analyze', ['security', '--offline=true', file]);
    const [, exposure] = /Overall exposure level for \S+: ([0-9.]+)/.exec(judged.stdout.toString()) ?? [];
    assert.ok(Number(exposure) <= 1.5, judged.stdout.toString().slice(-300));
  }
});

test('lighttpd takes no more connections than it has descriptors for: three for each slow download', async () => {
  for (const { snippet } of table.filter(({ kind }) => kind === 'lighttpd')) {
    const text = (await run(path.join(programs, 'sluice'), ['snippet', snippet])).stdout.toString();
    const number = (name) => Number(new RegExp(`^server\\.${name} *= (\\d+)`, 'm').exec(text)?.[1]);
    assert.ok(3 * number('max-connections') <= 0.9 * number('max-fds'), snippet);
  }
});

test('a snippet that would not be what it says is refused', async () => {
  const snippet = (...args) => run(path.join(programs, 'sluice'), ['snippet', ...args]);
  for (const [args, says] of [
    [['nothing.conf'], /no snippet/],
    [['nginx.conf', '--docroot', '/srv/"; return 200 "'], /quoted/],
    [['lighttpd.conf', '--run-dir', '/run/a\nb'], /quoted/],
    [['nginx.conf', '--prefix', 'media'], /folder/],
    [['nginx.conf', '--prefix', '/me.dia'], /folder/],
    [['nginx.conf', '--prefix', '/media/'], /folder/],
    [['nginx.conf', '--prefix'], /value/],
  ]) {
    const out = await snippet(...args);
    assert.notEqual(out.exit, 0, args.join(' '));
    assert.match(out.stderr, says);
    assert.equal(out.stdout.length, 0);
  }
});

const only = process.env.SERVERS?.split(',');
describe('behind', { concurrency: 4 }, () => {
  for (const row of table.filter(({ snippet }) => !only || only.includes(snippet))) {
    describe(row.snippet, { concurrency: 1 }, () => suite(row));
  }
});

// What is kept is sent by the web server itself, and looks as if it had been sent by Sluice.
const keeping = 'files_bytes = 1000000000\nfiles_after = 12\nsendfile = ';
const handing = [
  { snippet: 'lighttpd.conf', kind: 'lighttpd', external: true, settings: `${keeping}x-lighttpd-send-file\n` },
  { snippet: 'nginx.conf', kind: 'nginx', external: true, settings: `${keeping}x-accel-redirect\n` },
  { snippet: 'apache-proxy.conf', kind: 'apache', external: true, settings: `${keeping}x-sendfile\n` },
];

// Nobody minds a server's date of a file, or that nginx does not say of a part that there are parts.
const told = ({ status, headers }) =>
  Object.fromEntries(
    Object.entries(headers).filter(([name]) => ![status === 206 ? 'accept-ranges' : 'date', 'date', 'server', 'last-modified', 'x-sluice-cache', 'x-request-id', 'x-accel-buffering', 'connection', 'keep-alive'].includes(name)),
  );

describe('kept files are handed over to', { concurrency: 3 }, () => {
  for (const row of handing.filter(({ snippet }) => !only || only.includes(snippet)))
    test(row.snippet, async () => {
      const origin = await forkOrigin();
      let s;
      try {
        s = await startServer(row, { origin, prefix: '/media' });
        const ask = (options) => s.streamOf(watch('sluiceDemo1'), '720p-mp4', options);
        const size = (await ask({ method: 'HEAD' })).headers['content-length'];
        const etag = (await ask({ method: 'HEAD' })).headers.etag;
        const asked = [
          { headers: { range: 'bytes=0-0' } },
          { headers: { range: `bytes=100000-${size - 2}` } },
          { headers: { range: 'bytes=-70000' } },
          { headers: { range: `bytes=${size}-` } },
          { headers: { range: 'bytes=0-9,20-29' } },
          { headers: { range: 'bytes=5-', 'if-range': etag } },
          { headers: { range: 'bytes=5-', 'if-range': '"other"' } },
          { headers: { 'if-none-match': etag } },
          { headers: { 'if-none-match': '"other"' } },
          { headers: { 'if-match': '"other"' } },
          { headers: { 'if-match': etag, range: 'bytes=1000-1999' } },
          { headers: { 'if-modified-since': new Date().toUTCString() } },
          { headers: { 'accept-encoding': 'gzip' } },
          { method: 'HEAD' },
        ];
        const fresh = [];
        for (const options of asked.filter(({ headers }) => !headers?.['if-modified-since'] && !headers?.['accept-encoding']))
          fresh.push(await ask(options));
        const whole = await ask();
        assert.equal(whole.headers['x-sluice-cache'], 'source');
        await until(async () => (await ask()).headers['x-sluice-cache'] === 'files', 'a kept file', 20000);
        await origin.reset();
        for (const options of asked) {
          const what = `${row.snippet} ${JSON.stringify(options)}`;
          const plain = options.headers?.['if-modified-since'] || options.headers?.['accept-encoding'] ? whole : fresh.shift();
          const kept = await ask(options);
          assert.equal(kept.status, plain.status, `${what}\n${s.log()}`);
          if (kept.status >= 400) continue;
          assert.ok(kept.complete, what);
          assert.ok(kept.body.equals(plain.body), `${what}: ${kept.body.length} bytes instead of ${plain.body.length}`);
          assert.deepEqual(told(kept), told(plain), what);
          if (kept.status !== 304) assert.equal(kept.headers['x-sluice-cache'], 'files', what);
        }
        assert.deepEqual((await origin.requests()).filter((entry) => entry.path === '/videoplayback'), []);
        // What lies there is for nobody who is not sent there.
        assert.equal((await request(s.base, '/.sluice-outputs/')).status, 404);
        const sent = (await request(s.base, '/media/metrics')).text();
        assert.match(sent, /^sluice_tier_answers_total{tier="files"} [1-9]/m);
      } finally {
        await s?.stop();
        await origin.stop();
      }
    });
});
