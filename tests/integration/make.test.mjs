// The README's first command, as a person types it: `make run`, and Ctrl-C.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { alive, descendants, freePort, request, root, scratchDir, until } from './harness.mjs';

describe('make run', () => {
  const scratch = scratchDir();
  const dataDir = path.join(scratch, 'data');
  after(() => rmSync(scratch, { recursive: true, force: true }));

  // Starts it in a process group of its own, as a terminal does; stop() is Ctrl-C, which reaches the whole group.
  async function makeRun() {
    const port = await freePort();
    const env = { ...process.env, MAKEFLAGS: '', MAKELEVEL: '' };
    for (const name of Object.keys(env)) if (/^(SLUICE_|PROXY_URL$|NODE_TEST)/.test(name)) delete env[name];
    const child = spawn('make', ['-C', root, '--no-print-directory', 'run', `PORT=${port}`, `DATA_DIR=${dataDir}`], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env,
    });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text));
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const base = `http://127.0.0.1:${port}`;
    await until(async () => (await request(base, '/livez', { timeoutMs: 2000 })).status === 200, 'make run to serve', 120000);
    await until(() => said.includes(`${base}/`), 'the address to be printed');
    const family = descendants(child.pid).map((row) => row.pid);
    const names = descendants(child.pid).map((row) => row.name);
    async function stop() {
      process.kill(-child.pid, 'SIGINT');
      await Promise.race([ended, sleep(15000, undefined, { ref: false })]);
      await until(() => !family.some(alive), 'every process to be gone', 3000);
    }
    return { base, names, stop, said: () => said };
  }

  it('serves where it is told, and Ctrl-C leaves no process behind', async () => {
    const run = await makeRun();
    for (const name of ['info.fcgi', 'stream.fcgi', 'lighttpd']) assert.ok(run.names.includes(name), `${name} descends from make run`);
    assert.match((await request(run.base, '/')).text(), /<title>Sluice<\/title>/);
    await run.stop();
    assert.ok(existsSync(path.join(dataDir, 'sluice.db')));
  });

  it('reuses its data the second time', async () => {
    const run = await makeRun();
    const health = await request(run.base, '/health');
    assert.equal(health.json().status, 'ok');
    await run.stop();
    assert.doesNotMatch(run.said(), /\b(warn|error)\b/);
  });
});
