// TikTok: pages with their data, short links, and media that are given only to who comes from the page.
import { answerFile, answerText } from './answer.mjs';

export const tiktokHost = /^(www|vm|v16-webapp)\.tiktok\.com$/;
const cookie = 'tt_chain_token=sluice-chain';

const statuses = { '7000000000000000002': 10222, '7000000000000000003': 10204, '7000000000000000004': 10217, '7000000000000000005': 10101 };

function item(media, id) {
  const clip = media['short-18.mp4'];
  const from = (name) => `https://v16-webapp.tiktok.com/video/${name}?x-expires=4000000000`;
  return {
    id,
    desc: 'A demo <b>video</b> #sluice',
    createTime: '1767225600', // 1 January 2026
    author: { uniqueId: 'sluice.demo', nickname: 'Sluice' },
    music: { title: 'original sound' },
    video: {
      id,
      duration: 20,
      width: 640,
      height: 360,
      originCover: 'https://i.ytimg.com/vi/sluiceDemo1/maxresdefault.jpg',
      playAddr: from('plain'),
      codecType: 'h264',
      bitrateInfo: [
        { GearName: 'normal_360_0', Bitrate: 640000, CodecType: 'h264', PlayAddr: { DataSize: String(clip.size), Width: 640, Height: 360, UrlList: [from('plain'), from('other')] } },
        { GearName: 'odd_0', Bitrate: 1, CodecType: 'quantum', PlayAddr: { UrlList: [from('odd')] } },
        { GearName: 'lost_0', Bitrate: 1, CodecType: 'h264', PlayAddr: { UrlList: ['javascript:alert(1)'] } },
      ],
      subtitleInfos: [{ LanguageCodeName: 'eng-US', Url: from('subtitles'), Format: 'webvtt', Source: 'ASR' }],
    },
  };
}

function page(media, id) {
  const detail = statuses[id] ? { statusCode: statuses[id] } : { statusCode: 0, itemInfo: { itemStruct: item(media, id) } };
  const data = JSON.stringify({ __DEFAULT_SCOPE__: { 'webapp.app-context': {}, 'webapp.video-detail': detail } }).replaceAll('</', '<\\/');
  const answer = answerText(200, 'text/html; charset=utf-8', `<!DOCTYPE html><html><script id="__UNIVERSAL_DATA_FOR_REHYDRATION__" type="application/json">${data}</script></html>`);
  return { ...answer, headers: { ...answer.headers, 'Set-Cookie': [`${cookie}; Domain=.tiktok.com; Path=/; Secure; HttpOnly`, 'ttwid=1%7Cabc; Path=/'] } };
}

export function makeTiktok({ media }) {
  return {
    answer({ host, url, headers }) {
      if (!tiktokHost.test(host)) return undefined;
      const [, id] = /^\/@[\w.]+\/video\/(\d+)$/.exec(url.pathname) ?? [];
      if (host === 'vm.tiktok.com') return { status: 301, headers: { Location: `https://www.tiktok.com/@sluice.demo/video/${url.pathname.slice(1)}?_r=1` }, body: '' };
      if (host === 'www.tiktok.com' && id === '7000000000000000009') return answerText(200, 'text/html', '<title>Please wait…</title>');
      if (host === 'www.tiktok.com') return id ? page(media, id) : answerText(404, 'text/html', '');
      if (!headers.cookie?.includes(cookie) || headers.referer !== 'https://www.tiktok.com/') return answerText(403, 'text/plain', '');
      if (url.pathname === '/video/subtitles') return answerText(200, 'text/vtt', 'WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nHi.\n');
      const clip = media['short-18.mp4'];
      return answerFile({ file: clip.path, size: clip.size, type: 'video/mp4', rangeHeader: headers.range, headers: { ETag: '"v1"' } });
    },
  };
}
