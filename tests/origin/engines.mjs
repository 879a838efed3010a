// What the other engines ask: two Invidious servers, and a resolver of an operator's. They answer for any video,
// with the files of the short set; the media come through them.
import { createCipheriv } from 'node:crypto';

import { answerFile, answerJson, answerText } from './answer.mjs';

export const engineHost = /^(inv[12]\.example|resolver\.example|(files\.)?sites\.example)$/;
export const resolverKey = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';

const adaptive = { 137: 'short-137.mp4', 136: 'short-136.mp4', 140: 'short-140.m4a', 251: 'short-251.webm' };

function typeOf(file) {
  const kind = file.width ? 'video' : 'audio';
  return `${kind}/${file.file.endsWith('.webm') ? 'webm' : 'mp4'}; codecs="${file.codecs}"`;
}

function row(media, id, itag) {
  const file = media[adaptive[itag]];
  return {
    index: `${file.index.start}-${file.index.end}`,
    init: `${file.init.start}-${file.init.end}`,
    bitrate: String(Math.round((file.size * 8000) / file.durationMs)),
    url: `/videoplayback?id=${id}&itag=${itag}&expire=4000000000`,
    itag: String(itag),
    type: typeOf(file),
    clen: String(file.size),
    lmt: '1700000000000000',
    projectionType: 'RECTANGULAR',
    container: file.file.split('.').pop(),
    ...(file.width && { fps: file.fps, size: `${file.width}x${file.height}`, qualityLabel: `${file.height}p` }),
    ...(!file.width && { audioQuality: 'AUDIO_QUALITY_MEDIUM', audioSampleRate: String(file.sampleRate), audioChannels: file.channels }),
  };
}

function invidious(media, { host, url, headers }) {
  const [, id] = /^\/api\/v1\/videos\/([\w-]{11})$/.exec(url.pathname) ?? [];
  if (id && url.searchParams.get('local') !== 'true') return answerJson(500, { error: 'media would be refused' });
  if (id)
    return answerJson(200, {
      type: 'video',
      title: `Sluice demo: by ${host}`,
      videoId: id,
      videoThumbnails: [
        { quality: 'default', url: `https://${host}/vi/${id}/default.jpg`, width: 120, height: 90 },
        { quality: 'maxres', url: `https://${host}/vi/${id}/maxres.jpg`, width: 1280, height: 720 },
      ],
      author: 'Sluice',
      lengthSeconds: 20,
      published: 1767225600, // 1 January 2026
      liveNow: false,
      adaptiveFormats: Object.keys(adaptive).map((itag) => row(media, id, itag)),
      formatStreams: [{ url: `https://${host}/videoplayback?id=${id}&itag=18`, itag: '18', type: 'video/mp4; codecs="avc1.42001E, mp4a.40.2"', quality: 'medium', fps: 24, container: 'mp4', size: '640x360', qualityLabel: '360p' }],
      captions: [{ label: 'English', language_code: 'en', url: `/api/v1/captions/${id}?label=English` }],
    });
  if (url.pathname.startsWith('/api/v1/captions/')) return answerText(200, 'text/vtt', 'WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nOne.\n');
  const file = url.pathname === '/videoplayback' && media[adaptive[url.searchParams.get('itag')] ?? 'short-18.mp4'];
  if (file) return answerFile({ file: file.path, size: file.size, type: typeOf(file).split(';')[0], rangeHeader: headers.range, headers: { 'Last-Modified': 'Mon, 02 Nov 2026 08:00:00 GMT' } });
  return answerText(404, 'text/plain', '');
}

function seal(text, withIv) {
  const iv = Buffer.from('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff', 'hex');
  const cipher = createCipheriv('aes-256-cbc', Buffer.from(resolverKey, 'hex'), iv);
  return Buffer.concat([...(withIv ? [iv] : []), cipher.update(text), cipher.final()]).toString('base64');
}

// /plain, /sealed, /wrapped (sealed, in a member), /video (the one file, only to who says where it is from).
function resolver(media, { url, headers }) {
  const link = url.searchParams.get('url');
  const file = (name) => answerFile({ file: media[name].path, size: media[name].size, type: 'video/mp4', rangeHeader: headers.range });
  if (url.pathname === '/video') return headers.referer === 'https://player.example/' ? file('short-18.mp4') : answerText(403, 'text/plain', '');
  if (!link) return answerText(404, 'text/plain', '');
  const answer = JSON.stringify({
    ok: true,
    data: {
      name: `Resolved ${link}`,
      channel: { name: 'Somebody' },
      seconds: 20,
      list: [
        { link: 'https://resolver.example/video', no: 7, ext: 'mp4', h: 360, w: 640, from: 'https://player.example/' },
        { link: 'file:///etc/passwd', no: 8, ext: 'mp4' },
        { link: 'https://resolver.example/video', no: 9, ext: 'exe' },
      ],
    },
  });
  if (url.pathname === '/plain') return answerText(200, 'application/json', answer);
  if (url.pathname === '/sealed') return answerText(200, 'text/plain', seal(answer, true));
  if (url.pathname === '/wrapped') return answerJson(200, { payload: { text: seal(answer, true) } });
  return answerText(404, 'text/plain', '');
}

// Pages of a site that nobody knows: only looking into them tells where the media are.
const pages = {
  '/watch/hls': '<video><source src="https://media.example/hls/master.m3u8" type="application/x-mpegURL"></video>',
  '/watch/file': '<video src="https://files.sites.example/clip.mp4"></video>',
  '/watch/plain': '<video src="http://media.example/clip.mp4"></video>',
  '/watch/inward': '<video><source src="http://127.0.0.1/x.m3u8" type="application/x-mpegURL"></video>',
  '/watch/names': '<video><source src="http://localhost/x.m3u8" type="application/x-mpegURL"></video>',
  '/watch/scheme': '<video src="file:///etc/passwd"></video>',
  '/watch/nothing': '<p>Nothing here.</p>',
};
function site(media, { host, url, headers }) {
  const clip = media['short-18.mp4'];
  if (host === 'files.sites.example')
    return headers.referer?.startsWith('https://sites.example/') // they belong to its pages
      ? answerFile({ file: clip.path, size: clip.size, type: 'video/mp4', rangeHeader: headers.range, headers: { ETag: '"v1"' } })
      : answerText(403, 'text/plain', '');
  if (!pages[url.pathname]) return answerText(404, 'text/plain', '');
  return answerText(200, 'text/html; charset=utf-8', `<!doctype html><html lang="en"><title>A page &amp; its "title"</title>${pages[url.pathname]}`);
}

export function makeEngines({ media }) {
  return {
    answer(seen) {
      if (!engineHost.test(seen.host)) return undefined;
      if (seen.host === 'resolver.example') return resolver(media, seen);
      return seen.host.endsWith('sites.example') ? site(media, seen) : invidious(media, seen);
    },
  };
}
