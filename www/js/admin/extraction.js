/* How the site's clients do, and what failed last. */
import { get } from './ask.js';
import { count, el, panel, plain, state, table, time } from './parts.js';

export async function extraction(place) {
  const { clients, failures } = await get('clients');
  const rate = (part) => (part?.success_rate === null || part?.success_rate === undefined ? '–' : `${(100 * part.success_rate).toFixed(0)} % of ${count(part.asked)}`);
  const reasons = (part) => (part?.outcomes ?? []).map((o) => `${plain(o.outcome)} ${count(o.count)}${o.why ? ` (${plain(o.why)})` : ''}`).join('; ') || '–';
  place.replaceChildren(
    el('h1', null, 'Extraction'),
    panel(el('h2', null, 'Clients of the site'), table('Clients', [
      { name: 'Client', cell: (c) => plain(c.client) },
      { name: 'Content', cell: (c) => plain(c.kind) },
      { name: 'Last hour', cell: (c) => rate(c.last_hour) },
      { name: 'Last day', cell: (c) => rate(c.last_day) },
      { name: 'Outcomes of the day', cell: (c) => reasons(c.last_day) },
    ], clients, 'No client of a site has been asked in the last day. Paste a link on the page, and it shows here how each one did.')),
    panel(el('h2', null, 'Last failures'), table('Failures', [
      { name: 'When', cell: (f) => time(f.at) },
      { name: 'Site', cell: (f) => plain(f.site) },
      { name: 'Code', cell: (f) => state('failed', plain(f.code)) },
      { name: 'What it said', cell: (f) => el('details', null, el('summary', null, plain(f.error)), el('pre', null, JSON.stringify(f.trace, null, 1))) },
    ], failures, 'Nothing has failed.')),
  );
  return 15;
}
