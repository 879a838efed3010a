/* API keys and their limits. */
import { get, mayChange, post } from './ask.js';
import { action, count, csv, el, field, form, panel, plain, size, state, submit, table, time } from './parts.js';

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
