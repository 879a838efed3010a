/* Who changed what. */
import { get } from './ask.js';
import { action, el, field, panel, plain, table, time } from './parts.js';

const FEW = 4; // differences that are told in the line

const isThing = (value) => value !== null && typeof value === 'object';
const text = (value) => (isThing(value) ? JSON.stringify(value) : plain(value)) || 'empty';
const from = (before, after) => (before === null || before === undefined ? text(after) : `${text(before)} → ${text(after)}`);

/* What was changed, as short as it can be told. */
function changesOf({ before, after }) {
  if (before === null && after === null) return '–';
  if (!isThing(before) && !isThing(after)) return from(before, after);
  const names = Object.keys({ ...before, ...after }).filter((name) => text(before?.[name]) !== text(after?.[name]));
  if (before && after && names.length <= FEW) return names.map((name) => `${name}: ${from(before[name], after[name])}`).join('; ') || '–';
  const shown = (value) => (value === null ? '' : JSON.stringify(value, null, 1));
  return el('details', null, el('summary', null, before ? `${names.length} differences` : 'show'), el('pre', null, before ? `before ${shown(before)}\nafter ${shown(after)}` : shown(after)));
}

export async function audit(place) {
  const kept = audit.kept ??= { action: '', name: '' };
  const body = el('div');
  let lines = [];
  const more = async (before) => {
    const page = await get('audit', { action: kept.action, name: kept.name, before, limit: 100 });
    lines = before ? [...lines, ...page.lines] : page.lines;
    body.replaceChildren(
      table('Audit log', [
        { name: 'When', cell: (l) => time(l.at) },
        { name: 'Who', cell: (l) => plain(l.name) },
        { name: 'What', cell: (l) => plain(l.action) },
        { name: 'Of', cell: (l) => plain(l.subject) },
        { name: 'Before and after', long: true, cell: changesOf },
      ], lines, 'Nothing was changed.'),
      page.lines.length === 100 ? action('Older', () => more(page.lines.at(-1).cursor), { always: true }) : '',
    );
  };
  const names = ['', 'login', 'logout', 'password', 'key-create', 'key-update', 'key-state', 'stream-stop', 'cache-purge', 'job-cancel', 'job-retry', 'setting', 'clients-save', 'clients-built-in', 'extraction-test', 'totp-on', 'totp-off', 'user-create', 'user-update'];
  const filter = field('action', 'What', { value: kept.action, options: names.map((name) => [name, name || 'anything']) });
  filter.addEventListener('input', () => { kept.action = filter.querySelector('select').value; more(); });
  const who = field('name', 'Who', { value: kept.name, hint: 'a user; empty: anybody' });
  who.addEventListener('change', () => { kept.name = who.querySelector('input').value.trim(); more(); });
  place.replaceChildren(el('h1', null, 'Audit log'), panel(el('div', { class: 'admin-form' }, filter, who), body));
  await more();
}
