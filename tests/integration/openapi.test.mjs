// www/docs/openapi.json is what the programs do: every route is in it, and real answers, good and bad, are validated
// against it: status, content type, headers and every field of every body.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { programEnv, programs, root, run, startStack, until } from './harness.mjs';

const require = createRequire(path.join(root, 'www/package.json'));
const Ajv = require('ajv/dist/2020').default;
const addFormats = require('ajv-formats').default;

const api = JSON.parse(readFileSync(path.join(root, 'www/docs/openapi.json'), 'utf8'));
const ajv = new Ajv({ strict: true, allowUnionTypes: true, strictRequired: false, allErrors: true });
addFormats(ajv);
ajv.addVocabulary(['example', 'components', 'paths', 'openapi', 'info', 'servers', 'security', 'tags']);
ajv.addSchema(api, 'api');
const at = (pointer) => pointer.slice(2).split('/').reduce((node, name) => node[name.replaceAll('~1', '/').replaceAll('~0', '~')], api);
const follow = (node) => (node?.$ref ? follow(at(node.$ref)) : node);

function check(schema, value, what) {
  // references in it are to the whole document
  const validate = ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"api#/')));
  assert.ok(validate(value), `${what}: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(value).slice(0, 600)}`);
}

// Whether `answer` is one that the operation has.
function conforms(method, route, answer) {
  const what = `${method} ${route} ${answer.status}`;
  const operation = api.paths[route]?.[method.toLowerCase()];
  assert.ok(operation, `${what} is not described`);
  const { responses } = operation;
  const response = follow(responses[answer.status] ?? responses[`${String(answer.status)[0]}XX`]);
  assert.ok(response, `${what} is not among ${Object.keys(responses)}`);
  for (const [name, header] of Object.entries(response.headers ?? {})) {
    const value = answer.headers[name.toLowerCase()];
    const { required = false, schema } = follow(header);
    assert.ok(value !== undefined || !required, `${what} has no ${name}`);
    if (value !== undefined) check(schema, value, `${what}, ${name}`);
  }
  if (!response.content) return;
  const type = (answer.headers['content-type'] ?? '').split(';')[0];
  const [, content] = Object.entries(response.content).find(([want]) => new RegExp(`^${want.replace('+', '\\+').replaceAll('*', '[^/]+')}$`).test(type)) ?? [];
  assert.ok(content, `${what} is ${type}`);
  if (content.schema) check(content.schema, answer.json(), what);
}

describe('the description', () => {
  test('has every route, with its methods, and no other', () => {
    const rows = [...readFileSync(path.join(root, 'src/serve/routes.c'), 'utf8').matchAll(/^ {4}\{"([^"]+)", ([A-Z_| ]+),/gm)]
      .map(([, route, methods]) => [route, [...methods.matchAll(/HTTP_([A-Z]+)/g)].map(([, method]) => method.toLowerCase())]);
    // A route that ends in / has all that begins with it.
    const rowOf = (route) => rows.find(([own]) => route === own || (own.endsWith('/') && route.startsWith(own)));
    assert.deepEqual(rows.filter((row) => !Object.keys(api.paths).some((route) => rowOf(route) === row)), []);
    for (const [route, item] of Object.entries(api.paths))
      for (const method of Object.keys(item)) assert.ok(rowOf(route)?.[1].includes(method), `${method} ${route}`);
  });

  test('has every error code', () => {
    const codes = [...readFileSync(path.join(root, 'src/base/err.c'), 'utf8').matchAll(/\{"(\w+)", \d+, (?:true|false)/g)].map(([, code]) => code).filter((code) => code !== 'ok');
    assert.deepEqual(api.components.schemas.Code.enum, codes);
  });

  test('is whole: references lead somewhere, operations have names of their own, schemas are schemas', () => {
    for (const [, pointer] of JSON.stringify(api).matchAll(/"\$ref":"([^"]+)"/g)) assert.ok(at(pointer), pointer);
    const operations = Object.values(api.paths).flatMap((item) => Object.values(item));
    assert.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length);
    for (const { summary, tags, responses } of operations) assert.ok(summary && api.tags.some(({ name }) => name === tags[0]) && Object.keys(responses).length > 0);
    for (const name of Object.keys(api.components.schemas)) ajv.compile({ $ref: `api#/components/schemas/${name}` });
  });
});

describe('answers', () => {
  const demo = 'https://www.youtube.com/watch?v=sluiceDemo1';
  const query = (fields) => `?${new URLSearchParams(fields)}`;
  let stack;
  let info;
  before(async () => {
    stack = await startStack();
    info = (await stack.info(demo)).json();
  });
  after(() => stack?.stop());

  async function makeKey(label, limit) {
    const done = await run(path.join(programs, 'sluice'), ['key', 'create', '--label', label, '--limit', limit, '--json'],
      { env: programEnv(stack.scratch, { SLUICE_DATA_DIR: stack.dataDir }) });
    assert.equal(done.exit, 0, done.stderr);
    return JSON.parse(done.stdout);
  }

  // name: [route, target or (info) => target, expected status, options]
  const cases = {
    'a description': ['/api/v1/info', query({ url: demo }), 200],
    'one with many languages': ['/api/v1/info', query({ url: 'https://youtu.be/sluiceDubs1' }), 200],
    'one of a plain file': ['/api/v1/info', query({ url: 'https://media.example/clip.mp4' }), 200],
    'one with links for once': ['/api/v1/info', query({ url: demo, single_use: 1, bind: 'address' }), 200],
    'one by POST': ['/api/v1/info', '', 200, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ url: demo }) }],
    'no link': ['/api/v1/info', '', 400],
    'a private video': ['/api/v1/info', query({ url: 'https://youtu.be/sluicePriv1' }), 403],
    'a video that is gone': ['/api/v1/info', query({ url: 'https://youtu.be/sluiceGone1' }), 404],
    'a page without media': ['/api/v1/info', query({ url: 'https://www.youtube.com/about' }), 422],
    'an unknown key': ['/api/v1/info', query({ url: demo }), 401, { headers: { 'X-API-Key': `slc_${'x'.repeat(43)}` } }],
    'a file': ['/api/v1/stream', () => new URL(info.choices.find(({ id }) => id === 'format-140').stream_url, stack.base).search, 200],
    'a part of a file': ['/api/v1/stream', query({ url: demo, choice: 'format-140' }), 206, { headers: { Range: 'bytes=0-99' } }],
    'a range it does not have': ['/api/v1/stream', query({ url: demo, choice: 'format-140' }), 416, { headers: { Range: 'bytes=999999999-' } }],
    'another version': ['/api/v1/stream', query({ url: demo, choice: 'format-140' }), 412, { headers: { 'If-Match': '"other"' } }],
    'no such choice': ['/api/v1/stream', query({ url: demo, choice: '9000p-mp4' }), 404],
    'a damaged link': ['/api/v1/stream', query({ data: 'AAAA' }), 400],
    'a page': ['/api/v1/page', query({ url: demo }), 200],
    'a page in Hindi': ['/api/v1/page', query({ url: demo, lang: 'hi' }), 200],
    'the form alone': ['/api/v1/page', query({ lang: 'tr' }), 200],
    'an error as a page': ['/api/v1/page', query({ url: 'https://youtu.be/sluicePriv1' }), 403, { headers: { Accept: 'text/html' } }],
    'a picture': ['/api/v1/thumbnail', () => new URL(info.thumbnail_url, stack.base).search, 200],
    'no picture': ['/api/v1/thumbnail', query({ data: 'AAAA' }), 400],
    'a size': ['/api/v1/size', () => new URL(info.choices[0].stream_url, stack.base).search, 200],
    'no size': ['/api/v1/size', query({ data: 'AAAA' }), 400],
    'a list as a page': ['/api/v1/page', query({ url: 'https://www.youtube.com/playlist?list=PLsluice1' }), 200],
    'a search as a page': ['/api/v1/page', query({ url: 'still water' }), 200],
    'usage': ['/api/v1/usage', '', 200],
    'alive': ['/livez', '', 200],
    'ready': ['/readyz', '', 200],
    'health': ['/health', '', 200],
    'metrics': ['/metrics', '', 200],
    'metrics for others': ['/metrics', '', 401, { headers: { 'X-Forwarded-For': '192.0.2.1' } }],
    'an older description': ['/info', query({ url: demo }), 200],
    'an older download': ['/download', query({ url: demo, quality: 'audio' }), 200],
    'an older download by POST': ['/stream_video', '', 200, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ url: demo, quality: 'audio' }) }],
    'no progress': ['/progress', query({ id: '0123456789abcdef' }), 404],
    'an older question about TikTok': ['/tiktok', '', 200, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ url: 'https://www.tiktok.com/@sluice.demo/video/7000000000000000001' }) }],
    'a list': ['/api/v1/list', query({ url: 'https://www.youtube.com/playlist?list=PLsluice1' }), 200],
    'no list': ['/api/v1/list', query({ url: 'https://www.youtube.com/about' }), 422],
    'a search': ['/api/v1/search', query({ q: 'water' }), 200],
    'chapters and storyboards': ['/api/v1/info', query({ url: 'https://www.youtube.com/watch?v=sluiceChap1' }), 200],
    'an older short description': ['/api/video', query({ url: demo }), 200],
    'an older stream': ['/stream', () => new URL(info.choices[0].stream_url, stack.base).search, 200, { method: 'GET' }],
  };
  for (const [name, [route, target, status, options]] of Object.entries(cases))
    test(name, async () => {
      const answer = await stack.get(route + (typeof target === 'function' ? target() : target), options);
      assert.equal(answer.status, status, answer.status < 400 ? '' : answer.text());
      conforms(options?.method ?? 'GET', route, answer);
    });

  test('the usage of a key', async () => {
    const made = await makeKey('described', 5);
    const options = { headers: { 'X-API-Key': made.key } };
    await stack.get(`/api/v1/info${query({ url: demo })}`, options);
    await stack.get(`/api/v1/info${query({ url: demo })}`, options);
    let answer;
    await until(async () => (answer = await stack.get('/api/v1/usage', options)).json().use.hours.length > 0, 'its use');
    assert.equal(answer.status, 200);
    conforms('GET', '/api/v1/usage', answer);
    assert.equal(answer.json().requests.limit, 5);
  });

  test('how far a download is', async () => {
    await stack.origin.script({ match: { path: '/videoplayback' }, times: Infinity, action: { type: 'drip', rate: 50000 } });
    const controller = new AbortController();
    const download = await fetch(`${stack.base}/download${query({ url: demo, quality: 'format-137' })}`, { signal: controller.signal });
    const answer = await stack.get(`/progress${query({ id: download.headers.get('x-request-id') })}`);
    assert.equal(answer.status, 200, answer.text());
    conforms('GET', '/progress', answer);
    controller.abort();
    await download.body.cancel().catch(() => {});
    await stack.origin.reset();
  });

  test('a job', async () => {
    const posted = { method: 'POST', headers: { 'Content-Type': 'application/json' } };
    const queued = await stack.get('/api/v1/jobs', { ...posted, body: JSON.stringify({ kind: 'prepare', url: demo }) });
    assert.equal(queued.status, 202, queued.text());
    conforms('POST', '/api/v1/jobs', queued);
    conforms('POST', '/api/v1/jobs', await stack.get('/api/v1/jobs', { ...posted, body: '{"kind":"conjure"}' }));
    const { url, events_url: events } = queued.json();
    conforms('GET', '/api/v1/jobs/{id}/events', await stack.get(events));
    const done = await stack.get(url);
    assert.equal(done.json().state, 'done', done.text());
    conforms('GET', '/api/v1/jobs/{id}', done);
    conforms('DELETE', '/api/v1/jobs/{id}', await stack.get(url, { method: 'DELETE' }));
    conforms('GET', '/api/v1/jobs', await stack.get('/api/v1/jobs?limit=1'));
    conforms('GET', '/api/v1/jobs/{id}', await stack.get(`/api/v1/jobs/${'0'.repeat(32)}`));
  });

  test('one too many', async () => {
    const made = await makeKey('narrow', 1);
    const ask = () => stack.get(`/api/v1/info${query({ url: demo })}`, { headers: { 'X-API-Key': made.key } });
    await ask();
    const answer = await ask();
    assert.equal(answer.status, 429);
    assert.ok(answer.headers.ratelimit);
    conforms('GET', '/api/v1/info', answer);
    assert.ok(answer.json().retry_after_s > 0);
  });

  test('what it does not describe, it refuses', () => {
    assert.throws(() => check({ $ref: '#/components/schemas/Status' }, { status: 'ok', more: 1 }, 'more'));
    assert.throws(() => check({ $ref: '#/components/schemas/Problem' }, { type: 'about:blank' }, 'less'));
  });
});
