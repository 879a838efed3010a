/* What was looked up before: kept in this browser alone, and erased with one click. */
import { button, el, lookLink, plain } from './dom.js';
import { t } from './i18n.js';

const KEY = 'history';
const MOST = 12;

function read() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY));
    return Array.isArray(kept) ? kept.filter(({ url, title }) => typeof url === 'string' && typeof title === 'string') : [];
  } catch {
    return [];
  }
}

function write(entries) {
  try {
    if (entries.length > 0)
      localStorage.setItem(KEY, JSON.stringify(entries));
    else
      localStorage.removeItem(KEY);
  } catch {
    // a browser that keeps nothing has no history
  }
}

export function remember(url, title) {
  write([{ url, title: title.slice(0, 200) }, ...read().filter((entry) => entry.url !== url)].slice(0, MOST));
}

/* The list, or null when it is empty. */
export function historyPart() {
  const entries = read();
  if (entries.length === 0)
    return null;
  const part = el('section', { class: 'history', 'aria-labelledby': 'history-title' });
  const rows = entries.map(({ url, title }) => el('li', null, lookLink(url, null, el('bdi', null, plain(title)))));
  part.append(
    el('div', { class: 'history-head' }, el('h2', { class: 'group-title', id: 'history-title' }, t('history.title')),
      button('btn btn-sm downloads-button', t('history.erase'), () => {
        write([]);
        part.remove();
        document.getElementById('url').focus();
      })),
    el('ul', null, ...rows), el('p', { class: 'more-hint' }, t('history.where')));
  return part;
}
