/* Who asked for what: usage by any of its sides. */
import { get } from './ask.js';
import { action, count, csv, el, keepFocus, nameOfCode, panel, plain, share, size, table, tiles } from './parts.js';
import { periodPicker, ttfbAt, usageCharts, usageOf } from './series.js';

const MOST = 20; // of a list; the file has all
const groups = [['site', 'Sites'], ['choice', 'Choices'], ['key', 'Keys'], ['error', 'Answers and errors'], ['route', 'Routes']];

/* In the period, as a row's name says it. */
const names = {
  key: (name) => (name ? el('a', { href: `#analytics/${name}` }, name) : 'without a key'),
  error: (name) => (name === 'ok' ? 'answered well' : nameOfCode(name)),
};

const sum = (rows, of) => rows.reduce((all, row) => all + row[of], 0);

function listOf([by, title], { rows, ttfb_ms: ends, hours }, key) {
  const all = sum(rows, 'requests');
  const file = async () => {
    const whole = await get('usage', { by, hours, key, limit: 1000 });
    csv(`usage-by-${by}.csv`, [by, 'requests', 'errors', 'bytes', 'cached'], whole.rows.map((r) => [r.name, r.requests, r.errors, r.bytes, r.cached]));
  };
  return panel(
    el('div', { class: 'admin-row admin-between' }, el('h2', null, title), rows.length ? action('CSV', file, { always: true }) : ''),
    table(title, [
      { name: title, cell: (r) => names[by]?.(plain(r.name)) ?? (plain(r.name) || '–') },
      { name: 'Requests', number: true, cell: (r) => count(r.requests) },
      { name: 'Of all', number: true, cell: (r) => share(r.requests, all) },
      { name: 'Errors', number: true, cell: (r) => count(r.errors) },
      { name: 'Bytes', number: true, cell: (r) => size(r.bytes) },
      { name: 'From memory', number: true, cell: (r) => share(r.cached, r.requests) },
      { name: 'First byte, 95 %', number: true, cell: (r) => ttfbAt(r.ttfb, ends, 0.95) },
    ], rows.slice(0, MOST), 'Nothing in this period. A longer one may have something.'),
    rows.length > MOST ? el('p', { class: 'admin-empty' }, `The first ${MOST}; the file has more.`) : '',
  );
}

export async function analytics(place, key) {
  const kept = analytics.kept ??= { hours: 24 };
  const body = el('div');
  const draw = async () => {
    const query = { hours: kept.hours, key: key || null };
    const [series, ...lists] = await Promise.all([usageOf(kept.hours, key || null), ...groups.map(([by]) => get('usage', { ...query, by, limit: MOST + 1 }))]);
    const { rows } = series;
    const [requests, errors] = [sum(rows, 'requests'), sum(rows, 'errors')];
    const file = () => csv(`usage-by-${series.by}.csv`, ['start', 'requests', 'errors', 'bytes', 'cached'], rows.map((r) => [r.start, r.requests, r.errors, r.bytes, r.cached]));
    keepFocus(body,
      tiles([
        ['requests', count(requests)],
        ['answered well', share(requests - errors, requests), `${count(errors)} errors`],
        ['sent', size(sum(rows, 'bytes'))],
        ['from memory', share(sum(rows, 'cached'), requests), 'of the requests'],
      ]),
      el('div', { class: 'admin-pair' }, ...usageCharts(series)),
      el('p', null, action('These numbers as CSV', file, { always: true })),
      ...groups.filter(([by]) => !(key && by === 'key')).map((group) => listOf(group, lists[groups.indexOf(group)], key || null)));
  };
  await draw();
  place.replaceChildren(
    el('div', { class: 'admin-row admin-between' }, el('h1', null, key ? `Usage of key ${key}` : 'Analytics'), key ? el('a', { href: '#analytics' }, 'All keys') : '', periodPicker('Period', kept, draw)),
    body);
}
