// Ways out: proxies by weight and health, one way for an extraction and its media, cookies that stay with their
// host, and taking turns.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { forkOrigin } from '../origin/origin.mjs';
import { assertProblem, freePort, programs, root, run, scratchDir, sha256, startStack } from './harness.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;
const isApi = ({ path: where }) => /^\/youtubei\//.test(where);
const isMedia = ({ path: where }) => where === '/videoplayback';

describe('ways out', () => {
  let origin;
  let stack;
  let next = 0;
  const fresh = () => watch(`sluiceV${String(next++).padStart(4, '0')}`);
  before(async () => {
    origin = await forkOrigin();
  });
  after(() => origin?.stop());
  beforeEach(() => origin.reset());
  afterEach(async () => {
    await stack?.stop();
    stack = undefined;
  });
  const start = async (env) => {
    stack = await startStack({ origin, env: { SLUICE_PREPARE: '0', ...env } });
  };
  const vias = async (which) => [...new Set((await origin.requests()).filter(which).map(({ via }) => via))].sort();

  test('what was extracted by one is fetched by the same', async () => {
    await start({ PROXY_URL: `${origin.proxyUrls[1]} ${origin.proxyUrls[2]}` });
    const used = new Set();
    for (let i = 0; i < 24 && used.size < 2; i++) {
      await origin.reset();
      const link = fresh();
      // URLs are signed over the address that asked: by the other way they would be refused.
      const answer = await stack.stream(link, 'format-140');
      assert.equal(answer.status, 200, answer.text());
      assert.equal(sha256(answer.body), sha256(readFileSync(origin.media['short-140.m4a'].path)));
      const [via, ...others] = await vias((one) => isApi(one) || isMedia(one));
      assert.deepEqual(others, []);
      assert.equal((await origin.requests()).filter(({ status }) => status === 403).length, 0);
      used.add(via);
    }
    assert.deepEqual([...used].sort(), [1, 2], 'both are used');
    // And subtitles.
    for (let i = 0; i < 6; i++) {
      await origin.reset();
      const { subtitles } = (await stack.info(fresh())).json();
      assert.equal((await stack.get(subtitles[0].stream_url)).status, 200);
      assert.equal((await vias((one) => isApi(one) || one.path === '/api/timedtext')).length, 1);
    }
    // Merged files, too: their index comes by range calls.
    await origin.reset();
    assert.equal((await stack.stream(fresh(), '720p-mp4')).status, 200);
    assert.equal((await vias((one) => isApi(one) || isMedia(one))).length, 1);
  });

  test('by weight', async () => {
    await start({ PROXY_URL: `${origin.proxyUrls[1]}*1000, ${origin.proxyUrls[2]}` });
    for (let i = 0; i < 12; i++) assert.equal((await stack.info(fresh())).status, 200);
    const calls = (await origin.requests()).filter(isApi);
    assert.ok(calls.filter(({ via }) => via === 1).length >= calls.length - 3);
  });

  test('one that cannot be reached costs no request', async () => {
    const dead = `http://127.0.0.1:${await freePort()}`;
    await start({ PROXY_URL: `${dead}*20 ${origin.proxyUrls[1]}` });
    for (let i = 0; i < 6; i++) {
      const answer = await stack.info(fresh());
      assert.equal(answer.status, 200, answer.text());
    }
    assert.deepEqual(await vias(isApi), [1]);
  });

  test('one that the site told to wait is left alone', async () => {
    await start({ PROXY_URL: `${origin.proxyUrls[1]}*20 ${origin.proxyUrls[2]}` });
    const rule = { times: Infinity, action: { type: 'status', status: 429, headers: { 'Retry-After': '60' } } };
    await origin.script({ match: { via: 1, path: '/youtubei/*' }, ...rule });
    for (let i = 0; i < 6; i++) assert.equal((await stack.info(fresh())).status, 200);
    const refused = (await origin.requests()).filter(({ via }) => via === 1);
    assert.ok(refused.filter(isApi).length <= 8, `${refused.length} questions by the one that is to wait`);
    assert.ok((await vias(isApi)).includes(2));
    // By now it is known; and when the other one has to wait, too, nobody is asked.
    await origin.script({ match: { via: 2, path: '/youtubei/*' }, ...rule });
    assertProblem(await stack.info(fresh()), 502, 'rate_limited_upstream');
    await origin.reset();
    const problem = assertProblem(await stack.info(fresh()), 502, 'rate_limited_upstream');
    assert.equal(problem.retryable, true);
    assert.equal((await origin.requests()).filter(isApi).length, 0, 'nobody was asked');
  });

  test('cookies go to their host and to no other', async () => {
    const dir = scratchDir();
    try {
      mkdirSync(path.join(dir, 'jar'));
      const jar = (name) => writeFileSync(path.join(dir, 'jar/site.txt'), `# Netscape HTTP Cookie File\nmedia.example\tFALSE\t/\tTRUE\t0\t${name}\tsecret\n`);
      jar('session');
      await start({ SLUICE_COOKIES_DIR: path.join(dir, 'jar') });
      const clip = (n) => `https://media.example/clip.mp4?${n}`;
      const cookies = async (host) => [...new Set((await origin.requests()).filter((one) => one.host === host && one.method !== 'CONNECT').map(({ headers }) => headers.cookie))];
      assert.equal((await stack.stream(clip(1), 'format-source')).status, 200);
      assert.deepEqual(await cookies('media.example'), ['session=secret'], 'to look at it, and for all of its bytes');

      await origin.reset();
      await origin.script({ match: { host: 'media.example' }, times: Infinity, action: { type: 'redirect', to: 'https://cdn.example/clip.mp4' } });
      assert.equal((await stack.stream(clip(2), 'format-source')).status, 200);
      assert.deepEqual(await cookies('media.example'), ['session=secret']);
      assert.deepEqual(await cookies('cdn.example'), [undefined], 'a redirect takes nothing along');

      await origin.reset();
      assert.equal((await stack.info(fresh())).status, 200);
      assert.deepEqual(await cookies('www.youtube.com'), [undefined]);

      jar('renewed');
      await sleep(2200);
      await origin.reset();
      assert.equal((await stack.info(clip(3))).status, 200);
      assert.deepEqual(await cookies('media.example'), ['renewed=secret']);
      assert.doesNotMatch(await stack.sql('SELECT hex(value) FROM media_cache'), new RegExp(Buffer.from('secret').toString('hex'), 'i'));
      assert.doesNotMatch(stack.log(), /secret/);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  test('of an account at the video site: only the client that needs them is asked with them, and shows that it can read them', async () => {
    const dir = scratchDir();
    try {
      const rows = ['.youtube.com\tTRUE\t/\tTRUE\t0\tSAPISID\tsluice-account', '.youtube.com\tTRUE\t/\tTRUE\t0\tSID\tsluice-sid'];
      writeFileSync(path.join(dir, 'youtube.txt'), `${rows.join('\n')}\n`);
      await start({});
      assertProblem(await stack.info(watch('sluiceMemb2')), 403, 'members_only');
      await stack.stop();
      await start({ SLUICE_COOKIES_DIR: dir });
      await origin.reset();
      const answer = await stack.info(watch('sluiceMemb2'));
      assert.equal(answer.json().engine, 'youtube:tv', answer.text() + stack.log());
      const media = await stack.stream(watch('sluiceMemb2'), 'format-140');
      assert.equal(sha256(media.body), sha256(readFileSync(origin.media['short-140.m4a'].path)));
      assert.equal((await stack.info(fresh())).json().engine, 'youtube:visionos');
      const sent = (await origin.requests()).filter(({ method }) => method !== 'CONNECT');
      const told = sent.filter(({ headers }) => headers.cookie);
      assert.ok(told.length > 0);
      for (const one of told) assert.deepEqual([one.client, one.host, one.headers.cookie], ['TVHTML5', 'www.youtube.com', 'SAPISID=sluice-account; SID=sluice-sid']);
      assert.ok(sent.some(isMedia));
      assert.doesNotMatch(await stack.sql('SELECT hex(value) FROM media_cache'), new RegExp(Buffer.from('sluice-account').toString('hex'), 'i'));
      const trace = await run(path.join(programs, 'sluice'), ['extract', '--trace', watch('sluiceMemb2')], {
        env: { PATH: process.env.PATH, SLUICE_ENGINES: 'native', SLUICE_DATA_DIR: path.join(dir, 'data'), SLUICE_COOKIES_DIR: dir, PROXY_URL: origin.proxyUrl, SLUICE_UPSTREAM_CA_FILE: origin.caFile },
      });
      assert.match(trace.stdout.toString(), /by youtube:tv/);
      assert.doesNotMatch(trace.stdout.toString() + trace.stderr + stack.log(), /sluice-account|SAPISIDHASH \d/);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  test('cookies of a site go along with what its pages set', async () => {
    const dir = scratchDir();
    try {
      writeFileSync(path.join(dir, 'tiktok.txt'), '.tiktok.com\tTRUE\t/\tTRUE\t0\tsessionid\tsecret\n');
      await start({ SLUICE_COOKIES_DIR: dir });
      const link = 'https://www.tiktok.com/@sluice.demo/video/7000000000000000001';
      assert.equal((await stack.stream(link, 'best')).status, 200);
      const cookies = async (host) => [...new Set((await origin.requests()).filter((one) => one.host === host && one.method !== 'CONNECT').map(({ headers }) => headers.cookie))];
      assert.deepEqual(await cookies('www.tiktok.com'), ['sessionid=secret']);
      assert.deepEqual(await cookies('v16-webapp.tiktok.com'), ['tt_chain_token=sluice-chain; ttwid=1%7Cabc; sessionid=secret']);
      assert.doesNotMatch(await stack.sql('SELECT hex(value) FROM media_cache'), new RegExp(Buffer.from('secret').toString('hex'), 'i'));
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  test('a client looks in TLS and HTTP as its profile says, and so do its media; also after that has changed', async () => {
    const dir = scratchDir();
    const profiles = (connection, file = path.join(stack.dataDir, 'clients.json')) => {
      const clients = JSON.parse(readFileSync(path.join(root, 'src/site/youtube/clients.json'), 'utf8'));
      Object.assign(clients.clients.find(({ key }) => key === 'visionos'), { host: 'h2.youtube.com', connection });
      writeFileSync(file, JSON.stringify(clients));
    };
    const seen = async (which) => [...new Set((await origin.requests()).filter(which).map(({ http, tls, cipher }) => `${http} ${tls} ${cipher}`))];
    try {
      await start({ SLUICE_CACHE_TTL_S: '0' });
      profiles({ http: '2', tls13_ciphers: 'TLS_CHACHA20_POLY1305_SHA256' });
      await sleep(1500);
      assert.equal((await stack.stream(fresh(), 'format-140')).status, 200, stack.log());
      assert.equal((await stack.stream(fresh(), '720p-mp4')).status, 200);
      assert.deepEqual(await seen(isApi), ['2.0 TLSv1.3 TLS_CHACHA20_POLY1305_SHA256']);
      assert.deepEqual(await seen(isMedia), ['1.1 TLSv1.3 TLS_CHACHA20_POLY1305_SHA256']);

      profiles({ http: '1.1', tls_max: '1.2', tls12_ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384', groups: 'P-256' });
      await sleep(1500);
      await origin.reset();
      assert.equal((await stack.stream(fresh(), 'format-140')).status, 200, stack.log());
      const [cipher] = (await seen(isApi)).map((text) => text.split(' ')[2]);
      assert.match(cipher, /^ECDHE-(ECDSA|RSA)-AES256-GCM-SHA384$/);
      assert.deepEqual(await seen(isApi), [`1.1 TLSv1.2 ${cipher}`]);
      assert.deepEqual(await seen(isMedia), [`1.1 TLSv1.2 ${cipher}`]);

      const file = path.join(dir, 'clients.json');
      profiles({ http: '2', groups: 'P-9' }, file);
      const done = await run(path.join(programs, 'sluice'), ['--check-config'], { env: { PATH: process.env.PATH, SLUICE_DATA_DIR: '/tmp/none', SLUICE_CLIENTS_FILE: file } });
      assert.deepEqual([done.exit, /clients\[0\]\.connection\.groups: not known to OpenSSL/.test(done.stderr)], [1, true], done.stderr);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  test('calls take turns', async () => {
    await start({ SLUICE_UPSTREAM_INTERVAL_MS: '100' });
    const began = Date.now();
    // One call each, and some for visitors: 20 of the usual length at once (up to 40 short ones), then one after the other.
    await Promise.all(Array.from({ length: 34 }, async () => assert.equal((await stack.info(fresh())).status, 200)));
    const times = (await origin.requests()).filter(isApi).map(({ at }) => at - began).sort((a, b) => a - b);
    assert.ok(times.length >= 34 && times.length < 80, `${times.length} calls`);
    assert.ok(times.at(-1) >= (times.length - 30) * 50, `${times.length} calls in ${times.at(-1)} ms`);
  });

  test('only so many calls at once', async () => {
    await start({ SLUICE_UPSTREAM_CALLS: '2', SLUICE_UPSTREAM_INTERVAL_MS: '0' });
    await stack.info(fresh()); // has a visitor from now on
    await origin.reset();
    await origin.configure({ latencyMs: 250 });
    const answers = await Promise.all(Array.from({ length: 8 }, () => stack.info(fresh())));
    assert.deepEqual(answers.map(({ status }) => status), Array(8).fill(200));
    const times = (await origin.requests()).filter(isApi).map(({ at }) => at);
    assert.equal(times.length, 8);
    for (const at of times) assert.ok(times.filter((other) => other >= at && other < at + 240).length <= 2, `${times}`);
  });

  test('a wrong setting is named', async () => {
    for (const [env, words] of [
      [{ PROXY_URL: 'http://127.0.0.1:1*x' }, /proxy_url/],
      [{ SLUICE_IPV6_SUBNET: '2600::1' }, /ipv6_subnet/],
      [{ SLUICE_COOKIES_DIR: '/nowhere/at/all' }, /cookies_dir \/nowhere/],
    ]) {
      const done = await run(path.join(programs, 'sluice'), ['--check-config'], {
        env: { PATH: process.env.PATH, SLUICE_DATA_DIR: '/tmp/none', ...env },
      });
      assert.equal(done.exit, 1);
      assert.match(done.stderr, words);
    }
  });
});
