// A real S3-compatible storage for tests: OpenStack Swift with its S3 middleware, from Debian, as four processes of
// one node with one device, and in front of it a small proxy that can be told to misbehave. Everything lies in one
// directory and listens on 127.0.0.1, on free ports.
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const accessKey = 'test:tester';
export const secretKey = 'testing-a-secret';

const kinds = ['account', 'container', 'object'];

// So many at once, so that they differ.
async function freePorts(names) {
  const servers = await Promise.all(
    names.map((name) => new Promise((resolve, reject) => {
      const server = net.createServer().on('error', reject);
      server.listen(0, '127.0.0.1', () => resolve([name, server]));
    })),
  );
  const ports = Object.fromEntries(servers.map(([name, server]) => [name, server.address().port]));
  await Promise.all(servers.map(([, server]) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

// Rings of one device each: where everything lies.
function makeRings(dir, ports) {
  const script = kinds
    .map((kind) => {
      const builder = `swift-ring-builder ${dir}/${kind}.builder`;
      return `(${builder} create 1 1 0 && ${builder} add r1z1-127.0.0.1:${ports[kind]}/disk 1; ${builder} rebalance) >${dir}/${kind}.rings 2>&1 &`;
    })
    .join('\n');
  execFileSync('sh', ['-c', `${script}\nwait`]);
}

function writeSettings(dir, ports) {
  const { username: user } = os.userInfo();
  const usual = (port) => `[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${port}
workers = 0
user = ${user}
swift_dir = ${dir}
devices = ${dir}/devices
mount_check = false
fallocate_reserve = 0
log_level = WARNING
`;
  writeFileSync(`${dir}/swift.conf`, '[swift-hash]\nswift_hash_path_prefix = a\nswift_hash_path_suffix = b\n[storage-policy:0]\nname = one\ndefault = yes\n');
  for (const kind of kinds)
    writeFileSync(`${dir}/${kind}.conf`, `${usual(ports[kind])}[pipeline:main]\npipeline = ${kind}-server\n[app:${kind}-server]\nuse = egg:swift#${kind}\n`);
  const filters = ['catch_errors', 'cache', 's3api', 'tempauth', 'bulk', 'slo'];
  const more = {
    cache: 'memcache_servers = 127.0.0.1:9\n', // there is none, and it goes without
    s3api: 'location = us-east-1\n',
    tempauth: `user_test_tester = ${secretKey} .admin\nuser_test_guest = ${secretKey}\n`,
  };
  const egg = { cache: 'memcache' };
  writeFileSync(
    `${dir}/proxy.conf`,
    `${usual(ports.proxy)}[pipeline:main]\npipeline = ${filters.join(' ')} proxy-server\n[app:proxy-server]\nuse = egg:swift#proxy\nallow_account_management = true\naccount_autocreate = true\n` +
      filters.map((name) => `[filter:${name}]\nuse = egg:swift#${egg[name] ?? name}\n${more[name] ?? ''}`).join(''),
  );
}

async function waitForPort(port, child, log) {
  for (let i = 0; i < 400 && child.exitCode === null; i++) {
    const open = await new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (open) return;
    await sleep(50);
  }
  throw new Error(`Swift does not answer on port ${port}: ${log()}`);
}

// The proxy: carries requests to Swift with their Host, and does what `rules` say. A rule is called with
// { method, path, query } and returns what goes wrong with that one: 'reset', 'stall', or a status from 500 on
// (Swift does not see the request): 503 is SlowDown, 507 no room.
function startFront(target) {
  const rules = new Set();
  const seen = [];
  const agent = new http.Agent({ maxSockets: 64 });
  const sockets = new Set();
  const server = http.createServer((req, res) => {
    const [where, query = ''] = req.url.split('?');
    const what = { method: req.method, path: where, query, headers: req.headers };
    seen.push(what);
    const wrong = [...rules].map((rule) => rule(what)).find(Boolean);
    if (wrong === 'reset') return req.socket.resetAndDestroy?.() ?? req.socket.destroy();
    if (wrong === 'stall') return req.resume();
    if (wrong) {
      req.resume();
      res.writeHead(wrong, { 'content-type': 'application/xml' });
      return res.end(`<?xml version="1.0"?><Error><Code>${wrong === 507 ? 'InsufficientStorage' : 'SlowDown'}</Code><Message>No.</Message></Error>`);
    }
    const out = http.request({ host: '127.0.0.1', port: target(), method: req.method, path: req.url, headers: req.headers, agent }, (answer) => {
      res.writeHead(answer.statusCode, answer.headers);
      if (req.method === 'HEAD') return res.end(); // Swift sends the end of a body all the same
      answer.pipe(res);
      return answer.on('error', () => res.destroy());
    });
    out.on('error', () => res.writableEnded || req.socket.destroy());
    res.on('close', () => out.destroy());
    req.pipe(out);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () =>
      resolve({
        port: server.address().port,
        seen,
        rules,
        stop: () =>
          new Promise((done) => {
            agent.destroy();
            for (const socket of sockets) socket.destroy();
            server.close(done);
          }),
      }),
    ),
  );
}

// Somebody else may be quicker to take a port: then it is tried with others.
export async function startS3(options) {
  for (let tries = 4; ; tries--) {
    try {
      return await tryToStart(options);
    } catch (error) {
      if (tries === 0) throw error;
    }
  }
}

async function tryToStart({ bucket = 'files' } = {}) {
  const dir = realpathSync(mkdtempSync(path.join(os.tmpdir(), 'sluice-s3-')));
  const ports = await freePorts(['proxy', ...kinds]);
  mkdirSync(`${dir}/devices/disk`, { recursive: true });
  makeRings(dir, ports);
  writeSettings(dir, ports);
  let log = '';
  const children = new Map();
  const start = (name) => {
    const child = spawn(`swift-${name}-server`, [`${dir}/${name}.conf`, '-v'], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (log = (log + text).slice(-20000)));
    child.on('error', (error) => (log += error.message));
    children.set(name, child);
    return waitForPort(ports[name], child, () => log);
  };
  const end = (name, signal = 'SIGTERM') =>
    new Promise((resolve) => {
      const child = children.get(name);
      children.delete(name);
      if (!child || child.exitCode !== null || child.signalCode) return resolve();
      child.on('exit', resolve);
      child.kill(signal);
    });
  const front = await startFront(() => ports.proxy);
  const config = `${dir}/s3cfg`;
  writeFileSync(
    config,
    `[default]\naccess_key = ${accessKey}\nsecret_key = ${secretKey}\nhost_base = 127.0.0.1:${ports.proxy}\nhost_bucket = 127.0.0.1:${ports.proxy}\nuse_https = False\nbucket_location = us-east-1\n`,
  );
  const s3 = {
    dir,
    endpoint: `http://127.0.0.1:${front.port}`,
    direct: `http://127.0.0.1:${ports.proxy}`, // without the proxy in front
    bucket,
    seen: front.seen,
    log: () => log,
    // What Sluice has to know.
    env: (more = {}) => ({
      SLUICE_S3_ENDPOINT: s3.endpoint,
      SLUICE_S3_BUCKET: bucket,
      SLUICE_S3_ACCESS_KEY: accessKey,
      SLUICE_S3_SECRET_KEY: secretKey,
      ...more,
    }),
    // Debian's own client, which knows nothing of Sluice and talks to Swift itself.
    s3cmd: (...args) => execFileSync('s3cmd', ['-c', config, '--no-progress', ...args], { maxBuffer: 1 << 28 }).toString(),
    s3cmdArgs: ['-c', config],
    get: (key) => execFileSync('s3cmd', ['-c', config, '--no-progress', '--quiet', 'get', `s3://${bucket}/${key}`, '-'], { maxBuffer: 1 << 30 }),
    list: () => s3.s3cmd('ls', '--recursive', `s3://${bucket}`).trim().split('\n').filter(Boolean),
    // Uploads that have begun and not ended.
    uploads: () => s3.s3cmd('multipart', `s3://${bucket}`).trim().split('\n').slice(2).filter(Boolean),
    // Until the returned function is called.
    wrong: (rule) => {
      front.rules.add(rule);
      return () => front.rules.delete(rule);
    },
    kill: () => end('proxy', 'SIGKILL'),
    restart: () => start('proxy'),
    async stop() {
      await front.stop();
      await Promise.all([...children.keys()].map((name) => end(name)));
      rmSync(dir, { recursive: true, force: true });
    },
  };
  try {
    await Promise.all(['proxy', ...kinds].map(start));
    s3.s3cmd('mb', `s3://${bucket}`);
  } catch (error) {
    await s3.stop();
    throw new Error(`${error.message}\n${log}`);
  }
  return s3;
}
