// media.example: a plain web server with media files, and with addresses that test who fetches from it.
import { statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';

import { answerFile, answerText } from './answer.mjs';

const files = {
  '/clip.mp4': ['short-18.mp4', 'video/mp4'],
  '/tail.mp4': ['clip-tail.mp4', 'video/mp4'], // moov at the end
  '/clip.webm': ['clip.webm', 'video/webm'],
  '/song.mp3': ['song.mp3', 'audio/mpeg'],
  '/tone.ogg': ['tone.ogg', 'audio/ogg'],
  '/tone.wav': ['tone.wav', 'audio/x-wav'],
  '/movie.mkv': ['movie.mkv', 'video/x-matroska'],
  '/big.mp4': ['big-137.mp4', 'video/mp4'],
  '/octets': ['short-18.mp4', 'application/octet-stream'], // a known container under no telling name
  '/picture.jpg': ['thumbnail.jpg', 'image/jpeg'],
};

// HLS: any cut will do, for what is put together again is the file. `from`: where the pieces begin.
const hlsPieces = 7;
const cuts = (file, from = 0) =>
  Array.from({ length: hlsPieces + 1 }, (_, i) => from + Math.floor(((file.size - from) * i) / hlsPieces));

function hlsTransport(file) {
  const lines = cuts(file)
    .slice(1)
    .map((_, i) => `#EXTINF:${(20 / hlsPieces).toFixed(3)},\npieces/${i}.ts`);
  return `#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3\n${lines.join('\n')}\n#EXT-X-ENDLIST\n`;
}

function hlsFragments(file) {
  const at = cuts(file, file.index.end + 1);
  const lines = at.slice(1).map((end, i) => `#EXTINF:${(20 / hlsPieces).toFixed(3)},\n#EXT-X-BYTERANGE:${end - at[i]}${i ? '' : `@${at[0]}`}\n../of/${file.file}`);
  return `#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:3\n#EXT-X-MAP:URI="../of/${file.file}",BYTERANGE="${file.init.end + 1}@0"\n${lines.join('\n')}\n#EXT-X-ENDLIST\n`;
}

const hlsMaster = `#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="German",LANGUAGE="de",DEFAULT=NO,URI="list/short-140-de.m4a.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="English",LANGUAGE="en",DEFAULT=YES,URI="list/short-140.m4a.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=700000,RESOLUTION=640x360,FRAME-RATE=24.000,CODECS="avc1.42c01e,mp4a.40.2",AUDIO="aac"
list/short-134.mp4.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=1500000,AVERAGE-BANDWIDTH=1300000,RESOLUTION=1280x720,FRAME-RATE=24.000,CODECS="avc1.42c01f,mp4a.40.2",AUDIO="aac"
list/short-136.mp4.m3u8
`;

const page = '<!doctype html><html lang="en"><title>A page</title><video src="clip.mp4"></video>';

// What a test has made with ffmpeg, below settings.folder.
const types = { '.m3u8': 'application/vnd.apple.mpegurl', '.mpd': 'application/dash+xml', '.ts': 'video/mp2t', '.webm': 'video/webm', '.vtt': 'text/vtt' };
function made(folder, name, range) {
  const file = join(folder, basename(name));
  const found = folder && statSync(file, { throwIfNoEntry: false });
  if (!found) return undefined;
  return answerFile({ file, size: found.size, type: types[extname(name)] ?? 'video/mp4', rangeHeader: range, headers: { ETag: `"${found.size}"` } });
}

export function makeDirect({ media, settings }) {
  function file(path, headers, rangeHeader) {
    const [name, type] = files[path];
    return answerFile({ file: media[name].path, size: media[name].size, type, rangeHeader, headers });
  }

  const playlist = (text) => answerText(200, 'application/vnd.apple.mpegurl', text);

  // /hls/…: lists of pieces, and the pieces.
  function hls(path, url, headers) {
    const clip = media['clip.ts'];
    const [, listed] = /^list\/(.+)\.m3u8$/.exec(path) ?? [];
    const [, piece] = /^pieces\/(\d+)\.ts$/.exec(path) ?? [];
    const [, whole] = /^of\/(.+)$/.exec(path) ?? [];
    if (path === 'clip.m3u8') return playlist(hlsTransport(clip));
    if (path === 'whole.m3u8') return playlist(hlsTransport(clip).replaceAll('.ts', '.ts?whole'));
    if (path === 'plain.txt') return answerText(200, 'text/plain', hlsTransport(clip));
    if (path === 'master.m3u8') return playlist(hlsMaster);
    if (path === 'muxed.m3u8') return playlist('#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=800000,RESOLUTION=640x360\nclip.m3u8\n');
    if (path === 'live.m3u8') return playlist(hlsTransport(clip).replace('#EXT-X-ENDLIST\n', ''));
    if (path === 'locked.m3u8') return playlist(hlsTransport(clip).replace('#EXTINF', '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="key"\n#EXTINF'));
    if (path === 'inward.m3u8') return playlist('#EXTM3U\n#EXTINF:2,\nhttp://169.254.169.254/latest/\n#EXT-X-ENDLIST\n');
    if (media[listed]?.index) return playlist(hlsFragments(media[listed]));
    if (piece < hlsPieces) {
      const at = cuts(clip);
      const [from, size] = [at[piece], at[Number(piece) + 1] - at[piece]];
      const ranges = !url.searchParams.has('whole'); // else the server knows none
      const answer = answerFile({ file: clip.path, size, type: 'video/mp2t', rangeHeader: ranges ? headers.range : undefined });
      return { ...answer, start: answer.start + from, end: answer.end + from };
    }
    const other = media[whole];
    return other && answerFile({ file: other.path, size: other.size, type: 'video/mp4', rangeHeader: headers.range });
  }

  return {
    answer({ host, url, headers }) {
      const ours = ['media.example', 'cdn.example', 'wrong-name.example', 'xn--bcher-kva.media.example'];
      if (!ours.includes(host)) return undefined;
      const stamped = { ETag: '"v1"', 'Last-Modified': 'Mon, 02 Nov 2026 08:00:00 GMT' };
      if (files[url.pathname]) return file(url.pathname, stamped, headers.range);
      if (url.pathname.startsWith('/made/')) return made(settings.folder, url.pathname, headers.range) ?? answerText(404, 'text/plain', '');
      if (url.pathname.startsWith('/hls/')) return hls(url.pathname.slice(5), url, headers) ?? answerText(404, 'text/plain', '');
      switch (url.pathname) {
        case '/page.html':
        case '/':
          return answerText(200, 'text/html; charset=utf-8', page);
        case '/fake.mp4': // a page that calls itself a video
          return answerText(200, 'video/mp4', page);
        case '/empty.mp4':
          return answerText(200, 'video/mp4', '');
        case '/garbage.mp4':
          return answerText(200, 'video/mp4', Buffer.alloc(200000, 'not a video '));
        case '/norange.mp4': // ignores Range
          return { ...file('/clip.mp4', { 'Accept-Ranges': undefined }, undefined), status: 200 };
        case '/chunked.mp4': // ignores Range and does not say how long it is
          return { ...file('/clip.mp4', { 'Accept-Ranges': undefined, 'Content-Length': undefined }, undefined), status: 200 };
        case '/gigabyte.mp4': {
          // ?rate= bytes per second and connection; ?whole: of a server that knows no ranges
          const { path: clip, size } = media['short-18.mp4'];
          const rangeHeader = url.searchParams.has('whole') ? undefined : headers.range;
          const answer = answerFile({ file: clip, size: 2 ** 30, type: 'video/mp4', rangeHeader, headers: stamped });
          return { ...answer, padFrom: size, rate: Number(url.searchParams.get('rate') ?? 0) };
        }
        case '/slow.mp4':
          return { ...file('/clip.mp4', stamped, headers.range), rate: 100000 };
        case '/redirect': // ?to= any Location, ?status=
          return {
            status: Number(url.searchParams.get('status') ?? 302),
            headers: { Location: url.searchParams.get('to') },
            body: '',
          };
        case '/loop':
          return { status: 302, headers: { Location: '/loop' }, body: '' };
        case '/hops': {
          // ?n=: that many redirects, then the clip
          const left = Number(url.searchParams.get('n'));
          return { status: 302, headers: { Location: left > 1 ? `/hops?n=${left - 1}` : '/clip.mp4' }, body: '' };
        }
        case '/status': // ?code=
          return answerText(Number(url.searchParams.get('code')), 'text/plain', 'as you wished\n');
        default:
          return answerText(404, 'text/plain', 'not here\n');
      }
    },
  };
}
