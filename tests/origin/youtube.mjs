// The video site as its public clients see it: player answers per client, visitors, media hosts, captions.
// It is as strict as the real one where the facts say so: unknown visitors are asked whether they are robots, a
// user agent that contradicts the request is refused, media URLs are signed over who asked for them.
import { createHash, createHmac, randomBytes } from 'node:crypto';

import { answerFile, answerJson, answerText } from './answer.mjs';
import { listing } from './listing.mjs';
import { iframeApi, playerId, playerScript, scramble, signatureTimestamp, solveN } from './player.mjs';
import { botCheck, videoOf } from './videos.mjs';

const rangeLimit = 10 * 1024 * 1024;
const types = { mp4: 'video/mp4', m4a: 'audio/mp4' };
const nameOf = { 101: 'VISIONOS', 3: 'ANDROID', 1: 'WEB', 2: 'MWEB', 5: 'IOS', 56: 'WEB_EMBEDDED_PLAYER', 7: 'TVHTML5' };

// The video a media URL belongs to.
export function mediaVideo(url) {
  const id = url.pathname === '/videoplayback' ? url.searchParams.get('id') : null;
  return id?.startsWith('o-') ? Buffer.from(id.slice(2), 'base64url').toString() : undefined;
}

export function makeYoutube({ media, settings }) {
  let secret = Buffer.from('sluice test origin'); // the same in every run: URLs survive a restart of the stand-in
  const visitors = new Map(); // visitorData → client name
  const described = new Map(); // video → how often; part of the URLs given out, so that rules can tell them apart

  // lmt: the version stamp of a file; any constant will do as long as the files do not change.
  const stamp = (name) =>
    String(1700000000000000 + (createHash('sha256').update(name).digest().readUInt32BE(0) % 1e9) + settings.version);

  function newVisitor(client) {
    const visitor = Buffer.concat([Buffer.from([0x0a, 0x0b]), randomBytes(24)]).toString('base64url') + '%3D%3D';
    visitors.set(visitor, client);
    return visitor;
  }

  // Media file of one format row: tried with the set's own name, then (big has only its picture) the short set's.
  function fileOf(video, row) {
    const names = [video.set, 'short'].flatMap((set) =>
      ['mp4', 'm4a', 'webm'].map((ext) => `${set}-${row.itag}${row.suffix ?? ''}.${ext}`),
    );
    return media[names.find((name) => media[name])];
  }

  const rowsOf = (video) => video.formats.map((row) => (typeof row === 'string' ? { itag: row } : row));
  const tagsOf = (row) => [row.track && `lang=${row.track.id}`, row.drc && 'drc=1'].filter(Boolean).join(':');

  const signature = (url, agent) =>
    createHmac('sha256', secret)
      .update(
        `${url.searchParams
          .get('sparams')
          .split(',')
          .map((name) => url.searchParams.get(name))}|${agent}`,
      )
      .digest('base64url');

  function mediaUrl(id, row, file, asker) {
    // Two itags live on a host that sends its visitors on to another one.
    const host = ['134', '243'].includes(row.itag) ? 'rr1---sn-sluice09' : 'rr4---sn-sluice01';
    const cluster = host.slice(host.indexOf('sn-'));
    const url = new URL(`https://${host}.googlevideo.com/videoplayback`);
    const params = {
      expire: Math.floor(Date.now() / 1000) + settings.expiresInS,
      ei: randomBytes(12).toString('base64url'),
      generation: described.get(id) ?? 0,
      ip: asker.address,
      id: `o-${Buffer.from(id).toString('base64url')}`,
      itag: row.itag,
      source: 'youtube',
      requiressl: 'yes',
      ...(tagsOf(row) && { xtags: tagsOf(row) }),
      mn: `${cluster},sn-sluice02`,
      fvip: 3,
      mime: mimeOf(row, file),
      rqh: 1,
      ...(row.itag !== '18' && { gir: 'yes', clen: file.size }),
      dur: file.durationMs / 1000,
      ...(!row.without?.includes('lastModified') && { lmt: stamp(file.file) }),
      c: asker.client,
    };
    for (const [name, value] of Object.entries(params)) url.searchParams.set(name, value);
    url.searchParams.set(
      'sparams',
      ['expire', 'ip', 'id', 'itag', 'source', 'xtags', 'mime', 'clen', 'dur', 'lmt', 'c'].filter((name) =>
        url.searchParams.has(name),
      ),
    );
    // Clients that run the player have to prove it.
    if (needsPlayer(asker.client)) url.searchParams.set('n', rawN(url));
    if (needsToken(asker.client)) bindings.set(url.searchParams.get('ei'), asker.visitor);
    url.searchParams.set('sig', signature(url, asker.agent));
    return url.href;
  }

  const needsPlayer = (client) => ['WEB_EMBEDDED_PLAYER', 'MWEB', 'WEB', 'TVHTML5'].includes(client);
  const needsToken = (client) => ['MWEB', 'WEB'].includes(client);
  const bindings = new Map(); // a media URL's ei → the visitor it was given to
  const tokens = new Map(); // proof-of-origin token → what it is bound to; '*': anything

  // What stands in for a server that makes proof-of-origin tokens.
  function provide({ path: where, method, body }) {
    if (where === '/ping') return answerJson(200, { server_uptime: 1, version: '1.2.2' });
    if (where !== '/get_pot' || method !== 'POST') return answerJson(404, { error: 'not found' });
    if (typeof body?.content_binding !== 'string' || !body.content_binding) return answerJson(400, { error: 'no content_binding' });
    const token = randomBytes(48).toString('base64url');
    tokens.set(token, body.content_binding);
    return answerJson(200, { poToken: token, contentBinding: body.content_binding, expiresAt: new Date(Date.now() + 6 * 3600e3).toISOString() });
  }

  // Without the right token media end after a megabyte.
  function tokenIsGood(url) {
    const bound = tokens.get(url.searchParams.get('pot'));
    return bound === '*' || (bound !== undefined && bound === bindings.get(url.searchParams.get('ei')));
  }

  const rawN = (url) => createHash('sha256').update(url.searchParams.get('ei')).digest('base64url').slice(0, 15);

  function cipherOf(href) {
    const url = new URL(href);
    const s = scramble(url.searchParams.get('sig'));
    url.searchParams.delete('sig');
    return String(new URLSearchParams({ s, sp: 'sig', url: url.href }));
  }

  const isVideo = (file) => file.width > 0;
  const mimeOf = (row, file) => types[file.file.split('.').pop()] ?? (isVideo(file) ? 'video/webm' : 'audio/webm');

  function format(id, video, row, asker) {
    const file = fileOf(video, row);
    const rate = Math.round((file.size * 8000) / file.durationMs);
    const text = (range) => range && { start: String(range.start), end: String(range.end) };
    const answer = {
      itag: Number(row.itag),
      url: mediaUrl(id, row, file, asker),
      mimeType: `${mimeOf(row, file)}; codecs="${file.codecs}"`,
      bitrate: Math.round(rate * 1.3),
      ...(isVideo(file) && {
        width: file.width,
        height: file.height,
        fps: file.fps,
        qualityLabel: `${file.height}p`,
        quality: `hd${file.height}`,
      }),
      ...(!isVideo(file) && { quality: 'tiny', audioQuality: 'AUDIO_QUALITY_MEDIUM' }),
      ...(file.sampleRate && { audioSampleRate: String(file.sampleRate), audioChannels: file.channels }),
      initRange: text(file.init),
      indexRange: text(file.index),
      lastModified: stamp(file.file),
      contentLength: String(file.size),
      projectionType: 'RECTANGULAR',
      averageBitrate: rate,
      approxDurationMs: String(file.durationMs),
      ...(row.track && { audioTrack: row.track }),
      ...(row.drc && { isDrc: true }),
      ...(tagsOf(row) && { xtags: Buffer.from(tagsOf(row)).toString('base64url') }),
      ...row.with,
    };
    for (const name of row.without ?? []) delete answer[name];
    if (answer.url && row.ciphered) {
      answer.signatureCipher = cipherOf(answer.url);
      delete answer.url;
    }
    return answer;
  }

  // The visionOS client gets URLs of adaptive formats, and the embedded one such as need the player script; the Android one gets itag 18; others get neither.
  function streamingData(id, video, asker) {
    const rows = rowsOf(video);
    const withUrls = ['VISIONOS', 'WEB_EMBEDDED_PLAYER', 'MWEB', 'TVHTML5'].includes(asker.client);
    const isProtected = rows.length > 0 && rows.every((row) => row.with?.drmFamilies);
    const muxed = format(id, video, { itag: '18', ...(isProtected && { with: rows[0].with }), without: ['contentLength', 'initRange', 'indexRange'] }, asker);
    return {
      expiresInSeconds: String(settings.expiresInS),
      ...(video.hls && { hlsManifestUrl: video.hls }),
      ...(['ANDROID', 'WEB'].includes(asker.client) && !video.live && { formats: [muxed] }),
      adaptiveFormats: rows.map((row) =>
        format(id, video, withUrls ? row : { ...row, without: [...(row.without ?? []), 'url'] }, asker),
      ),
    };
  }

  function captionsOf(id, video) {
    if (!video.captions) return {};
    const captionTracks = video.captions.map((track) => ({
      baseUrl: `https://www.youtube.com/api/timedtext?v=${id}&ei=x&caps=asr&xoaf=5&xosf=1&hl=en&lang=${track.language}${track.auto ? '&kind=asr' : ''}${track.track ? `&name=${track.track}` : ''}`,
      name: { runs: [{ text: track.name }] },
      vssId: `${track.auto ? 'a' : ''}.${track.language}`,
      languageCode: track.language,
      ...(track.auto && { kind: 'asr' }),
      isTranslatable: true,
      trackName: track.track ?? '',
    }));
    return {
      captions: {
        playerCaptionsTracklistRenderer: {
          captionTracks,
          translationLanguages: [{ languageCode: 'de', languageName: { runs: [{ text: 'German' }] } }],
        },
      },
    };
  }

  function details(id, video) {
    const seconds = video.live ? 0 : Math.round(fileOf(video, rowsOf(video)[0] ?? { itag: '18' }).durationMs / 1000);
    const thumbnail = (name, width, height) => ({ url: `https://i.ytimg.com/vi/${id}/${name}.jpg`, width, height });
    return {
      videoDetails: {
        videoId: video.answersId ?? id,
        title: video.title,
        lengthSeconds: String(seconds),
        channelId: 'UCsluiceSluiceSluiceSlui',
        author: video.author,
        shortDescription: video.about ?? `About ${video.title}`,
        isOwnerViewing: false,
        isCrawlable: true,
        isPrivate: false,
        viewCount: '1234',
        allowRatings: true,
        thumbnail: { thumbnails: [thumbnail('mqdefault', 320, 180), thumbnail('maxresdefault', 1280, 720)] },
        ...(video.live && { isLive: true }),
        isLiveContent: !!video.live,
      },
    };
  }

  const microformat = { playerMicroformatRenderer: { publishDate: '2026-01-31T09:15:00-08:00', uploadDate: '2026-01-30T21:00:00-08:00', category: 'Education', isUnlisted: false } };

  function playerAnswer(id, asker) {
    const video = videoOf(id);
    const context = {
      responseContext: {
        visitorData: asker.visitor,
        serviceTrackingParams: [
          {
            service: 'GFEEDBACK',
            params: [
              { key: 'logged_in', value: '0' },
              { key: 'visitor_data', value: asker.visitor },
            ],
          },
        ],
        maxAgeSeconds: 0,
      },
    };
    if (!asker.known || (asker.client === 'TVHTML5' && !asker.signedIn)) return { ...context, playabilityStatus: botCheck };
    if (video?.empty || (!video && asker.client === 'ANDROID')) return {};
    if (!video) return { ...context, playabilityStatus: { status: 'ERROR', reason: 'This video is unavailable' } };
    if (needsPlayer(asker.client) && asker.signatureTimestamp !== signatureTimestamp)
      return { ...context, playabilityStatus: { status: 'UNPLAYABLE', reason: 'The page needs to be reloaded.' } };
    if (asker.client === 'WEB_EMBEDDED_PLAYER' && asker.hostFlags !== hostFlags(id))
      return { ...context, playabilityStatus: { status: 'UNPLAYABLE', reason: 'Video unavailable', messages: ['no host flags'] } };
    if (video.embeddable === false && asker.client === 'WEB_EMBEDDED_PLAYER')
      return { ...context, playabilityStatus: { status: 'UNPLAYABLE', reason: 'Video unavailable' } };
    const refused =
      video.error ??
      (asker.client === 'VISIONOS' ? video.visionos : undefined) ??
      (asker.client !== 'WEB_EMBEDDED_PLAYER' ? video.elsewhere : undefined) ??
      (asker.signedIn ? undefined : video.members);
    if (refused) {
      const { errorScreen, ...playabilityStatus } = refused;
      return { ...context, playabilityStatus: { ...playabilityStatus, ...(errorScreen && { errorScreen }) } };
    }
    described.set(id, (described.get(id) ?? 0) + 1);
    return {
      ...context,
      playabilityStatus: { status: 'OK', playableInEmbed: true },
      streamingData: streamingData(id, video, asker),
      ...captionsOf(id, video),
      ...(video.storyboards && { storyboards: { playerStoryboardSpecRenderer: { spec: video.storyboards(id) } } }),
      ...details(id, video),
      ...(asker.client === 'WEB' && { microformat }),
      trackingParams: 'CAAQu2kiEwj',
    };
  }

  // What the page with an embedded player says, and the player has to say again.
  const hostFlags = (id) => createHmac('sha256', 'host').update(id).digest('base64');
  function embedPage(id) {
    const config = { WEB_PLAYER_CONTEXT_CONFIGS: { WEB_PLAYER_CONTEXT_CONFIG_ID_EMBEDDED_PLAYER: { contextId: 'x', encryptedHostFlags: hostFlags(id) } } };
    return answerText(200, 'text/html; charset=utf-8', `<!DOCTYPE html><script>ytcfg.set(${JSON.stringify(config).replaceAll('=', '\\u003d').replaceAll('/', '\\/')});</script>`);
  }

  // An account: its cookie, and the proof that whoever sends it can read it.
  function isSignedIn({ cookie, authorization, origin }) {
    const sapisid = /(?:^|; )SAPISID=([^;]+)/.exec(cookie ?? '')?.[1];
    const [, at, hash] = /^SAPISIDHASH (\d+)_([0-9a-f]{40})$/.exec(authorization ?? '') ?? [];
    return (
      sapisid === 'sluice-account' &&
      Math.abs(at - Date.now() / 1000) < 300 &&
      hash === createHash('sha1').update(`${at} ${sapisid} ${origin}`).digest('hex')
    );
  }

  // Who asks, or a refusal: the request must agree with itself.
  function readAsker({ headers, body, address }) {
    const client = body?.context?.client;
    const agent = headers['user-agent'] ?? '';
    const refused = (message) => ({ refused: answerJson(400, { error: { code: 400, message, status: 'INVALID_ARGUMENT' } }) });
    if (!/^application\/json/.test(headers['content-type'] ?? '')) return refused('content type');
    if (!client?.clientName || !client.clientVersion) return refused('no client');
    if (client.userAgent && client.userAgent !== agent) return refused('user agent contradicts the context');
    if (client.clientName === 'ANDROID' && !agent.startsWith(`com.google.android.youtube/${client.clientVersion}`))
      return refused('user agent of another client');
    const number = headers['x-youtube-client-name'];
    if (number && (nameOf[number] ?? number) !== client.clientName) return refused('client name contradicts the context');
    const stated = [client.visitorData, headers['x-goog-visitor-id']].filter(Boolean);
    if (new Set(stated).size > 1) return refused('two visitors');
    const known = visitors.get(stated[0]) === client.clientName;
    return { signedIn: isSignedIn(headers), hostFlags: body.playbackContext?.contentPlaybackContext?.encryptedHostFlags, signatureTimestamp: body.playbackContext?.contentPlaybackContext?.signatureTimestamp, client: client.clientName, agent, address, known, visitor: known ? stated[0] : newVisitor(client.clientName) };
  }

  function api(seen) {
    const asker = readAsker(seen);
    if (asker.refused) return asker.refused;
    if (seen.url.pathname.endsWith('/visitor_id')) return answerJson(200, { responseContext: { visitorData: asker.visitor } });
    if (seen.url.pathname.endsWith('/player') && seen.url.searchParams.get('$fields') === 'microformat')
      return answerJson(200, asker.known && asker.client === 'WEB' && videoOf(seen.body.videoId)?.formats ? { microformat } : {});
    if (seen.url.pathname.endsWith('/player')) return answerJson(200, playerAnswer(seen.body.videoId, asker));
    if (seen.url.pathname.endsWith('/reel/reel_item_watch')) {
      const playerResponse = playerAnswer(seen.body.playerRequest?.videoId, asker);
      return answerJson(200, Object.keys(playerResponse).length ? { playerResponse } : {});
    }
    return listing(seen) ?? answerJson(404, { error: { code: 404, status: 'NOT_FOUND' } });
  }

  function playback({ url, headers, address, host }) {
    const param = (name) => url.searchParams.get(name);
    const refuse = answerText(403, 'text/plain', '');
    const video = videoOf(mediaVideo(url));
    const rows = video?.formats ? [...rowsOf(video), { itag: '18' }] : [];
    const row = rows.find((one) => one.itag === param('itag') && tagsOf(one) === (param('xtags') ?? ''));
    if (!row || !param('sparams') || signature(url, headers['user-agent']) !== param('sig')) return refuse;
    if (Number(param('expire')) < Date.now() / 1000 || param('ip') !== address) return refuse;
    if (host.includes('sn-sluice09')) {
      const next = new URL(url);
      next.hostname = 'rr5---sn-sluice02.googlevideo.com';
      next.searchParams.set('redirect_counter', '1');
      next.searchParams.set('cms_redirect', 'yes');
      return { status: 302, headers: { Location: next.href, 'Content-Type': 'text/html' }, body: '' };
    }
    if (needsPlayer(param('c')) && param('n') !== solveN(rawN(url))) return refuse;
    if (needsToken(param('c')) && !tokenIsGood(url) && !(Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1]) < 1024 * 1024)) return refuse;
    const file = fileOf(video, row);
    return answerFile({
      file: file.path,
      size: file.size,
      type: mimeOf(row, file),
      rangeHeader: headers.range,
      strict: true,
      limit: rangeLimit,
      headers: {
        'Last-Modified': 'Mon, 02 Nov 2026 08:00:00 GMT',
        'Cache-Control': 'private, max-age=21540',
        'X-Content-Type-Options': 'nosniff',
      },
    });
  }

  function timedText({ url }) {
    const track = videoOf(url.searchParams.get('v'))?.captions?.find(
      (one) => one.language === url.searchParams.get('lang') && one.auto === (url.searchParams.get('kind') === 'asr') &&
        (one.track ?? '') === (url.searchParams.get('name') ?? ''),
    );
    if (!track) return answerText(404, 'text/html', '');
    if (url.searchParams.get('fmt') !== 'vtt')
      return answerText(
        200,
        'text/xml; charset=UTF-8',
        '<?xml version="1.0" encoding="utf-8" ?><transcript><text start="0" dur="1">One.</text></transcript>',
      );
    if (track.vtt) return answerText(200, 'text/vtt; charset=UTF-8', track.vtt);
    const place = url.searchParams.has('xosf') ? ' align:start position:0%' : '';
    const cue = (second) =>
      `00:00:${String(second).padStart(2, '0')}.000 --> 00:00:${String(second + 1).padStart(2, '0')}.000${place}\nSecond ${second}${track.auto ? ' (automatic)' : ''}\n`;
    return answerText(
      200,
      'text/vtt; charset=UTF-8',
      `WEBVTT\nKind: captions\nLanguage: ${track.language}\n\n${Array.from({ length: 20 }, (_, second) => cue(second)).join('\n')}`,
    );
  }

  return {
    // Every URL given out before is refused from now on, as when the site changes its keys.
    rotate: () => (secret = randomBytes(16)),
    forgetVisitors: () => visitors.clear(),
    acceptToken: (token) => void tokens.set(token, '*'),
    provide,
    answer(seen) {
      const { host, url, method } = seen;
      if (host.endsWith('.googlevideo.com')) return url.pathname === '/videoplayback' ? playback(seen) : undefined;
      if (host === 'i.ytimg.com') {
        const known = videoOf(url.pathname.split('/')[2]);
        const file = media['thumbnail.jpg'];
        return known && answerFile({ file: file.path, size: file.size, type: 'image/jpeg', rangeHeader: seen.headers.range });
      }
      const apiHost = ['www.youtube.com', 'm.youtube.com', 'youtubei.googleapis.com'].includes(host);
      if (apiHost && url.pathname.startsWith('/youtubei/v1/'))
        return method === 'POST' ? api(seen) : answerText(405, 'text/plain', '');
      if (host === 'www.youtube.com' && url.pathname.startsWith('/embed/')) return embedPage(url.pathname.split('/')[2]);
      if (host === 'www.youtube.com' && url.pathname === '/iframe_api') return answerText(200, 'text/javascript', iframeApi);
      if (host === 'www.youtube.com' && url.pathname.startsWith(`/s/player/${playerId}/`))
        return answerText(200, 'text/javascript', settings.playerScript ?? playerScript);
      if (host === 'www.youtube.com' && url.pathname === '/api/timedtext') return timedText(seen);
      return undefined;
    },
  };
}
