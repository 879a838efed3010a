/* How the site's clients do, what failed last, each part of extraction with a test of its own, and the client data. */
import { get, post } from './ask.js';
import { clientData } from './clientdata.js';
import { action, count, el, field, panel, plain, state, table, time } from './parts.js';
import { steps } from './trace.js';

const rate = (part) => (part?.success_rate === null || part?.success_rate === undefined ? '–' : `${(100 * part.success_rate).toFixed(0)} % of ${count(part.asked)}`);
const reasons = (part) => (part?.outcomes ?? []).map((o) => `${plain(o.outcome)} ${count(o.count)}${o.why ? ` (${plain(o.why)})` : ''}`).join('; ') || '–';

async function health(place) {
  if (place.querySelector('details[open]')) return; // somebody reads
  const { clients, failures } = await get('clients');
  place.replaceChildren(
    panel(el('h2', null, 'How clients of the site do'), table('Clients', [
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
      { name: 'What it said, and every step', cell: (f) => el('details', null, el('summary', null, plain(f.error) || plain(f.code)), steps(f.trace)) },
    ], failures, 'Nothing has failed.')),
  );
}

/* ---- Tests ---- */

const outcomeOf = (r) => el('div', { class: 'admin-result' },
  state(r.ok ? 'ok' : 'failed', r.ok ? 'works' : plain(r.code)), ` ${count(r.took_ms)} ms, `, time(r.at),
  r.ok ? '' : `: ${plain(r.error)}`,
  r.trace ? el('details', null, el('summary', null, r.ok ? `${plain(r.title)}: ${count(r.formats)} ${r.formats === 1 ? 'format' : 'formats'} by ${plain(r.engine)}` : 'every step'), steps(r.trace)) : '');

const tester = (part, name, link) => {
  const result = el('div', { 'aria-live': 'polite' });
  return el('div', null, action('Test', async () => {
    result.replaceChildren(el('span', { class: 'admin-result' }, 'Trying…'));
    try {
      result.replaceChildren(outcomeOf(await post('extraction/test', { part, name, link: link() })));
    } catch (error) {
      result.replaceChildren();
      throw error;
    }
  }), result);
};

const named = (name, good, text, kind = 'off') => el('div', { class: 'admin-named' }, el('span', null, plain(name)), state(good ? 'ok' : kind, text));
const asked = (place) => (place ? `number ${place}` : 'not asked');

function parts(all) {
  const link = el('div', { class: 'admin-wide' }, field('link', 'Link to try with', { value: plain(all.link), type: 'url', hint: `each test ends after ${all.limit_s} s` }));
  const linkNow = () => link.querySelector('input').value;
  const test = (part) => ({ name: 'Test', cell: (row) => tester(part, row.name, linkNow) });
  return [
    panel(el('h2', null, 'Engines'), link, table('Engines', [
      { name: 'Engine', cell: (e) => named(e.name, e.ready, e.ready ? 'ready' : 'not set up') },
      test('engine'),
      { name: 'Order', cell: (e) => asked(e.place) },
    ], all.engines, ''),
    all.canary ? el('p', null, 'Canary: ', state(all.canary.state === 'ok' ? 'ok' : 'failed', plain(all.canary.state)), ' ', time(all.canary.at), ` ${count(all.canary.failed)} of ${count(all.canary.links?.length)} links failed.`)
      : el('p', { class: 'admin-empty' }, 'No canary: with links in canary_links, they are tried on a schedule, and you hear of a change before people tell you.')),
    panel(el('h2', null, 'Clients'), table('Client profiles', [
      { name: 'Client', cell: (c) => named(c.name, c.ready, c.ready ? 'ready' : 'cannot be asked') },
      test('client'),
      { name: 'Order', cell: (c) => asked(c.place) },
      { name: 'Needs', cell: (c) => [c.needs_player_script ? 'player script' : '', c.needs_po_token ? 'token' : ''].filter(Boolean).join(', ') || '–' },
      { name: 'Version', cell: (c) => plain(c.version) },
    ], all.profiles, ''),
    all.player_scripts ? '' : el('p', { class: 'admin-notice', role: 'alert' }, 'Player scripts cannot be run: sluice-js has not started. Clients that need one are not asked.')),
    panel(el('h2', null, 'Ways out'), table('Ways out', [
      { name: 'Way', cell: (w) => named(w.place || w.name, !w.failing && !w.told_to_wait, w.failing ? 'cannot be reached' : w.told_to_wait ? 'told to wait' : 'in use', 'warn') },
      test('way'),
      { name: 'Weight', number: true, cell: (w) => count(w.weight) },
    ], all.ways, '')),
    panel(el('h2', null, 'Cookies'), table('Cookies', [
      { name: 'Host', cell: (c) => plain(c.name) },
      test('cookies'),
      { name: 'Cookies', number: true, cell: (c) => count(c.count) },
      { name: 'Expired', cell: (c) => (c.expired ? state('warn', count(c.expired)) : '0') },
      { name: 'Next to expire', cell: (c) => time(c.expires_at) },
    ], all.cookies, all.cookies_dir ? 'There are none in cookies_dir: put files there as browsers export them (Netscape format, *.txt).' : 'None: with a directory in cookies_dir, files and pages that want to know who asks are asked with your cookies.')),
    panel(el('h2', null, 'Proof-of-origin tokens'),
      el('p', null, all.pot_provider ? 'Made by the server in pot_provider_url.' : all.po_tokens ? 'Made by hand, in po_tokens.' : 'None: clients that need one are not asked, until pot_provider_url names a server that makes them.'),
      table('Clients that need tokens', [
        { name: 'Client', cell: (c) => named(c.name, c.ready, c.ready ? 'to be had' : 'not to be had') },
        test('tokens'),
      ], all.profiles.filter((c) => c.needs_po_token), 'No client needs one.')),
  ];
}

/* Looked at again, only the numbers are new: tests, and what is being written, stay. */
export async function extraction(place) {
  const numbers = place.querySelector('#extraction-health');
  if (numbers) {
    await health(numbers);
    return 15;
  }
  const fresh = el('div', { id: 'extraction-health' });
  const data = el('div');
  const all = await get('extraction');
  await Promise.all([health(fresh), clientData(data)]);
  place.replaceChildren(el('h1', null, 'Extraction'), fresh, ...parts(all), data);
  return 15;
}
