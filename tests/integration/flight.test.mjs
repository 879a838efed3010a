// Many who ask for the same video at once make one call upstream: within one program, between programs, and as
// plain CGI processes that know nothing of each other.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';

import { assertProblem, programEnv, programs, run, startStack, until } from './harness.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;
const times = (n, make) => Promise.all(Array.from({ length: n }, (_, i) => make(i)));
const calls = async (video) => (await stack.origin.requests()).filter((entry) => entry.client && entry.video === video).length;
let stack;
let other;

before(async () => {
  stack = await startStack();
  other = await startStack({ dataDir: stack.dataDir, origin: stack.origin });
  await stack.info(watch('sluiceKids1')); // both clients have a visitor from here on
});
beforeEach(async () => {
  await stack.origin.reset();
  await stack.origin.script({ match: { path: '/youtubei/*' }, times: Infinity, action: { type: 'delay', ms: 400 } });
});
after(async () => {
  await other?.stop();
  await stack?.stop();
});

test('a hundred at once', async () => {
  const answers = await times(100, () => stack.info(watch('sluiceDemo1')));
  for (const answer of answers) assert.equal(answer.status, 200, answer.text());
  assert.equal(await calls('sluiceDemo1'), 1);
});

test('info and stream, in two installations that share their data', async () => {
  const answers = await times(60, (i) =>
    [stack, other][i % 2][i % 3 ? 'info' : 'stream'](watch('sluiceBig01'), 'format-140', i % 3 ? {} : { method: 'HEAD' }),
  );
  for (const answer of answers) assert.equal(answer.status, 200, answer.text());
  assert.equal(await calls('sluiceBig01'), 1);
});

test('plain CGI processes', async () => {
  const { origin, dataDir, scratch } = stack;
  const query = new URLSearchParams({ url: watch('sluiceLong1') });
  const env = programEnv(scratch, {
    PROXY_URL: origin.proxyUrl,
    SLUICE_UPSTREAM_CA_FILE: origin.caFile,
    SLUICE_DATA_DIR: dataDir,
    GATEWAY_INTERFACE: 'CGI/1.1',
    REQUEST_METHOD: 'GET',
    SERVER_PROTOCOL: 'HTTP/1.1',
    REQUEST_URI: `/api/v1/info?${query}`,
    QUERY_STRING: `${query}`,
  });
  const answers = await times(12, () => run(path.join(programs, 'info.fcgi'), [], { env }));
  for (const answer of answers) assert.match(answer.stdout.toString(), /"id":"sluiceLong1"/, answer.stderr);
  assert.equal(await calls('sluiceLong1'), 1);
});

test('different videos do not wait for each other', async () => {
  const started = Date.now();
  await times(8, (i) => stack.info(watch(`sluiceYy${i}00`)));
  assert.ok(Date.now() - started < 8 * 400, `${Date.now() - started} ms`);
});

test('when the one call fails, it fails for all who waited; soon it is tried again', async () => {
  await stack.origin.reset();
  await stack.origin.script({ match: { path: '/youtubei/*' }, times: Infinity, action: { type: 'status', status: 500 } });
  const answers = await times(100, () => stack.info(watch('sluiceDubs1')));
  for (const answer of answers) assertProblem(answer, 502, 'upstream_failed');
  const made = await calls('sluiceDubs1');
  assert.ok(made <= 8, `${made} calls for 100 requests`);
  await stack.origin.reset();
  await until(async () => (await stack.info(watch('sluiceDubs1'))).status === 200, 'another try', 15000);
});
