// `sluice doctor`: finds nothing wrong where nothing is, finds what is wrong, and the line it gives puts it right.
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';

import { forkOrigin } from '../origin/origin.mjs';
import { assertNoSanitizerReports, freePort, programEnv, programs, run, scratchDir, startStack } from './harness.mjs';

let origin;
let scratch;
let settings;

before(async () => {
  origin = await forkOrigin();
  scratch = scratchDir();
  settings = { PROXY_URL: origin.proxyUrl, SLUICE_UPSTREAM_CA_FILE: origin.caFile };
});
beforeEach(() => origin.reset());
after(async () => {
  await origin.stop();
  assertNoSanitizerReports(scratch);
  rmSync(scratch, { recursive: true, force: true });
});

const fresh = (name) => {
  const dir = path.join(scratch, name);
  mkdirSync(dir, { mode: 0o700, recursive: true });
  return dir;
};

// What it says about one `check`, or all of it.
async function doctor(dataDir, { args = [], env = {}, offline = true } = {}) {
  const file = path.join(scratch, 'none.conf'); // no web server's configuration of this machine
  writeFileSync(file, 'fastcgi_pass stream.sock; fastcgi_buffering off; gzip off; access_log off; large_client_header_buffers 4 64k;');
  const command = ['doctor', '--json', ...(args.includes('--server-config') ? [] : ['--server-config', file]), ...(offline ? ['--offline'] : []), ...args];
  const done = await run(path.join(programs, 'sluice'), command, {
    env: programEnv(scratch, { ...settings, SLUICE_DATA_DIR: dataDir, ...env }),
  });
  assert.ok(done.stdout.length > 0, done.stderr);
  const { status, findings } = JSON.parse(done.stdout);
  assert.deepEqual([0, 1, 2][['ok', 'warn', 'fail'].indexOf(status)], done.exit);
  const worst = ['fail', 'warn', 'ok'].find((grade) => findings.some((finding) => finding.grade === grade));
  assert.equal(status, worst);
  for (const { grade, text, fix } of findings) {
    assert.ok(text.length > 0);
    assert.equal(fix === null, grade === 'ok', `${grade} ${text} ${fix}`);
  }
  return { status, findings, of: (check) => findings.filter((finding) => finding.check === check) };
}

const grades = (findings) => findings.map(({ grade }) => grade);

test('nothing is wrong with a running one', async (t) => {
  const stack = await startStack({ origin, env: { SLUICE_RATE_ANONYMOUS: '600' } });
  t.after(() => stack.stop());
  const said = await doctor(stack.dataDir, { offline: false, args: ['--docroot', path.join(scratch, 'elsewhere')] });
  // Whose user this is, what /tmp lies on and what the kernel has is the machine's matter.
  const machine = ['owners', 'file_system', 'sandbox', 'disk', 'limits'];
  for (const finding of said.findings) {
    if (!machine.includes(finding.check)) assert.equal(finding.grade, 'ok', JSON.stringify(finding));
    else assert.notEqual(finding.grade, 'fail', JSON.stringify(finding));
  }
  assert.match(said.of('web_server')[0].text, new RegExp(`^${stack.base}/: all routes answer$`), 'found by its sockets');
  assert.match(said.of('sockets')[0].text, /^\d+, and somebody listens/);
  assert.equal(said.of('upstream').length, 2, 'the outside world, and the clock');
  assert.match(said.of('upstream')[0].text, /answered in \d+ ms, through proxy_url/);
  assert.match(said.of('libraries')[0].text, /SQLite 3\.\d+.*libcurl \d+\..*libavformat \d+\./);
  assert.ok(said.of('sandbox')[0].text.includes((await stack.get('/health')).json().sandbox));
  const many = await doctor(stack.dataDir, { env: { SLUICE_MAX_CONNECTIONS: '100000' } });
  assert.equal(many.of('limits')[0].grade, 'warn');
  assert.match(many.of('limits')[0].fix, /LimitNOFILE=200256/);
  const closed = await startStack({ origin, env: { SLUICE_ANONYMOUS: 'off' } });
  t.after(() => closed.stop());
  assert.deepEqual(grades((await doctor(closed.dataDir, { args: ['--url', `${closed.base}/`], env: { SLUICE_ANONYMOUS: 'off' } })).of('web_server')), ['ok']);
});

test('from within, on the admin pages: what a confined program cannot see is left out', async (t) => {
  const password = 'correct horse battery';
  const stack = await startStack({ origin, env: { SLUICE_ADMIN_PASSWORD: password, SLUICE_RATE_ANONYMOUS: '600' } });
  t.after(() => stack.stop());
  const headers = { 'Content-Type': 'application/json', Origin: stack.base };
  const entered = await stack.get('/api/v1/admin/login', { method: 'POST', headers, body: JSON.stringify({ name: 'admin', password }) });
  assert.equal(entered.status, 200, entered.text());
  const [cookie] = entered.headers['set-cookie'][0].split(';');
  const { findings } = (await stack.get('/api/v1/admin/system?examine=1', { headers: { Cookie: cookie } })).json();
  const machine = ['owners', 'file_system', 'sandbox', 'disk', 'limits'];
  assert.ok(findings.length > 12);
  for (const finding of findings) if (!machine.includes(finding.check)) assert.equal(finding.grade, 'ok', JSON.stringify(finding));
  assert.ok(!findings.some(({ check }) => check.startsWith('web_server')), 'it cannot ask that');
});

test('lines that put it right do', async () => {
  const data = fresh('fixes');
  const file = path.join(scratch, 'open.conf');
  const cookies = path.join(scratch, 'cookies');
  writeFileSync(file, `data_dir = ${data}\ndatabase = postgresql://me:secret@127.0.0.1:1/x\n`);
  await run(path.join(programs, 'sluice'), ['db', 'migrate'], { env: programEnv(scratch, { SLUICE_DATA_DIR: data }) });
  const spoilt = [
    [() => chmodSync(data, 0o755), 'data_dir', 'warn', /open to others/],
    [() => chmodSync(data, 0o777), 'data_dir', 'fail', /open to others/],
    [() => chmodSync(path.join(data, 'sluice.db'), 0o644), 'owners', 'warn', /read by everybody/],
    [() => writeFileSync(path.join(data, 'clients.json'), '{"version": 1}', { mode: 0o600 }), 'client_data', 'warn', /clients: missing|visitor_ttl_s: missing/],
    [() => chmodSync(file, 0o644), 'settings_file', 'fail', /passwords/, { SLUICE_CONFIG: file }],
    [() => chmodSync(file, 0o620), 'settings_file', 'fail', /written by others/, { SLUICE_CONFIG: file }],
    [() => mkdirSync(cookies, { mode: 0o755 }), 'settings_file', 'fail', /cookies_dir/, { SLUICE_COOKIES_DIR: cookies }],
    [() => rmSync(data, { recursive: true }), 'data_dir', 'warn', /not there yet/],
  ];
  for (const [spoil, check, grade, says, env] of spoilt) {
    spoil();
    const wrong = (await doctor(data, { env })).of(check).find(({ text }) => says.test(text));
    assert.equal(wrong?.grade, grade, String(says));
    assert.doesNotMatch(wrong.text, /secret/);
    const fixed = await run('sh', ['-c', wrong.fix]);
    assert.equal(fixed.exit, 0, `${wrong.fix}: ${fixed.stderr}`);
    assert.ok(!(await doctor(data, { env })).of(check).some(({ text }) => says.test(text)), wrong.fix);
  }
  assert.equal(statSync(data).mode & 0o777, 0o700);
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

test('somebody else is told to be who the programs run as', async (t) => {
  if (process.getuid() !== 0) return t.skip('only root can be two people');
  const dir = scratchDir();
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  chmodSync(dir, 0o755);
  copyFileSync(path.join(programs, 'sluice'), path.join(dir, 'sluice')); // the checkout may be closed to them
  for (const [name, says] of [['data', /belongs to root and cannot be written/], ['data/inner', /Permission denied/]]) {
    mkdirSync(path.join(dir, name), { mode: 0o700 });
    const env = { ...programEnv(scratch, { SLUICE_DATA_DIR: path.join(dir, name) }), ASAN_OPTIONS: '', UBSAN_OPTIONS: '' };
    const done = await run(path.join(dir, 'sluice'), ['doctor', '--offline', '--json'], { env, uid: 33, gid: 33, cwd: dir });
    const found = JSON.parse(done.stdout).findings.find(({ check }) => check === 'data_dir');
    assert.equal(found.grade, 'fail');
    assert.match(found.text, says);
    assert.match(found.fix, /^runuser -u .*sluice doctor/);
  }
});

test('settings that are dangerous, and that do not read', async () => {
  const data = fresh('settings');
  const rows = [
    [{ SLUICE_TRUSTED_PROXIES: '0.0.0.0/0' }, 'fail', /trusts everybody/],
    [{ SLUICE_TRUSTED_PROXIES: '10.0.0.0/8' }, 'ok', /in order/],
    [{ SLUICE_RATE_ANONYMOUS: '0' }, 'warn', /as often as they like/],
    [{ SLUICE_RATE_ANONYMOUS: '0', SLUICE_ANONYMOUS: 'off' }, 'ok', /in order/],
    [{ SLUICE_SANDBOX: 'off' }, 'warn', /switched off/],
    [{ SLUICE_MAX_ACTIVE: '300' }, 'warn', /max_active/],
    [{ SLUICE_CLIENTS_FILE: '/nowhere' }, 'fail', /nowhere/],
    [{ SLUICE_MAX_ACTIVE: 'many' }, 'fail', /SLUICE_MAX_ACTIVE/],
  ];
  for (const [env, grade, says] of rows) {
    const [finding] = (await doctor(data, { env })).of('settings');
    assert.equal(finding.grade, grade, JSON.stringify(env));
    assert.match(finding.text, says);
  }
  for (const [settingsOf, grade, says] of [
    [{ SLUICE_ENGINES: 'native,yt-dlp', SLUICE_YTDLP_PATH: '/nowhere.zip' }, 'warn', /nowhere/],
    [{ SLUICE_ENGINES: 'native,yt-dlp', SLUICE_YTDLP_PYTHON: '/nowhere' }, 'ok', /not installed/],
    [{ SLUICE_ENGINES: 'native' }, 'ok', /not among/],
  ]) {
    const [finding] = (await doctor(data, { env: settingsOf })).of('yt_dlp');
    assert.equal(finding.grade, grade);
    assert.match(finding.text, says);
  }
  const env = programEnv(scratch, { SLUICE_DATA_DIR: data });
  for (const args of [['--url'], ['--url', 'ftp://x/'], ['--nothing'], ['x']])
    assert.equal((await run(path.join(programs, 'sluice'), ['doctor', ...args], { env })).exit, 2);
  const lines = await run(path.join(programs, 'sluice'), ['doctor', '--offline'], { env });
  assert.match(lines.stdout.toString(), /^ok {4}settings +the settings are in order$/m);
});

// A web server of the operator's that is not what it should be.
async function serve(t, answer) {
  const server = http.createServer(answer);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

test('data that the web server gives out is found by asking it', async (t) => {
  const data = fresh('site/files/data');
  const url = await serve(t, (req, res) => {
    try {
      res.end(readFileSync(path.join(scratch, 'site', decodeURIComponent(req.url))));
    } catch {
      res.writeHead(404).end();
    }
  });
  const [wrong] = (await doctor(data, { args: ['--url', url] })).of('docroot');
  assert.equal(wrong.grade, 'fail', JSON.stringify(wrong));
  assert.match(wrong.text, /gives out .*\/files\/data\/doctor-/);
  assert.match(wrong.fix, /data_dir = /);
  assert.deepEqual(grades((await doctor(data, { args: ['--url', `${url}/media/`] })).of('docroot')), ['fail'], 'from the top');
  const odd = fresh('site/files/my data & more');
  assert.deepEqual(grades((await doctor(odd, { args: ['--url', url] })).of('docroot')), ['fail']);
  assert.deepEqual(grades((await doctor(data, { args: ['--docroot', path.join(scratch, 'site')] })).of('docroot')), ['fail']);
  assert.deepEqual(grades((await doctor(data, { args: ['--docroot', path.join(scratch, 'site/file')] })).of('docroot')), ['ok']);
  assert.deepEqual(grades((await doctor(fresh('public_html/data'))).of('docroot')), ['warn']);
  assert.deepEqual(grades((await doctor(fresh('other'), { args: ['--url', url] })).of('docroot')), ['ok']);
});

test('web servers that are not there, are no web servers, or lose something on the way', async (t) => {
  const data = fresh('web');
  const ask = async (url) => (await doctor(data, { args: ['--url', url] })).of('web_server');
  const [gone] = await ask(`http://127.0.0.1:${await freePort()}/`);
  assert.deepEqual([gone.grade, /refused/.test(gone.text)], ['fail', true], gone.text);
  const rude = net.createServer((socket) => socket.on('error', () => {}).end('220 ftp ready\r\n'));
  await new Promise((resolve) => rude.listen(0, '127.0.0.1', resolve));
  t.after(() => rude.close());
  assert.match((await ask(`http://127.0.0.1:${rude.address().port}`))[0].text, /no web server/);
  const other = await ask(await serve(t, (req, res) => res.end('hello')));
  assert.ok(other.length >= 6 && other.every(({ grade }) => grade !== 'ok'), JSON.stringify(other));
  const [inside] = await ask('https://127.0.0.1/');
  assert.deepEqual([inside.grade, /not public/.test(inside.text)], ['warn', true], JSON.stringify(inside));

  const stack = await startStack({ origin });
  t.after(() => stack.stop());
  const between = (lose) =>
    serve(t, (req, res) => {
      const headers = { ...req.headers };
      delete headers.connection;
      delete headers.host;
      if (lose === 'header') delete headers.authorization;
      const target = lose === 'route' && req.url.startsWith('/api/v1/stream') ? '/nothing' : req.url;
      http.get({ host: '127.0.0.1', port: stack.port, path: target, headers, agent: false }, (answer) => {
        res.writeHead(answer.statusCode, answer.headers);
        answer.pipe(res);
      });
    });
  assert.deepEqual(grades(await ask(await between('nothing'))), ['ok']);
  const [header, ...more] = await ask(await between('header'));
  assert.deepEqual([header.grade, more.length], ['warn', 0]);
  assert.match(header.fix, /CGIPassAuth On/);
  // To the doctor another machine's address.
  const [plain, ...rest] = await ask((await between('nothing')).replace('127.0.0.1', '0x7f.1'));
  assert.deepEqual([plain.grade, /not https/.test(plain.text), rest.length], ['warn', true, 0], JSON.stringify(plain));
  const [route] = await ask(await between('route'));
  assert.equal(route.grade, 'fail');
  assert.match(route.text, /does not reach stream\.fcgi/);
});

test('a server that says nothing does not hold it up', async (t) => {
  const silent = net.createServer((socket) => socket.on('error', () => {}));
  await new Promise((resolve) => silent.listen(0, '127.0.0.1', resolve));
  t.after(() => silent.close());
  const started = Date.now();
  const [finding] = (await doctor(fresh('silent'), { args: ['--url', `http://127.0.0.1:${silent.address().port}`] })).of('web_server');
  assert.equal(finding.grade, 'fail');
  assert.match(finding.text, /no answer within 5 s/);
  assert.ok(Date.now() - started < 20000);
});

test('the outside world: not there, not fond of us, on another clock', async () => {
  const data = fresh('upstream');
  const ask = async (env) => (await doctor(data, { offline: false, env })).of('upstream');
  const [gone] = await ask({ PROXY_URL: `http://127.0.0.1:${await freePort()}` });
  assert.equal(gone.grade, 'fail');
  assert.match(gone.fix, /proxy_url/);
  const dead = `http://127.0.0.1:${await freePort()}`;
  const both = await ask({ PROXY_URL: `${dead}, ${origin.proxyUrl}` });
  assert.deepEqual(grades(both), ['fail', 'ok', 'ok'], 'each way out is tried, and the clock compared once');
  assert.match(both[1].text, /by way 2 of 2/);
  const answer = (action) => origin.script({ match: { path: '/generate_204' }, action: { type: 'status', ...action } });
  await answer({ status: 429 });
  assert.deepEqual(grades(await ask()).slice(0, 1), ['warn']);
  for (const [offS, grade] of [[0, 'ok'], [-120, 'warn'], [3600, 'fail']]) {
    const date = new Date(Date.now() + offS * 1000).toUTCString();
    await answer({ status: 204, headers: { Date: date } });
    const clock = (await ask())[1];
    assert.equal(clock?.grade, grade, JSON.stringify(clock));
    if (offS) assert.match(clock.text, offS > 0 ? /slow/ : /fast/);
  }
});

test('sockets that nobody serves', async () => {
  const data = fresh('sockets');
  const dir = path.join(data, 'run-127.0.0.1-1');
  mkdirSync(dir);
  const socket = path.join(dir, 'info.sock');
  // Killed, it leaves its socket behind.
  await run(process.execPath, ['-e', `require('net').createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, 'SIGKILL'))`]);
  const [dead] = (await doctor(data)).of('sockets');
  assert.equal(dead.grade, 'fail');
  assert.ok(dead.text.includes(socket));
  const server = net.createServer().listen(path.join(dir, 'stream.sock'));
  rmSync(socket);
  try {
    assert.match((await doctor(data)).of('sockets')[0].text, /^1, and somebody listens/);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

test('what is shipped for web servers has the lines that matter, and their lack is noticed', async () => {
  const data = fresh('lines');
  const file = path.join(scratch, 'server.conf');
  const ask = async (text) => {
    writeFileSync(file, text);
    return (await doctor(data, { args: ['--server-config', file] })).of('web_server_file');
  };
  const rows = {
    'nginx.conf': ['fastcgi_buffering off', 'gzip off', 'access_log off', 'large_client_header_buffers'],
    'lighttpd.conf': ['server.stream-response-body', 'server.max-write-idle', 'server.max-fds'],
    'lighttpd-spawned.conf': ['server.stream-response-body'],
    'apache-proxy.conf': ['CGIPassAuth', 'flushpackets=on', 'ap_trust_cgilike_cl'],
    'apache-fcgid.conf': ['FcgidBusyTimeout'],
  };
  for (const [name, lines] of Object.entries(rows)) {
    const text = (await run(path.join(programs, 'sluice'), ['snippet', name])).stdout.toString();
    assert.deepEqual(grades(await ask(text)), ['ok'], name);
    for (const line of lines) {
      const without = text.split('\n').map((one) => (one.includes(line) ? `# ${one}` : one)).join('\n');
      const [finding, ...others] = await ask(without);
      assert.deepEqual([finding.grade, others.length], ['warn', 0], `${name} without ${line}`);
      assert.ok(finding.fix.includes(line), finding.fix);
    }
  }
  assert.deepEqual(grades(await ask('server { listen 80; }')), ['warn']);
});
