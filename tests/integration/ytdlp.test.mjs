// yt-dlp as an engine: the real one on pages of the stand-in, and one of our own that means harm. It has no network
// but the fetch gate's, and what it says is data.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { forkOrigin } from '../origin/origin.mjs';
import { assertProblem, programs, root, run, scratchDir, startStack, until } from './harness.mjs';

const release = path.join(root, 'build/cgi-bin');
const page = (name) => `https://sites.example/watch/${name}`;
let origin;
before(async () => (origin = await forkOrigin()));
beforeEach(() => origin.reset());
after(() => origin?.stop());

async function withStack(env, work, bin = programs) {
  const stack = await startStack({ origin, bin, env: { SLUICE_PREPARE: '0', SLUICE_ENGINES: 'native,yt-dlp', ...env } });
  try {
    await work(stack);
  } finally {
    await stack.stop();
  }
}

async function described(stack, url) {
  const answer = await stack.info(url);
  assert.equal(answer.status, 200, answer.text());
  return answer.json();
}

const asked = async (where) => (await origin.requests()).filter((entry) => entry.path === where && entry.method !== 'CONNECT');
const bytesOf = (name) => readFileSync(origin.media[name].path);

async function codecsOf(data) {
  const file = path.join(scratchDir(), 'made.mp4');
  writeFileSync(file, data);
  const done = await run('ffprobe', ['-v', 'error', '-show_entries', 'stream=codec_name,width', '-of', 'csv=p=0', file]);
  return done.stdout.toString().trim().split('\n').sort();
}

describe('the real one', () => {
  test('a page with an HLS list: choices of picture and sound, one MP4 file', () =>
    withStack({}, async (stack) => {
      const d = await described(stack, page('hls'));
      assert.deepEqual([d.engine, d.site, d.url, d.title], ['yt-dlp:web', 'web', page('hls'), 'A page & its "title"']);
      assert.ok(Math.abs(d.duration_s - 20) <= 1, `${d.duration_s}`);
      assert.deepEqual(d.formats.map((f) => [f.kind, f.container, f.height]), [['video', 'hls', 720], ['video', 'hls', 360], ['audio', 'hls', null], ['audio', 'hls', null]]);
      const made = d.choices.find((choice) => choice.id === '360p-mp4');
      const answer = await stack.get(made.stream_url);
      assert.equal(answer.status, 200, answer.body.length < 1000 ? answer.text() : '');
      assert.deepEqual(await codecsOf(answer.body), ['aac', 'h264,640']);
    }));

  test('a page with a file that is given only to who names the page; the size is the real one, ranges work', () =>
    withStack({}, async (stack) => {
      const d = await described(stack, page('file'));
      const whole = bytesOf('short-18.mp4');
      assert.deepEqual(d.choices.filter((c) => c.id.startsWith('muxed-')).map((c) => [c.size_bytes, c.size_exact, c.resumable]), [[whole.length, true, true]]);
      const part = await stack.stream(page('file'), 'best', { headers: { Range: 'bytes=1000-1999' } });
      assert.equal(part.status, 206, part.text());
      assert.ok(part.body.equals(whole.subarray(1000, 2000)));
      assert.ok((await stack.stream(page('file'), 'best')).body.equals(whole));
    }));

  test('a direct link, and plain http', () =>
    withStack({ SLUICE_ENGINES: 'yt-dlp' }, async (stack) => {
      for (const link of ['https://media.example/clip.mp4', 'http://media.example/clip.mp4', page('plain')]) {
        assert.match((await described(stack, link)).engine, /^yt-dlp:/, link);
        assert.ok((await stack.stream(link, 'best')).body.equals(bytesOf('short-18.mp4')), link);
      }
    }));

  test('a resident child answers the second question in a fraction of a second', () =>
    withStack({ SLUICE_ENGINES: 'yt-dlp' }, async (stack) => {
      await described(stack, page('plain'));
      const children = stack.processes().filter((row) => row.name.startsWith('python')).map((row) => row.pid);
      const began = performance.now();
      await described(stack, page('file'));
      const took = performance.now() - began;
      assert.ok(took < 1500, `${took} ms`);
      assert.equal(children.length, 1);
      assert.deepEqual(stack.processes().filter((row) => row.name.startsWith('python')).map((row) => row.pid), children);
    }));

  test('it has the operator’s cookies for the host of the link, and what is remembered does not', async () => {
    const dir = scratchDir();
    const row = (domain, name, value) => `${domain}\t${domain.startsWith('.') ? 'TRUE' : 'FALSE'}\t/\tTRUE\t0\t${name}\t${value}\n`;
    writeFileSync(path.join(dir, 'sites.txt'), row('.sites.example', 'session', 'hidden-1') + row('media.example', 'other', 'hidden-2'));
    await withStack({ SLUICE_ENGINES: 'yt-dlp', SLUICE_COOKIES_DIR: dir }, async (stack) => {
      assert.equal((await stack.stream(page('file'), 'best')).status, 200);
      const sent = (await origin.requests()).filter((entry) => entry.method === 'GET');
      assert.deepEqual([...new Set(sent.map((entry) => `${entry.host} ${entry.headers.cookie}`))].sort(), ['files.sites.example session=hidden-1', 'sites.example session=hidden-1']);
      assert.equal((await stack.stream(page('plain'), 'best')).status, 200);
      assert.ok((await asked('/clip.mp4')).every((entry) => !/hidden-1/.test(entry.headers.cookie ?? '') || entry.host === 'files.sites.example'));
      assert.doesNotMatch(await stack.sql('SELECT hex(value) FROM media_cache'), new RegExp(Buffer.from('hidden').toString('hex'), 'i'));
    });
  });

  test('it looks by the way out by which the media are fetched', () =>
    withStack({ SLUICE_ENGINES: 'yt-dlp', PROXY_URL: `${origin.proxyUrls[1]} ${origin.proxyUrls[2]}` }, async (stack) => {
      const used = new Set();
      for (let n = 0; n < 12 && used.size < 2; n++) {
        await origin.reset();
        assert.equal((await stack.stream(`${page('file')}?${n}`, 'best')).status, 200);
        const vias = [...new Set((await origin.requests()).filter((entry) => entry.method === 'GET').map(({ via }) => via))];
        assert.equal(vias.length, 1, `${vias}`);
        used.add(vias[0]);
      }
      assert.equal(used.size, 2, 'both are used');
    }));

  test('nothing of use, and addresses where nobody goes', () =>
    withStack({}, async (stack) => {
      for (const name of ['nothing', 'scheme', 'inward', 'names']) assertProblem(await stack.info(page(name)), 422, 'unsupported_site');
      assertProblem(await stack.info('https://sites.example/gone'), 404, 'not_found');
      assertProblem(await stack.info('http://127.0.0.1/clip.mp4'), 403, 'refused_address');
      const hosts = (await origin.requests()).map((entry) => entry.host);
      assert.deepEqual(hosts.filter((host) => !/^(files\.)?sites\.example$/.test(host)), []);
    }));

  for (const [what, pattern] of [['child', /^python/], ['gate', /^sluice-dlp$/]])
    test(`killing the ${what} in the middle of a question costs one more`, () =>
      withStack({ SLUICE_ENGINES: 'yt-dlp' }, async (stack) => {
        await described(stack, page('plain'));
        await origin.script({ match: { path: '/watch/file' }, action: { type: 'delay', ms: 1500 } });
        const answer = described(stack, page('file'));
        await until(async () => (await asked('/watch/file')).length > 0, 'the question');
        // of the gate's two processes the second: the first starts it anew
        const row = stack.processes().filter((one) => pattern.test(one.name)).at(-1);
        process.kill(row.pid, 'SIGKILL');
        assert.equal((await answer).engine, 'yt-dlp:web');
        assert.ok((await asked('/watch/file')).length <= 2);
      }));

  test('killing all of them at once costs one retry: the program is replaced', () =>
    withStack({ SLUICE_ENGINES: 'yt-dlp' }, async (stack) => {
      await described(stack, page('plain'));
      await sleep(2000); // a program that has hardly begun is not replaced
      for (const { pid } of stack.processes('sluice-dlp')) process.kill(pid, 'SIGKILL');
      const first = await stack.info(page('file'));
      if (first.status !== 200) {
        assertProblem(first, 503, 'busy');
        await sleep(first.headers['retry-after'] * 1000);
      }
      assert.equal((await described(stack, page('file'))).engine, 'yt-dlp:web', stack.log());
    }));

  test('without it, or switched off, pages are told as before', () =>
    Promise.all([
      withStack({ SLUICE_YTDLP_PYTHON: '/nowhere/python3' }, async (stack) => {
        assertProblem(await stack.info(page('file')), 422, 'unsupported_site');
        assert.deepEqual(stack.processes('sluice-dlp'), []);
      }),
      withStack({ SLUICE_ENGINES: 'native' }, async (stack) => {
        assertProblem(await stack.info(page('file')), 422, 'unsupported_site');
        assert.deepEqual(stack.processes('sluice-dlp'), []);
      }),
    ]));
});

// A module of that name, found first by ytdlp_path. What it does is in the link.
const harm = `
import json, os, sys, time, types
class YoutubeDL:
    def __init__(self, params):
        self.params = params
        self._ies = {}
        self.cookiejar = types.SimpleNamespace(get_cookie_header=lambda url: None)
    def __enter__(self): return self
    def __exit__(self, *args): pass
    def sanitize_info(self, info): return info
    def extract_info(self, url, download):
        assert download is False
        what = url.rsplit("/", 1)[1]
        found = getattr(self, what)()
        info = {"id": "x", "title": str(found), "upload_date": "20260131", "formats": [{"format_id": "1", "url": "https://media.example/clip.mp4", "ext": "mp4"}]}
        if isinstance(found, dict): info.update(found)
        return info
    def attempt(self, work):
        try: return "did it: %r" % (work(),)
        except BaseException as error: return type(error).__name__
    def fork(self): return self.attempt(os.fork)
    def program(self): return self.attempt(lambda: __import__("subprocess").run(["/bin/true"]))
    def shell(self): return self.attempt(lambda: os.execv("/bin/sh", ["sh", "-c", "true"]))
    def tcp(self):
        import _socket
        return self.attempt(lambda: _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM).connect(("127.0.0.1", PORT)))
    def udp(self):
        import _socket
        return self.attempt(lambda: _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM))
    def unix(self):
        import _socket
        return self.attempt(lambda: _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM))
    def inside(self):
        import socket
        return self.attempt(lambda: socket.create_connection(("127.0.0.1", PORT), 2))
    def secrets(self): return self.attempt(lambda: open("DATA/sluice.db", "rb").read(16))
    def passwords(self): return self.attempt(lambda: open("/etc/shadow").read(4))
    def write(self): return self.attempt(lambda: open("/tmp/sluice-was-here", "w").write("x"))
    def parent(self): return self.attempt(lambda: os.kill(os.getppid(), 9))
    def environment(self): return ",".join(sorted(os.environ))
    def loop(self):
        while True: pass
    def sleep(self): time.sleep(60)
    def leave(self): os._exit(3)
    def hog(self): return self.attempt(lambda: bytearray(2 << 30))
    def huge(self): return {"title": "x" * (7 << 20)}
    def throw(self): raise ValueError("\\r\\n<script>")
    def shapes(self): return {"formats": [7, None, {"url": 5}, {"format_id": "1", "url": "https://media.example/a", "ext": "mp4", "width": -1, "tbr": float("inf")}, {"url": "https://media.example/\\r\\nHost: x", "ext": "mp4"}], "duration": "soon", "chapters": [{"start_time": "x", "title": 4}], "subtitles": {"en": [{"ext": "vtt", "url": "file:///x"}]}}
    def live(self): return {"is_live": True}
    def headers(self): return {"formats": [{"format_id": "1", "url": "https://media.example/clip.mp4", "ext": "mp4", "http_headers": {"Referer": "a\\r\\nX-Evil: 1", "X-Other": "2", "Cookie": "a=b"}}]}
    def apart(self):
        at = "https://media.example/hls/of/"
        return {"title": "apart", "duration": 20, "formats": [
            {"format_id": "v", "url": at + "short-136.mp4", "ext": "mp4", "vcodec": "avc1.4d401f", "acodec": "none", "width": 1280, "height": 720},
            {"format_id": "a", "url": at + "short-140.m4a", "ext": "m4a", "vcodec": "none", "acodec": "mp4a.40.2", "abr": 128}]}
    def drm(self): raise ValueError("This video is DRM protected")
    def login(self): raise ValueError("This video is private")
    def empty(self): return {"formats": []}
`;

describe('one that means harm', () => {
  let stack;
  let listener;
  let reached = 0;
  before(async () => {
    listener = net.createServer((socket) => (reached++, socket.end())).listen(0, '127.0.0.1');
    await new Promise((resolve) => listener.once('listening', resolve));
    const at = path.join(scratchDir(), 'modules');
    const data = path.join(scratchDir(), 'data');
    mkdirSync(path.join(at, 'yt_dlp'), { recursive: true });
    writeFileSync(path.join(at, 'yt_dlp/__init__.py'), harm.replaceAll('PORT', listener.address().port).replaceAll('DATA', data));
    stack = await startStack({
      origin,
      bin: release, // the sandbox leaves doors open to the sanitizers
      dataDir: data,
      env: { SLUICE_PREPARE: '0', SLUICE_ENGINES: 'yt-dlp', SLUICE_YTDLP_PATH: at, SLUICE_YTDLP_TIMEOUT_S: '2', SLUICE_UPSTREAM_PORTS: `80,443,${listener.address().port}` },
    });
  });
  after(async () => {
    await stack?.stop();
    listener?.close();
  });

  const link = (what) => `https://sites.example/${what}`;
  for (const what of ['fork', 'program', 'shell', 'tcp', 'udp', 'unix', 'inside', 'secrets', 'passwords', 'write', 'hog'])
    test(`it cannot: ${what}`, async () => {
      const { title } = await described(stack, link(what));
      assert.match(title, /^(PermissionError|OSError|FileNotFoundError|BlockingIOError|MemoryError)$/);
      assert.equal(reached, 0);
      assert.equal(existsSync('/tmp/sluice-was-here'), false);
    });

  test('it signals nobody, and has no environment of ours', async () => {
    const gates = stack.processes('sluice-dlp').map((row) => row.pid);
    assert.equal((await described(stack, link('parent'))).title, 'PermissionError');
    assert.deepEqual(stack.processes('sluice-dlp').map((row) => row.pid), gates);
    assert.equal((await described(stack, link('environment'))).title, 'HOME,LANG,PATH,SSL_CERT_FILE,YTDLP_PATH');
  });

  for (const what of ['loop', 'sleep', 'leave'])
    test(`it does not stay: ${what}`, async () => {
      const began = performance.now();
      assertProblem(await stack.info(link(what)), 502, 'upstream_failed');
      assert.ok(performance.now() - began < 5000);
      assert.match((await described(stack, `https://sites.example/after-${what}/environment`)).engine, /^yt-dlp/);
    });

  test('what it says is data', async () => {
    const codes = { huge: [502, 'upstream_failed'], throw: [502, 'upstream_failed'], live: [409, 'live'], drm: [403, 'drm'], login: [403, 'private'], empty: [422, 'unsupported_site'] };
    for (const [what, [status, code]] of Object.entries(codes)) assertProblem(await stack.info(link(what)), status, code);
    const d = await described(stack, link('shapes'));
    assert.equal(d.published, '2026-01-31');
    assert.deepEqual(d.formats.map((f) => [f.id, f.width, f.bitrate]), [['1', null, null]]);
    assert.deepEqual([d.duration_s, d.subtitles], [null, []]);
    const answer = await stack.stream(link('headers'), 'best');
    assert.equal(answer.status, 200);
    const sent = (await asked('/clip.mp4')).at(-1).headers;
    assert.deepEqual([sent['x-evil'], sent['x-other'], sent.referer, sent.cookie], [undefined, undefined, undefined, 'a=b']);
  });

  test('picture and sound in files of their own become one', async () => {
    const d = await described(stack, link('apart'));
    const merged = d.choices.find((choice) => choice.id === '720p-mp4');
    assert.deepEqual([merged.formats, merged.size_exact], [['v', 'a'], false]);
    const answer = await stack.get(merged.stream_url);
    assert.equal(answer.status, 200, answer.body.length < 1000 ? answer.text() : '');
    assert.deepEqual(await codecsOf(answer.body), ['aac', 'h264,1280']);
  });

  test('questions beside each other wait for a child, none is lost', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => described(stack, `https://sites.example/n${i}/environment`)));
    assert.equal(answers.length, 8);
    const gates = stack.processes('sluice-dlp').length / 2;
    assert.ok(stack.processes().filter((row) => row.name.startsWith('python')).length <= 3 * gates);
  });
});
