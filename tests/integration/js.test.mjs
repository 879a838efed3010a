// Videos that only a client which runs the player script can have, and what a player script can do to us.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import vm from 'node:vm';

import { playerScript, scramble, solveN } from '../origin/player.mjs';
import { alive, assertNoSanitizerReports, assertProblem, descendants, programEnv, programs, root, run, scratchDir, sha256, startStack, until } from './harness.mjs';
import { op, startKeeper } from './keeper.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;
const fetched = async (origin, what) => (await origin.requests()).filter((entry) => JSON.stringify(entry).includes(what)).length;

// The solver in node, on the same parser.
function prepareInNode(source) {
  const context = vm.createContext({});
  for (const file of ['www/node_modules/acorn/dist/acorn.js', 'src/site/youtube/challenges/solver.js'])
    vm.runInContext(readFileSync(path.join(root, file), 'utf8'), context);
  context.source = source;
  return vm.runInContext('sluicePrepare(source)', context);
}

async function compareWithNode(source) {
  const prepared = prepareInNode(source);
  const script = prepared.slice(prepared.indexOf('\n') + 1);
  const questions = [
    ['AJfQdSswRQIhAKGhdOMHKRD1Bn4Ce2Kz5WcPVbqoLtKdXYHFhyUgXGN-AiBjr0kS7C3Xs2uP9wQzW1vEoFaTLiMnbYlVr-4_ZxDc8g==', 'ZdZIqFPQK-Ty8wI'],
    [null, 'NsKvLPlvkkdJ9Xc4y'],
    ['0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ', null],
  ];
  const context = vm.createContext({});
  vm.runInContext(script, context);
  context.questions = JSON.stringify(questions);
  const expected = vm.runInContext(
    'JSON.stringify(JSON.parse(questions).map(function (q) { var a = sluiceSolve(q[0], q[1]); return [a.sig, a.n]; }))',
    context,
  );
  const keeper = startKeeper(programs);
  try {
    const answer = await keeper.ask(op.prepare, source);
    assert.deepEqual([answer.op, sha256(answer.text)], [op.text, sha256(prepared)]);
    assert.equal((await keeper.ask(op.load, `p\0${script}`)).op, op.done);
    assert.deepEqual(await keeper.ask(op.solve, `p\0${JSON.stringify(questions)}`), { op: op.text, text: expected });
    return JSON.parse(expected);
  } finally {
    keeper.stop();
  }
}

describe('the solver', () => {
  test('the stand-in player: as in node, and right', async () => {
    const solved = await compareWithNode(playerScript);
    assert.equal(solved[1][1], solveN('NsKvLPlvkkdJ9Xc4y'));
    assert.equal(scramble(solved[2][0]).length, 62);
  });

  const real = process.env.SLUICE_TEST_PLAYER ?? '';
  test('a real player, as in node', { skip: !existsSync(real) && 'SLUICE_TEST_PLAYER names none' }, () =>
    compareWithNode(readFileSync(real, 'utf8')),
  );
});

describe('videos that need the player script', () => {
  let stack;
  before(async () => {
    stack = await startStack({ env: { SLUICE_PREPARE: '0' } });
  });
  after(() => stack?.stop());

  test('are described and sent, byte by byte', async () => {
    const answer = await stack.info(watch('sluiceJs001'));
    assert.equal(answer.status, 200, answer.text() + stack.log());
    const d = answer.json();
    assert.equal(d.engine, 'youtube:web_embedded');
    assert.deepEqual(d.formats.map((format) => format.id).sort(), ['134', '136', '140', '251']);
    for (const [choice, file] of [
      ['format-140', 'short-140.m4a'],
      ['format-251', 'short-251.webm'],
    ]) {
      const media = await stack.stream(watch('sluiceJs001'), choice);
      assert.equal(media.status, 200, media.text());
      assert.equal(sha256(media.body), sha256(readFileSync(stack.origin.media[file].path)), choice);
    }
    assert.equal((await stack.stream(watch('sluiceJs001'), '720p-mp4')).status, 200);
    assert.equal(await fetched(stack.origin, '/base.js'), 1, 'the player is fetched once');
    assert.deepEqual(readdirSync(path.join(stack.dataDir, 'players')).length, 1);
  });

  test('survive the death of the child', async () => {
    const children = stack.processes('sluice-js');
    assert.ok(children.length > 0);
    for (const { pid } of children) process.kill(pid, 'SIGKILL');
    const answer = await stack.info(watch('sluiceJs002'));
    assert.equal(answer.status, 200, answer.text() + stack.log());
    assert.equal(await fetched(stack.origin, '/base.js'), 1, 'nor is it fetched again');
  });

  test('survive the death of the keeper, and of all that solves in the middle of it', async () => {
    const keepers = () => stack.processes('sluice-keep').filter(({ parent }) => stack.processes('sluice-keep').some(({ pid }) => pid === parent));
    assert.ok(keepers().length > 0);
    for (const { pid } of keepers()) process.kill(pid, 'SIGKILL');
    const answer = await stack.info(watch('sluiceJs003'));
    assert.equal(answer.status, 200, answer.text() + stack.log());
    assert.ok(keepers().length > 0);
    // In the middle of solving: both at once, as often as it takes to hit it.
    const asked = Promise.all([4, 5, 6, 7].map((n) => stack.info(watch(`sluiceJs00${n}`))));
    for (let i = 0; i < 3; i++) {
      await sleep(40);
      for (const { pid } of [...keepers(), ...stack.processes('sluice-js')].slice(i % 2)) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // it has ended by itself
        }
      }
    }
    for (const one of await asked) assert.ok([200, 403, 502, 503].includes(one.status), one.text());
    const after_ = await stack.info(watch('sluiceJs008'));
    assert.equal(after_.status, 200, after_.text() + stack.log());
  });

  test('survive the death of all that solves and of who watches over it: the program is replaced, at the cost of one retry', async () => {
    const [old] = stack.processes('info.fcgi');
    await until(() => stack.processes('sluice-keep').some(({ parent }) => parent === old.pid), 'a guard');
    await sleep(2000); // a program that has hardly begun is not replaced
    await stack.origin.reset();
    for (const { pid } of stack.processes('sluice-keep')) process.kill(pid, 'SIGKILL');
    const first = await stack.info(watch('sluiceJs00a'));
    if (first.status !== 200) {
      assertProblem(first, 503, 'busy');
      assert.ok(first.headers['retry-after'] <= 3);
      await sleep(first.headers['retry-after'] * 1000);
    }
    const again = await stack.info(watch('sluiceJs00a'));
    assert.equal(again.status, 200, again.text() + stack.log());
    await until(() => !alive(old.pid), 'the end of the old one');
    assert.match(stack.log(), /helpers-gone which="player scripts" then="replaced"/);
    for (const { pid } of stack.processes().filter(({ name }) => /^(info|stream|admin)\.fcgi$/.test(name)))
      await until(() => stack.processes('sluice-keep').some(({ parent }) => parent === pid), `the guard of ${pid}`);
  });

  test('by a plain CGI process, which leaves nothing behind', async () => {
    const count = stack.processes().length;
    const { exit, stdout } = await run(path.join(programs, 'info.fcgi'), [], {
      env: programEnv(stack.scratch, {
        PROXY_URL: stack.origin.proxyUrl,
        SLUICE_UPSTREAM_CA_FILE: stack.origin.caFile,
        SLUICE_DATA_DIR: stack.dataDir,
        GATEWAY_INTERFACE: 'CGI/1.1',
        REQUEST_METHOD: 'GET',
        SERVER_PROTOCOL: 'HTTP/1.1',
        SCRIPT_NAME: '/api/v1/info',
        REQUEST_URI: `/api/v1/info?url=${encodeURIComponent(watch('sluiceJs009'))}`,
        QUERY_STRING: `url=${encodeURIComponent(watch('sluiceJs009'))}`,
      }),
    });
    assert.equal(exit, 0);
    assert.match(stdout.toString(), /"engine":\s*"youtube:web_embedded"/);
    assert.ok(stack.processes().length <= count); // what was killed above may have ended meanwhile
  });
});

test('a program on its own that lost all that solves ends, for its web server to start it again', async () => {
  const dir = scratchDir();
  const child = spawn(path.join(programs, 'info.fcgi'), ['--socket', path.join(dir, 's')], { env: programEnv(dir, { SLUICE_DATA_DIR: path.join(dir, 'data') }), stdio: 'ignore' });
  const end = new Promise((resolve) => child.on('exit', (code, signal) => resolve({ code, signal })));
  try {
    const guards = await until(() => {
      const rows = descendants(child.pid).filter(({ name }) => name === 'sluice-keep');
      return existsSync(path.join(dir, 's')) && rows.length > 0 && rows;
    }, 'the guard');
    for (const { pid } of guards) process.kill(pid, 'SIGKILL');
    assert.deepEqual(await end, { code: 0, signal: null });
    assertNoSanitizerReports(dir);
  } finally {
    child.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
});

test('a player that never ends costs its own request and nothing else', async () => {
  const stack = await startStack({ env: { SLUICE_PREPARE: '0' } });
  try {
    await stack.origin.configure({ playerScript: playerScript.replace("'use strict';", "'use strict';for(;;);") });
    const slow = stack.info(watch('sluiceJs001'));
    await until(() => stack.processes('sluice-js').length > 0, 'the child');
    assert.equal((await stack.info(watch('sluiceDemo1'))).status, 200);
    assertProblem(await slow, 403, 'age_restricted');
    assert.deepEqual(stack.processes('sluice-js'), []);
    assert.ok(stack.processes('sluice-keep').every(({ pid }) => alive(pid)));
  } finally {
    await stack.stop();
  }
});
