/* How it goes now, and how the last day went. */
import { get } from './ask.js';
import { count, el, percent, size, tiles } from './parts.js';
import { ttfbAt, usageCharts } from './series.js';

const errorShare = (c) => percent(c.requests - c.errors, c.requests);

export async function dashboard(place) {
  const [d, usage] = await Promise.all([get('dashboard'), get('usage', { by: 'hour', hours: 24 })]);
  place.replaceChildren(
    el('h1', null, 'Dashboard'),
    tiles([
      ['streams now', count(d.streams.streaming + d.streams.making), `${count(d.streams.waiting)} waiting, room for ${count(d.places.max)}`],
      ['bandwidth', `${size(d.streams.bytes_per_s)}/s`, 'to all clients'],
      ['requests', count(d.last_day.requests), `in 24 hours; ${count(d.last_hour.requests)} in the last one`],
      ['answered well', errorShare(d.last_day), `${count(d.last_day.errors)} errors in 24 hours`],
      ['sent', size(d.last_day.bytes), 'in 24 hours'],
      ['from memory', percent(d.last_day.cached, d.last_day.requests), 'of the requests'],
      ['first byte', ttfbAt(d.last_day.ttfb, usage.ttfb_ms, 0.5), `95 %: ${ttfbAt(d.last_day.ttfb, usage.ttfb_ms, 0.95)}`],
      ['conversions', `${count(d.conversions.active)} of ${count(d.conversions.max)}`, `${count(d.conversions.waiting)} waiting`],
      ['free disk', d.disk ? size(d.disk.free_bytes) : '–', d.disk ? `of ${size(d.disk.total_bytes)}` : ''],
    ]),
    ...usageCharts('hour', 24, usage.rows),
    d.last_day.requests === 0
      ? el('p', { class: 'admin-notice' }, 'Nobody has asked for anything yet. Open the ', el('a', { href: '../' }, 'page'), ' and paste a link; it is counted here within seconds.')
      : '',
  );
  return 10;
}
