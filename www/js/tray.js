/* The downloads as one sees them, below the card. */
import { el } from './dom.js';
import { humanDuration, humanSize } from './human.js';
import { onLanguage, t } from './i18n.js';
import { queueWords, wordsFor } from './problem.js';

const list = el('ul', { class: 'downloads-list' });
const tray = el('section', { class: 'downloads', 'aria-labelledby': 'downloads-title', hidden: '' },
  el('h2', { class: 'downloads-title', id: 'downloads-title' }), list);
document.querySelector('.page').append(tray);

const rows = new Map(); // item → what to do when its buttons are pressed

function makeRow(item, { pause, resume, remove }) {
  const about = `: ${item.file.name}`;
  const button = (name, act) => {
    const node = el('button', { class: 'btn btn-sm downloads-button', type: 'button' }, t(`downloads.${name}`), el('span', { class: 'visually-hidden' }, about));
    node.addEventListener('click', act);
    return node;
  };
  const row = {
    bar: el('progress', { class: 'downloads-bar', 'aria-label': `${t('downloads.progress')}${about}` }),
    facts: el('p', { class: 'downloads-facts' }),
    step: el('p', { class: 'downloads-step' }),
    pause: button('pause', () => { pause(item); item.row.resume.focus(); }),
    resume: button('resume', async () => { await resume(item); item.row.pause.focus(); }),
    retry: button('retry', async () => { await resume(item); item.row.pause.focus(); }),
    remove: button('cancel', () => { remove(item); document.getElementById('url').focus(); }),
  };
  row.node = el('li', { class: 'downloads-item' },
    el('p', { class: 'downloads-name' }, el('span', { class: 'tag' }, item.label), el('bdi', null, item.file.name)), row.bar,
    el('div', { class: 'downloads-actions' }, row.pause, row.resume, row.retry, row.remove), row.facts, row.step);
  return row;
}

export function addRow(item, acts) {
  const row = makeRow(item, acts);
  rows.set(item, acts);
  list.append(row.node);
  tray.hidden = false;
  tray.firstChild.textContent = t('downloads.title');
  return row;
}

export function removeRow(item) {
  rows.delete(item);
  item.row.node.remove();
  tray.hidden = rows.size === 0;
}

/* Bytes a second, smoothed over about three seconds. */
function measure(item, now) {
  if (item.mark && now - item.mark.now >= 500) {
    const recent = (item.at - item.mark.at) * 1000 / (now - item.mark.now);
    item.speed = item.speed === 0 ? recent : item.speed + (recent - item.speed) * 0.2;
  }
  if (!item.mark || now - item.mark.now >= 500)
    item.mark = { now, at: item.at };
}

function factsOf(item, now) {
  const far = item.total === null ? humanSize(item.at) : t('downloads.of', { done: humanSize(item.at), total: humanSize(item.total) });
  switch (item.state) {
    case 'queued': return [item.at > 0 ? far : '', t('downloads.in_line')].filter(Boolean).join(' · ');
    case 'paused': return `${far} · ${t('downloads.paused')}`;
    case 'waiting': return [wordsFor(item.why).text, queueWords(item.why),
      t('downloads.again_in', { n: Math.max(1, Math.ceil((item.until - now) / 1000)) })].filter(Boolean).join(' ');
    case 'failed': return wordsFor(item.why).text;
    case 'done': return `${humanSize(item.total)} · ${t('downloads.saved')}`;
  }
  if (item.speed <= 0)
    return item.at > 0 ? far : t('downloads.starting');
  const left = item.total === null ? [] : [t('downloads.left', { time: humanDuration((item.total - item.at) / item.speed) })];
  return [far, t('downloads.speed', { size: humanSize(item.speed) }), ...left].join(' · ');
}

export function show(item) {
  const now = performance.now();
  const { row, state } = item;
  const setText = (node, text) => node.textContent !== text && (node.textContent = text);
  if (state === 'running')
    measure(item, now);
  row.node.dataset.state = state;
  setText(row.facts, factsOf(item, now));
  const isStuck = state === 'failed' || (state === 'waiting' && item.why.code !== 'unreachable');
  setText(row.step, isStuck ? wordsFor(item.why).next : '');
  if (item.total > 0) {
    row.bar.max = item.total;
    row.bar.value = item.at;
  } else if (state !== 'running') {
    row.bar.value = 0;
  }
  row.pause.hidden = !['running', 'waiting', 'queued'].includes(state);
  row.resume.hidden = state !== 'paused';
  row.retry.hidden = state !== 'failed';
  row.bar.hidden = state === 'done';
  setText(row.remove.firstChild, t(state === 'done' || state === 'failed' ? 'downloads.remove' : 'downloads.cancel'));
}

onLanguage(() => {
  tray.firstChild.textContent = t('downloads.title');
  for (const [item, acts] of rows) {
    const old = item.row.node;
    item.row = makeRow(item, acts);
    old.replaceWith(item.row.node);
    show(item);
  }
});
