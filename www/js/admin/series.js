/* Usage over time: what the dashboard and the analytics draw of it. */
import { get } from './ask.js';
import { chart } from './chart.js';
import { el, panel, size } from './parts.js';

const periods = [
  { hours: 1, text: '1 hour', by: 'minute' },
  { hours: 24, text: '24 hours', by: 'hour' },
  { hours: 168, text: '7 days', by: 'hour' },
  { hours: 720, text: '30 days', by: 'day' },
];
const seconds = { minute: 60, hour: 3600, day: 86400 };

/* The upper end of the bucket in which half (or any other share) of the first bytes had come. */
export function ttfbAt(ttfb, ends, fraction) {
  const all = ttfb.reduce((a, b) => a + b, 0);
  let seen = 0;
  for (let i = 0; all && i < ttfb.length; i++) {
    seen += ttfb[i];
    if (seen >= all * fraction) return i < ends.length ? `≤ ${ends[i]} ms` : `> ${ends.at(-1)} ms`;
  }
  return '–';
}

/* kept.hours is changed, then `draw` called. */
export function periodPicker(label, kept, draw) {
  const box = el('div', { class: 'admin-pick', role: 'group', 'aria-label': label });
  box.append(...periods.map(({ hours, text }) => {
    const node = el('button', { type: 'button', class: 'admin-small', 'aria-pressed': String(hours === kept.hours) }, text);
    node.addEventListener('click', () => {
      kept.hours = hours;
      for (const other of box.children) other.setAttribute('aria-pressed', String(other === node));
      draw();
    });
    return node;
  }));
  return box;
}

const timeName = (text) => new Date(text).toLocaleTimeString('en', { hour: '2-digit', minute: '2-digit', hour12: false });
const dayName = (text) => new Date(text).toLocaleDateString('en', { month: 'short', day: 'numeric' });
const nameOf = ({ by, hours }) => (by === 'day' ? dayName : hours > 24 ? (text) => `${dayName(text)}, ${timeName(text)}` : timeName);

/* Of all keys, or of one, of which minutes are not known. */
export function usageOf(hours, key = null) {
  const period = periods.find((p) => p.hours === hours) ?? periods[1];
  const by = key !== null && period.by === 'minute' ? 'hour' : period.by;
  return get('usage', { by, hours, key });
}

/* Minutes, hours or days without a row are empty, not missing. */
function filled({ by, hours, rows }) {
  const step = seconds[by];
  const now = Math.floor(Date.now() / 1000 / step) * step;
  const known = new Map(rows.map((row) => [Date.parse(row.start) / 1000, row]));
  const all = [];
  for (let at = now - Math.ceil((hours * 3600) / step) * step + step; at <= now; at += step)
    all.push(known.get(at) ?? { start: new Date(at * 1000).toISOString(), requests: 0, errors: 0, bytes: 0, cached: 0 });
  return all;
}

export function usageCharts(usage) {
  const all = filled(usage);
  const names = all.map((row) => nameOf(usage)(row.start));
  const of = `by ${usage.by}`;
  return [
    panel(el('h2', null, `Requests ${of}`), chart(`Requests ${of}`, names, [
      { label: 'from memory', values: all.map((row) => Math.min(row.cached, row.requests - row.errors)) },
      { label: 'asked anew', values: all.map((row) => Math.max(0, row.requests - row.errors - row.cached)), colour: '--chart-pale' },
      { label: 'errors', values: all.map((row) => row.errors), colour: '--warn' }])),
    panel(el('h2', null, `Bytes ${of}`), chart(`Bytes ${of}`, names, [{ label: 'sent', values: all.map((row) => row.bytes) }], size)),
  ];
}
