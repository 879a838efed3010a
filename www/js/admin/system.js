/* This installation: is it in order, and how is it set; the settings that change while it runs. */
import { get, mayChange, post } from './ask.js';
import { action, bytesText, count, duration, el, field, form, panel, plain, size, state, submit, table, tiles, time } from './parts.js';

const grades = { ok: 'fine', warn: 'look', fail: 'wrong' };
const sources = { default: 'as delivered', file: 'from the file', environment: 'from the environment', setting: 'changed here' };
const isMaintenance = (k) => k.name === 'maintenance' || k.name === 'maintenance_message';

/* "134217728" is not for people. */
const meaning = (k, value) => (k.unit === 'bytes' && Number(value) > 0 ? bytesText(Number(value)) : k.unit === 's' && Number(value) >= 120 ? duration(Number(value)) : '');
const shown = (k, value) => (value === '' ? 'empty' : `${plain(value)}${k.unit && value ? ` ${k.unit}` : ''}${meaning(k, value) ? ` (${meaning(k, value)})` : ''}`);
const range = (k) => (k.kind === 'number' ? `${count(k.min)} to ${count(k.max)}${k.unit ? ` ${k.unit}` : ''}` : '');

// ---- Maintenance ----

function maintenancePart(settings, again) {
  const of = (name) => settings.find((k) => k.name === name);
  const on = of('maintenance').value === 'on';
  const change = async (values) => {
    for (const [name, value] of Object.entries(values)) await post('settings', { name, value });
    await again();
  };
  return panel(
    el('div', { class: 'admin-row admin-between' }, el('h2', null, 'Maintenance'), state(on ? 'warn' : 'ok', on ? 'new downloads are refused' : 'off')),
    el('p', null, on
      ? 'New downloads and jobs get 503 with the message below, on every host of this database. What ran before goes on to its end.'
      : 'Before work on this server: refuses new downloads and jobs with a message, and lets go on what runs. Links can still be looked at.'),
    form({ class: 'admin-form admin-wide' }, ({ message }) => change({ maintenance_message: message, maintenance: 'on' }),
      field('message', 'Message', { value: plain(of('maintenance_message').value), maxlength: '200', hint: 'what people are told, as “Back at 18:00”; empty: our own words' }),
      mayChange() ? submit(on ? 'Change the message' : 'Begin maintenance') : ''),
    on ? action('End maintenance', () => change({ maintenance: 'off' })) : '',
  );
}

// ---- Settings ----

function liveSetting(k, again) {
  const id = `setting-${k.name}`;
  const hint = [plain(k.help), range(k) ? `${range(k)}.` : ''].join(' ');
  const input = k.choices
    ? { options: k.choices.split(' ').map((name) => [name, name]), value: k.value }
    : { type: k.secret ? 'password' : k.kind === 'number' ? 'number' : 'text', value: k.secret ? '' : plain(k.value), placeholder: k.secret && k.value ? 'is set, and not shown' : null, min: k.kind === 'number' ? String(k.min) : null, max: k.kind === 'number' ? String(k.max) : null };
  return el('li', { class: 'admin-setting', id },
    form({ 'aria-label': k.name }, async ({ value }) => { await post('settings', { name: k.name, value }); await again(k.name); },
      field('value', el('code', null, k.name), { ...input, hint }),
      el('div', { class: 'admin-row' },
        mayChange() ? submit('Save') : '',
        state(k.source === 'setting' ? 'active' : 'off', sources[k.source]),
        k.source === 'setting' ? el('small', null, 'by ', plain(k.changed_by), ', ', time(k.changed_at)) : '',
        meaning(k, k.value) ? el('small', null, meaning(k, k.value)) : '',
        k.source === 'setting' ? action(`Back to ${shown(k, k.without)}`, async () => { await post('settings', { name: k.name, reset: 1 }); await again(k.name); }) : '')));
}

const fixedSettings = (list) => table('Settings of the file', [
  { name: 'Setting', cell: (k) => el('code', null, k.name) },
  { name: 'Value', cell: (k) => shown(k, k.value) },
  { name: 'From', cell: (k) => state(k.source === 'default' ? 'off' : 'active', sources[k.source]) },
  { name: 'Help', cell: (k) => el('span', null, plain(k.help), range(k) ? el('small', null, ` ${range(k)}.`) : '') },
], list, 'No setting has that in its name or its help.');

/* What is typed into `search` decides which are shown. */
function settingsPart(settings, again) {
  const kept = system.kept ??= { search: '' };
  const search = field('search', 'Search', { type: 'search', value: kept.search, hint: 'in names and help; “changed” finds what is not as delivered' });
  const live = el('ul', { class: 'admin-settings' });
  const fixed = el('details', { class: 'admin-fold', open: kept.search ? '' : null });
  const draw = () => {
    const wanted = kept.search.toLowerCase();
    const list = settings.filter((k) => !isMaintenance(k) && (wanted === 'changed' ? k.source !== 'default' : `${k.name} ${k.help}`.toLowerCase().includes(wanted)));
    const ours = list.filter((k) => k.live);
    live.replaceChildren(...(ours.length ? ours.map((k) => liveSetting(k, again)) : [el('li', { class: 'admin-empty' }, 'No such setting has that in its name or its help.')]));
    const theirs = list.filter((k) => !k.live);
    fixed.replaceChildren(el('summary', null, `Change with a restart (${count(theirs.length)})`), el('p', null, 'In the file or the environment. Secrets are not shown.'), fixedSettings(theirs));
    if (wanted) fixed.open = true;
  };
  search.addEventListener('input', () => { kept.search = search.querySelector('input').value; draw(); });
  draw();
  return [
    panel(el('h2', null, 'Settings'), el('div', { class: 'admin-form' }, search),
      el('h3', null, 'Change while it runs'), el('p', null, 'On every host of this database, within a second. They count for more than file and environment.'), live),
    panel(fixed),
  ];
}

// ---- All of it ----

const findings = (list) => {
  const wrong = list.filter((f) => f.grade !== 'ok').length;
  return [
    el('p', null, wrong ? `${count(wrong)} of ${count(list.length)} findings want a look.` : `All ${count(list.length)} checks are fine.`),
    table('Findings', [
      { hidden: 'Grade', cell: (f) => state(f.grade, grades[f.grade]) },
      { name: 'Check', cell: (f) => plain(f.check) },
      { name: 'Found', cell: (f) => plain(f.text) },
      { name: 'What puts it right', cell: (f) => (f.fix ? el('code', null, plain(f.fix)) : '–') },
    ], [...list].sort((a, b) => 'fail warn ok'.indexOf(a.grade) - 'fail warn ok'.indexOf(b.grade)), 'Nothing was found.'),
  ];
};

export async function system(place, examined) {
  const s = await get('system', { examine: examined === 'examined' ? 1 : null });
  const again = async (name) => {
    await system(place, undefined);
    if (name) place.querySelector(`#setting-${name} [name=value]`)?.focus();
  };
  place.replaceChildren(
    el('h1', null, 'System'),
    tiles([
      ['version', s.version, plain(s.versions.libraries)],
      ['kernel', plain(s.versions.kernel), plain(s.versions.machine)],
      ['sandbox', plain(s.sandbox).replaceAll('+', ' + '), s.sandbox_missing ? `missing: ${plain(s.sandbox_missing)}` : 'all that programs do not need is taken from them'],
      ['database', s.database?.kind ?? '–', s.database?.bytes ? size(s.database.bytes) : 'on a server of its own'],
    ]),
    maintenancePart(s.settings, again),
    panel(el('h2', null, 'Is everything in order?'),
      ...(examined === 'examined' ? findings(s.findings) : [
        el('p', null, 'Looks at files and who may read them, limits, the database, the sandbox, the way to the outside world, the clock: what ', el('code', null, 'sluice doctor'), ' does, as far as a program in its sandbox can see. It takes some seconds.'),
        action('Examine', () => { location.hash = '#system/examined'; }, { always: true })])),
    panel(el('h2', null, 'Programs of this host'), table('Programs', [
      { name: 'Program', cell: (p) => plain(p.program) },
      { name: 'Process', number: true, cell: (p) => String(p.pid) },
      { name: 'Memory', number: true, cell: (p) => size(p.rss_bytes) },
      { name: 'Threads', number: true, cell: (p) => count(p.threads) },
      { name: 'Open files', number: true, cell: (p) => `${count(p.files)} of ${count(p.files_max)}` },
      { name: 'CPU so far', number: true, cell: (p) => `${(p.cpu_us / 1e6).toFixed(1)} s` },
      { name: 'Since', cell: (p) => time(p.started_at) },
    ], s.processes, 'No program says anything of itself.')),
    ...settingsPart(s.settings, again),
  );
}
