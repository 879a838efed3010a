// /api/v1/info: every sample of the stand-in gives the right description or the right error; hostile links give a
// refusal without any connection; what the outside world does wrong ends in a clean problem.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { assertProblem, startStack } from './harness.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;
const playerCalls = (log, video) => log.filter((entry) => entry.client && entry.video === video);
let stack;
let origin;

before(async () => {
  // What one request makes us fetch is counted here, so nothing else may be fetched meanwhile.
  stack = await startStack({ env: { SLUICE_UPSTREAM_TIMEOUT_MS: '3000', SLUICE_PREPARE: '0' } });
  origin = stack.origin;
});
beforeEach(() => origin.reset());
after(() => stack?.stop());

async function described(url) {
  const answer = await stack.info(url);
  assert.equal(answer.status, 200, answer.text());
  assert.match(answer.headers['content-type'], /^application\/json/);
  assert.match(answer.headers['cache-control'], /no-store/);
  return answer.json();
}

const mediaSize = (name) => origin.media[name].size;

describe('descriptions', () => {
  test('a video with everything', async () => {
    const d = await described(watch('sluiceDemo1'));
    assert.deepEqual(
      {
        site: d.site,
        id: d.id,
        url: d.url,
        title: d.title,
        author: d.author,
        duration_s: d.duration_s,
        live: d.live,
        engine: d.engine,
      },
      {
        site: 'youtube',
        id: 'sluiceDemo1',
        url: watch('sluiceDemo1'),
        title: 'Sluice demo: twenty seconds',
        author: 'Sluice',
        duration_s: 20,
        live: false,
        engine: 'youtube:visionos',
      },
    );
    assert.match(d.thumbnail, /^https:\/\/i\.ytimg\.com\/vi\/sluiceDemo1\//);
    assert.match(d.expires_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.ok(Date.parse(d.expires_at) > Date.now());
    const expected = {
      137: ['video', 'mp4', 'avc1.4d4028', 1080, 'short-137.mp4'],
      136: ['video', 'mp4', 'avc1.4d401f', 720, 'short-136.mp4'],
      134: ['video', 'mp4', 'avc1.4d401e', 360, 'short-134.mp4'],
      160: ['video', 'mp4', 'avc1.4d400c', 144, 'short-160.mp4'],
      398: ['video', 'mp4', 'av01.0.05M.08', 720, 'short-398.mp4'],
      247: ['video', 'webm', 'vp9', 720, 'short-247.webm'],
      243: ['video', 'webm', 'vp9', 360, 'short-243.webm'],
      140: ['audio', 'm4a', 'mp4a.40.2', null, 'short-140.m4a'],
      251: ['audio', 'webm', 'opus', null, 'short-251.webm'],
    };
    assert.deepEqual(d.formats.map((format) => format.id).sort(), Object.keys(expected).sort());
    for (const format of d.formats) {
      const [kind, container, codecs, height, file] = expected[format.id];
      assert.deepEqual(
        [format.kind, format.codecs, format.height, format.size_bytes],
        [kind, codecs, height, mediaSize(file)],
        format.id,
      );
      assert.equal(format.container.replace('m4a', 'mp4'), container.replace('m4a', 'mp4'), format.id);
      assert.ok(format.label && format.bitrate > 0, format.id);
      if (kind === 'video') assert.equal(format.fps, 24, format.id);
    }
    assert.equal(d.formats.find((format) => format.id === '137').label, '1080p');
  });

  test('choices name listed formats and are links of this server', async () => {
    const d = await described(watch('sluiceDemo1'));
    const ids = new Set(d.formats.map((format) => format.id));
    assert.equal(new Set(d.choices.map((choice) => choice.id)).size, d.choices.length, 'choice ids are distinct');
    for (const choice of d.choices) {
      assert.ok(choice.label && ['video', 'audio'].includes(choice.kind), choice.id);
      assert.ok(choice.formats.length > 0 && choice.formats.every((id) => ids.has(id)), choice.id);
      assert.match(choice.stream_url, /^\/api\/v1\/stream\?data=[\w.~-]+$/, choice.id);
    }
    for (const id of ids)
      assert.ok(
        d.choices.some((choice) => choice.id === `format-${id}`),
        `format-${id}`,
      );
    const whole = d.choices.find((choice) => choice.id === 'format-137');
    assert.deepEqual([whole.size_bytes, whole.size_exact, whole.resumable], [mediaSize('short-137.mp4'), true, true]);
  });

  test('subtitles are listed and lead to WebVTT', async () => {
    const { subtitles } = await described(watch('sluiceDemo1'));
    assert.deepEqual(
      subtitles.map(({ language, label, auto }) => [language, label, auto]),
      [
        ['en', 'English', false],
        ['en', 'English (auto-generated)', true],
      ],
    );
    for (const subtitle of subtitles) {
      const answer = await stack.get(subtitle.stream_url);
      assert.equal(answer.status, 200, answer.text());
      assert.match(answer.headers['content-type'], /^text\/vtt/);
      assert.match(answer.headers['content-disposition'], /\.vtt"/);
      assert.match(answer.text(), /^WEBVTT\n/);
      assert.equal(answer.text().includes('(automatic)'), subtitle.auto);
      assert.doesNotMatch(answer.text(), /position:/, 'without the positions of xosf');
      assert.equal(subtitle.srt_url, `${subtitle.stream_url}&format=srt`);
    }
  });

  test('made for children: the other client has one muxed file', async () => {
    const d = await described(watch('sluiceKids1'));
    assert.equal(d.engine, 'youtube:android');
    assert.deepEqual(
      d.formats.map(({ id, kind, height }) => [id, kind, height]),
      [['18', 'muxed', 360]],
    );
    assert.ok(d.choices.some((choice) => choice.id === 'muxed-18'));
  });

  test('dubs have their own ids; only the original says so', async () => {
    const d = await described(watch('sluiceDubs1'));
    const audio = d.formats.filter((format) => format.kind === 'audio');
    assert.equal(audio.length, 4);
    assert.equal(new Set(audio.map((format) => format.id)).size, 4, 'ids are distinct');
    for (const format of audio) assert.match(format.id, /^140/);
    const dubs = audio.filter((format) => /^(de|fr)/.test(format.language));
    assert.deepEqual(
      dubs.map((format) => format.original),
      [false, false],
    );
    const sizes = { de: mediaSize('short-140-de.m4a'), fr: mediaSize('short-140-fr.m4a') };
    for (const format of dubs) assert.equal(format.size_bytes, sizes[format.language.slice(0, 2)]);
    const plain = audio.find((format) => format.size_bytes === mediaSize('short-140.m4a'));
    assert.equal(plain.original, true);
    assert.ok(d.formats.indexOf(plain) < d.formats.indexOf(dubs[0]), 'the original comes first');
  });

  test('rows without a URL, OTF, protected and live ones are passed over; previews come last', async () => {
    const d = await described(watch('sluiceSkip1'));
    assert.deepEqual(d.formats.map((format) => format.id).sort(), ['134', '136', '140']);
    assert.equal(d.formats.filter((format) => format.kind === 'video').at(-1).id, '136');
  });

  test('hostile titles are text, nothing else', async () => {
    const answer = await stack.info(watch('sluiceEvil1'));
    assert.equal(answer.status, 200, answer.text());
    assert.equal(answer.headers['x-evil'], undefined);
    const d = answer.json();
    for (const text of [d.title, d.author, ...d.subtitles.map((subtitle) => subtitle.label)])
      assert.doesNotMatch(text, /\p{Cc}/u);
    assert.ok(d.title.includes('<script>'), 'kept as it is in JSON; escaping belongs to where it is shown');
  });

  test('GET and POST, form and JSON, answer alike', async () => {
    const url = watch('sluiceDemo1');
    const form = await stack.get('/api/v1/info', {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ url }).toString(),
    });
    const json = await stack.get('/api/v1/info', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ url }),
    });
    const got = await stack.info(url);
    for (const answer of [form, json]) {
      assert.equal(answer.status, 200, answer.text());
      assert.deepEqual(answer.json().formats, got.json().formats);
    }
  });

  test('asked again it is remembered', async () => {
    await described(watch('sluiceLong1'));
    await origin.reset();
    const again = await described(`https://youtu.be/sluiceLong1?si=tracking`);
    assert.equal(again.cached, true);
    assert.deepEqual(await origin.requests(), []);
  });

  test('but no longer than cache_ttl_s', async (t) => {
    const forgetful = await startStack({ origin, env: { SLUICE_CACHE_TTL_S: '2' } });
    t.after(() => forgetful.stop());
    assert.equal((await forgetful.info(watch('sluiceLong1'))).json().cached, false);
    assert.equal((await forgetful.info(watch('sluiceLong1'))).json().cached, true);
    await sleep(3100);
    assert.equal((await forgetful.info(watch('sluiceLong1'))).json().cached, false);
  });

  const forms = [
    watch('sluiceDemo1'),
    'http://youtube.com/watch?v=sluiceDemo1',
    'youtube.com/watch?v=sluiceDemo1',
    'HTTPS://WWW.YOUTUBE.COM/watch?v=sluiceDemo1',
    'https://www.youtube.com/watch?feature=share&v=sluiceDemo1&list=PL123&index=2&t=30s',
    'https://youtu.be/sluiceDemo1?si=abc',
    'https://www.youtube.com/shorts/sluiceDemo1',
    'https://www.youtube.com/live/sluiceDemo1?feature=share',
    'https://www.youtube.com/embed/sluiceDemo1',
    'https://www.youtube.com/v/sluiceDemo1',
    'https://music.youtube.com/watch?v=sluiceDemo1',
    'https://m.youtube.com/watch?v=sluiceDemo1',
    'https://www.youtube-nocookie.com/embed/sluiceDemo1',
    'https://www.youtube.com/attribution_link?a=x&u=%2Fwatch%3Fv%3DsluiceDemo1%26feature%3Dshare',
    'https://www.youtube.com/watch_popup?v=sluiceDemo1',
    'sluiceDemo1',
    '  https://youtu.be/sluiceDemo1\n',
  ];
  for (const form of forms)
    test(`link form ${JSON.stringify(form)}`, async () => assert.equal((await described(form)).id, 'sluiceDemo1'));
});

describe('errors of the site', () => {
  const errors = {
    sluicePriv1: [403, 'private'],
    sluiceAge01: [403, 'age_restricted'],
    sluiceGeo01: [403, 'geo_blocked'],
    sluiceMemb1: [403, 'members_only'],
    sluicePaid1: [403, 'paid'],
    sluicePrem1: [403, 'premium'],
    sluiceUpco1: [409, 'upcoming'],
    sluiceLive1: [409, 'live'],
    sluiceGone1: [404, 'not_found'],
    sluiceNone1: [404, 'not_found'],
    sluiceBotc1: [502, 'bot_check'],
    sluiceRate1: [502, 'rate_limited_upstream'],
    sluiceTerm1: [404, 'not_found'],
    sluiceCapt1: [502, 'bot_check'],
    sluiceDrm01: [403, 'drm'],
    nosuchvideo: [404, 'not_found'],
  };
  for (const [id, [status, code]] of Object.entries(errors)) {
    test(`${id}: ${code}`, async () => {
      const problem = assertProblem(await stack.info(watch(id)), status, code);
      assert.doesNotMatch(JSON.stringify(problem), /https?:\/\/[^"]*(google|youtubei)/, 'no upstream address in it');
      assertProblem(await stack.stream(watch(id), 'best'), status, code);
    });
  }

  test('another video instead of the one asked for is not passed off as it', async () => {
    const answer = await stack.info(watch('sluiceSwap1'));
    assert.equal(answer.status, 502, answer.text());
    assert.doesNotMatch(answer.text(), /Another video/);
  });

  test('a bot check is recovered from once, with the visitor the answer brought', async () => {
    await origin.forgetVisitors();
    await described(watch('sluiceV0002'));
    assert.ok(playerCalls(await origin.requests(), 'sluiceV0002').length <= 2);
  });

  test('a video that is always bot-checked does not make us ask for ever', async () => {
    assertProblem(await stack.info(watch('sluiceBotc1')), 502, 'bot_check');
    const calls = playerCalls(await origin.requests(), 'sluiceBotc1');
    assert.ok(calls.length <= 4, `${calls.length} calls`);
  });
});

describe('a site that misbehaves', () => {
  const cases = {
    'a web page instead of JSON': { type: 'html' },
    'JSON without end': { type: 'huge', bytes: 80 << 20 },
    'an empty answer': { type: 'status', status: 200, body: '' },
    'JSON that is cut off': { type: 'truncate', after: 300 },
    'JSON of another shape': {
      type: 'status',
      status: 200,
      headers: { 'Content-Type': 'application/json' },
      body: '[[],"x",{"streamingData":[1,2]}]',
    },
    'deeply nested JSON': {
      type: 'status',
      status: 200,
      headers: { 'Content-Type': 'application/json' },
      body: '['.repeat(100000),
    },
    'a reset': { type: 'reset', after: 100 },
    'a reset before headers': { type: 'reset', after: -1 },
    'no answer at all': { type: 'stall', after: -1 },
    'an answer that stops': { type: 'stall', after: 100 },
    'drops of an answer': { type: 'drip', rate: 40 },
    'a server error': { type: 'status', status: 500 },
    'a redirect to a private address': { type: 'redirect', to: 'http://127.0.0.1:9/' },
  };
  let n = 0;
  for (const [name, action] of Object.entries(cases)) {
    test(name, async () => {
      await origin.script({ match: { path: '/youtubei/*' }, times: Infinity, action });
      const started = Date.now();
      const answer = await stack.info(watch(`sluiceV${9000 + n++}`)); // never asked before
      assert.ok(answer.status === 502 || answer.status === 403, answer.text());
      assertProblem(answer, answer.status, answer.status === 502 ? 'upstream_failed' : 'refused_address');
      assert.ok(Date.now() - started < 15000, 'in bounded time');
      assert.equal((await origin.requests()).filter((entry) => entry.host === '127.0.0.1').length, 0);
    });
  }

  test('one failing call is made again', async () => {
    await origin.script({ match: { path: '/youtubei/*' }, action: { type: 'reset', after: -1 } });
    const answer = await stack.info(watch('sluiceV0001'));
    assert.equal(answer.status, 200, answer.text());
  });
});

describe('plain media links', () => {
  const files = {
    'clip.mp4': ['short-18.mp4', 'muxed', 'mp4', 360, 20],
    'tail.mp4': ['clip-tail.mp4', 'muxed', 'mp4', 360, 20],
    'clip.webm': ['clip.webm', 'muxed', 'webm', 360, 20],
    'movie.mkv': ['movie.mkv', 'muxed', 'mkv', 720, 20],
    'song.mp3': ['song.mp3', 'audio', 'mp3', null, 20],
    'tone.ogg': ['tone.ogg', 'audio', 'ogg', null, 10],
    'tone.wav': ['tone.wav', 'audio', 'wav', null, 5],
    octets: ['short-18.mp4', 'muxed', 'mp4', 360, 20],
  };
  for (const [name, [file, kind, container, height, seconds]] of Object.entries(files)) {
    test(name, async () => {
      const d = await described(`https://media.example/${name}`);
      assert.equal(d.site, 'direct');
      assert.equal(d.formats.length, 1);
      const [format] = d.formats;
      assert.deepEqual(
        [format.kind === 'audio' ? 'audio' : 'muxed', format.container, format.size_bytes, format.height],
        [kind, container, mediaSize(file), height],
      );
      assert.ok(Math.abs(d.duration_s - seconds) <= 1, `${d.duration_s} s`);
      assert.ok(format.codecs, 'codecs');
      const read = (await origin.requests()).reduce((sum, entry) => sum + entry.bytes, 0);
      assert.ok(read < mediaSize(file) || mediaSize(file) < 100000, `read ${read} of ${mediaSize(file)} bytes`);
    });
  }

  test('a host in letters of its language', async () => {
    for (const link of ['https://b\u00fccher.media.example/clip.mp4', '  b\u00fccher.media.example:443/clip.mp4?a=\u00e4']) {
      const answer = await stack.info(link);
      assert.equal(answer.status, 200, answer.text());
      assert.match(answer.json().url, /^https:\/\/xn--bcher-kva\.media\.example\/clip\.mp4/);
    }
    for (const link of ['https://\u2100.media.example/a.mp4', 'https://user:b\u00fc@media.example/a.mp4'])
      assertProblem(await stack.info(link), 400, 'bad_url');
    assertProblem(await stack.info('https://\uff11\uff12\uff17.0.0.1/a.mp4'), 403, 'refused_address');
  });

  const refusals = {
    'page.html': [422, 'unsupported_site'],
    'fake.mp4': [422, 'unsupported_site'],
    'garbage.mp4': [422, 'unsupported_site'],
    'missing.mp4': [404, 'not_found'],
    'status?code=500': [502, 'upstream_failed'],
  };
  for (const [name, [status, code]] of Object.entries(refusals))
    test(name, async () => assertProblem(await stack.info(`https://media.example/${name}`), status, code));

  test('an empty file is no media', async () => {
    const answer = await stack.info('https://media.example/empty.mp4');
    assert.ok([422, 502].includes(answer.status), answer.text());
  });

  test('a certificate for another name is refused', async () =>
    assertProblem(await stack.info('https://wrong-name.example/clip.mp4'), 502, 'upstream_failed'));
  test('five redirects are followed', async () =>
    assert.equal((await described('https://media.example/hops?n=5')).formats.length, 1));
  for (const name of ['hops?n=6', 'loop'])
    test(`${name} is given up`, async () =>
      assertProblem(await stack.info(`https://media.example/${name}`), 502, 'upstream_failed'));

  const targets = [
    'http://127.0.0.1/clip.mp4',
    'http://[::1]/clip.mp4',
    'http://169.254.169.254/latest/meta-data/',
    'http://[::ffff:127.0.0.1]/',
    'http://10.0.0.1/',
    'http://0x7f.1/',
    'http://2130706433/',
    'http://0/',
    'file:///etc/passwd',
    'ftp://media.example/clip.mp4',
    'gopher://127.0.0.1/',
    'http://user:secret@127.0.0.1/',
    'https://media.example:22/clip.mp4',
  ];
  for (const to of targets) {
    test(`a redirect to ${to} is not followed`, async () => {
      const answer = await stack.info(`https://media.example/redirect?to=${encodeURIComponent(to)}`);
      assert.ok(answer.status >= 400 && answer.status < 600, answer.text());
      assertProblem(answer, answer.status, answer.json().code);
      const log = await origin.requests();
      assert.ok(
        log.every((entry) => entry.host === 'media.example' && (entry.port ?? 443) === 443 && entry.path !== '/clip.mp4'),
        JSON.stringify(log),
      );
    });
  }
});

describe('hostile links', () => {
  const id = 'sluiceDemo1';
  const links = [
    `https://user:pass@www.youtube.com/watch?v=${id}`,
    `https://www.youtube.com@media.example/watch?v=${id}`,
    `https://www.youtube.com:443@media.example/clip.mp4`,
    'https://media.example@127.0.0.1/clip.mp4',
    `https://www.youtube.com.media.example/watch?v=${id}`,
    `https://evilyoutube.com/watch?v=${id}`,
    `https://youtu.be.media.example/${id}`,
    `https://media.example\\@www.youtube.com/watch?v=${id}`,
    'http://127.0.0.1/clip.mp4',
    'http://127.1/clip.mp4',
    'http://2130706433/clip.mp4',
    'http://0x7f000001/clip.mp4',
    'http://0177.0.0.1/clip.mp4',
    'http://127.0.0.1./clip.mp4',
    'http://0/clip.mp4',
    'http://[::1]/clip.mp4',
    'http://[::ffff:127.0.0.1]/clip.mp4',
    'http://[::ffff:7f00:1]/clip.mp4',
    'http://[64:ff9b::7f00:1]/',
    'http://[2002:7f00:1::]/',
    'http://[fe80::1%25eth0]/',
    'http://[fd00::1]/',
    'http://169.254.169.254/latest/meta-data/',
    'http://10.1.2.3/a.mp4',
    'http://172.16.0.1/a.mp4',
    'http://192.168.1.1/a.mp4',
    'http://100.64.0.1/a.mp4',
    'http://224.0.0.1/a.mp4',
    'http://255.255.255.255/',
    'http://localhost/a.mp4',
    'http://metadata/a.mp4',
    'https://media.example:22/clip.mp4',
    'https://media.example:99999/clip.mp4',
    'file:///etc/passwd',
    'ftp://media.example/clip.mp4',
    'gopher://media.example/',
    'data:video/mp4;base64,AAAA',
    'javascript:alert(1)',
    'unix:/run/x.sock',
    'concat:a|b',
    'subfile,,start,0,end,9,,:/etc/passwd',
    '--batch-file=/etc/passwd',
    '-o/tmp/x',
    '',
    '   ',
    'hello world',
    'https://',
    'https:///clip.mp4',
    'https://media.example/clip.mp4\r\nX-Evil: 1',
    'https://media.example/cl\u0000ip.mp4',
    'https://media.example/\u0007',
    `https://media.example/${'a'.repeat(10000)}`,
    `https://www.youtube.com/watch?v=${id}${'&a=b'.repeat(2600)}`,
    'https://www.youtube.com/',
    'https://www.youtube.com/@channel',
    'https://www.youtube.com/playlist?list=PL123',
    `https://www.youtube.com/watch?v=${id}1`,
  ];
  for (const link of links) {
    test(JSON.stringify(link.slice(0, 80)), async () => {
      for (const answer of [await stack.info(link), await stack.stream(link, 'best')]) {
        assert.ok(answer.status >= 400 && answer.status < 500, `${answer.status} ${answer.text()}`);
        assertProblem(answer, answer.status, answer.json().code);
      }
      assert.deepEqual(await origin.requests(), []);
    });
  }

  test('no url at all; other methods; unknown routes', async () => {
    assertProblem(await stack.get('/api/v1/info'), 400, 'bad_url');
    const refused = await stack.get('/api/v1/info', { method: 'DELETE' });
    assertProblem(refused, 405, 'bad_method');
    assert.match(refused.headers.allow, /GET/);
    assertProblem(await stack.get('/api/v1/nothing'), 404, 'not_found');
    assert.equal((await stack.info(watch(id), { method: 'HEAD' })).body.length, 0);
  });

  test('bodies that are too long are refused, the longest before they are stored anywhere', async () => {
    const post = (length) =>
      stack.get('/api/v1/info', {
        method: 'POST',
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
        body: `url=${'x'.repeat(length)}`,
      });
    assertProblem(await post(70000), 400, 'bad_request');
    assert.equal((await post(1 << 20)).status, 413);
  });
});

test('names that resolve to private addresses are refused, and nothing is connected', async () => {
  let connections = 0;
  const trap = net.createServer((socket) => {
    connections++;
    socket.destroy();
  });
  await new Promise((resolve) => trap.listen(0, resolve)); // every address of this machine, v4 and v6
  const { port } = trap.address();
  const alone = await startStack({ origin: false, env: { SLUICE_UPSTREAM_PORTS: `80,443,${port}` } });
  try {
    // Debian's /etc/hosts names these; a host that lacks one of them cannot resolve it, which is refused as well.
    for (const host of [
      'localhost.localdomain',
      'ip6-localhost.',
      '127.0.0.1',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '0.0.0.0',
      'localtest.me',
    ]) {
      const answer = await alone.info(`http://${host}:${port}/clip.mp4`);
      assert.ok(answer.status >= 400, `${host}: ${answer.text()}`);
      if (/^[\d[]/.test(host)) assertProblem(answer, 403, 'refused_address');
    }
    assert.equal(connections, 0);
  } finally {
    trap.close();
    await alone.stop();
  }
});

test('chapters and storyboards', async () => {
  const d = await described(watch('sluiceChap1'));
  assert.deepEqual(d.chapters, [
    { start_s: 0, title: 'Intro' },
    { start_s: 5, title: 'The <b>middle</b>' },
    { start_s: 12, title: 'The end' },
  ]);
  const url = (level, name, sign) => `https://i.ytimg.com/sb/sluiceChap1/storyboard3_L${level}/${name}.jpg?sqp=x&sigh=${sign}`;
  assert.deepEqual(d.storyboards, [
    { width: 48, height: 27, columns: 10, rows: 10, count: 100, interval_s: 0.2, urls: [url(0, 'default', 'rs%24AOn4a')] },
    { width: 80, height: 45, columns: 5, rows: 2, count: 21, interval_s: 1, urls: [0, 1, 2].map((sheet) => url(1, `M${sheet}`, 'rs%24AOn4b')) },
  ]);
  const plain = await described(watch('sluiceDemo1'));
  assert.deepEqual([plain.chapters, plain.storyboards], [[], []]);
});
