// Playlists, channels and search of the video site, as its WEB client gets them: shapes old and new around the
// same videos, a page at a time.
import { answerJson } from './answer.mjs';

const perPage = 3;
const total = 7;
const idOf = (list, n) => `sluiceV${String(list.length % 10)}${String(n).padStart(3, '0')}`;
const text = (words) => ({ runs: [{ text: words }] });
const channel = 'UCsluiceSluiceSluiceSlui';
const byline = { runs: [{ text: 'Sluice', navigationEndpoint: { browseEndpoint: { browseId: channel, canonicalBaseUrl: '/@sluice' } } }] };
const thumbnails = (id) => [{ url: `https://i.ytimg.com/vi/${id}/default.jpg`, width: 120, height: 90 }, { url: `https://i.ytimg.com/vi/${id}/hq.jpg`, width: 480, height: 360 }];

function older(id, title, n) {
  return {
    playlistVideoRenderer: {
      videoId: id,
      title: text(title),
      shortBylineText: byline,
      lengthSeconds: String(20 + n),
      lengthText: { simpleText: `0:${20 + n}` },
      thumbnail: { thumbnails: thumbnails(id) },
      thumbnailOverlays: [{ thumbnailOverlayTimeStatusRenderer: { style: 'DEFAULT' } }],
    },
  };
}

function newer(id, title, n) {
  return {
    lockupViewModel: {
      contentId: id,
      contentType: 'LOCKUP_CONTENT_TYPE_VIDEO',
      contentImage: {
        thumbnailViewModel: {
          image: { sources: thumbnails(id) },
          overlays: [{ thumbnailOverlayBadgeViewModel: { thumbnailBadges: [{ thumbnailBadgeViewModel: { text: `1:00:${20 + n}` } }] } }],
        },
      },
      metadata: {
        lockupMetadataViewModel: {
          title: { content: title },
          metadata: { contentMetadataViewModel: { metadataRows: [{ metadataParts: [{ text: { content: 'Sluice', commandRuns: [{ onTap: { innertubeCommand: { browseEndpoint: { browseId: channel } } } }] } }] }] } },
        },
      },
    },
  };
}

const live = (id, title) => ({
  videoRenderer: {
    videoId: id,
    title: text(title),
    ownerText: text('Sluice') /* leads nowhere */,
    thumbnail: { thumbnails: thumbnails(id) },
    thumbnailOverlays: [{ thumbnailOverlayTimeStatusRenderer: { style: 'LIVE', text: text('LIVE') } }],
  },
});

// What must be passed over: a short of another shape, an advertisement, ids that are none.
const odd = [
  { shortsLockupViewModel: { entityId: 'shorts-1' } },
  { videoRenderer: { videoId: '../../etc/pw', title: text('no id') } },
  { lockupViewModel: { contentId: 'PLsluice', contentType: 'LOCKUP_CONTENT_TYPE_PLAYLIST' } },
  { adSlotRenderer: { enablePacfLoggingWeb: false } },
];

function rows(list, from) {
  const out = [];
  for (let n = from; n < Math.min(from + perPage, total); n++) {
    const id = idOf(list, n);
    const title = `Number ${n} of ${list} <b>`;
    out.push(n === 2 ? live(id, title) : n % 2 ? newer(id, title, n) : older(id, title, n));
  }
  if (from === 0) out.push(...odd);
  if (from + perPage < total)
    out.push({ continuationItemRenderer: { trigger: 'SHOWN', continuationEndpoint: { continuationCommand: { token: Buffer.from(`${list} ${from + perPage}`).toString('base64url') } } } });
  return out;
}

const failed = (words) => answerJson(200, { alerts: [{ alertRenderer: { type: 'ERROR', text: text(words) } }] });

// undefined: nothing of this. `seen`: as for the other routes of the API.
export function listing({ url, body }) {
  const route = url.pathname.replace('/youtubei/v1/', '');
  if (!['browse', 'search', 'navigation/resolve_url'].includes(route)) return undefined;
  if (body.context.client.clientName !== 'WEB') return answerJson(400, { error: { code: 400 } });
  if (route === 'navigation/resolve_url') {
    if (/@sluice$|\/c\/sluice$|\/user\/sluice$/.test(body.url)) return answerJson(200, { endpoint: { browseEndpoint: { browseId: channel } } });
    return /@odd$/.test(body.url) ? answerJson(200, { endpoint: { urlEndpoint: { url: 'https://x.example/' } } }) : answerJson(404, { error: { code: 404 } });
  }
  if (body.continuation) {
    const [, list, from] = /^(.*) (\d+)$/.exec(Buffer.from(body.continuation, 'base64url').toString()) ?? [];
    return list ? answerJson(200, { onResponseReceivedActions: [{ appendContinuationItemsAction: { continuationItems: rows(list, Number(from)) } }] }) : answerJson(400, { error: { code: 400 } });
  }
  if (route === 'search') {
    if (body.query === 'nothing') return answerJson(200, { contents: {} });
    return answerJson(200, { estimatedResults: '7', contents: { twoColumnSearchResultsRenderer: { primaryContents: { sectionListRenderer: { contents: [{ itemSectionRenderer: { contents: rows(body.query, 0) } }] } } } } });
  }
  const id = body.browseId;
  if (id === 'VLPLprivate') return failed('This playlist is private.');
  if (id === 'VLPLgone') return failed('The playlist does not exist.');
  if (!/^VL(PLsluice\w*|UUsluiceSluiceSluiceSlui)$/.test(id)) return answerJson(404, { error: { code: 404 } });
  return answerJson(200, {
    metadata: { playlistMetadataRenderer: { title: `List ${id.slice(2)} & more` } },
    sidebar: { playlistSidebarRenderer: { items: [{ playlistSidebarSecondaryInfoRenderer: { videoOwner: { videoOwnerRenderer: { title: text('Sluice') } } } }] } },
    contents: { twoColumnBrowseResultsRenderer: { tabs: [{ tabRenderer: { content: { sectionListRenderer: { contents: [{ itemSectionRenderer: { contents: [{ playlistVideoListRenderer: { contents: rows(id.slice(2), 0) } }] } }] } } } }] } },
  });
}
