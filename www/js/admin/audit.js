/* Who changed what. */
import { get } from './ask.js';
import { action, el, field, panel, plain, table, time } from './parts.js';

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
  const names = ['', 'login', 'logout', 'password', 'key-create', 'key-update', 'key-state', 'stream-stop', 'cache-purge', 'job-cancel', 'job-retry', 'setting', 'clients-save', 'clients-built-in', 'extraction-test', 'totp-on', 'totp-off', 'user-create', 'user-update'];
  const filter = field('action', 'What', { value: kept.action, options: names.map((name) => [name, name || 'anything']) });
  filter.addEventListener('input', () => { kept.action = filter.querySelector('select').value; more(); });
  place.replaceChildren(el('h1', null, 'Audit log'), panel(el('div', { class: 'admin-form' }, filter), body));
  await more();
}
