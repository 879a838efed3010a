/* How it goes now, and how the last hours and weeks went. */
import { get } from './ask.js';
import { follow } from './live.js';
import { count, el, keepFocus, nameOfCode, panel, percent, plain, share, since, size, spark, state, table, tiles } from './parts.js';
import { periodPicker, ttfbAt, usageCharts, usageOf } from './series.js';

const CHARTS_EVERY_S = 30;
const SAMPLES = 60; // two minutes

/* What each process takes of a processor follows from two looks at it. */
function loadsOf(now, before) {
  const then = new Map((before?.processes ?? []).map((p) => [`${p.pid} ${p.started_at}`, p.cpu_us]));
  const us = (now.time_ms - (before?.time_ms ?? 0)) * 1000;
  return now.processes.map((p) => {
    const was = then.get(`${p.pid} ${p.started_at}`);
    return { ...p, load: was === undefined || us <= 0 ? null : Math.max(0, p.cpu_us - was) / us };
  });
}

const loadText = (load) => (load === null ? '–' : `${(100 * load).toFixed(1)} %`);

function tilesOf(d, ends, rates) {
  const running = d.streams.streaming + d.streams.making;
  const day = d.last_day;
  const quota = d.errors.find((e) => e.code === 'quota_exceeded')?.requests ?? 0;
  const memory = d.processes.reduce((sum, p) => sum + p.rss_bytes, 0);
  return tiles([
    ['streams now', count(running), d.streams.waiting > 0 ? `${count(d.streams.waiting)} wait for a place: ${count(d.places.max)} may run at once` : `nobody waits; ${count(d.places.max)} may run at once`],
    ['bandwidth', `${size(d.streams.bytes_per_s)}/s`, 'to all clients, now', spark('Bandwidth of the last two minutes', rates)],
    ['conversions', `${count(d.conversions.active)} of ${count(d.conversions.max)}`, d.conversions.waiting ? `${count(d.conversions.waiting)} wait` : 'files being made: MP3, WebM, Ogg'],
    ['requests', count(d.last_hour.requests), `in the last hour; ${count(day.requests)} in 24`],
    ['answered well', share(day.requests - day.errors, day.requests), `${count(day.errors)} errors in 24 hours`],
    ['from memory', share(day.cached, day.requests), 'of the requests in 24 hours needed no site'],
    ['over their limit', count(quota), 'requests turned away in 24 hours: limits of keys and addresses'],
    ['sent', size(day.bytes), 'in 24 hours'],
    ['first byte', ttfbAt(day.ttfb, ends, 0.5), `for half of the requests; for 95 %: ${ttfbAt(day.ttfb, ends, 0.95)}`],
    ['jobs', count(d.jobs.running), `running; ${count(d.jobs.queued + d.jobs.waiting)} queued, ${count(d.jobs.failed)} failed`],
    ['memory', size(memory), `resident, of ${count(d.processes.length)} programs`],
    ['free disk', d.disk ? size(d.disk.free_bytes) : '–', d.disk ? `of ${size(d.disk.total_bytes)}; database ${d.database?.bytes ? size(d.database.bytes) : d.database?.kind ?? '–'}` : ''],
  ]);
}

const errorsOf = (d) => table('Errors of the last 24 hours', [
  { name: 'Error', cell: (e) => el('a', { href: '#analytics' }, nameOfCode(e.code)) },
  { name: 'Requests', number: true, cell: (e) => count(e.requests) },
  { name: 'Of all', number: true, cell: (e) => percent(e.requests, d.last_day.requests) },
], d.errors, d.last_day.requests ? 'Every request of the last 24 hours was answered well.' : 'There were no requests yet.');

const whyOf = (part) => part.outcomes.filter((o) => o.outcome !== 'ok').slice(0, 3)
  .map((o) => `${plain(o.outcome)} ${count(o.count)}${o.why ? ` (${plain(o.why)})` : ''}`).join('; ') || '–';

const clientsOf = (d) => table('Clients and engines', [
  { name: 'Client', cell: (c) => `${plain(c.client)}${c.kind && c.kind !== 'any' ? `, ${plain(c.kind)}` : ''}` },
  { name: 'Asked', number: true, cell: (c) => count(c.last_day.asked) },
  { name: 'Well', number: true, cell: (c) => (c.last_day.success_rate === null ? '–' : state(c.last_day.success_rate > 0.8 ? 'ok' : 'warn', `${(100 * c.last_day.success_rate).toFixed(0)} %`)) },
  { name: 'Why not', long: true, cell: (c) => whyOf(c.last_day) },
], d.clients, 'No site has been asked in the last 24 hours. Paste a link on the page, and it shows here how its clients did.');

const processesOf = (list) => table('Programs', [
  { name: 'Program', cell: (p) => el('span', null, plain(p.program), ' ', el('small', null, String(p.pid))) },
  { name: 'CPU', number: true, cell: (p) => loadText(p.load) },
  { name: 'Memory', number: true, cell: (p) => size(p.rss_bytes) },
  { name: 'Open files', number: true, cell: (p) => count(p.files) },
  { name: 'Up', number: true, cell: (p) => since(p.started_at) },
], list, 'No program says anything of itself. Do they run as the same user, with the same data_dir?');

export async function dashboard(place, _, page) {
  const kept = dashboard.kept ??= { hours: 24 };
  const rates = [];
  const [first, day] = await Promise.all([get('dashboard'), usageOf(24)]);
  const notice = el('div');
  const parts = { tiles: el('div'), errors: el('div'), clients: el('div'), processes: el('div') };
  const charts = el('div', { class: 'admin-pair' });
  let before = null;
  let drawn = 0;
  const draw = async () => {
    drawn = Date.now();
    const usage = await usageOf(kept.hours).catch(() => null);
    if (usage) keepFocus(charts, ...usageCharts(usage));
  };
  const show = (d) => {
    rates.push(d.streams.bytes_per_s);
    if (rates.length > SAMPLES) rates.shift();
    keepFocus(notice, d.maintenance === null ? '' : el('p', { class: 'admin-notice', role: 'status' }, 'Maintenance: new downloads are refused', d.maintenance ? `, with “${plain(d.maintenance)}”` : '', '. ', el('a', { href: '#system' }, 'Switch it off')),
      d.last_day.requests ? '' : el('p', { class: 'admin-notice' }, 'Nobody has asked for anything in the last 24 hours. Open the ', el('a', { href: '../' }, 'page'), ' and paste a link; it is counted here within seconds.'));
    keepFocus(parts.tiles, tilesOf(d, day.ttfb_ms, rates));
    keepFocus(parts.errors, errorsOf(d));
    keepFocus(parts.clients, clientsOf(d));
    keepFocus(parts.processes, processesOf(loadsOf(d, before)));
    before = d;
    if (Date.now() - drawn > CHARTS_EVERY_S * 1000) draw();
  };
  await draw();
  show(first);
  place.replaceChildren(
    el('h1', null, 'Dashboard'), notice, parts.tiles,
    el('div', { class: 'admin-row admin-between' }, el('h2', null, 'Over time'), periodPicker('Period of the charts', kept, draw)), charts,
    el('div', { class: 'admin-pair' },
      panel(el('h2', null, 'Errors of the last 24 hours'), parts.errors),
      panel(el('h2', null, 'Programs of this host'), parts.processes)),
    panel(el('h2', null, 'Clients and engines in the last 24 hours'), parts.clients),
  );
  page.whenLeft(follow(show, page.fail));
}
