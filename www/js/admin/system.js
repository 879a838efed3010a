/* This installation: is it in order, and how is it set. */
import { get } from './ask.js';
import { action, el, panel, plain, state, table, tiles } from './parts.js';

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
