// Recordings in pieces, as ffmpeg makes them, through the whole stack: what arrives has the packets of the source.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { assertProblem, run, startStack } from './harness.mjs';

let stack;
let origin;
let source; // of film and sound
const at = (name) => `https://media.example/made/${name}`;
const inFolder = (name) => path.join(stack.scratch, name);

async function ffmpeg(...args) {
  const { stderr, exit } = await run('ffmpeg', ['-v', 'error', '-y', ...args], { cwd: stack.scratch });
  assert.equal(exit, 0, stderr);
}

before(async () => {
  stack = await startStack();
  origin = stack.origin;
  await origin.configure({ folder: stack.scratch });
  source = { v: origin.media['short-134.mp4'].path, a: origin.media['short-140.m4a'].path };
});
after(() => stack?.stop());

// Hash, size, and time since the first of all packets of a stream of that kind. Transport streams carry the same
// sound and picture in another wrapping, so what is compared there is what is decoded.
async function packets(file, kind, entries = 'packet=pts_time,size,data_hash') {
  const args = ['-v', 'error', '-select_streams', `${kind}:0`, '-show_entries', entries, '-show_data_hash', 'md5', '-of', 'json', file];
  const { stdout, exit, stderr } = await run('ffprobe', args);
  assert.deepEqual([exit, stderr], [0, '']);
  const list = JSON.parse(stdout).packets;
  assert.ok(list.length > 100);
  const from = Math.min(...list.map((packet) => Number(packet.pts_time)));
  return list.map((packet) => [Math.round((packet.pts_time - from) * 1000), packet.size, packet.data_hash].join(' '));
}

async function pictures(file) {
  const { stdout, stderr, exit } = await run('ffmpeg', ['-v', 'error', '-xerror', '-i', file, '-map', '0:v', '-f', 'rawvideo', '-vf', 'scale=64:36', '-']);
  assert.deepEqual([exit, stderr], [0, '']);
  return createHash('sha256').update(stdout).digest('hex');
}

async function stream(name, choice, query = {}) {
  const answer = await stack.get(`/api/v1/stream?${new URLSearchParams({ url: at(name), choice, ...query })}`);
  assert.equal(answer.status, 200, answer.status === 200 ? '' : answer.text());
  assert.ok(answer.complete);
  const file = inFolder('got');
  writeFileSync(file, answer.body);
  return file;
}

describe('HLS with AES-128', () => {
  const key = randomBytes(16);
  // ffmpeg: one key for all, an initialisation vector stated or not, or a new key for every piece.
  async function make(name, flags, iv, ...more) {
    writeFileSync(inFolder(`${name}.key`), key);
    writeFileSync(inFolder(`${name}.info`), `${name}.key\n${name}.key\n${iv}\n`);
    await ffmpeg('-i', source.v, '-i', source.a, '-c', 'copy', '-f', 'hls', '-hls_time', '5', '-hls_playlist_type', 'vod', '-hls_key_info_file', `${name}.info`, '-hls_flags', flags, ...more, `${name}.m3u8`);
    return readFileSync(inFolder(`${name}.m3u8`), 'utf8');
  }

  for (const [name, flags, iv, ...more] of [
    ['stated', 'split_by_time', '000102030405060708090a0b0c0d0e0f'],
    ['numbered', 'split_by_time', '', '-start_number', '300'],
  ]) {
    test(`the vector is ${name}`, async () => {
      const list = await make(name, flags, iv, ...more);
      assert.match(list, /METHOD=AES-128/);
      if (name === 'numbered') writeFileSync(inFolder('numbered.m3u8'), list.replace(/,IV=0x[0-9a-f]+/g, ''));
      const info = (await stack.info(at(`${name}.m3u8`))).json();
      assert.deepEqual([info.preselected, info.choices[0].size_exact], ['muxed-source', false]);
      const file = await stream(`${name}.m3u8`, 'best');
      assert.deepEqual(await packets(file, 'a', 'packet=size,data_hash'), await packets(source.a, 'a', 'packet=size,data_hash'));
      assert.equal(await pictures(file), await pictures(source.v));
    });
  }

  test('a key for each piece, and pieces that are not locked between', async () => {
    await ffmpeg('-i', source.v, '-i', source.a, '-c', 'copy', '-f', 'hls', '-hls_time', '5', '-hls_playlist_type', 'vod', '-hls_segment_filename', 'plain%d.ts', 'plain.m3u8');
    const lines = [];
    for (const line of readFileSync(inFolder('plain.m3u8'), 'utf8').split('\n')) {
      const [, number] = /^plain(\d+)\.ts$/.exec(line) ?? [];
      if (!number || number % 3 === 2) {
        lines.push(...(number ? ['#EXT-X-KEY:METHOD=NONE', line] : [line]));
        continue;
      }
      const [own, iv] = [randomBytes(16), randomBytes(16).toString('hex')];
      writeFileSync(inFolder(`own${number}.key`), own);
      await run('openssl', ['enc', '-aes-128-cbc', '-K', own.toString('hex'), '-iv', iv, '-in', line, '-out', `locked${number}.ts`], { cwd: stack.scratch });
      lines.push(`#EXT-X-KEY:METHOD=AES-128,URI="own${number}.key",IV=0x${iv}`, `locked${number}.ts`);
    }
    assert.ok(lines.includes('locked0.ts') && lines.includes('plain2.ts') && lines.includes('locked3.ts'));
    writeFileSync(inFolder('turned.m3u8'), lines.join('\n'));
    const file = await stream('turned.m3u8', 'best');
    assert.deepEqual(await packets(file, 'a', 'packet=size,data_hash'), await packets(source.a, 'a', 'packet=size,data_hash'));
    assert.equal(await pictures(file), await pictures(source.v));
  });

  test('a piece that breaks off is taken up again; its sound is MP3', async () => {
    await make('again', 'split_by_time', '000102030405060708090a0b0c0d0e0f');
    await origin.script({ match: { path: '/made/again2.ts' }, action: { type: 'reset', after: 40000 } });
    assert.equal(await pictures(await stream('again.m3u8', 'best')), await pictures(source.v));
    const { stdout } = await run('ffprobe', ['-v', 'error', '-show_entries', 'stream=codec_name,duration', '-of', 'csv=p=0', await stream('again.m3u8', 'audio-mp3-128')]);
    const [codec, seconds] = stdout.toString().split(',');
    assert.ok(codec === 'mp3' && Math.abs(seconds - 20) < 0.2, stdout.toString());
  });

  test('the wrong key, no key, keys of others', async () => {
    await make('wrong', 'split_by_time', '000102030405060708090a0b0c0d0e0f');
    writeFileSync(inFolder('wrong.key'), randomBytes(16));
    assertProblem(await stack.info(at('wrong.m3u8')), 422, 'unsupported_site');
    writeFileSync(inFolder('short.key'), 'short');
    const list = readFileSync(inFolder('wrong.m3u8'), 'utf8');
    for (const [i, [change, status, code]] of [
      [['wrong.key', 'short.key'], 502, 'upstream_failed'],
      [['METHOD=AES-128', 'METHOD=SAMPLE-AES'], 403, 'drm'],
      [['METHOD=AES-128', 'METHOD=AES-128,KEYFORMAT="com.example"'], 403, 'drm'],
      [['URI="wrong.key"', 'URI="http://169.254.169.254/key"'], 403, 'refused_address'],
    ].entries()) {
      writeFileSync(inFolder(`wrong${i}.m3u8`), list.replaceAll(...change));
      assertProblem(await stack.info(at(`wrong${i}.m3u8`)), status, code);
    }
    assert.ok((await origin.requests()).every((entry) => entry.host !== '169.254.169.254'));
  });
});

describe('DASH', () => {
  const inputs = () => ['134.mp4', '136.mp4', '140.m4a', '140-de.m4a'].flatMap((name) => ['-i', origin.media[`short-${name}`].path]);
  const maps = ['-map', '0:v', '-map', '1:v', '-map', '2:a', '-map', '3:a', '-metadata:s:a:0', 'language=en', '-metadata:s:a:1', 'language=de'];
  const sets = ['-adaptation_sets', 'id=0,streams=0,1 id=1,streams=2 id=2,streams=3', '-seg_duration', '5'];
  const make = (name, ...more) => ffmpeg(...inputs(), ...maps, '-c', 'copy', '-f', 'dash', ...sets, ...more, `${name}.mpd`);
  const names = (name) => ['-init_seg_name', `${name}-$RepresentationID$.m4s`, '-media_seg_name', `${name}-$RepresentationID$-$Number%05d$.m4s`];

  for (const [name, mark, ...more] of [
    ['timeline', /<SegmentTimeline>/, ...names('timeline')],
    ['duration', /SegmentTemplate[^>]* duration=/, '-use_timeline', '0', ...names('duration')],
    ['time', /\$Time\$/, '-init_seg_name', 'time-$RepresentationID$.m4s', '-media_seg_name', 'time-$RepresentationID$-$Time$.m4s'],
    ['ranges', /<SegmentURL mediaRange=/, '-single_file', '1', '-single_file_name', 'ranges-$RepresentationID$.mp4'],
  ]) {
    test(`pieces by ${name}`, async () => {
      await make(name, ...more);
      const text = readFileSync(inFolder(`${name}.mpd`), 'utf8');
      assert.match(text, mark);
      // by which the picture has one piece less than there should be
      if (name === 'duration') writeFileSync(inFolder('duration.mpd'), text.replaceAll(/(mediaPresentationDuration|Period [^>]*duration)="PT[^"]*"/g, '$1="PT20.1S"'));
      const info = (await stack.info(at(`${name}.mpd`))).json();
      assert.deepEqual([info.preselected, Math.round(info.duration_s), info.formats.map((format) => format.language)], ['720p-mp4', 20, [null, null, 'en', 'de']]);
      const choice = info.choices.find((one) => one.id === '720p-mp4');
      assert.deepEqual([choice.size_exact, choice.resumable, choice.container], [false, false, 'mp4']);
      for (const [id, query, video, audio] of [
        ['720p-mp4', {}, 'short-136.mp4', 'short-140.m4a'],
        ['<=400p', { lang: 'de' }, 'short-134.mp4', 'short-140-de.m4a'],
      ]) {
        const file = await stream(`${name}.mpd`, id, query);
        assert.deepEqual(await packets(file, 'v'), await packets(origin.media[video].path, 'v'));
        assert.deepEqual(await packets(file, 'a'), await packets(origin.media[audio].path, 'a'));
      }
    });
  }

  test('its sound: alone and as MP3', async () => {
    for (const [id, codec] of [['format-a2', 'aac'], ['audio-mp3-128', 'mp3']]) {
      const { stdout } = await run('ffprobe', ['-v', 'error', '-show_entries', 'stream=codec_name,duration', '-of', 'csv=p=0', await stream('timeline.mpd', id)]);
      const [name, seconds] = stdout.toString().split(',');
      assert.ok(name === codec && (codec === 'aac' || Math.abs(seconds - 20) < 0.2), stdout.toString());
    }
  });

  test('WebM pieces become one MP4', async () => {
    const [video, audio] = ['short-247.webm', 'short-251.webm'].map((name) => origin.media[name].path);
    await ffmpeg('-i', video, '-i', audio, '-c', 'copy', '-f', 'dash', '-dash_segment_type', 'webm', '-seg_duration', '5', '-init_seg_name', 'web-$RepresentationID$.webm', '-media_seg_name', 'web-$RepresentationID$-$Number$.webm', 'web.mpd');
    const file = await stream('web.mpd', 'best');
    for (const [number, kind] of ['v', 'a'].entries()) {
      // all that ffmpeg has put into the pieces: of the sound two packets less than it was given
      const parts = readdirSync(stack.scratch).filter((name) => name.startsWith(`web-${number}-`)).sort();
      const whole = inFolder(`whole-${number}.webm`);
      writeFileSync(whole, Buffer.concat([`web-${number}.webm`, ...parts].map((name) => readFileSync(inFolder(name)))));
      assert.deepEqual(await packets(file, kind, 'packet=size,data_hash'), await packets(whole, kind, 'packet=size,data_hash'));
    }
  });

  const hand = (body, attributes = 'type="static"') =>
    `<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" ${attributes} mediaPresentationDuration="PT20S"><BaseURL>../hls/</BaseURL><Period>${body}</Period></MPD>`;
  const oneFile = (name, type, extra = '') => {
    const { init, index } = origin.media[name];
    return `<AdaptationSet mimeType="${type}">${extra}<Representation id="${name}" bandwidth="500000" ${type.startsWith('video') ? 'width="640" height="360" codecs="avc1.42c01e"' : 'codecs="mp4a.40.2"'}><BaseURL>of/${name}</BaseURL><SegmentBase indexRange="${index.start}-${index.end}"><Initialization range="${init.start}-${init.end}"/></SegmentBase></Representation></AdaptationSet>`;
  };

  test('files with an index are planned: exact, resumable', async () => {
    writeFileSync(inFolder('files.mpd'), hand(oneFile('short-134.mp4', 'video/mp4') + oneFile('short-140.m4a', 'audio/mp4')));
    const info = (await stack.info(at('files.mpd'))).json();
    assert.deepEqual(info.formats.map((format) => [format.container, format.size_bytes]), [['mp4', origin.media['short-134.mp4'].size], ['m4a', origin.media['short-140.m4a'].size]]);
    const answer = await stack.stream(at('files.mpd'), '360p-mp4');
    assert.equal(Number(answer.headers['content-length']), answer.body.length);
    assert.ok(info.choices.find((choice) => choice.id === '360p-mp4').resumable);
    const file = await stream('files.mpd', '360p-mp4');
    for (const kind of ['v', 'a']) assert.deepEqual(await packets(file, kind), await packets(source[kind], kind));
  });

  test('what is refused', async () => {
    const set = oneFile('short-134.mp4', 'video/mp4');
    for (const [name, text, status, code] of [
      ['live', hand(set, 'type="dynamic"'), 409, 'live'],
      ['locked', hand(oneFile('short-134.mp4', 'video/mp4', '<ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011"/>')), 403, 'drm'],
      ['parts', hand(`${set}</Period><Period>${set}`), 422, 'unsupported_site'],
      ['laughs', hand(set).replace('<MPD', '<!DOCTYPE MPD [<!ENTITY a "a"><!ENTITY b "&a;&a;">]><MPD'), 422, 'unsupported_site'],
      ['inward', hand('<AdaptationSet mimeType="video/mp4"><Representation id="1" height="360"><BaseURL>http://169.254.169.254/</BaseURL></Representation></AdaptationSet>'), 403, 'refused_address'],
    ]) {
      writeFileSync(inFolder(`${name}.mpd`), text);
      const answer = name === 'inward' ? await stack.stream(at('inward.mpd'), 'best') : await stack.info(at(`${name}.mpd`));
      assertProblem(answer, status, code);
    }
    assert.ok((await origin.requests()).every((entry) => entry.host !== '169.254.169.254'));
  });
});
