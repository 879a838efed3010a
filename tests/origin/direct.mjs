// media.example: a plain web server with media files, and with addresses that test who fetches from it.
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

const page = '<!doctype html><html lang="en"><title>A page</title><video src="clip.mp4"></video>';

export function makeDirect({ media }) {
  function file(path, headers, rangeHeader) {
    const [name, type] = files[path];
    return answerFile({ file: media[name].path, size: media[name].size, type, rangeHeader, headers });
  }

  return {
    answer({ host, url, headers }) {
      if (host !== 'media.example' && host !== 'cdn.example' && host !== 'wrong-name.example') return undefined;
      const stamped = { ETag: '"v1"', 'Last-Modified': 'Mon, 02 Nov 2026 08:00:00 GMT' };
      if (files[url.pathname]) return file(url.pathname, stamped, headers.range);
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
