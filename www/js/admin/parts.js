/* What the pages of the control room are built of. Texts of the outside become text nodes, never markup. */
import { el, plain } from '../dom.js';
import { mayChange } from './ask.js';

export { el, plain };

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

export function size(bytes) {
  let step = 0;
  while (bytes >= 999.5 && step < units.length - 1) {
    bytes /= 1000;
    step++;
  }
  return `${bytes.toFixed(step > 0 && bytes < 99.95 ? 1 : 0)} ${units[step]}`;
}

export const count = (n) => Number(n ?? 0).toLocaleString('en');
export const time = (text) => (text ? el('time', { datetime: text, title: text }, new Date(text).toLocaleString('en', { dateStyle: 'medium', timeStyle: 'short' })) : '–');
export const state = (name, text) => el('span', { class: 'admin-state', 'data-state': name }, text ?? name);
/* Of a share that matters, two digits are enough; and 99.96 % is not 100. */
export const share = (part, all) => (all > 0 ? `${part === all ? 100 : Math.min(99.9, (100 * part) / all).toFixed(1)} %` : '–');
/* "quota_exceeded" → "quota exceeded" */
export const nameOfCode = (code) => plain(code).replaceAll('_', ' ');
export const percent = (part, all) => (all > 0 ? `${((100 * part) / all).toFixed(part === all ? 0 : 1)} %` : '–');

/* columns: [{ name, number, long, cell(row) }]; one without a name has a `hidden` one. */
export function table(label, columns, rows, empty) {
  if (!rows.length) return el('p', { class: 'admin-empty' }, empty);
  return el('div', { class: 'admin-scroll', tabindex: '0', role: 'region', 'aria-label': label },
    el('table', null,
      el('thead', null, el('tr', null, ...columns.map((c) => el('th', { scope: 'col', class: c.number ? 'admin-number' : null }, c.name || el('span', { class: 'visually-hidden' }, c.hidden))))),
      el('tbody', null, ...rows.map((row) => el('tr', null, ...columns.map((c) => el('td', { class: c.number ? 'admin-number' : c.long ? 'admin-text admin-long' : 'admin-text' }, c.cell(row))))))));
}

/* 134217728 is 128 MiB, and 10000000000 is 10.0 GB. */
export function bytesText(bytes) {
  const binary = ['KiB', 'MiB', 'GiB', 'TiB'];
  let step = -1;
  for (let rest = bytes; rest % 1024 === 0 && step < binary.length - 1; rest /= 1024) step++;
  return step >= 1 ? `${count(bytes / 1024 ** (step + 1))} ${binary[step]}` : size(bytes);
}

/* "3 min", "2 h", "5 d": how long ago, or how long. */
export const since = (text) => duration(Math.max(0, (Date.now() - Date.parse(text)) / 1000));
export function duration(s) {
  return s < 90 ? `${s.toFixed(0)} s` : s < 5400 ? `${(s / 60).toFixed(0)} min` : s < 172800 ? `${(s / 3600).toFixed(0)} h` : `${(s / 86400).toFixed(0)} d`;
}

/* Puts something else in a place, unless somebody is in it with the keyboard, or has marked some of its text. */
export function keepFocus(place, ...children) {
  const selection = document.getSelection();
  if (place.contains(document.activeElement) || (selection && !selection.isCollapsed && place.contains(selection.anchorNode))) return;
  place.replaceChildren(...children);
}

/* A line of how something went, without a scale. */
export function spark(label, values) {
  const ns = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(ns, 'svg');
  const line = document.createElementNS(ns, 'polyline');
  const most = Math.max(1, ...values);
  const points = values.map((value, i) => `${((100 * i) / Math.max(1, values.length - 1)).toFixed(1)},${(22 - (20 * value) / most).toFixed(1)}`);
  for (const [key, value] of Object.entries({ viewBox: '0 0 100 24', preserveAspectRatio: 'none', class: 'admin-spark', role: 'img', 'aria-label': label })) svg.setAttribute(key, value);
  line.setAttribute('points', points.join(' '));
  svg.append(line);
  return svg;
}

export const panel = (...children) => el('section', { class: 'admin-panel' }, ...children);

export const tiles = (rows) => el('dl', { class: 'admin-tiles' },
  ...rows.map(([name, value, note, picture]) => el('div', { class: 'admin-tile' }, el('dt', null, name), el('dd', null, String(value), picture ?? null, note ? el('small', null, note) : null))));

/* A text, a number or a choice with its explanation. */
export function field(name, label, { hint, type = 'text', value = '', options, required, ...more } = {}) {
  const input = options
    ? el('select', { name }, ...options.map(([key, text]) => el('option', { value: key, selected: key === value ? '' : null }, text)))
    : el('input', { name, type, value, required: required ? '' : null, autocomplete: 'off', ...more });
  return el('label', null, label, input, hint ? el('small', null, hint) : null);
}

export const valuesOf = (node) => Object.fromEntries(new FormData(node));

/* A button that does something once, is off meanwhile, and says what went wrong beside it. */
export function action(text, act, { danger, confirm: question, always } = {}) {
  const node = el('button', { class: `admin-small${danger ? ' admin-danger' : ''}`, type: 'button', disabled: always || mayChange() ? null : '' }, text);
  node.addEventListener('click', async () => {
    if (question && !window.confirm(question)) return;
    node.disabled = true;
    try {
      await act();
    } catch (error) {
      node.after(el('span', { role: 'alert' }, ` ${error.message}`));
    }
    node.disabled = false;
  });
  return node;
}

/* A form whose submit goes to `send`; its refusal is shown in it. */
export function form(attributes, send, ...children) {
  const said = el('p', { class: 'admin-notice', role: 'alert', hidden: '' });
  const node = el('form', { novalidate: null, ...attributes }, ...children, said);
  node.addEventListener('submit', async (event) => {
    event.preventDefault();
    const go = node.querySelector('[type=submit]');
    if (!go) return; // a viewer's: it is only looked at
    said.hidden = true;
    go.disabled = true;
    try {
      await send(valuesOf(node), node);
    } catch (error) {
      said.textContent = error.retryAfter ? `${error.message} In ${error.retryAfter} s.` : error.message;
      said.hidden = false;
    }
    go.disabled = false;
  });
  return node;
}

export const submit = (text) => el('button', { class: 'admin-go', type: 'submit', disabled: null }, text);

/* A file of what is shown. A cell that a spreadsheet would take for a formula is marked as text. */
export function csv(name, columns, rows) {
  const cell = (value) => {
    const text = plain(value);
    return `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replace(/"/g, '""')}"`;
  };
  const text = [columns, ...rows].map((row) => row.map(cell).join(',')).join('\r\n');
  const link = el('a', { href: URL.createObjectURL(new Blob([text], { type: 'text/csv' })), download: name });
  link.click();
  URL.revokeObjectURL(link.href);
}
