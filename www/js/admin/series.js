/* Usage over time: what the dashboard and the analytics draw of it. */
import { chart } from './chart.js';
import { el, panel, size } from './parts.js';

/* The upper end of the bucket in which half (or any other share) of the first bytes had come. */
export function ttfbAt(ttfb, ends, share) {
  const all = ttfb.reduce((a, b) => a + b, 0);
  let seen = 0;
  for (let i = 0; all && i < ttfb.length; i++) {
    seen += ttfb[i];
    if (seen >= all * share) return i < ends.length ? `≤ ${ends[i]} ms` : `> ${ends.at(-1)} ms`;
  }
  return '–';
}

const hourName = (text) => new Date(text).toLocaleTimeString('en', { hour: '2-digit', minute: '2-digit', hour12: false });
const dayName = (text) => new Date(text).toLocaleDateString('en', { month: 'short', day: 'numeric' });
const startName = (by) => (by === 'day' ? dayName : hourName);

/* Hours or days without a row are empty, not missing. */
function filled(by, hours, rows) {
  const step = by === 'day' ? 86400 : 3600;
  const now = Math.floor(Date.now() / 1000 / step) * step;
  const known = new Map(rows.map((row) => [Date.parse(row.start) / 1000, row]));
  const first = now - Math.ceil((hours * 3600) / step) * step + step;
  const all = [];
  for (let at = first; at <= now; at += step)
    all.push(known.get(at) ?? { start: new Date(at * 1000).toISOString(), requests: 0, errors: 0, bytes: 0, cached: 0 });
  return all;
}

export function usageCharts(by, hours, rows) {
  const all = filled(by, hours, rows);
  const names = all.map((row) => startName(by)(row.start));
  return [
    panel(el('h2', null, 'Requests'), chart('Requests', names, [{ label: 'answered', values: all.map((row) => row.requests - row.errors) }, { label: 'errors', values: all.map((row) => row.errors) }])),
    panel(el('h2', null, 'Bytes'), chart('Bytes', names, [{ label: 'sent', values: all.map((row) => row.bytes) }], size)),
  ];
}
