// The programs in the documentation, run as they stand there: each brings the file it promises.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { programEnv, root, run, sha256, startStack } from './harness.mjs';

const folder = path.join(root, 'www/docs/examples');
const demo = 'https://www.youtube.com/watch?v=sluiceDemo1';
const long = 'https://youtu.be/sluiceLong1';
let stack;

before(async () => { stack = await startStack(); });
after(() => stack?.stop());

// Runs one in an empty folder; { stdout, files: name → data }.
async function example(file, ...args) {
  const cwd = path.join(stack.scratch, file);
  mkdirSync(cwd);
  const [program] = { sh: ['sh'], py: ['/usr/bin/python3'], mjs: [process.execPath] }[file.split('.').at(-1)];
  const done = await run(program, [path.join(folder, file), ...args], { cwd, timeout: 60000, env: programEnv(cwd, { SLUICE: stack.base, no_proxy: '*', PYTHONIOENCODING: 'utf-8' }) });
  assert.equal(done.exit, 0, done.stderr);
  return { stdout: done.stdout.toString(), files: new Map(readdirSync(cwd).sort().map((name) => [name, readFileSync(path.join(cwd, name))])) };
}

async function wanted(url, choice) {
  const answer = await stack.stream(url, choice);
  assert.equal(answer.status, 200, answer.status < 400 ? '' : answer.text());
  return sha256(answer.body);
}

describe('examples', () => {
  test('best.sh', async () => {
    const { files } = await example('best.sh');
    const [[name, data]] = files;
    assert.equal(files.size, 1);
    assert.match(name, /^Sluice demo.*\.mp4$/);
    assert.equal(sha256(data), await wanted(demo, 'best'));
  });

  test('every-part.sh', async () => {
    const { stdout, files } = await example('every-part.sh');
    assert.match(stdout, /^Sluice demo: twenty seconds\n(?:.*\n)*format-140\t/);
    assert.deepEqual([...files.values()].map(sha256).sort(), (await Promise.all([demo, long].map((link) => wanted(link, 'audio-mp3-128')))).sort());
  });

  test('download.py', async () => {
    const { preselected } = (await stack.info(long)).json();
    const hash = await wanted(long, preselected);
    const { stdout, files } = await example('download.py', long);
    assert.match(stdout, /^sluiceLong1\.mp4 \d+\n$/);
    assert.deepEqual([...files].map(([name, data]) => [name, sha256(data)]), [['sluiceLong1.mp4', hash]]);
  });

  test('many.py', async () => {
    const { stdout, files } = await example('many.py', demo, long, 'https://youtu.be/sluicePriv1');
    assert.equal(stdout.trim().split('\n').length, 2);
    assert.deepEqual([...files.values()].map(sha256).sort(), (await Promise.all([demo, long].map((link) => wanted(link, '<=480p')))).sort());
  });

  test('choose.mjs', async () => {
    const { files } = await example('choose.mjs', demo);
    assert.deepEqual([...files.keys()].length, 1);
    const [[name, data]] = files;
    const choices = (await stack.info(demo)).json().choices.filter(({ kind, formats, height }) => kind === 'video' && formats.length > 1 && height >= 360).sort((a, b) => a.size_bytes - b.size_bytes);
    assert.equal(name, `sluiceDemo1.${choices[0].container}`);
    assert.ok(data.length > 100000);
  });

  test('each is shown in the documentation as it is here', () => {
    const page = readFileSync(path.join(root, 'build/www/docs/examples.html'), 'utf8').replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code));
    for (const file of readdirSync(folder)) assert.ok(page.includes(readFileSync(path.join(folder, file), 'utf8')), file);
  });
});
