/* What the card can do beside downloading the whole: play it, cut a part out, pass it on. */
import { groupOfRows, nameOf, saveOnClick, titleOf } from './card.js';
import { button, copyButton, copyText, el, plain, say } from './dom.js';
import { humanDuration, secondsIn } from './human.js';
import { t } from './i18n.js';
import { uploadPart } from './upload.js';
import { qrPicture } from './qr.js';

/* Whether a part can be cut out of that choice. */
const isCuttable = (info, choice) => info.duration_s > 0 && /^\d+p-mp4$/.test(choice.id);

/* Only a part of the file: the same link with times. */
function clipPart(info, choice, href) {
  if (!isCuttable(info, choice))
    return null;
  const box = (id, value) => el('input', { id, class: 'more-time', type: 'text', inputmode: 'numeric', dir: 'ltr', autocomplete: 'off', value, 'aria-describedby': 'clip-hint' });
  const start = box('clip-start', '0:00');
  const end = box('clip-end', humanDuration(Math.floor(info.duration_s)));
  const clipHint = el('p', { class: 'more-hint', id: 'clip-hint', role: 'status' });
  const link = el('a', { class: 'btn btn-primary more-clip', href, download: '' }, t('more.clip_go'));
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
      : t('more.clip_wrong', { duration: humanDuration(info.duration_s) });
  };
  start.addEventListener('input', update);
  end.addEventListener('input', update);
  update();
  saveOnClick(link, choice, titleOf(info));
  return el('div', { class: 'more-part' }, el('h3', { class: 'group-title' }, t('more.clip')),
    el('div', { class: 'more-row' }, el('label', { for: 'clip-start' }, t('more.from')), start,
      el('label', { for: 'clip-end' }, t('more.to')), end, link), clipHint);
}

/* Plays the very bytes the download has, wherever one jumps to; nothing is fetched before it is asked for. */
function previewPart(info, href, group) {
  const player = el(group === 'audio' ? 'audio' : 'video',
    { class: 'more-player', controls: '', playsinline: '', 'aria-label': t('more.player', { title: titleOf(info) }), hidden: '' });
  const failed = el('p', { class: 'more-hint', role: 'status' });
  const play = button('btn more-button', t('more.play'), () => {
    play.hidden = true;
    player.hidden = false;
    player.src = href;
    player.focus();
    player.play().catch(() => {}); // its controls are there
  });
  player.addEventListener('error', () => { failed.textContent = t('more.unplayable'); });
  return el('div', { class: 'more-part' }, el('h3', { class: 'group-title' }, t('more.preview')), play, player, failed);
}

function sharePart(info, href) {
  const page = new URL(document.baseURI);
  page.search = '';
  page.searchParams.set('url', info.url);
  const pass = button('btn more-button', t(navigator.share ? 'more.share' : 'more.copy_page'), async () => {
    if (navigator.share)
      await navigator.share({ title: titleOf(info), url: page.href }).catch(() => {});
    else
      say(t(await copyText(page.href) ? 'say.copied' : 'say.not_copied'));
  });
  const figure = el('figure', { class: 'more-phone', hidden: '' });
  const qr = button('btn more-button', t('more.qr_show'), () => {
    if (!figure.hasChildNodes())
      figure.append(qrPicture(page.href, t('more.qr')), el('figcaption', { class: 'more-hint' }, t('more.qr_hint')));
    figure.hidden = !figure.hidden;
    qr.setAttribute('aria-expanded', String(!figure.hidden));
  }, { 'aria-expanded': 'false' });
  const line = `curl -OJ '${href.replaceAll("'", '%27')}'`;
  return el('div', { class: 'more-part' }, el('h3', { class: 'group-title' }, t('more.elsewhere')),
    el('div', { class: 'more-row' }, pass, qr), figure,
    el('div', { class: 'more-row' }, el('code', { class: 'more-curl', dir: 'ltr', tabindex: '0', role: 'group', 'aria-label': t('more.curl') }, line),
      copyButton(line, t('more.copy_curl'), t('more.copy_curl'), 'more-copy')));
}

export const moreOf = (info, best, href, group, uploads) => el('details', { class: 'more' },
  el('summary', null, t('more.title')), previewPart(info, href, group), clipPart(info, best, href), sharePart(info, href),
  uploads.includes('s3') ? uploadPart(info, best) : null);

/* A chapter leads to the part it is. */
export function chapterGroup(info) {
  const chapters = (info.chapters ?? []).filter(({ start_s }) => start_s >= 0 && start_s < info.duration_s);
  if (chapters.length === 0)
    return null;
  const pick = (n) => {
    const [start, end] = ['clip-start', 'clip-end'].map((id) => document.getElementById(id));
    if (!start)
      return; // nothing can be cut out of what is put forward
    start.closest('details').open = true;
    start.value = humanDuration(chapters[n].start_s);
    end.value = humanDuration(chapters[n + 1]?.start_s ?? Math.floor(info.duration_s));
    start.dispatchEvent(new Event('input'));
    start.focus();
  };
  const rows = chapters.map((chapter, n) => el('li', null, button('chapter', null, () => pick(n))));
  rows.forEach((row, n) => row.firstChild.append(
    el('span', { class: 'chapter-time' }, humanDuration(chapters[n].start_s)), el('span', { dir: 'auto' }, plain(chapters[n].title))));
  return groupOfRows(t('group.chapters'), chapters.length, el('ul', { class: 'choices' }, ...rows));
}
