// The stand-in itself: that it serves what it says, refuses what the real hosts refuse, and misbehaves on request.
// Everything else rests on it. The client is curl, through the proxy and over TLS, as the product does it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';

import { forkOrigin } from '../origin/origin.mjs';
import { otherToken, telegramToken } from '../origin/telegram.mjs';

const agent =
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 15_7_3) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15';
const androidAgent = 'com.google.android.youtube/21.03.36 (Linux; U; Android 15; GB) gzip';
const sha = (data) => createHash('sha256').update(data).digest('hex');
let origin;

// → { exit, status, headers, body, final }
function curl(url, { args = [], body, userAgent = agent } = {}) {
  const all = [
    '-sS',
    '-i',
    '--proxy',
    origin.proxyUrl,
    '--suppress-connect-headers',
    '--cacert',
    origin.caFile,
    '-A',
    userAgent,
    '-m',
    '20',
    ...(body ? ['-H', 'Content-Type: application/json', '--data-binary', JSON.stringify(body)] : []),
    ...args,
    url,
  ];
  return new Promise((resolve) => {
    execFile('curl', all, { encoding: 'buffer', maxBuffer: 1 << 27 }, (error, out, complaint) => {
      let rest = out;
      let head = '';
      while (/^HTTP\//.test(rest.subarray(0, 5).toString())) {
        const end = rest.indexOf('\r\n\r\n');
        head = rest.subarray(0, end).toString();
        rest = rest.subarray(end + 4);
      }
      const headers = Object.fromEntries(
        head
          .split('\r\n')
          .slice(1)
          .map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
      );
      resolve({
        exit: error?.code ?? 0,
        status: Number(head.split(' ')[1] ?? 0),
        headers,
        body: rest,
        complaint: complaint.toString(),
      });
    });
  });
}

const player = 'https://www.youtube.com/youtubei/v1/player?prettyPrint=false';
async function ask(videoId, visitorData, more = {}) {
  const client = { clientName: 'VISIONOS', clientVersion: '1.02', userAgent: agent, visitorData, ...more };
  const answer = await curl(player, { body: { context: { client }, videoId } });
  return { status: answer.status, ...(answer.status === 200 && { json: JSON.parse(answer.body) }) };
}

async function visit(videoId) {
  const { json } = await ask(videoId);
  return (await ask(videoId, json.responseContext.visitorData)).json;
}

const formatOf = (answer, itag) => answer.streamingData.adaptiveFormats.find((format) => format.itag === itag);

before(async () => (origin = await forkOrigin()));
beforeEach(() => origin.reset());
after(() => origin.stop());

describe('player answers', () => {
  test('an unknown visitor is asked whether it is a robot, and gets a visitor to come back with', async () => {
    const first = await ask('sluiceDemo1');
    assert.equal(first.json.playabilityStatus.status, 'LOGIN_REQUIRED');
    assert.match(first.json.playabilityStatus.reason, /not a bot/);
    const second = await ask('sluiceDemo1', first.json.responseContext.visitorData);
    assert.equal(second.json.playabilityStatus.status, 'OK');
    assert.equal(second.json.videoDetails.videoId, 'sluiceDemo1');
    assert.equal(second.json.streamingData.adaptiveFormats.length, 9);
    assert.match(formatOf(second.json, 137).mimeType, /^video\/mp4; codecs="avc1\.4d4028"$/);
  });

  test('visitor_id makes a visitor', async () => {
    const body = { context: { client: { clientName: 'VISIONOS', clientVersion: '1.02', userAgent: agent } } };
    const answer = await curl('https://www.youtube.com/youtubei/v1/visitor_id?prettyPrint=false', { body });
    const { visitorData } = JSON.parse(answer.body).responseContext;
    assert.equal((await ask('sluiceDemo1', visitorData)).json.playabilityStatus.status, 'OK');
  });

  test('a user agent that contradicts the context is refused', async () => {
    assert.equal((await ask('sluiceDemo1', undefined, { userAgent: 'other' })).status, 400);
  });

  test('the Android client gets the small muxed file with a URL, and nothing else with one', async () => {
    const client = { clientName: 'ANDROID', clientVersion: '21.03.36' };
    const reel = 'https://youtubei.googleapis.com/youtubei/v1/reel/reel_item_watch?prettyPrint=false';
    const call = async (visitorData, videoId) =>
      JSON.parse(
        (
          await curl(reel, {
            userAgent: androidAgent,
            body: { context: { client: { ...client, visitorData } }, playerRequest: { videoId }, disablePlayerResponse: false },
          })
        ).body,
      );
    const { visitorData } = (await call(undefined, 'sluiceKids1')).playerResponse.responseContext;
    const { streamingData } = (await call(visitorData, 'sluiceKids1')).playerResponse;
    assert.equal(streamingData.formats[0].itag, 18);
    assert.equal(streamingData.formats[0].contentLength, undefined);
    const media = await curl(streamingData.formats[0].url, { userAgent: androidAgent, args: ['-r', '0-99'] });
    assert.equal(media.headers['content-range'], `bytes 0-99/${origin.media['short-18.mp4'].size}`);
    assert.deepEqual(await call(visitorData, 'nosuchvideo'), {});
    const demo = (await call(visitorData, 'sluiceDemo1')).playerResponse.streamingData;
    assert.ok(demo.adaptiveFormats.length > 0 && demo.adaptiveFormats.every((format) => !format.url));
  });

  test('a substituted video answers another id', async () => {
    assert.equal((await visit('sluiceSwap1')).videoDetails.videoId, 'sluiceOther');
  });
});

describe('media hosts', () => {
  test('bounded ranges are the bytes of the file, over a redirect too', async () => {
    const answer = await visit('sluiceDemo1');
    for (const [itag, name] of [
      [137, 'short-137.mp4'],
      [134, 'short-134.mp4'],
      [251, 'short-251.webm'],
    ]) {
      const file = readFileSync(origin.media[name].path);
      const { contentLength, url, indexRange } = formatOf(answer, itag);
      assert.equal(Number(contentLength), file.length);
      const got = await curl(url, { args: ['-L', '-r', `${indexRange.start}-${file.length - 1}`] });
      assert.equal(got.status, 206);
      assert.equal(sha(got.body), sha(file.subarray(Number(indexRange.start))), name);
    }
    assert.ok((await origin.requests()).some((entry) => entry.status === 302));
  });

  test('everything else is refused', async () => {
    const { url } = formatOf(await visit('sluiceBig01'), 137);
    const refused = {
      'no range': [url, {}],
      'open range': [url, { args: ['-r', '0-'] }],
      'more than 10 MiB': [url, { args: ['-r', `0-${10 * 1024 * 1024}`] }],
      HEAD: [url, { args: ['-I'] }],
      'another user agent': [url, { args: ['-r', '0-9'], userAgent: 'curl' }],
      'a changed signature': [url.replace(/sig=(.)/, (_, first) => `sig=${first === 'A' ? 'B' : 'A'}`), { args: ['-r', '0-9'] }],
      'a changed parameter': [url.replace(/clen=\d/, 'clen=9'), { args: ['-r', '0-9'] }],
    };
    for (const [name, [address, options]] of Object.entries(refused))
      assert.equal((await curl(address, options)).status, 403, name);
    assert.equal((await curl(url, { args: ['-r', `0-${10 * 1024 * 1024 - 1}`] })).body.length, 10 * 1024 * 1024);
  });

  test('URLs expire, and can be withdrawn', async () => {
    const lasting = formatOf(await visit('sluiceDemo1'), 140).url;
    await origin.configure({ expiresInS: -1 });
    const expired = formatOf(await visit('sluiceDemo1'), 140).url;
    assert.equal((await curl(expired, { args: ['-r', '0-9'] })).status, 403);
    assert.equal((await curl(lasting, { args: ['-r', '0-9'] })).status, 206);
    await origin.rotate();
    assert.equal((await curl(lasting, { args: ['-r', '0-9'] })).status, 403);
  });
});

describe('the proxy', () => {
  test('unknown names and other ports are refused, and logged', async () => {
    for (const url of ['https://unknown.invalid/', 'https://media.example:8443/', 'https://127.0.0.1/'])
      assert.notEqual((await curl(url)).exit, 0, url);
    assert.deepEqual(
      (await origin.requests()).map((entry) => [entry.method, entry.status]),
      Array(3).fill(['CONNECT', 502]),
    );
  });

  test('http and https serve the same; a name outside the certificate does not verify', async () => {
    const clip = readFileSync(origin.media['short-18.mp4'].path);
    assert.deepEqual((await curl('http://media.example/clip.mp4')).body, clip);
    assert.deepEqual((await curl('https://media.example/clip.mp4', { args: ['-r', '5-9'] })).body, clip.subarray(5, 10));
    assert.equal((await curl('https://wrong-name.example/clip.mp4')).exit, 60);
  });

  test('files without length, without ranges, without bytes', async () => {
    const chunked = await curl('https://media.example/chunked.mp4');
    assert.equal(chunked.headers['transfer-encoding'], 'chunked');
    assert.equal(chunked.body.length, origin.media['short-18.mp4'].size);
    assert.equal((await curl('https://media.example/norange.mp4', { args: ['-r', '0-9'] })).status, 200);
    assert.equal((await curl('https://media.example/empty.mp4')).headers['content-length'], '0');
    assert.equal(
      (await curl('https://media.example/clip.mp4', { args: ['-r', '99999999-'] })).headers['content-range'],
      `bytes */${origin.media['short-18.mp4'].size}`,
    );
  });
});

describe('misbehaviour', () => {
  const clip = 'https://media.example/clip.mp4';
  const cases = {
    'reset after some bytes': [
      { type: 'reset', after: 5000 },
      (got) => {
        assert.ok([35, 56].includes(got.exit), got.complaint);
        assert.ok(got.body.length <= 5000);
      },
    ],
    'reset before headers': [
      { type: 'reset', after: -1 },
      (got) => {
        assert.ok([35, 52, 56].includes(got.exit), got.complaint);
        assert.equal(got.status, 0);
      },
    ],
    truncate: [
      { type: 'truncate', after: 5000 },
      (got) => {
        assert.equal(got.exit, 18, got.complaint);
        assert.equal(got.body.length, 5000);
      },
    ],
    stall: [
      { type: 'stall', after: 5000 },
      (got) => {
        assert.equal(got.exit, 28);
        assert.equal(got.body.length, 5000);
      },
      ['-m', '1'],
    ],
    'stall without headers': [
      { type: 'stall', after: -1 },
      (got) => {
        assert.equal(got.exit, 28);
        assert.equal(got.status, 0);
      },
      ['-m', '1'],
    ],
    drip: [
      { type: 'drip', rate: 10000 },
      (got) => {
        assert.equal(got.exit, 28);
        assert.ok(got.body.length > 2000 && got.body.length < 20000, String(got.body.length));
      },
      ['-m', '1'],
    ],
    status: [
      { type: 'status', status: 503, headers: { 'Retry-After': '7' }, body: 'later' },
      (got) => {
        assert.equal(got.status, 503);
        assert.equal(got.headers['retry-after'], '7');
      },
    ],
    redirect: [{ type: 'redirect', to: 'http://127.0.0.1/' }, (got) => assert.equal(got.headers.location, 'http://127.0.0.1/')],
    html: [{ type: 'html' }, (got) => assert.match(got.headers['content-type'], /html/)],
    huge: [
      { type: 'huge', bytes: 1 << 20 },
      (got) => {
        assert.equal(got.body.length, 1 << 20);
        JSON.parse(got.body);
      },
    ],
    'another start': [
      { type: 'lie', start: 3 },
      (got) => assert.match(got.headers['content-range'], /^bytes 103-202\//),
      ['-r', '100-199'],
    ],
    'another total': [
      { type: 'lie', total: -1 },
      (got) => assert.equal(got.headers['content-range'], `bytes 100-199/${origin.media['short-18.mp4'].size - 1}`),
      ['-r', '100-199'],
    ],
    'no Content-Range': [
      { type: 'lie', missing: true },
      (got) => {
        assert.equal(got.status, 206);
        assert.equal(got.headers['content-range'], undefined);
      },
      ['-r', '100-199'],
    ],
    'the whole file': [
      { type: 'lie', whole: true },
      (got) => {
        assert.equal(got.status, 200);
        assert.equal(got.body.length, origin.media['short-18.mp4'].size);
      },
      ['-H', 'Range: bytes=100-199'],
    ],
    'fewer bytes': [
      { type: 'lie', short: 40 },
      (got) => {
        assert.equal(got.body.length, 60);
        assert.match(got.headers['content-range'], /^bytes 100-159\//);
      },
      ['-r', '100-199'],
    ],
    'a wrong byte': [
      { type: 'lie', flip: 105 },
      (got) => assert.equal(got.body[5] ^ readFileSync(origin.media['short-18.mp4'].path)[105], 0xff),
      ['-r', '100-199'],
    ],
  };
  for (const [name, [action, check, args]] of Object.entries(cases)) {
    test(name, async () => {
      await origin.script({ match: { host: 'media.example', path: '/clip*' }, action });
      check(await curl(clip, { args }));
      assert.equal((await curl(clip, { args: ['-r', '0-9'] })).status, 206, 'the rule acts once');
    });
  }

  test('a delay comes first; skip lets requests pass', async () => {
    await origin.script({
      match: { path: '/clip.mp4', range: /^bytes=0-/ },
      skip: 1,
      times: 2,
      action: { type: 'status', status: 500 },
    });
    const seen = [];
    for (let i = 0; i < 4; i++) seen.push((await curl(clip, { args: ['-r', '0-9'] })).status);
    assert.deepEqual(seen, [206, 500, 500, 206]);
    await origin.script({ match: {}, action: { type: 'delay', ms: 400 } });
    const start = Date.now();
    assert.equal((await curl(clip, { args: ['-r', '0-9'] })).status, 206);
    assert.ok(Date.now() - start >= 400);
  });
});

describe("Telegram's Bot API", () => {
  const base = 'https://api.telegram.org';
  const chat = '-1001234567890';
  const call = async (method, args, { token = telegramToken, at = base } = {}) => {
    const answer = await curl(`${at}/bot${token}/${method}`, { args });
    return { status: answer.status, headers: answer.headers, ...JSON.parse(answer.body) };
  };
  const form = (fields) => Object.entries(fields).flatMap(([name, value]) => [value.startsWith('@/') ? '-F' : '--form-string', `${name}=${value}`]);
  const video = () => `@${origin.media['short-18.mp4'].path};type=video/mp4;filename="a b.mp4"`;
  const read = (where, args = [], token = telegramToken) => curl(`${base}/file/bot${token}/${where}`, { args });

  test('a file is sent, found and read, also in part; then it is deleted', async () => {
    const { size, path } = origin.media['short-18.mp4'];
    assert.equal((await call('getMe')).result.username, 'sluice_demo_bot');
    const sent = await call('sendVideo', form({ chat_id: chat, video: video(), supports_streaming: 'true', duration: '20' }));
    assert.deepEqual([sent.ok, sent.result.video.file_size, sent.result.video.file_name, sent.result.video.duration], [true, size, 'a b.mp4', 20]);
    const [stored] = await origin.telegramFiles();
    assert.deepEqual([stored.method, stored.fields.supports_streaming, stored.sha256], ['sendVideo', 'true', sha(readFileSync(path))]);
    const found = await call('getFile', ['-d', `file_id=${sent.result.video.file_id}`]);
    assert.equal((await read(found.result.file_path)).body.length, size);
    const part = await read(found.result.file_path, ['-r', '1000-1999']);
    assert.deepEqual([part.status, part.headers['content-range'], sha(part.body)], [206, `bytes 1000-1999/${size}`, sha(readFileSync(path).subarray(1000, 2000))]);
    assert.equal((await read(found.result.file_path, [], otherToken)).status, 404);
    assert.equal((await call('deleteMessage', form({ chat_id: chat, message_id: String(sent.result.message_id) }))).ok, true);
    assert.equal((await read(found.result.file_path)).status, 404);
  });

  test('what it refuses', async () => {
    const document = form({ chat_id: chat, document: video() });
    const refused = async (rules, method, args, options) => {
      await origin.configure({ telegram: rules });
      const { ok, error_code: code, description } = await call(method, args, options);
      assert.equal(ok, false);
      return [code, description];
    };
    assert.deepEqual(await refused({}, 'getMe', [], { token: otherToken }), [401, 'Unauthorized']);
    assert.deepEqual(await refused({}, 'getNothing', []), [404, 'Not Found: method not found']);
    assert.deepEqual(await refused({}, 'sendDocument', form({ chat_id: '@elsewhere', document: video() })), [400, 'Bad Request: chat not found']);
    assert.deepEqual(await refused({}, 'sendDocument', form({ chat_id: chat })), [400, 'Bad Request: there is no document in the request']);
    assert.deepEqual(await refused({ uploadMax: 1000 }, 'sendDocument', document), [413, 'Request Entity Too Large']);
    assert.deepEqual(await refused({ refuse: ['sendDocument'], retryAfterS: 7 }, 'sendDocument', document), [429, 'Too Many Requests: retry after 7']);
    assert.deepEqual(await origin.telegramFiles(), []);
    await origin.configure({ telegram: { flood: { messages: 1, perMs: 60000, retryAfterS: 3 } } });
    const { file_id: id } = (await call('sendDocument', document)).result.document;
    const flooded = await call('sendDocument', document);
    assert.deepEqual([flooded.status, flooded.headers['retry-after'], flooded.parameters], [429, '3', { retry_after: 3 }]);
    const getFile = ['-d', `file_id=${id}`];
    assert.deepEqual(await refused({ downloadMax: 1000 }, 'getFile', getFile), [400, 'Bad Request: file is too big']);
    assert.deepEqual(await refused({ tokens: [otherToken] }, 'getFile', getFile, { token: otherToken }), [400, 'Bad Request: invalid file_id']);
    await origin.configure({ telegram: { pathMs: 0 } });
    assert.equal((await read((await call('getFile', getFile)).result.file_path)).status, 404, 'a path that has expired');
    await origin.telegramVanish();
    assert.deepEqual(await refused({}, 'getFile', getFile), [400, 'Bad Request: wrong file_id or the file is temporarily unavailable']);
  });

  test("a server of one's own: other limits, absolute paths", async () => {
    await origin.configure({ telegram: { local: true, uploadMax: 1000, downloadMax: 1000 } });
    const own = { at: origin.proxyUrl };
    const sent = await call('sendDocument', ['--noproxy', '*', ...form({ chat_id: chat, document: video() })], own);
    const found = await call('getFile', ['--noproxy', '*', '-d', `file_id=${sent.result.document.file_id}`], own);
    assert.equal(found.result.file_path, `/var/lib/telegram-bot-api/${telegramToken}/documents/file_${sent.result.message_id}.mp4`);
  });
});
