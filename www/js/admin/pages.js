/* The pages of the control room: each gets its place, fills it, and may say how often it wants to be looked at again. */
import { get, mayChange, post, session } from './ask.js';
import { chart } from './chart.js';
import { action, count, csv, el, field, form, panel, percent, plain, size, state, submit, table, tiles, time } from './parts.js';

const errorShare = (c) => percent(c.requests - c.errors, c.requests);

/* The upper end of the bucket in which half (or any other share) of the first bytes had come. */
function ttfbAt(ttfb, ends, share) {
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

function usageCharts(by, hours, rows) {
  const all = filled(by, hours, rows);
  const names = all.map((row) => startName(by)(row.start));
  return [
    panel(el('h2', null, 'Requests'), chart('Requests', names, [{ label: 'answered', values: all.map((row) => row.requests - row.errors) }, { label: 'errors', values: all.map((row) => row.errors) }])),
    panel(el('h2', null, 'Bytes'), chart('Bytes', names, [{ label: 'sent', values: all.map((row) => row.bytes) }], size)),
  ];
}

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

export async function streams(place) {
  const { streams: list, total } = await get('streams', { limit: 500 });
  place.replaceChildren(
    el('h1', null, 'Streams'),
    panel(
      total > list.length ? el('p', null, `The oldest ${count(list.length)} of ${count(total)}.`) : '',
      table('Streams', [
        { name: 'State', cell: (s) => state(s.state) },
        { name: 'Site', cell: (s) => plain(s.site) },
        { name: 'Choice', cell: (s) => plain(s.choice) },
        { name: 'Key', cell: (s) => s.key || 'none' },
        { name: 'Progress', cell: (s) => (s.total_bytes ? el('span', null, el('progress', { max: '1', value: String(s.sent_bytes / s.total_bytes), 'aria-label': 'sent' }), ` ${percent(s.sent_bytes, s.total_bytes)} of ${size(s.total_bytes)}`) : size(s.sent_bytes)) },
        { name: 'Rate', number: true, cell: (s) => `${size(s.bytes_per_s)}/s` },
        { name: 'Since', cell: (s) => time(s.started_at) },
        { hidden: 'Actions', cell: (s) => action('End', async () => { await post('streams/stop', { request: s.request }); await streams(place); }, { danger: true }) },
      ], list, 'Nothing is being streamed. A download shows up here as soon as it waits for a place.'),
    ),
  );
  return 3;
}

const limitText = (key) => [
  key.rate_per_hour ? `${count(key.rate_per_hour)} requests/h` : 'any number of requests',
  key.bytes_per_day ? `${size(key.bytes_per_day)}/day` : '',
  key.streams_max ? `${count(key.streams_max)} streams at once` : '',
  key.sites ? `only ${plain(key.sites)}` : '',
  key.addresses ? `from ${plain(key.addresses)}` : '',
  key.expires_at ? `until ${key.expires_at.slice(0, 10)}` : '',
].filter(Boolean).join(', ');

const keyFields = (key = {}) => [
  field('label', 'Label', { value: plain(key.label), required: true, maxlength: '200', hint: 'what it is for' }),
  field('owner', 'Owner', { value: plain(key.owner), maxlength: '200', hint: 'who has it' }),
  field('rate_per_hour', 'Requests per hour', { type: 'number', min: '0', value: String(key.rate_per_hour ?? 1000), hint: '0: any number' }),
  field('bytes_per_day', 'Bytes per day', { type: 'number', min: '0', value: String(key.bytes_per_day ?? 0), hint: '0: no limit' }),
  field('streams_max', 'Streams at once', { type: 'number', min: '0', value: String(key.streams_max ?? 0), hint: '0: as the settings say' }),
  field('sites', 'Sites', { value: plain(key.sites), hint: 'youtube,direct; empty: any' }),
  field('addresses', 'Addresses', { value: plain(key.addresses), hint: '192.0.2.0/24,2001:db8::/32; empty: from anywhere' }),
];

export async function keys(place) {
  const kept = keys.kept ??= { search: '', order: '', offset: 0 };
  const pageSize = 50;
  const result = el('div');
  const made = el('div');
  const edit = el('div');

  const show = async () => {
    const { keys: list, total } = await get('keys', { ...kept, limit: pageSize });
    const to = async (id, name) => { await post('keys/state', { id, state: name }); await show(); };
    const turn = (text, offset) => el('button', { class: 'admin-small', type: 'button', disabled: offset < 0 || offset >= total ? '' : null }, text);
    const before = turn('Newer', kept.offset - pageSize);
    const after = turn('Older', kept.offset + pageSize);
    for (const [node, step] of [[before, -pageSize], [after, pageSize]])
      node.addEventListener('click', () => { kept.offset = Math.max(0, kept.offset + step); show(); });
    result.replaceChildren(
      table('Keys', [
        { name: 'Label', cell: (k) => plain(k.label) },
        { name: 'ID', cell: (k) => el('span', null, k.id) },
        { name: 'Owner', cell: (k) => plain(k.owner) || '–' },
        { name: 'State', cell: (k) => state(k.state) },
        { name: 'Limits', cell: limitText },
        { name: 'Made', cell: (k) => time(k.created_at) },
        { hidden: 'Actions', cell: (k) => el('div', { class: 'admin-row' },
          k.state === 'active' ? action('Disable', () => to(k.id, 'disabled')) : '',
          k.state === 'disabled' ? action('Enable', () => to(k.id, 'active')) : '',
          k.state !== 'revoked' ? action('Change', () => change(k)) : '',
          action('Usage', () => { location.hash = `#analytics/${k.id}`; }, { always: true }),
          k.state !== 'revoked' ? action('Revoke', () => to(k.id, 'revoked'), { danger: true, confirm: `Revoke ${k.label}? That is for ever; its download links stop working, too.` }) : '') },
      ], list, kept.search ? 'No key is called that.' : 'There are no keys yet. Make one with the form above; it is shown once.'),
      total > pageSize ? el('div', { class: 'admin-row' }, before, after, `${count(kept.offset + 1)} to ${count(kept.offset + list.length)} of ${count(total)}`) : '',
      list.length ? action('Export as CSV', () => csv('keys.csv', ['id', 'label', 'owner', 'state', 'limits', 'created_at'], list.map((k) => [k.id, k.label, k.owner, k.state, limitText(k), k.created_at])), { always: true }) : '',
    );
  };
  const change = (key) => {
    edit.replaceChildren(panel(el('h2', null, `Change ${plain(key.label)}`), form({ class: 'admin-form' }, async (values) => {
      await post('keys/update', { ...values, id: key.id });
      edit.replaceChildren();
      await show();
    }, ...keyFields(key), field('days', 'Expires in days', { type: 'number', min: '0', hint: '0: never; empty: as it is' }), submit('Save'))));
    edit.querySelector('input').focus();
  };

  const search = field('search', 'Search', { type: 'search', value: kept.search, hint: 'in labels, owners and IDs' });
  const order = field('order', 'Order', { value: kept.order, options: [['', 'newest first'], ['label', 'by label'], ['owner', 'by owner'], ['state', 'by state']] });
  for (const node of [search, order]) node.addEventListener('input', () => {
    Object.assign(kept, { search: search.querySelector('input').value, order: order.querySelector('select').value, offset: 0 });
    show();
  });
  place.replaceChildren(
    el('h1', null, 'Keys'),
    mayChange() ? panel(el('h2', null, 'New key'), form({ class: 'admin-form', id: 'new-key' }, async (values, node) => {
      const answer = await post('keys/create', values);
      made.replaceChildren(el('div', { class: 'admin-notice' },
        el('strong', null, `The key of ${plain(answer.key.label)}, shown this once:`), el('code', { class: 'admin-secret' }, answer.text),
        action('Copy', () => navigator.clipboard.writeText(answer.text), { always: true })));
      node.reset();
      await show();
    }, ...keyFields(), field('days', 'Expires in days', { type: 'number', min: '0', hint: '0 or empty: never' }), submit('Create key'))) : '',
    made, edit,
    panel(el('div', { class: 'admin-form' }, search, order), result),
  );
  await show();
}

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

export async function jobs(place) {
  const { jobs: list, states } = await get('jobs', { limit: 200 });
  const act = (job, what) => async () => { await post('jobs/act', { id: job.id, act: what }); await jobs(place); };
  place.replaceChildren(
    el('h1', null, 'Jobs'),
    tiles(Object.entries(states).map(([name, n]) => [name, count(n)])),
    panel(table('Jobs', [
      { name: 'State', cell: (j) => state(j.state) },
      { name: 'Kind', cell: (j) => plain(j.kind) },
      { name: 'Made', cell: (j) => time(j.created_at) },
      { name: 'Attempts', number: true, cell: (j) => count(j.attempts) },
      { name: 'What it says', cell: (j) => plain(j.error?.code ?? j.error ?? j.progress?.message ?? j.message) || '–' },
      { hidden: 'Actions', cell: (j) => (['queued', 'waiting', 'running'].includes(j.state) ? action('Cancel', act(j, 'cancel'), { danger: true }) : ['failed', 'cancelled'].includes(j.state) ? action('Retry', act(j, 'retry')) : '') },
    ], list, 'There are no jobs. Programs queue them with POST /api/v1/jobs.')),
  );
  return 5;
}

export async function cache(place) {
  const { descriptions: d, plans } = await get('cache');
  const purge = async (values) => {
    await post('cache/purge', values);
    await cache(place);
    place.prepend(el('p', { class: 'admin-notice', role: 'status' }, 'It is forgotten.'));
  };
  place.replaceChildren(
    el('h1', null, 'Cache'),
    tiles([['descriptions', count(d.count), `${size(d.bytes)} of at most ${size(d.max_bytes)}`], ['plans', plans.max_bytes ? 'kept' : 'not kept', `at most ${size(plans.max_bytes)}`]]),
    panel(el('h2', null, 'Forget'), form({ class: 'admin-form' }, ({ link }) => purge({ link }),
      field('link', 'Link', { type: 'url', required: true, hint: 'its description is asked for anew' }), submit('Forget this link')),
    action('Forget everything', () => purge({}), { danger: true, confirm: 'Forget all descriptions and plans? The next requests will be slower; nothing is lost.' })),
  );
}

export async function system(place, examined) {
  const s = await get('system', { examine: examined === 'examined' ? 1 : null });
  const grades = { ok: 'fine', warn: 'look', fail: 'wrong' };
  place.replaceChildren(
    el('h1', null, 'System'),
    tiles([['version', s.version], ['sandbox', s.sandbox, s.sandbox_missing ? `missing: ${s.sandbox_missing}` : 'all of it']]),
    panel(el('h2', null, 'Is everything in order?'),
      examined === 'examined'
        ? table('Findings', [
          { hidden: 'Grade', cell: (f) => state(f.grade, grades[f.grade]) },
          { name: 'Check', cell: (f) => plain(f.check) },
          { name: 'Found', cell: (f) => plain(f.text) },
          { name: 'What puts it right', cell: (f) => (f.fix ? el('code', null, plain(f.fix)) : '–') },
        ], s.findings, 'Nothing was found.')
        : action('Examine', () => { location.hash = '#system/examined'; }, { always: true })),
    panel(el('h2', null, 'Settings in effect'), table('Settings', [
      { name: 'Setting', cell: (k) => el('code', null, k.name) },
      { name: 'Value', cell: (k) => el('span', null, plain(k.value) || '–', k.unit && k.value ? ` ${k.unit}` : '', k.usual ? '' : state('active', 'changed')) },
      { name: 'Help', cell: (k) => plain(k.help) },
    ], s.settings, '')),
  );
}

export async function audit(place) {
  const kept = audit.kept ??= { action: '' };
  const body = el('div');
  let lines = [];
  const more = async (before) => {
    const page = await get('audit', { action: kept.action, before, limit: 100 });
    lines = before ? [...lines, ...page.lines] : page.lines;
    const shown = (value) => (value === null ? '' : JSON.stringify(value));
    body.replaceChildren(
      table('Audit log', [
        { name: 'When', cell: (l) => time(l.at) },
        { name: 'Who', cell: (l) => plain(l.name) },
        { name: 'What', cell: (l) => plain(l.action) },
        { name: 'Of', cell: (l) => plain(l.subject) },
        { name: 'Before and after', cell: (l) => (l.before || l.after ? el('details', null, el('summary', null, 'show'), el('pre', null, `${shown(l.before)}\n${shown(l.after)}`)) : '–') },
      ], lines, 'Nothing was changed.'),
      page.lines.length === 100 ? action('Older', () => more(page.lines.at(-1).cursor), { always: true }) : '',
    );
  };
  const names = ['', 'login', 'logout', 'password', 'key-create', 'key-update', 'key-state', 'stream-stop', 'cache-purge', 'job-cancel', 'job-retry', 'user-create', 'user-update'];
  const filter = field('action', 'What', { value: kept.action, options: names.map((name) => [name, name || 'anything']) });
  filter.addEventListener('input', () => { kept.action = filter.querySelector('select').value; more(); });
  place.replaceChildren(el('h1', null, 'Audit log'), panel(el('div', { class: 'admin-form' }, filter), body));
  await more();
}

export async function users(place) {
  const { users: list } = await get('users');
  const update = async (user, values) => { await post('users/update', { name: user.name, role: user.role, active: user.active ? 1 : 0, ...values }); await users(place); };
  const said = el('p', { class: 'admin-notice', hidden: '' });
  place.replaceChildren(
    el('h1', null, 'Users'),
    panel(table('Users', [
      { name: 'Name', cell: (u) => u.name },
      { name: 'Role', cell: (u) => u.role },
      { name: 'State', cell: (u) => state(u.active ? 'active' : 'disabled') },
      { name: 'Password of', cell: (u) => time(u.password_changed_at) },
      { hidden: 'Actions', cell: (u) => (u.name === session.name ? 'you' : el('div', { class: 'admin-row' },
        action(u.active ? 'Disable' : 'Enable', () => update(u, { active: u.active ? 0 : 1 })),
        action(u.role === 'admin' ? 'Make viewer' : 'Make admin', () => update(u, { role: u.role === 'admin' ? 'viewer' : 'admin' })))) },
    ], list, '')),
    mayChange() ? panel(el('h2', null, 'New user'), form({ class: 'admin-form' }, async (values) => { await post('users/create', values); await users(place); },
      field('name', 'Name', { required: true, hint: 'a-z, 0-9, . - _' }),
      field('password', 'Password', { type: 'password', required: true, minlength: '10', hint: 'at least 10 characters', autocomplete: 'new-password' }),
      field('role', 'Role', { value: 'viewer', options: [['viewer', 'viewer: only looks'], ['admin', 'admin: may change everything']] }),
      submit('Add user'))) : '',
    panel(el('h2', null, 'Your password'), form({ class: 'admin-form' }, async (values, node) => {
      await post('password', values);
      node.reset();
      said.textContent = 'Your password is changed; your other sessions are over.';
      said.hidden = false;
    },
    field('old', 'Old password', { type: 'password', required: true, autocomplete: 'current-password' }),
    field('new', 'New password', { type: 'password', required: true, minlength: '10', autocomplete: 'new-password' }),
    submit('Change password')), said,
    action('Sign out everywhere', async () => { await post('logout', { everywhere: 1 }); location.reload(); }, { always: true })),
  );
}
