/* What was looked up before: kept in this browser alone, and erased with one click. */
import { button, el, plain } from './dom.js';
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

/* The list, or null when it is empty. `go(url)` looks one up again. */
export function historyPart(go) {
  const entries = read();
  if (entries.length === 0)
    return null;
  const part = el('section', { class: 'history', 'aria-labelledby': 'history-title' });
  const rows = entries.map(({ url, title }) => {
    const here = new URL(document.baseURI);
    here.search = new URLSearchParams({ url });
    const link = el('a', { href: here.href }, el('bdi', null, plain(title)));
    link.addEventListener('click', (event) => {
      if (event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
        event.preventDefault();
        go(url);
      }
    });
    return el('li', null, link);
  });
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
