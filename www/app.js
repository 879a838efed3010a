/* The page: one box, then what the link leads to, then the file.
 *
 * All that comes from outside goes into the page through textContent and checked attributes, never as markup.
 * Every address is relative to the page's own, so that it works in any folder.
 *
 * The result card is also written by the server, for browsers without JavaScript (GET api/v1/page?url=). Both
 * make the same elements, and all looks are in sluice.css. A thing in [ ] is left out when unknown:
 *
 *   <article class="result">
 *     <header class="result-head">
 *       <div class="thumb">[<img src="THUMBNAIL_URL" alt="">][<span class="thumb-time">12:01</span>]</div>
 *       <div class="result-about">
 *         <h2 class="result-title" dir="auto">TITLE</h2>
 *         [<p class="result-author" dir="auto">AUTHOR</p>]
 *         <p class="result-facts"><span>YouTube</span><span title="youtube:visionos">via visionos</span>
 *           [<span>from cache</span>]</p>
 *         [<a class="best" href="STREAM_URL" download>
 *           <span class="best-verb">Download</span><span class="best-what">360p · MP4 · 12.3 MB</span></a>]
 *       </div>
 *     </header>
 *     <details class="group" open>                 groups in order, empty ones left out:
 *       <summary><h3 class="group-title">Video + audio</h3><span class="group-count">3</span></summary>
 *       <ul class="choices">
 *         <li class="choice [choice-best]">
 *           <a class="choice-link" href="STREAM_URL" download>
 *             <span class="choice-label">1080p</span>
 *             <span class="choice-facts"><span class="tag">MP4</span><span title="avc1.640028">H.264</span>
 *               <span>1.5 Mbit/s</span></span>
 *             <span class="choice-size" title="59,234,567 bytes">59.2 MB</span>
 *           </a>
 *           <button class="choice-copy" …>          (only with JavaScript)
 *   …
 *     <details class="group" open>… <ul class="subtitles"><li><a href="STREAM_URL" download>English</a><a href="SRT_URL" …>SRT</a>
 *
 *   <div class="problem" role="alert"><h2 class="problem-title">TITLE</h2><p>DETAIL</p>[<p class="problem-next">…</p>]</div>
 */

const api = new URL('api/v1/', document.baseURI);
const form = document.getElementById('ask');
const input = document.getElementById('url');
const pasteButton = document.getElementById('paste');
const hint = document.getElementById('hint');
const status = document.getElementById('status');
const outcome = document.getElementById('outcome');
const usualHint = hint.textContent;
const welcome = [...outcome.childNodes];

/* What a person can do next, by error code. */
export const nextStep = {
  bad_url: 'Copy the whole address from the address bar, or use “Share” in the app, and paste it here.',
  unsupported_site: 'YouTube links work, and links that lead straight to a video or audio file.',
  not_found: 'Open the link in another tab to see whether it still works there.',
  private: 'Only its owner can change that.',
  age_restricted: 'This server has no account with the site, so it cannot sign in for you.',
  geo_blocked: 'A Sluice server in another country may be able to get it.',
  members_only: 'Watch it on the site with your own account.',
  paid: 'Watch it on the site with your own account.',
  premium: 'Watch it on the site with your own account.',
  upcoming: 'Come back when it is over and the recording is published.',
  live: 'Come back when it is over and the recording is published.',
  drm: 'Watch it on the site: copy-protected videos are not offered here.',
  bot_check: 'This often passes within minutes. If it stays, tell whoever runs this server.',
  rate_limited_upstream: 'This often passes within minutes.',
  upstream_failed: 'If it keeps failing, open the link in another tab to see whether it works there.',
  refused_address: 'Use a link that works for everyone on the internet.',
  no_such_choice: 'Look the link up again and pick one of the listed choices.',
  bad_range: 'Remove the download and start it again.',
  precondition_failed: 'Remove the download and start it again.',
  source_changed: 'Remove the download and start it again.',
  quota_exceeded: 'The limit is shared by everyone who comes from your address.',
  auth_required: 'This server is for people with a key; ask whoever runs it.',
  bad_key: 'Ask whoever runs this server for a key.',
  key_disabled: 'Ask whoever runs this server for a new key.',
  site_not_allowed: 'Ask whoever runs this server for a key that is for this site.',
  busy: 'Others are downloading right now; a place is free soon.',
  token_expired: 'Look the link up again; the new choices work.',
  token_invalid: 'Look the link up again; the new choices work.',
  bad_request: 'Look the link up again, and tell whoever runs this server if that does not help.',
  bad_method: 'Tell whoever runs this server.',
  internal: 'If it keeps failing, tell whoever runs this server.',
  disk: 'Make room or choose another folder, then start it again.',
  unreachable: 'Check your connection, then try again.',
};

// ------------------------------------------------------------------------------------------------------------
// Numbers and names for people

const numbers = new Intl.NumberFormat('en');

function humanUnits(value, units) {
  let step = 0;
  while (value >= 999.5 && step < units.length - 1) {
    value /= 1000;
    step++;
  }
  return `${value.toFixed(step > 0 && value < 99.95 ? 1 : 0)} ${units[step]}`;
}

export const humanSize = (bytes) => humanUnits(bytes, ['B', 'kB', 'MB', 'GB', 'TB']);
const humanRate = (bits) => humanUnits(bits, ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s']);

export function humanDuration(seconds) {
  const s = Math.round(seconds);
  const two = (n) => String(n).padStart(2, '0');
  const minutes = Math.floor(s / 60);
  return minutes < 60 ? `${minutes}:${two(s % 60)}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(s % 60)}`;
}

/* RFC 6381 names by their beginning, as people know them. */
const codecNames = [
  [/^(avc1|avc3)/, 'H.264'], [/^(hev1|hvc1)/, 'HEVC'], [/^(vp9|vp09)/, 'VP9'], [/^(vp8|vp08)/, 'VP8'],
  [/^av01/, 'AV1'], [/^mp4a\.(69|6b|40\.34)/i, 'MP3'], [/^mp4a/, 'AAC'], [/^opus/i, 'Opus'], [/^vorbis/, 'Vorbis'],
  [/^ac-3/, 'AC-3'], [/^ec-3/, 'E-AC-3'], [/^flac/i, 'FLAC'], [/^mp3/, 'MP3'],
];

function humanCodecs(codecs) {
  const human = (codec) => codecNames.find(([pattern]) => pattern.test(codec))?.[1] ?? codec.split('.')[0];
  return codecs.split(',').map((codec) => human(codec.trim())).join(' + ');
}

function humanLanguage(tag) {
  try {
    return new Intl.DisplayNames(undefined, { type: 'language' }).of(tag);
  } catch {
    return tag;
  }
}

// ------------------------------------------------------------------------------------------------------------
// Elements

/* el('a', { class: 'x', href: '…' }, 'text', child, null): attributes and children that are null are left out. */
export function el(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value !== null && value !== undefined)
      node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ''));
  return node;
}

/* Marks that turn the direction of the text after them are of use only to deceive here: each text of the
 * outside stands in an element of its own. */
export const plain = (text) => String(text ?? '').replace(/[\u202a-\u202e\u2066-\u2069]/g, '');

/* An address of this server, or null: whatever an answer says, the page leads nowhere else. */
function ownAddress(path) {
  if (typeof path !== 'string' || path === '')
    return null;
  const url = new URL(path, document.baseURI);
  return url.origin === location.origin ? url.href : null;
}

export function say(text) {
  status.textContent = text;
}

// ------------------------------------------------------------------------------------------------------------
// The result card

const siteNames = { youtube: 'YouTube', direct: 'Media file' };
const groupTitles = { both: 'Video + audio', video: 'Video only', audio: 'Audio only' };

const bestVerbs = { both: 'Download', video: 'Download without sound', audio: 'Download audio' };

/* By what is in it, not by its name: a choice may join several formats. */
function groupOf(choice, formats) {
  if (choice.kind === 'audio') return 'audio'; // whatever it is made of
  const kinds = new Set((choice.formats ?? []).map((id) => formats.get(id)?.kind ?? choice.kind));
  if (kinds.has('muxed') || (kinds.has('video') && kinds.has('audio')))
    return 'both';
  return kinds.has('audio') ? 'audio' : 'video';
}

function sizeText(choice) {
  if (choice.size_bytes === null || choice.size_bytes === undefined)
    return null;
  return (choice.size_exact === false ? '≈ ' : '') + humanSize(choice.size_bytes);
}

function exactSizeText(choice) {
  if (choice.size_bytes === null || choice.size_bytes === undefined)
    return 'The source does not say';
  return `${choice.size_exact === false ? 'about ' : ''}${numbers.format(choice.size_bytes)} bytes`;
}

/* The server's label begins with what tells a choice from its neighbours ("1080p · MP4 · H.264"); the rest of it
 * has places of its own in the row. A file of which nothing is known has only its container there. */
function nameOf(choice) {
  const [name] = (choice.label || choice.id).split(' · ');
  return name.toLowerCase() === choice.container ? 'As it is' : name;
}

/* Many-voiced: the languages of the sound are worth saying. */
const manyVoices = (formats) => new Set([...formats.values()].map((format) => format.language).filter(Boolean)).size > 1;

function choiceFacts(choice, formats) {
  const parts = (choice.formats ?? []).map((id) => formats.get(id)).filter(Boolean);
  const bitrate = parts.reduce((sum, format) => sum + (format.bitrate ?? 0), 0);
  const fps = Math.max(0, ...parts.map((format) => Math.round(format.fps ?? 0)));
  const name = nameOf(choice);
  const facts = [el('span', { class: 'tag' }, (choice.container || '').toUpperCase())];
  if (choice.codecs)
    facts.push(el('span', { title: choice.codecs }, humanCodecs(choice.codecs)));
  if (fps > 30 && !name.endsWith(`p${fps}`))
    facts.push(el('span', null, `${fps} fps`));
  if (bitrate > 0 && !name.includes('bit/s'))
    facts.push(el('span', null, humanRate(bitrate)));
  for (const format of parts) {
    if (format.language && manyVoices(formats))
      facts.push(el('span', null, humanLanguage(format.language) + (format.original === false ? ' (dubbed)' : '')));
  }
  if (parts.some((format) => format.drc))
    facts.push(el('span', { title: 'Dynamic range compressed: quiet and loud parts brought together' }, 'even loudness'));
  return el('span', { class: 'choice-facts' }, ...facts);
}

function copyButton(url, what, kind = 'choice-copy') {
  const button = el('button', { class: kind, type: 'button', title: what.split(':')[0], 'aria-label': what });
  button.addEventListener('click', async () => {
    const copied = await copyText(url);
    say(copied ? 'Copied' : 'Copying is not possible here');
    button.classList.toggle('copied', copied);
    setTimeout(() => button.classList.remove('copied'), 2000);
  });
  return button;
}

/* What was picked last is put forward next time. It stays in this browser, which may also refuse to keep it. */
function lastChoice() {
  try {
    return localStorage.getItem('choice');
  } catch {
    return null;
  }
}

function rememberChoice(id) {
  try {
    localStorage.setItem('choice', id);
  } catch {
    // then the server's preselection it is
  }
}

/* The module is fetched while the card is read, so that a click does not wait for it. */
let downloads = null;
export const canSave = 'showSaveFilePicker' in window && window.isSecureContext;

/* A click on the link writes the file from here where that is possible. Clicks that mean something else (a new
 * tab, "save link as") keep their meaning. */
function saveOnClick(link, choice, title) {
  const label = nameOf(choice);
  link.addEventListener('click', async (event) => {
    rememberChoice(choice.id);
    const isPlainClick = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
    if (downloads === null || !isPlainClick || !event.isTrusted) {
      say(`Download started: ${label}`);
      return;
    }
    event.preventDefault();
    if (!await downloads.save({ href: link.href, title, label, container: choice.container }))
      link.click(); // not trusted: the browser downloads
  });
}

async function prepareDownloads() {
  if (canSave)
    downloads = await import('./downloads.js').catch(() => null);
}

function choiceRow(choice, formats, isBest, title) {
  const href = ownAddress(choice.stream_url);
  if (href === null)
    return null;
  const name = nameOf(choice);
  const size = el('span', { class: 'choice-size', title: exactSizeText(choice) }, sizeText(choice) ?? 'size unknown');
  const link = el('a', { class: 'choice-link', href, download: '' },
    el('span', { class: 'choice-label' }, name), choiceFacts(choice, formats), size);
  saveOnClick(link, choice, title);
  return el('li', { class: isBest ? 'choice choice-best' : 'choice' }, link, copyButton(href, `Copy link: ${choice.label || choice.id}`));
}

function groupOfRows(title, count, list) {
  return el('details', { class: 'group', open: '' },
    el('summary', null, el('h3', { class: 'group-title' }, title), el('span', { class: 'group-count' }, String(count))), list);
}

function subtitleGroup(subtitles) {
  const items = subtitles.filter((subtitle) => ownAddress(subtitle.stream_url) !== null).map((subtitle) =>
    el('li', null, el('a', { href: ownAddress(subtitle.stream_url), download: '', dir: 'auto', lang: subtitle.language },
      plain(subtitle.label) || humanLanguage(subtitle.language), subtitle.auto && !/auto/i.test(subtitle.label) ? ' (automatic)' : ''),
      ownAddress(subtitle.srt_url) && el('a', { href: ownAddress(subtitle.srt_url), download: '', title: 'The same as SubRip' }, 'SRT')));
  return items.length > 0 ? groupOfRows('Subtitles', items.length, el('ul', { class: 'subtitles' }, ...items)) : null;
}

function thumbnail(info) {
  const box = el('div', { class: 'thumb' });
  const src = ownAddress(info.thumbnail_url);
  if (src !== null) {
    const img = el('img', { src, alt: '' });
    img.addEventListener('error', () => img.remove());
    box.append(img);
  }
  if (info.duration_s > 0)
    box.append(el('span', { class: 'thumb-time' }, humanDuration(info.duration_s)));
  return box;
}

/* "1:02:03", "62.5" → seconds; null when it is neither. */
function secondsIn(text) {
  if (!/^(\d+:){0,2}\d+(\.\d{1,3})?$/.test(text))
    return null;
  return text.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
}

/* Only a part of the file: the same link with times. Null where no part can be cut out of that choice. */
function clipForm(info, choice, href) {
  if (!(info.duration_s > 0) || !/^\d+p-mp4$/.test(choice.id))
    return null;
  const box = (id, value) => el('input', { id, class: 'more-time', type: 'text', inputmode: 'numeric', autocomplete: 'off', value, 'aria-describedby': 'clip-hint' });
  const start = box('clip-start', '0:00');
  const end = box('clip-end', humanDuration(Math.floor(info.duration_s)));
  const clipHint = el('p', { class: 'more-hint', id: 'clip-hint', role: 'status' });
  const link = el('a', { class: 'btn btn-primary more-clip', href, download: '' }, 'Download this part');
  const update = () => {
    const [from, to] = [secondsIn(start.value.trim()), secondsIn(end.value.trim())];
    const isRight = from !== null && to !== null && from < to && from < info.duration_s;
    const url = new URL(href);
    url.searchParams.set('start', from);
    url.searchParams.set('end', Math.min(to, info.duration_s));
    if (isRight)
      link.href = url.href;
    else
      link.removeAttribute('href'); // nothing to click until the times make sense
    for (const field of [start, end])
      field.setAttribute('aria-invalid', String(!isRight));
    clipHint.textContent = isRight ? `${nameOf(choice)} · ${humanDuration(Math.min(to, info.duration_s) - from)}`
      : `Times look like 1:30, the start before the end, within ${humanDuration(info.duration_s)}.`;
  };
  start.addEventListener('input', update);
  end.addEventListener('input', update);
  update();
  saveOnClick(link, choice, titleOf(info));
  return el('div', { class: 'more-part' }, el('h3', { class: 'group-title' }, 'A part of it'),
    el('div', { class: 'more-row' }, el('label', { for: 'clip-start' }, 'From'), start, el('label', { for: 'clip-end' }, 'to'), end, link), clipHint);
}

/* Plays the very bytes the download has, wherever one jumps to; nothing is fetched before it is asked for. */
function previewPart(info, href, group) {
  const button = el('button', { class: 'btn btn-primary', type: 'button' }, 'Play here');
  const player = el(group === 'audio' ? 'audio' : 'video',
    { class: 'more-player', controls: '', playsinline: '', 'aria-label': `Preview: ${titleOf(info)}`, hidden: '' });
  const failed = el('p', { class: 'more-hint', role: 'status' });
  button.addEventListener('click', () => {
    button.hidden = true;
    player.hidden = false;
    player.src = href;
    player.focus();
    player.play().catch(() => {}); // its controls are there
  });
  player.addEventListener('error', () => { failed.textContent = 'This browser cannot play it here. The download is not affected.'; });
  return el('div', { class: 'more-part' }, el('h3', { class: 'group-title' }, 'Preview'), button, player, failed);
}

function sharePart(info, href) {
  const page = new URL(document.baseURI);
  page.search = '';
  page.searchParams.set('url', info.url);
  const pass = el('button', { class: 'btn btn-primary', type: 'button' }, navigator.share ? 'Share this page' : 'Copy this page’s link');
  pass.addEventListener('click', async () => {
    if (navigator.share)
      await navigator.share({ title: titleOf(info), url: page.href }).catch(() => {});
    else
      say(await copyText(page.href) ? 'Link copied' : 'Copying is not possible here');
  });
  const line = `curl -OJ '${href.replaceAll("'", '%27')}'`;
  const copy = copyButton(line, 'Copy the curl command', 'more-copy');
  return el('div', { class: 'more-part' }, el('h3', { class: 'group-title' }, 'Elsewhere'), pass,
    el('div', { class: 'more-row' }, el('code', { class: 'more-curl', tabindex: '0', 'aria-label': 'curl command' }, line), copy));
}

const moreOf = (info, best, href, group) => el('details', { class: 'more' },
  el('summary', null, 'Preview, cut, share'), previewPart(info, href, group), clipForm(info, best, href), sharePart(info, href));

const titleOf = (info) => plain(info.title) || 'Untitled';

function resultCard(info) {
  const formats = new Map((info.formats ?? []).map((format) => [format.id, format]));
  const groups = { both: [], video: [], audio: [] };
  for (const choice of info.choices ?? [])
    groups[groupOf(choice, formats)].push(choice);
  const byId = (id) => (info.choices ?? []).find((choice) => choice.id === id);
  const best = byId(lastChoice()) ?? byId(info.preselected) ?? null;
  const bestHref = best && ownAddress(best.stream_url);
  const engine = (info.engine ?? '').split(':')[1];
  const bestLink = bestHref ? el('a', { class: 'best', href: bestHref, download: '' },
    el('span', { class: 'best-verb' }, bestVerbs[groupOf(best, formats)]),
    el('span', { class: 'best-what' }, [nameOf(best), best.container.toUpperCase(), sizeText(best)].filter(Boolean).join(' · '))) : null;
  if (bestLink)
    saveOnClick(bestLink, best, titleOf(info));

  const about = el('div', { class: 'result-about' },
    el('h2', { class: 'result-title', dir: 'auto', tabindex: '-1' }, titleOf(info)),
    info.author ? el('p', { class: 'result-author', dir: 'auto' }, plain(info.author)) : null,
    el('p', { class: 'result-facts' },
      info.site ? el('span', null, siteNames[info.site] ?? info.site) : null,
      engine ? el('span', { title: info.engine }, `via ${engine}`) : null,
      info.cached ? el('span', null, 'from cache') : null),
    bestLink);

  const lists = Object.entries(groups).filter(([, choices]) => choices.length > 0).map(([name, choices]) =>
    groupOfRows(groupTitles[name], choices.length,
      el('ul', { class: 'choices' }, ...choices.map((choice) => choiceRow(choice, formats, choice === best, titleOf(info))))));
  return el('article', { class: 'result' },
    el('header', { class: 'result-head' }, thumbnail(info), about),
    bestHref ? moreOf(info, best, bestHref, groupOf(best, formats)) : null, ...lists, subtitleGroup(info.subtitles ?? []));
}

// ------------------------------------------------------------------------------------------------------------
// Waiting, and what went wrong

function skeleton() {
  const bar = (kind) => el('span', { class: `bone bone-${kind}` });
  const rows = Array.from({ length: 4 }, () => el('div', { class: 'choice' }, bar('row')));
  return el('div', { class: 'result waiting', 'aria-hidden': 'true' },
    el('div', { class: 'result-head' }, el('div', { class: 'thumb bone' }),
      el('div', { class: 'result-about' }, bar('title'), bar('author'), bar('best'))), ...rows);
}

/* Waits out retry_after_s in the open, so that pressing it can help. */
function retryButton(problem, url) {
  const button = el('button', { class: 'btn btn-primary problem-retry', type: 'button' });
  let left = Math.ceil(Math.min(problem.retry_after_s ?? 0, 3600));
  const tick = () => {
    button.disabled = left > 0;
    button.textContent = left > 0 ? `Retry in ${left} s` : 'Retry';
    if (left-- > 0)
      setTimeout(() => button.isConnected && tick(), 1000);
  };
  tick();
  button.addEventListener('click', () => look(url));
  return button;
}

function problemCard(problem, url) {
  return el('div', { class: 'problem', role: 'alert' },
    el('h2', { class: 'problem-title' }, problem.title || 'That did not work'),
    el('p', null, problem.detail || 'Something went wrong.'),
    nextStep[problem.code] ? el('p', { class: 'problem-next' }, nextStep[problem.code]) : null,
    problem.retryable ? retryButton(problem, url) : null);
}

// ------------------------------------------------------------------------------------------------------------
// Looking a link up

let running = null; // { url, controller } while an answer is awaited

/* The API's answer, or a problem: never throws but for an abort. */
async function ask(url, signal) {
  const address = new URL('info', api);
  address.searchParams.set('url', url);
  let response;
  try {
    response = await fetch(address, { headers: { Accept: 'application/json' }, credentials: 'omit', signal });
    const body = await response.json();
    if (response.ok && body !== null && typeof body === 'object')
      return { info: body };
    if (typeof body?.code === 'string')
      return { problem: body };
  } catch (error) {
    if (signal.aborted)
      throw error;
  }
  return {
    problem: response
      ? { code: 'internal', title: 'Internal error', detail: `The server gave an answer that makes no sense (${response.status}).`, retryable: true }
      : { code: 'unreachable', title: 'No answer', detail: 'The server cannot be reached.', retryable: true },
  };
}

async function look(url) {
  if (running?.url === url)
    return;
  running?.controller.abort();
  const mine = { url, controller: new AbortController() };
  running = mine;
  showHint(null);
  say('Looking it up …');
  outcome.replaceChildren(skeleton());
  let answer;
  try {
    answer = await ask(url, mine.controller.signal);
  } catch {
    return; // another link took its place
  }
  running = null;
  if (answer.info) {
    const card = resultCard(answer.info);
    outcome.replaceChildren(card);
    prepareDownloads();
    document.title = `${titleOf(answer.info)} · Sluice`;
    say(`Found: ${titleOf(answer.info)}`);
    card.querySelector('.result-title').focus({ preventScroll: true });
  } else {
    outcome.replaceChildren(problemCard(answer.problem, url));
    say('');
  }
}

function clear() {
  running?.controller.abort();
  running = null;
  showHint(null);
  say('');
  document.title = 'Sluice';
  outcome.replaceChildren(...welcome);
}

function showHint(text) {
  hint.textContent = text ?? usualHint;
  hint.classList.toggle('ask-hint-wrong', text !== null);
  if (text === null)
    input.removeAttribute('aria-invalid');
  else
    input.setAttribute('aria-invalid', 'true');
}

/* People share "Look at this: https://…": take the link out of it. The server decides what a link is; here only
 * what surely is none is turned away. */
function linkIn(text) {
  const trimmed = text.trim();
  const found = trimmed.match(/https?:\/\/\S+/i);
  return found ? found[0] : trimmed;
}

function go(text) {
  const url = linkIn(text);
  input.value = url;
  if (url === '' || /\s/.test(url)) {
    showHint(url === '' ? 'Paste a link first: the address of a video, or of a media file.' : 'That is no link. A link has no spaces in it.');
    say(hint.textContent);
    input.focus();
    return;
  }
  const here = new URL(location.href);
  if (here.searchParams.get('url') !== url) {
    here.search = '';
    here.searchParams.set('url', url);
    history.pushState(null, '', here);
  }
  look(url);
}

/* ?url=… of this page. Someone who types it by hand does not escape the link: then all that follows is it. What an
 * app shares has the link in its text as often as in its url (sluice.webmanifest). */
function goFromAddress() {
  const raw = location.search.match(/[?&]url=(https?:\/\/.*)$/i);
  const fields = new URLSearchParams(location.search);
  const shared = [fields.get('text'), fields.get('title')].find((text) => /https?:\/\/\S/i.test(text ?? ''));
  const url = raw ? raw[1] : fields.get('url') || (shared && linkIn(shared));
  input.value = url ?? '';
  if (url)
    look(linkIn(url));
  else
    clear();
}

// ------------------------------------------------------------------------------------------------------------
// Hands

/* The clipboard is there only on https and localhost; the old way works everywhere else. */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = el('textarea', { class: 'visually-hidden', 'aria-hidden': 'true' });
    area.value = text;
    document.body.append(area);
    const focused = document.activeElement;
    area.select();
    const copied = document.execCommand('copy');
    area.remove();
    focused?.focus();
    return copied;
  }
}

const isLink = (text) => /^https?:\/\/\S+$/i.test(text.trim());
const isField = (node) => node instanceof Element && node.closest('input, textarea, select, [contenteditable]') !== null;

form.noValidate = true; // our own hint says it better
form.addEventListener('submit', (event) => {
  event.preventDefault();
  go(input.value);
});

input.addEventListener('input', () => showHint(null));

/* Paste and go: a link pasted into the empty or wholly selected box, or anywhere else on the page. */
document.addEventListener('paste', (event) => {
  const text = event.clipboardData?.getData('text/plain') ?? '';
  const replaces = event.target === input && input.selectionStart === 0 && input.selectionEnd === input.value.length;
  if (isLink(text) && (replaces || !isField(event.target))) {
    event.preventDefault();
    go(text);
  }
});

document.addEventListener('keydown', (event) => {
  if (event.key === '/' && !event.ctrlKey && !event.metaKey && !event.altKey && !isField(event.target)) {
    event.preventDefault();
    input.focus();
    input.select();
  }
});

document.addEventListener('dragover', (event) => event.preventDefault());
document.addEventListener('drop', (event) => {
  event.preventDefault();
  const text = event.dataTransfer.getData('text/uri-list') || event.dataTransfer.getData('text/plain');
  if (text)
    go(text);
});

if (navigator.clipboard?.readText) {
  pasteButton.hidden = false;
  pasteButton.addEventListener('click', async () => {
    try {
      go(await navigator.clipboard.readText());
    } catch {
      input.focus(); // not allowed: the keyboard still can
    }
  });
}

window.addEventListener('popstate', goFromAddress);
goFromAddress();

// The browser's own autofocus comes only after the page was drawn: a key pressed before would be lost.
if (document.activeElement === document.body)
  input.focus({ preventScroll: true });
