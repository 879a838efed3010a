// The same programs without any resident state: as plain CGI, started once per request, by hand and by lighttpd's
// mod_cgi in a sub-folder, as on a shared host.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';

import { forkOrigin } from '../origin/origin.mjs';
import {
  assertNoSanitizerReports,
  assertProblem,
  freePort,
  programEnv,
  programs,
  request,
  run,
  scratchDir,
  sha256,
  until,
} from './harness.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;
let origin;
let scratch;
let settings;

before(async () => {
  origin = await forkOrigin();
  scratch = scratchDir();
  settings = {
    PROXY_URL: origin.proxyUrl,
    SLUICE_UPSTREAM_CA_FILE: origin.caFile,
    SLUICE_DATA_DIR: path.join(scratch, 'data'),
    SLUICE_STALL_TIMEOUT_S: '1',
  };
});
beforeEach(() => origin.reset());
after(async () => {
  await origin.stop();
  assertNoSanitizerReports(scratch);
  rmSync(scratch, { recursive: true, force: true });
});

const fileOf = (name) => readFileSync(origin.media[name].path);

// Runs a program as a web server does for one request; takes its output apart.
async function cgi(program, target, { method = 'GET', headers = {}, body, env = {} } = {}) {
  const [, query = ''] = target.split('?');
  const given = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [`HTTP_${name.toUpperCase().replaceAll('-', '_')}`, value]),
  );
  const out = await run(path.join(programs, program), [], {
    input: body,
    env: programEnv(scratch, {
      ...settings,
      GATEWAY_INTERFACE: 'CGI/1.1',
      SERVER_PROTOCOL: 'HTTP/1.1',
      SERVER_NAME: 'localhost',
      SERVER_PORT: '80',
      REMOTE_ADDR: '192.0.2.1',
      REQUEST_METHOD: method,
      REQUEST_URI: target,
      QUERY_STRING: query,
      ...given,
      ...(body && { CONTENT_LENGTH: String(Buffer.byteLength(body)), CONTENT_TYPE: 'application/x-www-form-urlencoded' }),
      ...env,
    }),
  });
  const end = out.stdout.indexOf('\r\n\r\n');
  const lines = out.stdout.subarray(0, end).toString().split('\r\n');
  const answered = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
  );
  const content = out.stdout.subarray(end + 4);
  return {
    ...out,
    status: Number((answered.status ?? '200').split(' ')[0]),
    headers: answered,
    body: content,
    text: () => content.toString(),
    json: () => JSON.parse(content),
    complete: answered['content-length'] === undefined || content.length === Number(answered['content-length']),
  };
}

const info = (url) => `/api/v1/info?${new URLSearchParams({ url })}`;
const stream = (url, choice) => `/api/v1/stream?${new URLSearchParams({ url, choice })}`;

describe('started by hand', () => {
  test('a description; the links in it work in another process', async () => {
    const answer = await cgi('info.fcgi', info(watch('sluiceDemo1')));
    assert.equal(answer.status, 200, answer.stderr);
    assert.equal(answer.exit, 0);
    const { stream_url: link } = answer.json().choices.find((choice) => choice.id === 'format-134');
    const file = await cgi('stream.fcgi', link);
    assert.equal(file.status, 200, file.stderr);
    assert.equal(file.headers['content-length'], String(origin.media['short-134.mp4'].size));
    assert.equal(sha256(file.body), sha256(fileOf('short-134.mp4')));
  });

  test('what one process learned the next one knows', async () => {
    await cgi('info.fcgi', info(watch('sluiceDemo1')));
    await origin.reset();
    assert.equal((await cgi('info.fcgi', info(watch('sluiceDemo1')))).json().cached, true);
    assert.deepEqual(await origin.requests(), []);
  });

  test('POST', async () => {
    const answer = await cgi('info.fcgi', '/api/v1/info', {
      method: 'POST',
      body: new URLSearchParams({ url: watch('sluiceDemo1') }).toString(),
    });
    assert.equal(answer.json().id, 'sluiceDemo1');
  });

  test('ranges, HEAD, 304, 416', async () => {
    const file = fileOf('short-18.mp4');
    const target = stream(watch('sluiceKids1'), 'muxed-18');
    const part = await cgi('stream.fcgi', target, { headers: { Range: 'bytes=1000-1999' } });
    assert.equal(part.status, 206, part.stderr);
    assert.equal(part.headers['content-range'], `bytes 1000-1999/${file.length}`);
    assert.ok(part.body.equals(file.subarray(1000, 2000)));
    const head = await cgi('stream.fcgi', target, { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, String(file.length), 0]);
    assert.equal((await cgi('stream.fcgi', target, { headers: { 'If-None-Match': head.headers.etag } })).status, 304);
    assertProblem(await cgi('stream.fcgi', target, { headers: { Range: 'bytes=99999999-' } }), 416, 'bad_range');
  });

  test('errors and routes of the other program', async () => {
    assertProblem(await cgi('info.fcgi', info(watch('sluicePriv1'))), 403, 'private');
    assertProblem(await cgi('info.fcgi', info('http://127.0.0.1/x.mp4')), 403, 'refused_address');
    assert.equal((await cgi('info.fcgi', '/livez')).status, 200);
    assertProblem(await cgi('info.fcgi', '/nothing'), 404, 'not_found');
    assertProblem(await cgi('info.fcgi', '/api/v1/info', { method: 'PUT' }), 405, 'bad_method');
  });

  test('a hostile environment is answered, not obeyed', async () => {
    const cases = {
      'no request': { REQUEST_METHOD: '', REQUEST_URI: '', QUERY_STRING: '' },
      'length that lies': { REQUEST_METHOD: 'POST', CONTENT_LENGTH: '99999999999999999999', CONTENT_TYPE: 'application/json' },
      'length below zero': { REQUEST_METHOD: 'POST', CONTENT_LENGTH: '-1', CONTENT_TYPE: 'application/json' },
      'path with dots': { REQUEST_URI: '/api/v1/../../etc/passwd' },
      'control characters': { REQUEST_URI: '/api/v1/info\u0001?url=x' },
      'a proxy header (CVE-2016-5385)': {
        HTTP_PROXY: 'http://127.0.0.1:9/',
        REQUEST_URI: info(watch('nosuchvideo')),
        QUERY_STRING: info(watch('nosuchvideo')).split('?')[1],
      },
    };
    for (const [name, env] of Object.entries(cases)) {
      const answer = await cgi('info.fcgi', '/api/v1/info', { env });
      assert.ok(answer.status >= 400 && answer.status < 500, `${name}: ${answer.status} ${answer.text()} ${answer.stderr}`);
    }
  });

  test('a source that dies leaves a body short of its length, and an exit code that says so', async () => {
    await origin.script({
      match: { path: '/videoplayback', range: /^bytes=[1-9]/ },
      times: Infinity,
      action: { type: 'status', status: 500 },
    });
    const answer = await cgi('stream.fcgi', stream(watch('sluiceBig01'), 'format-137'));
    assert.equal(answer.status, 200);
    assert.equal(answer.complete, false);
    assert.notEqual(answer.exit, 0);
  });
});

describe('behind mod_cgi, in a sub-folder', () => {
  let base;
  let server;

  before(async () => {
    const port = await freePort();
    const docroot = path.join(scratch, 'www');
    mkdirSync(path.join(docroot, 'cgi-bin'), { recursive: true });
    for (const program of ['info.fcgi', 'stream.fcgi'])
      symlinkSync(path.join(programs, program), path.join(docroot, 'cgi-bin', program));
    const env = Object.entries(programEnv(scratch, settings))
      .map(([name, value]) => `"${name}" => "${value}"`)
      .join(', ');
    const config = path.join(scratch, 'lighttpd.conf');
    writeFileSync(
      config,
      `
      server.document-root = "${docroot}"
      server.bind = "127.0.0.1"
      server.port = ${port}
      server.modules = ( "mod_rewrite", "mod_setenv", "mod_cgi" )
      server.upload-dirs = ( "${scratch}" )
      server.stream-response-body = 2
      cgi.assign = ( ".fcgi" => "" )
      setenv.set-environment = ( ${env} )
      url.rewrite-once = ( "^/media/(api/v1/stream.*)" => "/cgi-bin/stream.fcgi/$1", "^/media/(api/.*|livez|health)" => "/cgi-bin/info.fcgi/$1" )
    `,
    );
    server = spawn('/usr/sbin/lighttpd', ['-D', '-f', config], { stdio: ['ignore', 2, 2], env: programEnv(scratch) });
    base = `http://127.0.0.1:${port}`;
    await until(async () => (await request(base, '/media/livez')).status === 200, 'mod_cgi');
  });
  after(async () => {
    const gone = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGTERM');
    await gone;
  });

  test('links carry the sub-folder and lead to the bytes', async () => {
    const answer = await request(base, `/media${info(watch('sluiceDemo1'))}`);
    assert.equal(answer.status, 200, answer.text());
    const { stream_url: link } = answer.json().choices.find((choice) => choice.id === 'format-136');
    assert.match(link, /^\/media\/api\/v1\/stream\?data=/);
    const whole = await request(base, link);
    assert.equal(sha256(whole.body), sha256(fileOf('short-136.mp4')));
    assert.equal(whole.headers['content-length'], String(whole.body.length));
    const part = await request(base, link, { headers: { Range: 'bytes=-1000' } });
    assert.equal(part.status, 206);
    assert.ok(part.body.equals(fileOf('short-136.mp4').subarray(-1000)));
    assert.equal((await request(base, link, { method: 'HEAD' })).headers.etag, whole.headers.etag);
  });

  test('POST and errors', async () => {
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const body = new URLSearchParams({ url: watch('sluiceKids1') }).toString();
    assert.equal((await request(base, '/media/api/v1/info', { method: 'POST', headers, body })).json().id, 'sluiceKids1');
    assertProblem(await request(base, `/media${info('file:///etc/passwd')}`), 400, 'bad_url');
  });

  test('a source that dies does not look complete', async () => {
    await origin.script({
      match: { path: '/videoplayback', range: /^bytes=[1-9]/ },
      times: Infinity,
      action: { type: 'status', status: 500 },
    });
    const answer = await request(base, `/media${stream(watch('sluiceBig01'), 'format-137')}`);
    assert.equal(answer.complete, false);
  });
});
