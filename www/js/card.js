/* The result card.
 *
 * It is also written by the server, for browsers without JavaScript (GET api/v1/page?url=). Both make the same
 * elements, and all looks are in sluice.css. A thing in [ ] is left out when unknown:
 *
 *   <article class="result">
 *     <header class="result-head">
 *       <div class="thumb">[<img src="THUMBNAIL_URL" alt="">][<span class="thumb-time">12:01</span>]</div>
 *       <div class="result-about">
 *         <h2 class="result-title" dir="auto">TITLE</h2>
 *         [<p class="result-author" dir="auto">AUTHOR, [a link to what else is by them]</p>]
 *         <p class="result-facts"><span>YouTube</span><span title="youtube:visionos">via visionos</span>
 *           [<span>from cache</span>]</p>
 *         [<a class="best" href="STREAM_URL" download>
 *           <span class="best-verb">Download</span><span class="best-what"><bdi>360p</bdi> · <bdi>MP4</bdi> · …</span></a>]
 *       </div>
 *     </header>
 *     <details class="group" open>                 groups in order, empty ones left out:
 *       <summary><h3 class="group-title">Video + audio</h3><span class="group-count">3</span></summary>
 *       <ul class="choices">
 *         <li class="choice [choice-best]">
 *           <a class="choice-link" href="STREAM_URL" download>
 *             <span class="choice-label"><bdi>1080p</bdi></span>
 *             <span class="choice-facts"><span class="tag">MP4</span><span title="avc1.640028">H.264</span>
 *               <span>1.5 Mbit/s</span></span>
 *             <span class="choice-size" title="59,234,567 bytes">59.2 MB</span>
 *           </a>
 *           <button class="choice-copy" …>          (only with JavaScript)
 *   …
 *     <details class="group" open>… <ul class="subtitles"><li><a href="STREAM_URL" download>English</a><a href="SRT_URL" …>SRT</a>
 */
import { copyButton, el, ownAddress, plain, say } from './dom.js';
import * as downloads from './downloads.js';
import { authorLink } from './found.js';
import { grouped, humanCodecs, humanDuration, humanLanguage, humanRate, humanSize } from './human.js';
import { t } from './i18n.js';
import { chapterGroup, moreOf } from './more.js';
import { askWhenPointed, canBeExact, sizeAsker } from './sizes.js';

export const titleOf = (info) => plain(info.title) || t('card.untitled');

/* By what is in it, not by its name: a choice may join several formats. */
export function groupOf(choice, formats) {
  if (choice.kind === 'audio') return 'audio'; // whatever it is made of
  const kinds = new Set((choice.formats ?? []).map((id) => formats.get(id)?.kind ?? choice.kind));
  if (kinds.has('muxed') || (kinds.has('video') && kinds.has('audio')))
    return 'both';
  return kinds.has('audio') ? 'audio' : 'video';
}

export const formatsOf = (info) => new Map((info.formats ?? []).map((format) => [format.id, format]));

export function sizeText(choice) {
  if (choice.size_bytes === null || choice.size_bytes === undefined)
    return null;
  return (choice.size_exact === false ? '≈ ' : '') + humanSize(choice.size_bytes);
}

function exactSizeText(choice) {
  if (choice.size_bytes === null || choice.size_bytes === undefined)
    return t('choice.size_unspoken');
  return t(choice.size_exact === false ? 'choice.size_about' : 'choice.size_exact', { n: grouped(choice.size_bytes) });
}

/* The server's label begins with what tells a choice from its neighbours ("1080p · MP4 · H.264"); the rest of it
 * has places of its own in the row. A file of which nothing is known has only its container there. */
export function nameOf(choice) {
  const [name] = plain(choice.label || choice.id).slice(0, 60).split(' · ');
  if (name === 'Audio')
    return t('choice.audio');
  return name.toLowerCase() === choice.container ? t('choice.as_is') : name;
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
    if (format.language && manyVoices(formats)) {
      const spoken = humanLanguage(format.language);
      facts.push(el('span', null, format.original === false ? t('choice.dubbed', { language: spoken }) : spoken));
    }
  }
  if (parts.some((format) => format.drc))
    facts.push(el('span', { title: t('choice.loudness_title') }, t('choice.loudness')));
  return el('span', { class: 'choice-facts' }, ...facts);
}

/* One after the other in the direction of the page, whatever letters they are of. */
const dotted = (texts) => texts.filter(Boolean).flatMap((text, n) => [...(n > 0 ? [' · '] : []), el('bdi', null, text)]);

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

/* A click on the link writes the file from here where that is possible. Clicks that mean something else (a new
 * tab, "save link as") keep their meaning. */
export function saveOnClick(link, choice, title) {
  const label = nameOf(choice);
  link.addEventListener('click', async (event) => {
    rememberChoice(choice.id);
    const isPlainClick = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
    if (!downloads.canSave || !isPlainClick || !event.isTrusted) {
      say(t('say.started', { name: label }));
      return;
    }
    event.preventDefault();
    if (!await downloads.save({ href: link.href, title, label, container: choice.container }))
      link.click(); // not trusted: the browser downloads
  });
}

/* What is said of its size, in the row and on the button, now and when it has become exact. */
function fillSize(node, choice) {
  node.title = exactSizeText(choice);
  node.textContent = sizeText(choice) ?? t('choice.size_unknown');
}

const bestWhat = (best) => dotted([nameOf(best), best.container.toUpperCase(), sizeText(best)]);

function choiceRow(choice, formats, isBest, title) {
  const href = ownAddress(choice.stream_url);
  if (href === null)
    return null;
  const size = el('span', { class: 'choice-size' });
  fillSize(size, choice);
  const link = el('a', { class: 'choice-link', href, download: '' },
    el('span', { class: 'choice-label' }, el('bdi', null, nameOf(choice))), choiceFacts(choice, formats), size);
  saveOnClick(link, choice, title);
  return el('li', { class: isBest ? 'choice choice-best' : 'choice', 'data-choice': choice.id }, link,
    copyButton(href, t('choice.copy'), t('choice.copy_of', { name: choice.label || choice.id })));
}

export function groupOfRows(title, count, list) {
  return el('details', { class: 'group', open: '' },
    el('summary', null, el('h3', { class: 'group-title' }, title), el('span', { class: 'group-count' }, String(count))), list);
}

function subtitleGroup(subtitles) {
  const items = subtitles.filter((subtitle) => ownAddress(subtitle.stream_url) !== null).map((subtitle) => {
    const name = plain(subtitle.label) || humanLanguage(subtitle.language);
    return el('li', null, el('a', { href: ownAddress(subtitle.stream_url), download: '', dir: 'auto' },
      subtitle.auto && !/auto/i.test(subtitle.label) ? t('subtitle.auto', { language: name }) : name),
      ownAddress(subtitle.srt_url) && el('a', { href: ownAddress(subtitle.srt_url), download: '', title: t('subtitle.srt_title') }, 'SRT'));
  });
  return items.length > 0 ? groupOfRows(t('group.subtitles'), items.length, el('ul', { class: 'subtitles' }, ...items)) : null;
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

const siteName = (site) => ({ youtube: 'YouTube', tiktok: 'TikTok', direct: t('card.direct') })[site] ?? site;

function about(info, bestLink, listLink) {
  const engine = (info.engine ?? '').split(':')[1];
  return el('div', { class: 'result-about' },
    el('h2', { class: 'result-title', dir: 'auto', tabindex: '-1' }, titleOf(info)),
    info.author ? el('p', { class: 'result-author', dir: 'auto' }, authorLink(info, null)) : null,
    el('p', { class: 'result-facts' },
      info.site ? el('span', null, siteName(info.site)) : null,
      engine ? el('span', { title: info.engine }, t('card.via', { engine })) : null,
      info.cached ? el('span', null, t('card.cached')) : null),
    bestLink, listLink);
}

/* What most will take is asked for at once, all else when somebody points at it. Short videos cost so little that
 * all of them are: a size takes the server about twenty small questions a minute of video. */
const UNASKED_S = 1200;

function makeSizesExact(card, { choices = [], duration_s }, best) {
  const rowOf = (choice) => card.querySelector(`[data-choice="${CSS.escape(choice.id)}"]`);
  const askFor = sizeAsker((choice) => {
    fillSize(rowOf(choice).querySelector('.choice-size'), choice);
    if (choice === best)
      card.querySelector('.best-what').replaceChildren(...bestWhat(best));
  }, () => card.isConnected);
  for (const choice of choices.filter((one) => rowOf(one)))
    askWhenPointed(rowOf(choice), () => askFor(choice));
  let left = UNASKED_S;
  const isCheap = (choice) => choice === best || (canBeExact(choice) && duration_s > 0 && (left -= duration_s) >= 0);
  setTimeout(() => card.isConnected && [best, ...choices].filter((choice) => choice && rowOf(choice) && isCheap(choice)).forEach(askFor));
}

/* `listLink`: the way to the playlist the video was found in, or null. `uploads`: where the server can send it. */
export function resultCard(info, listLink = null, uploads = []) {
  const formats = formatsOf(info);
  const groups = { both: [], video: [], audio: [] };
  for (const choice of info.choices ?? [])
    groups[groupOf(choice, formats)].push(choice);
  const byId = (id) => (info.choices ?? []).find((choice) => choice.id === id);
  const best = byId(lastChoice()) ?? byId(info.preselected) ?? null;
  const bestHref = best && ownAddress(best.stream_url);
  const bestLink = bestHref ? el('a', { class: 'best', href: bestHref, download: '' },
    el('span', { class: 'best-verb' }, t(`best.${groupOf(best, formats)}`)),
    el('span', { class: 'best-what' }, ...bestWhat(best))) : null;
  if (bestLink)
    saveOnClick(bestLink, best, titleOf(info));

  const lists = Object.entries(groups).filter(([, choices]) => choices.length > 0).map(([name, choices]) =>
    groupOfRows(t(`group.${name}`), choices.length,
      el('ul', { class: 'choices' }, ...choices.map((choice) => choiceRow(choice, formats, choice === best, titleOf(info))))));
  const card = el('article', { class: 'result' },
    el('header', { class: 'result-head' }, thumbnail(info), about(info, bestLink, listLink)),
    bestHref ? moreOf(info, best, bestHref, groupOf(best, formats), uploads) : null, ...lists,
    subtitleGroup(info.subtitles ?? []), chapterGroup(info));
  makeSizesExact(card, info, best);
  return card;
}

/* What stands in the card's place until it comes; as high as the window, so that nothing below is seen to move. */
export function skeleton() {
  const bar = (kind) => el('span', { class: `bone bone-${kind}` });
  const rows = Array.from({ length: 8 }, () => el('div', { class: 'choice' }, bar('row')));
  return el('div', { class: 'result waiting', 'aria-hidden': 'true' },
    el('div', { class: 'result-head' }, el('div', { class: 'thumb bone' }),
      el('div', { class: 'result-about' }, bar('title'), bar('author'), bar('best'))), ...rows);
}
