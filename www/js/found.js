/* What was found by words: rows with a picture that lead to the video, and to whoever made it. The server
 * writes the same rows for browsers without JavaScript (src/serve/page_list.c). */
import { button, el, lookLink, ownAddress, plain, say } from './dom.js';
import { humanDuration } from './human.js';
import { t } from './i18n.js';
import { wordsFor } from './problem.js';

/* The picture of a listed video comes through our server, and only when it is scrolled to. */
export function thumbOf(item) {
  const src = ownAddress(item.thumbnail_url);
  const img = src && el('img', { src, alt: '', loading: 'lazy' });
  img?.addEventListener('error', () => img.remove());
  const words = item.duration_s > 0 ? humanDuration(item.duration_s) : item.live ? t('error.live.title') : null;
  return [img, words && el('span', { class: 'thumb-time' }, words)];
}

export function authorLink(item, kind) {
  const author = plain(item.author);
  if (author === '')
    return null;
  const name = el('bdi', null, author);
  return item.author_url ? lookLink(item.author_url, { class: kind }, name) : el('span', { class: kind }, name);
}

const row = (item) => el('li', { class: 'found' }, el('div', { class: 'thumb' }, ...thumbOf(item)),
  el('div', { class: 'found-about' },
    lookLink(item.url, { class: 'found-link' }, el('bdi', null, plain(item.title) || t('card.untitled'))),
    authorLink(item, 'found-author')));

/* `more(cursor)` fetches the next page. */
export function foundCard(words, { items, next }, more) {
  const list = el('ul', { class: 'founds' }, ...items.map(row));
  let cursor = next;
  const moreButton = button('btn more-button', t('batch.more'), async () => {
    moreButton.disabled = true;
    const answer = await more(cursor);
    moreButton.disabled = false;
    if (answer.problem) {
      say(wordsFor(answer.problem).text);
      return;
    }
    const rows = answer.body.items.map(row);
    list.append(...rows);
    cursor = answer.body.next;
    moreButton.hidden = !cursor;
    rows[0]?.querySelector('a').focus();
  });
  moreButton.hidden = !cursor;
  return el('article', { class: 'result batch' },
    el('header', { class: 'batch-head' }, el('h2', { class: 'result-title', dir: 'auto', tabindex: '-1' }, t('search.title', { words: plain(words) }))),
    list, items.length === 0 ? el('p', { class: 'found-none' }, t('search.none')) : null, moreButton);
}
