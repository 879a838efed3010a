// The life of an installation: it starts, ends without leaving anything, keeps its data, and survives the violent
// death of any of its processes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { forkOrigin } from '../origin/origin.mjs';
import {
  alive,
  descendants,
  freePort,
  programEnv,
  programs,
  request,
  root,
  run,
  scratchDir,
  sha256,
  startStack,
  until,
} from './harness.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;
let origin;
let scratch;
let dataDir;

before(async () => {
  origin = await forkOrigin();
  scratch = scratchDir();
  dataDir = path.join(scratch, 'some where', 'data'); // with a space, and not there yet
});
after(async () => {
  await origin.stop();
  rmSync(scratch, { recursive: true, force: true });
});

async function linkTo(stack, choice = 'format-140') {
  const answer = await stack.info(watch('sluiceDemo1'));
  assert.equal(answer.status, 200, answer.text());
  return answer.json().choices.find((one) => one.id === choice).stream_url;
}

describe('start and end', () => {
  let link;

  test('Ctrl-C ends everything', async (t) => {
    const stack = await startStack({ dataDir, origin });
    t.after(() => stack.stop());
    const expected = { 'info.fcgi': 1, 'stream.fcgi': 1, lighttpd: 3 }; // one, and its two workers
    for (const name in expected) await until(() => stack.processes(name).length === expected[name], `${expected[name]} ${name}`);
    link = await linkTo(stack);
    assert.match(stack.log(), new RegExp(`http://127\\.0\\.0\\.1:${stack.port}/`));
    await stack.stop({ signal: 'SIGINT' });
  });

  test('the next run has the same data: links of the first one work, and nothing is asked again', async (t) => {
    await origin.reset();
    const stack = await startStack({ dataDir, origin });
    t.after(() => stack.stop());
    assert.equal((await stack.get(link)).body.length, origin.media['short-140.m4a'].size);
    assert.equal((await origin.requests()).filter((entry) => entry.client).length, 0);
    await stack.stop({ signal: 'SIGTERM' });
  });

  test('with streams under way', async (t) => {
    const stack = await startStack({ origin });
    t.after(() => stack.stop());
    await origin.script({ match: { path: '/videoplayback' }, times: Infinity, action: { type: 'drip', rate: 200000 } });
    const answers = [1, 2, 3].map(() => stack.stream(watch('sluiceBig01'), 'format-137'));
    await until(async () => (await stack.get('/health')).json().workers.active === 3, 'three streams');
    const started = Date.now();
    await stack.stop();
    assert.ok(Date.now() - started < 10000, `${Date.now() - started} ms`);
    for (const answer of await Promise.all(answers)) assert.equal(answer.complete, false);
    await origin.reset();
  });

  test('a port that is taken is named in plain words', async () => {
    const server = net.createServer();
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address();
    const out = await run(path.join(programs, 'sluice'), ['serve', '--port', String(port), '--data-dir', dataDir], {
      env: programEnv(scratch),
      timeout: 10000,
    });
    assert.notEqual(out.exit, 0);
    assert.match(out.stderr, new RegExp(`${port}`));
    server.close();
  });

  test('a setting that is wrong is named', async () => {
    const out = await run(path.join(programs, 'sluice'), ['serve', '--port', String(await freePort()), '--data-dir', dataDir], {
      env: programEnv(scratch, { SLUICE_TOKEN_TTL_S: 'soon' }),
      timeout: 10000,
    });
    assert.notEqual(out.exit, 0);
    assert.match(out.stderr, /SLUICE_TOKEN_TTL_S/);
  });

  test('--check-config finds what the programs would stumble over', async () => {
    const check = (env) =>
      run(path.join(programs, 'sluice'), ['--check-config'], { env: programEnv(scratch, env), timeout: 10000 });
    const clients = path.join(scratch, 'clients.json');
    writeFileSync(clients, '{"version": 1}');
    for (const [env, says] of [
      [{ SLUICE_PROXY_URL: 'http://proxy.example' }, /proxy_url/],
      [{ SLUICE_UPSTREAM_PORTS: Array.from({ length: 40 }, (_, i) => i + 1).join(',') }, /ports/],
      [{ SLUICE_CLIENTS_FILE: path.join(scratch, 'nowhere.json') }, /nowhere\.json/],
      [{ SLUICE_CLIENTS_FILE: clients }, /missing/],
    ]) {
      const out = await check(env);
      assert.equal(out.exit, 1, JSON.stringify(env));
      assert.match(out.stderr, says);
    }
    assert.equal((await check({})).exit, 0);
  });

  test('a program that does not start ends everything, and says why', async () => {
    const data = path.join(scratch, 'damaged');
    mkdirSync(data);
    writeFileSync(path.join(data, 'sluice.db'), 'no database at all '.repeat(100));
    const out = await run(path.join(programs, 'sluice'), ['serve', '--port', String(await freePort()), '--data-dir', data], {
      env: programEnv(scratch),
      timeout: 20000,
    });
    assert.equal(out.exit, 1);
    assert.match(out.stderr, /sluice\.db is damaged/);
    assert.match(out.stderr, /(info|stream|admin)\.fcgi does not start/);
  });

  test('a second run on another port, with the same data, leaves the first one alone', async (t) => {
    const [one, two] = [await startStack({ dataDir, origin }), await startStack({ dataDir, origin })];
    t.after(() => Promise.all([one.stop(), two.stop()]));
    const served = (stack) => stack.log().split('route="/livez"').length - 1;
    await until(() => served(two) > 0, 'its own first answer to be logged');
    await sleep(300);
    const first = served(two);
    assert.equal((await one.get('/livez')).status, 200);
    await until(() => served(one) > 1, 'the answer to be logged');
    await sleep(300);
    assert.equal(served(two), first, 'answered by the other run');
    await two.stop();
    assert.equal((await one.get('/livez')).status, 200);
    assert.equal((await one.get('/api/v1/stream')).status, 400);
    await one.stop();
    assert.deepEqual(readdirSync(dataDir).filter((name) => name.startsWith('run')), [], 'sockets are taken away');
  });

  test('a data directory that cannot be written is named', async () => {
    const out = await run(
      path.join(programs, 'sluice'),
      ['serve', '--port', String(await freePort()), '--data-dir', '/proc/nowhere'],
      { env: programEnv(scratch), timeout: 10000 },
    );
    assert.notEqual(out.exit, 0);
    assert.match(out.stderr, /\/proc\/nowhere/);
  });
});

describe('violent deaths', () => {
  let stack;
  before(async () => (stack = await startStack({ origin })));
  after(() => stack?.stop());

  for (const name of ['info.fcgi', 'stream.fcgi', 'lighttpd']) {
    test(`kill -9 of ${name}: it comes back, links work`, async () => {
      const link = await linkTo(stack);
      const [{ pid }] = stack.processes(name);
      process.kill(pid, 'SIGKILL');
      await until(() => stack.processes(name).some((row) => row.pid !== pid), 'the new process', 5000);
      const answer = await until(
        async () => {
          const got = await stack.get(link);
          return got.status === 200 && got.complete && got;
        },
        'the link to work',
        5000,
      );
      assert.equal(answer.body.length, origin.media['short-140.m4a'].size);
      assert.equal((await stack.info(watch('sluiceDemo1'))).status, 200);
    });
  }

  test('/health answers within 2 s while stream.fcgi is away', async () => {
    for (let i = 0; i < 3; i++) {
      const [{ pid }] = stack.processes('stream.fcgi');
      process.kill(pid, 'SIGKILL');
      const answer = await stack.get('/health', { timeoutMs: 2000 });
      assert.equal(answer.status, 200);
      assert.deepEqual(Object.keys(answer.json().workers).sort(), ['active', 'max', 'waiting']);
      await until(() => stack.processes('stream.fcgi').some((row) => row.pid !== pid), 'the new process', 5000);
    }
  });

  test('kill -9 with streams under way gives their places back', async () => {
    await until(async () => (await stack.get('/api/v1/stream')).status === 400, 'stream.fcgi');
    await origin.reset();
    await origin.script({ match: { path: '/videoplayback' }, times: Infinity, action: { type: 'drip', rate: 200000 } });
    const answers = [1, 2, 3].map(() => stack.stream(watch('sluiceBig01'), 'format-137'));
    const sent = async () => (await origin.requests()).filter((entry) => entry.path === '/videoplayback' && entry.bytes > 100000);
    await until(async () => (await sent()).length === 3, 'three streams');
    assert.equal((await stack.get('/health')).json().workers.active, 3);
    const killed = Date.now();
    process.kill(stack.processes('stream.fcgi')[0].pid, 'SIGKILL');
    assert.equal((await stack.info(watch('sluiceBig01'))).status, 200, 'the other program goes on');
    await until(async () => (await stack.get('/health')).json().workers.active === 0, 'their places', 1000 - (Date.now() - killed));
    for (const answer of await Promise.all(answers)) assert.equal(answer.complete, false, 'a cut stream does not look whole');
    await origin.reset();
    await until(async () => (await stack.get('/api/v1/stream')).status === 400, 'the new process');
    const again = await stack.stream(watch('sluiceBig01'), 'format-137');
    assert.ok(again.status === 200 && again.complete, 'and streams again');
  });

  test('kill -9 of the process that asks the site: another one asks', async () => {
    await origin.script({ match: { path: '/youtubei/*', video: 'sluiceDubs1' }, times: 1, action: { type: 'stall', after: -1 } });
    const first = stack.info(watch('sluiceDubs1'));
    await until(async () => (await origin.requests()).some((entry) => entry.client && entry.video === 'sluiceDubs1'), 'the call');
    process.kill(stack.processes('info.fcgi')[0].pid, 'SIGKILL');
    await first;
    const answer = await until(
      async () => {
        const got = await stack.info(watch('sluiceDubs1'));
        return got.status === 200 && got;
      },
      'another answer',
      10000,
    );
    assert.equal(answer.json().id, 'sluiceDubs1');
    await origin.reset();
  });

  test('kill -9 at any time leaves a database that is whole', async () => {
    for (let i = 0; i < 10; i++) {
      const asked = [0, 1, 2, 3].map((n) => stack.info(watch(`sluiceXx${i}${n}0`)));
      await sleep(i * 7);
      const [row] = stack.processes('info.fcgi');
      if (row) process.kill(row.pid, 'SIGKILL');
      await Promise.all(asked);
    }
    await until(async () => (await stack.get('/readyz')).status === 200, '/readyz', 10000);
  });

  test('kill -9 of sluice itself takes the programs with it', async (t) => {
    const doomed = await startStack({ origin });
    t.after(() => doomed.stop().catch(() => {}));
    const family = doomed.processes().map((row) => row.pid);
    assert.ok(family.length >= 3);
    process.kill(doomed.pid, 'SIGKILL');
    await until(() => !family.some(alive), 'the end of the family', 10000);
    await assert.rejects(doomed.stop(), /exit code/);
  });
});

test('the demo: sample links work, Ctrl-C leaves no process', async () => {
  const port = await freePort();
  const data = path.join(scratch, 'demo');
  mkdirSync(data);
  const demo = spawn(process.execPath, [path.join(root, 'tests/origin/demo.mjs'), '--port', String(port), '--data-dir', data], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
    env: programEnv(scratch, { SLUICE_BIN: programs }),
  });
  let said = '';
  demo.stdout.setEncoding('utf8').on('data', (text) => (said += text));
  const ended = new Promise((resolve) => demo.once('exit', (code) => resolve(code)));
  const base = `http://127.0.0.1:${port}`;
  await until(async () => (await request(base, '/livez')).status === 200, 'the demo');
  const [sample] = /https:\/\/www\.youtube\.com\/\S+/.exec(said);
  const d = (await request(base, `/api/v1/info?${new URLSearchParams({ url: sample })}`)).json();
  const { stream_url: link, size_bytes: size } = d.choices.find((choice) => choice.id === 'format-140');
  const answer = await request(base, link);
  assert.equal(answer.body.length, size);
  assert.equal(sha256(answer.body).length, 64);
  const family = [demo.pid, ...descendants(demo.pid).map((row) => row.pid)];
  process.kill(-demo.pid, 'SIGINT'); // as a terminal does: to the whole group
  assert.equal(await ended, 0);
  await until(() => !family.some(alive), 'the end of the family', 5000);
});
