// What the programs can do once they serve, seen from outside: the release programs behind the real stack. What
// the sandbox denies is tried in tests/unit/test_sandbox.c.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { forkOrigin } from '../origin/origin.mjs';
import { assertProblem, descendants, programEnv, root, run, scratchDir, sha256, startStack, until } from './harness.mjs';

const bin = path.join(root, 'build/cgi-bin');
const watch = (id) => `https://www.youtube.com/watch?v=${id}`;
const status = (pid) =>
  Object.fromEntries(
    readFileSync(`/proc/${pid}/status`, 'utf8')
      .split('\n')
      .map((line) => line.split(':\t')),
  );

let origin;
let scratch;
before(async () => {
  origin = await forkOrigin();
  scratch = scratchDir();
});
after(async () => {
  await origin.stop();
  rmSync(scratch, { recursive: true, force: true });
});

// Whether this machine has all of it: then, and only then, do the programs start where it is required.
const env = (settings = {}) =>
  programEnv(scratch, {
    PROXY_URL: origin.proxyUrl,
    SLUICE_UPSTREAM_CA_FILE: origin.caFile,
    SLUICE_DATA_DIR: path.join(scratch, 'data'),
    ...settings,
  });
const cgi = (target, settings) =>
  run(path.join(bin, 'info.fcgi'), [], {
    env: env({ REQUEST_METHOD: 'GET', REQUEST_URI: target, SERVER_NAME: 'localhost', SERVER_PORT: '80', ...settings }),
  });
async function machineHasAll() {
  const { exit, stderr } = await cgi('/livez', { SLUICE_SANDBOX: 'required' });
  if (exit !== 0) assert.match(stderr, /the sandbox is required, and cannot be had: (landlock|seccomp): /);
  return exit === 0;
}

describe('behind lighttpd', () => {
  let stack;
  before(async () => (stack = await startStack({ origin, bin })));
  after(() => stack?.stop());

  test('both programs have entered it, in every thread; the log and /health say how far', async () => {
    const { sandbox } = (await stack.get('/health')).json();
    assert.equal(sandbox, (await machineHasAll()) ? 'landlock+seccomp' : /level="([^"]*)" landlock="\d" missing="./.exec(stack.log())?.[1]);
    for (const name of ['info.fcgi', 'stream.fcgi']) {
      const [{ pid }] = stack.processes(name);
      const tasks = readdirSync(`/proc/${pid}/task`);
      assert.ok(tasks.length > 10, name);
      for (const task of tasks) {
        const { NoNewPrivs, Seccomp } = status(`${pid}/task/${task}`);
        assert.deepEqual([NoNewPrivs, Seccomp], ['1', sandbox.includes('seccomp') ? '2' : '0'], `${name} ${task}`);
      }
      assert.match(stack.log(), new RegExp(`${name} sandbox level="${sandbox.replace('+', '\\+')}"`));
    }
  });

  test('the web server and who started it are as they were', () => {
    for (const pid of [stack.pid, stack.processes('lighttpd')[0].pid]) {
      const { NoNewPrivs, Seccomp } = status(pid);
      assert.deepEqual([NoNewPrivs, Seccomp], [status('self').NoNewPrivs, status('self').Seccomp]);
    }
  });

  test('descriptions, links, ranges, merged files, thumbnails', async () => {
    const answer = await stack.info(watch('sluiceDemo1'));
    assert.equal(answer.status, 200, answer.text());
    const { choices, thumbnail_url: thumbnail } = answer.json();
    const linkOf = (id) => choices.find((choice) => choice.id === id).stream_url;
    const whole = await stack.get(linkOf('format-140'));
    assert.equal(sha256(whole.body), sha256(readFileSync(origin.media['short-140.m4a'].path)));
    const merged = await stack.get(linkOf('1080p-mp4'));
    assert.equal(merged.status, 200, merged.text().slice(0, 300));
    assert.ok(merged.complete);
    const part = await stack.get(linkOf('1080p-mp4'), { headers: { Range: 'bytes=100000-199999' } });
    assert.equal(part.status, 206);
    assert.ok(part.body.equals(merged.body.subarray(100000, 200000)));
    const picture = await stack.get(thumbnail);
    assert.equal(picture.status, 200, picture.text().slice(0, 300));
    assert.match(picture.headers['content-type'], /^image\//);
  });

  test('a plan is kept on the disk and used again', async () => {
    const plans = path.join(stack.dataDir, 'plans');
    assert.ok(existsSync(plans));
    await until(() => readdirSync(plans, { recursive: true }).length > 0, 'a plan');
  });

  test('no program starts another one than the keeper it began with', () => {
    for (const name of ['info.fcgi', 'stream.fcgi'])
      assert.deepEqual(
        descendants(stack.processes(name)[0].pid).map((row) => row.name),
        ['sluice-keep'],
      );
  });

  test('memory use is still known', async () => {
    assert.ok((await stack.get('/health')).json().memory.rss > 1e6);
  });

  test('both end in order', async () => {
    await stack.stop();
    assert.doesNotMatch(stack.log(), /signal|error /);
  });
});

test('a name that does not exist, looked up here and not by a proxy', async () => {
  const stack = await startStack({ origin: false, bin });
  try {
    assertProblem(await stack.info('https://no-such-name.invalid/film.mp4'), 502, 'upstream_failed');
  } finally {
    await stack.stop();
  }
});

test('client profiles that an operator replaces are picked up', async () => {
  const file = path.join(scratch, 'profiles/clients.json');
  const text = readFileSync(path.join(root, 'src/site/youtube/clients.json'), 'utf8');
  mkdirSync(path.dirname(file));
  writeFileSync(file, text);
  const stack = await startStack({ origin, bin, env: { SLUICE_CLIENTS_FILE: file, SLUICE_CACHE_TTL_S: '0' } });
  const engine = async () => (await stack.info(watch('sluiceDemo1'))).json().engine;
  try {
    const usual = (await engine()).split(':')[1];
    writeFileSync(`${file}.new`, text.replaceAll(`"${usual}"`, '"another"'));
    renameSync(`${file}.new`, file);
    await until(async () => (await engine()) === 'youtube:another', 'the new profile', 5000);
  } finally {
    await stack.stop();
  }
});

test('plain CGI', async () => {
  const { exit, stdout, stderr } = await cgi('/health', { SLUICE_LOG_LEVEL: 'debug' });
  assert.equal(exit, 0, stderr);
  const { sandbox } = JSON.parse(stdout.toString().split('\r\n\r\n')[1]);
  assert.match(stderr, new RegExp(`debug info.fcgi sandbox level="${sandbox.replace('+', '\\+')}"`));
  assert.match(sandbox, (await machineHasAll()) ? /^landlock\+seccomp$/ : /^(landlock|seccomp|no_new_privs)$/);
});

test('off leaves no_new_privs', async () => {
  const stack = await startStack({ origin, bin, env: { SLUICE_SANDBOX: 'off' } });
  try {
    assert.equal((await stack.get('/health')).json().sandbox, 'no_new_privs');
    const entered = () => status(stack.processes('stream.fcgi')[0].pid);
    await until(() => entered().NoNewPrivs === '1', 'stream.fcgi to have entered it');
    assert.equal(entered().Seccomp, status('self').Seccomp);
  } finally {
    await stack.stop();
  }
});

test('a socket of its own is removed at the end', async () => {
  const dir = path.join(scratch, 'own');
  const socket = path.join(dir, 'info.sock');
  mkdirSync(dir);
  const child = spawn(path.join(bin, 'info.fcgi'), ['--socket', socket], { env: env(), stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await until(() => existsSync(socket), 'the socket');
  await until(() => status(child.pid).NoNewPrivs === '1' && status(child.pid).Threads > 10, 'the threads');
  child.kill('SIGTERM');
  assert.equal(await ended, 0);
  assert.ok(!existsSync(socket));
});

test('a setting that does not exist', async () => {
  const { exit, stderr } = await cgi('/livez', { SLUICE_SANDBOX: 'maybe' });
  assert.notEqual(exit, 0);
  assert.match(stderr, /sandbox must be one of: on off required/);
});
