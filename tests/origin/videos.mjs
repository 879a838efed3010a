// The sample videos: what each id leads to. Every id not listed does not exist.
//
// A video that plays has a `set` of media files and the itags each client is given. The others have the
// playability the site answers with, one per class of error.

import { lawful, spoilt } from './rewrite.mjs';

const unplayable = (reason, more = {}) => ({ status: 'UNPLAYABLE', reason, ...more });
const botCheck = { status: 'LOGIN_REQUIRED', reason: 'Sign in to confirm you’re not a bot' };

const adaptive = ['137', '136', '134', '160', '398', '247', '243', '140', '251'];
const captions = [
  { language: 'en', name: 'English', auto: false },
  { language: 'en', name: 'English (auto-generated)', auto: true },
];

// Captions as speech recognition makes them, and as an enemy of players, parsers and pages would.
const rollingVtt = `WEBVTT
Kind: captions
Language: en

00:00:01.000 --> 00:00:03.550 align:start position:0%
 
so<00:00:01.480><c> today</c><00:00:01.960><c> we</c>

00:00:03.550 --> 00:00:03.560 align:start position:0%
so today we
 

00:00:03.560 --> 00:00:06.000 align:start position:0%
so today we
go<00:00:04.000><c> outside</c>
`;
const hostileVtt = `\ufeffWEBVTT\r
\r
STYLE\r
::cue { background: url(https://evil.example/) }\r
\r
NOTE <script>alert(1)</script>\r
\r
00:00:05.000 --> 00:00:06.000\r
&lt;script&gt;alert(4)&lt;/script&gt; &amp;amp; <script>alert(5)</script>\r
\r
<img src=x>\r
00:00:01.000 --> 00:00:02.000 line:-1\r
00:00:08,000 --&gt; 00:00:09,000\u001b[2J\u0000\r
\r
99:99:99.999 --> 00:00:00.000\r
never\r
\r
00:00:10.000 --> 27777:46:39.999\r
<c.${'x'.repeat(5000)}>${'endless '.repeat(2000)}\r
\r
00:00:12.000 --> 9999:00:00.000\r
forever`;

// Variants of itag 140: file suffix, audio track, whether it has a compressed dynamic range.
const dubs = [
  { itag: '140', track: { id: 'en.4', displayName: 'English original', audioIsDefault: true } },
  { itag: '140', suffix: '-de', track: { id: 'de.3', displayName: 'German', audioIsDefault: false } },
  { itag: '140', suffix: '-fr', track: { id: 'fr-FR.10', displayName: 'French', audioIsDefault: false } },
  { itag: '140', suffix: '-drc', drc: true, track: { id: 'en.4', displayName: 'English original', audioIsDefault: true } },
];

const videos = {
  sluiceDemo1: { title: 'Sluice demo: twenty seconds', author: 'Sluice', set: 'short', formats: adaptive, captions },
  sluiceChap1: {
    title: 'Sluice demo: chapters and storyboards',
    author: 'Sluice',
    set: 'short',
    formats: ['136', '140'],
    about: 'What is in it:\n0:00 Intro\n(0:05) – The <b>middle</b>\n\u2022 00:12 | The end\nMore at 1:23.',
    storyboards: (id) =>
      `https://i.ytimg.com/sb/${id}/storyboard3_L$L/$N.jpg?sqp=x|48#27#100#10#10#0#default#rs$AOn4a|80#45#21#5#2#1000#M$M#rs$AOn4b|0#0#0#0#0#0#M$M#bad`,
  },
  sluiceLong1: {
    title: 'Sluice demo: two minutes',
    author: 'Sluice',
    set: 'long',
    formats: ['137', '136', '134', '398', '247', '140', '251'],
    captions,
  },
  sluiceSubs1: {
    title: 'Sluice demo: odd subtitles',
    author: 'Sluice',
    set: 'short',
    formats: ['136', '140'],
    captions: [
      { language: 'de', name: 'German', auto: false },
      { language: 'en', name: 'English (auto-generated)', auto: true, vtt: rollingVtt },
      { language: 'pt-BR', name: 'Portuguese (Brazil)', auto: false, vtt: hostileVtt },
      { language: 'fr', name: 'French', auto: false, vtt: '<!doctype html><title>Sorry</title>' },
    ],
  },
  // Two tracks of one language, as for the hard of hearing; the site tells them apart by a name.
  sluiceSubs2: {
    title: 'Sluice demo: two subtitles of one language',
    author: 'Sluice',
    set: 'short',
    formats: ['136', '140'],
    captions: [
      { language: 'en', name: 'English', auto: false },
      { language: 'en', name: 'English - SDH', auto: false, track: 'SDH', vtt: 'WEBVTT\n\n00:00:01.000 --> 00:00:02.000\n[door]\n' },
      { language: 'en', name: 'English (auto-generated)', auto: true },
    ],
  },
  sluiceBig01: { title: 'Sluice demo: a large file', author: 'Sluice', set: 'big', formats: ['137', '140'] },
  sluiceAv101: { title: 'Sluice demo: AV1 only', author: 'Sluice', set: 'short', formats: ['398', '140'] },
  // For benchmarks; as short as the others where the long media are not made.
  sluiceQuar1: { title: 'Sluice demo: a quarter of an hour', author: 'Sluice', set: 'quarter', formats: ['137', '140'] },
  sluiceHour1: { title: 'Sluice demo: an hour', author: 'Sluice', set: 'hour', formats: ['134', '140'] },
  // Nobody says which version of the files these are.
  sluiceVers1: {
    title: 'Sluice demo: of no known version',
    author: 'Sluice',
    set: 'short',
    formats: ['136', '140'].map((itag) => ({ itag, without: ['lastModified'] })),
  },
  sluiceTiny1: { title: 'Sluice demo: ten seconds', author: 'Sluice', set: 'tiny', formats: ['134', '140'] },
  sluice15min: { title: 'Sluice demo: fifteen minutes', author: 'Sluice', set: 'min15', formats: ['160', '140'] },
  sluiceAv102: { title: 'Sluice demo: AV1 only, with edit lists', author: 'Sluice', set: 'edit', formats: ['398', '140'] },
  sluiceVp9_1: { title: 'Sluice demo: VP9 and Opus in MP4', author: 'Sluice', set: 'vp9', formats: ['247', '251'] },
  sluiceVp9_2: { title: 'Sluice demo: VP9 and Opus, with edit lists', author: 'Sluice', set: 'vp9e', formats: ['247', '251'] },
  // Its format rows do not say where the index is.
  sluiceNoIdx: {
    title: 'Sluice demo: no index',
    author: 'Sluice',
    set: 'short',
    formats: ['160', '140'].map((itag) => ({ itag, without: ['initRange', 'indexRange'] })),
  },
  // Made for children: one client says no, the other has the small muxed file and does not state its size.
  sluiceKids1: {
    title: 'Sluice demo: for children',
    author: 'Sluice',
    set: 'short',
    formats: [],
    visionos: unplayable('This video is not available'),
    embeddable: false,
  },
  // Most clients are told to use another protocol than URLs: their formats have none.
  sluiceSabr1: {
    title: 'Sluice demo: no URLs',
    author: 'Sluice',
    set: 'short',
    formats: ['136', '140'].map((itag) => ({ itag, without: ['url'] })),
  },
  // As sluiceKids1, and other pages may show it.
  sluiceKids2: {
    title: 'Sluice demo: for children, embeddable',
    author: 'Sluice',
    set: 'short',
    formats: ['136', '140'],
    visionos: unplayable('This video is not available'),
  },
  sluiceDubs1: {
    title: 'Sluice demo: three languages',
    author: 'Sluice',
    set: 'short',
    formats: ['137', '136', ...dubs.slice(1), dubs[0]],
  },
  // Rows that must be passed over, among good ones: no URL, OTF, DRM, live segments, a preview of 2 s.
  sluiceSkip1: {
    title: 'Sluice demo: rows to pass over',
    author: 'Sluice',
    set: 'short',
    formats: [
      { itag: '137', without: ['url'] },
      { itag: '247', with: { type: 'FORMAT_STREAM_TYPE_OTF' } },
      { itag: '398', with: { drmFamilies: ['WIDEVINE'] } },
      { itag: '243', with: { targetDurationSec: 5 } },
      { itag: '136', with: { approxDurationMs: '2000' } },
      '134',
      '140',
    ],
  },
  sluiceDrm01: {
    title: 'Sluice demo: protected',
    author: 'Sluice',
    set: 'short',
    formats: ['136', '140'].map((itag) => ({ itag, with: { drmFamilies: ['WIDEVINE', 'PLAYREADY'] } })),
  },
  sluiceEvil1: {
    title:
      '../../etc/passwd "quoted"; rm -rf ~\r\nX-Evil: 1\r\n\r\n<script>alert(1)</script> \u202Egpj.exe\u202C &amp; \u0000\u0007end',
    author: '<img src=x onerror=alert(2)>\r\nSet-Cookie: evil=1 \u202E',
    set: 'short',
    formats: ['134', '140'],
    captions: [{ language: 'en', name: '"><script>alert(3)</script>\r\nX-Evil: 2', auto: false }],
  },
  sluiceSwap1: { title: 'Another video', author: 'Somebody', set: 'short', formats: ['134', '140'], answersId: 'sluiceOther' },
  sluiceLive1: {
    title: 'Sluice demo: live',
    author: 'Sluice',
    set: 'short',
    live: true,
    formats: ['136', '140'].map((itag) => ({
      itag,
      with: { targetDurationSec: 5 },
      without: ['contentLength', 'initRange', 'indexRange'],
    })),
  },
  // On now, as an HLS list that a test has made.
  sluiceLive2: {
    title: 'Sluice demo: on now',
    author: 'Sluice',
    set: 'short',
    live: true,
    hls: 'https://media.example/made/master.m3u8',
    formats: ['136', '140'].map((itag) => ({ itag, with: { targetDurationSec: 5 }, without: ['contentLength', 'initRange', 'indexRange'] })),
  },
  sluicePriv1: {
    error: {
      status: 'LOGIN_REQUIRED',
      reason: 'This video is private',
      messages: ['This is a private video. Please sign in to verify that you may see it.'],
    },
  },
  sluiceAge01: { error: { status: 'LOGIN_REQUIRED', reason: 'Sign in to confirm your age', desktopLegacyAgeGateReason: 1 } },
  sluiceGeo01: { error: unplayable('The uploader has not made this video available in your country') },
  sluiceMemb1: {
    error: unplayable('Join this channel to get access to members-only content like this video, and other exclusive perks.'),
  },
  // The same, for whom it is meant.
  sluiceMemb2: {
    title: 'Sluice demo: for members',
    author: 'Sluice',
    set: 'short',
    formats: ['136', '140'],
    members: unplayable('Join this channel to get access to members-only content like this video, and other exclusive perks.'),
  },
  sluicePaid1: { error: unplayable('This video requires payment to watch') },
  sluicePrem1: { error: unplayable('This video is only available to Music Premium members') },
  sluiceUpco1: { error: { status: 'LIVE_STREAM_OFFLINE', reason: 'This live event will begin in 3 hours.' } },
  sluiceGone1: { error: { status: 'ERROR', reason: 'Video unavailable' } },
  sluiceNone1: { empty: true },
  sluiceBotc1: { error: botCheck },
  sluiceRate1: { error: unplayable("This content isn't available, try again later.") },
  sluiceTerm1: {
    error: {
      status: 'ERROR',
      reason: 'This video is no longer available because the YouTube account associated with this video has been terminated.',
    },
  },
  sluiceCapt1: {
    error: unplayable('Something is not right', { errorScreen: { playerCaptchaViewModel: { text: 'Solve this' } } }),
  },
};

// Files of rare or broken shapes, see rewrite.mjs: sluicemoofs, …
for (const set of Object.keys({ ...lawful, ...spoilt }))
  videos[`sluice${set}`] = { title: `Sluice demo: ${set}`, author: 'Sluice', set, formats: ['160', '140'] };

// Only the embedded player has these, and gives most of their formats as ciphers.
for (const number of [1, 2, 3, 4, 5, 6, 7, 8, 9, 'a', 'b'])
  videos[`sluiceJs00${number}`] = {
    title: 'Sluice demo: ciphered',
    author: 'Sluice',
    set: 'short',
    formats: [...['136', '134', '140'].map((itag) => ({ itag, ciphered: true })), '251'],
    elsewhere: { status: 'LOGIN_REQUIRED', reason: 'Sign in to confirm your age', desktopLegacyAgeGateReason: 1 },
  };

// sluiceV0000 … sluiceV9999 are the same as sluiceDemo1: videos that nobody has asked for yet.
export const videoOf = (id) => videos[id] ?? (/^sluiceV\d{4}$/.test(id) ? videos.sluiceDemo1 : undefined);
export { botCheck };
