/* Who asked for what: usage by any of its sides. */
import { get } from './ask.js';
import { action, count, csv, el, field, panel, percent, plain, size, table } from './parts.js';
import { ttfbAt, usageCharts } from './series.js';

export async function analytics(place, key) {
  const kept = analytics.kept ??= { hours: 24 };
  const by = kept.hours > 72 ? 'day' : 'hour';
  const groups = [['site', 'Sites'], ['choice', 'Choices'], ['route', 'Routes'], ['key', 'Keys'], ['error', 'Answers and errors']];
  const query = { hours: kept.hours, key: key || null };
  const [series, ...lists] = await Promise.all([get('usage', { ...query, by }), ...groups.map(([name]) => get('usage', { ...query, by: name, limit: 20 }))]);
  const period = field('hours', 'Period', { value: String(kept.hours), options: [['1', '1 hour'], ['24', '24 hours'], ['168', '7 days'], ['720', '30 days']] });
  period.addEventListener('input', () => { kept.hours = Number(period.querySelector('select').value); analytics(place, key); });
  place.replaceChildren(
    el('h1', null, key ? `Usage of key ${key}` : 'Analytics'),
    el('div', { class: 'admin-row' }, period, key ? el('a', { href: '#analytics' }, 'all keys') : '',
      action('Export as CSV', () => csv('usage.csv', ['start', 'requests', 'errors', 'bytes', 'cached'], series.rows.map((r) => [r.start, r.requests, r.errors, r.bytes, r.cached])), { always: true })),
    ...usageCharts(by, kept.hours, series.rows),
    ...groups.map(([name, title], i) => panel(el('h2', null, title), table(title, [
      { name: title, cell: (r) => plain(r.name) || (name === 'key' ? 'without a key' : '–') },
      { name: 'Requests', number: true, cell: (r) => count(r.requests) },
      { name: 'Errors', number: true, cell: (r) => count(r.errors) },
      { name: 'Bytes', number: true, cell: (r) => size(r.bytes) },
      { name: 'From memory', number: true, cell: (r) => percent(r.cached, r.requests) },
      { name: 'First byte, 95 %', number: true, cell: (r) => ttfbAt(r.ttfb, series.ttfb_ms, 0.95) },
    ], lists[i].rows, 'Nothing in this period.'))),
  );
}
