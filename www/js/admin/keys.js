/* API keys and their limits. */
import { get, mayChange, post } from './ask.js';
import { action, count, csv, el, field, form, panel, plain, size, state, submit, table, time } from './parts.js';

const GB = 1e9;
const PAGE = 50;
const FILE_PAGE = 200; // as many as the server gives at once

const limitText = (key) => [
  key.rate_per_hour ? `${count(key.rate_per_hour)} requests/h` : 'any number of requests',
  key.bytes_per_day ? `${size(key.bytes_per_day)}/day` : '',
  key.streams_max ? `${count(key.streams_max)} ${key.streams_max === 1 ? 'stream' : 'streams'} at once` : '',
  key.sites ? `only ${plain(key.sites)}` : '',
  key.addresses ? `from ${plain(key.addresses)}` : '',
  key.expires_at ? `until ${key.expires_at.slice(0, 10)}` : '',
].filter(Boolean).join(', ');

/* What sites send for 1080p with sound, about: 5 Mbit/s. */
const BYTES_PER_HOUR_1080P = 2.25e9;

function hoursText(bytes) {
  const hours = bytes / BYTES_PER_HOUR_1080P;
  if (hours >= 48) return `${count(Math.round(hours / 24))} days`;
  return hours >= 1 ? `${hours.toFixed(hours < 10 ? 1 : 0)} hours` : `${Math.round(hours * 60)} minutes`;
}

/* "At most 5 downloads at once, 10 GB a day: about 4.4 hours of 1080p." */
export function inWords(limits) {
  const n = (name) => Math.max(0, Number(limits[name]) || 0);
  const [rate, bytes, streams, days] = ['rate_per_hour', 'bytes_per_day', 'streams_max', 'days'].map(n);
  const parts = [
    streams ? `at most ${count(streams)} ${streams === 1 ? 'download' : 'downloads'} at once` : 'as many downloads at once as the settings allow',
    bytes ? `${size(bytes)} a day: about ${hoursText(bytes)} of 1080p` : 'any number of bytes a day',
    rate ? `${count(rate)} requests an hour${rate >= 3600 ? ` (${count(Math.round(rate / 3600))} a second)` : rate < 60 ? ` (one every ${Math.ceil(60 / rate)} minutes)` : ` (${count(Math.round(rate / 60))} a minute)`}` : 'any number of requests',
  ];
  const rest = [
    limits.sites ? `only for ${plain(limits.sites).split(',').join(', ')}` : '',
    limits.addresses ? `only from ${plain(limits.addresses).split(',').join(', ')}` : '',
    days ? `until ${new Date(Date.now() + days * 86400e3).toLocaleDateString('en', { dateStyle: 'long' })}` : '',
  ].filter(Boolean);
  const text = [...parts, ...rest].join('; ');
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}

/* As the server wants it: bytes. */
const limitsOf = ({ gb_per_day: gb, ...rest }) => ({ ...rest, bytes_per_day: String(Math.round((Number(gb) || 0) * GB)) });

const keyFields = (key = {}) => [
  field('label', 'Label', { value: plain(key.label), required: true, maxlength: '200', hint: 'what it is for' }),
  field('owner', 'Owner', { value: plain(key.owner), maxlength: '200', hint: 'who has it' }),
  field('rate_per_hour', 'Requests per hour', { type: 'number', min: '0', value: String(key.rate_per_hour ?? 1000), hint: '0: any number' }),
  field('gb_per_day', 'GB per day', { type: 'number', min: '0', step: 'any', value: String((key.bytes_per_day ?? 0) / GB), hint: 'of downloads; 0: no limit' }),
  field('streams_max', 'Streams at once', { type: 'number', min: '0', value: String(key.streams_max ?? 0), hint: '0: as the settings say' }),
  field('sites', 'Sites', { value: plain(key.sites), hint: 'youtube,direct; empty: any' }),
  field('addresses', 'Addresses', { value: plain(key.addresses), hint: '192.0.2.0/24,2001:db8::/32; empty: from anywhere' }),
];

/* A form of limits that says below what they mean. */
function limitForm(attributes, send, fields, text) {
  const words = el('p', { class: 'admin-words', 'aria-live': 'polite' });
  const node = form({ class: 'admin-form', ...attributes }, send, ...fields, submit(text), words);
  const say = () => { words.textContent = inWords(limitsOf(Object.fromEntries(new FormData(node)))); };
  node.addEventListener('input', say);
  node.addEventListener('reset', () => setTimeout(say));
  say();
  return node;
}

async function allOf(query) {
  const all = [];
  for (;;) {
    const { keys: list, total } = await get('keys', { ...query, offset: all.length, limit: FILE_PAGE });
    all.push(...list);
    if (!list.length || all.length >= total) return all;
  }
}

const columns = ['id', 'label', 'owner', 'state', 'rate_per_hour', 'bytes_per_day', 'streams_max', 'sites', 'addresses', 'created_at', 'expires_at'];

export async function keys(place) {
  const kept = keys.kept ??= { search: '', order: '', offset: 0 };
  const result = el('div');
  const made = el('div', { role: 'status' });
  const edit = el('div');
  let turn = 0; // of what was typed: a slow answer must not replace a later one's

  const show = async () => {
    const mine = ++turn;
    const { keys: list, total } = await get('keys', { ...kept, limit: PAGE });
    if (mine !== turn) return;
    if (list.length === 0 && kept.offset > 0) {
      kept.offset = 0;
      return void await show();
    }
    const to = async (id, name) => { await post('keys/state', { id, state: name }); await show(); };
    const step = (text, offset) => {
      const node = el('button', { class: 'admin-small', type: 'button', disabled: offset < 0 || offset >= total ? '' : null }, text);
      node.addEventListener('click', () => { kept.offset = offset; show(); });
      return node;
    };
    result.replaceChildren(
      table('Keys', [
        { name: 'Label', cell: (k) => plain(k.label) },
        { name: 'ID', cell: (k) => el('code', null, k.id) },
        { name: 'Owner', cell: (k) => plain(k.owner) || '–' },
        { name: 'State', cell: (k) => state(k.state) },
        { name: 'Limits', cell: (k) => el('span', { title: inWords(k) }, limitText(k)) },
        { name: 'Made', cell: (k) => time(k.created_at) },
        { hidden: 'Actions', cell: (k) => el('div', { class: 'admin-row' },
          k.state === 'active' ? action('Disable', () => to(k.id, 'disabled')) : '',
          k.state === 'disabled' ? action('Enable', () => to(k.id, 'active')) : '',
          k.state !== 'revoked' ? action('Change', () => change(k)) : '',
          action('Usage', () => { location.hash = `#analytics/${k.id}`; }, { always: true }),
          k.state !== 'revoked' ? action('Revoke', () => to(k.id, 'revoked'), { danger: true, confirm: `Revoke ${plain(k.label)}? That is for ever; its download links stop working, too.` }) : '') },
      ], list, kept.search ? 'No key has that in its label, owner or ID.' : 'There are no keys yet. Make one above; without, people are limited by address.'),
      el('div', { class: 'admin-row' }, step('Before', kept.offset - PAGE), step('Next', kept.offset + PAGE),
        el('span', { role: 'status' }, total ? `${count(kept.offset + 1)} to ${count(kept.offset + list.length)} of ${count(total)}` : 'none'),
        action('Export as CSV', async () => csv('keys.csv', columns, (await allOf({ search: kept.search, order: kept.order })).map((k) => columns.map((name) => k[name]))), { always: true })));
  };

  const change = async (key) => {
    edit.replaceChildren(panel(el('h2', null, `Change ${plain(key.label)}`), limitForm({}, async (values) => {
      await post('keys/update', { id: key.id, ...limitsOf(values) });
      edit.replaceChildren();
      await show();
    }, [...keyFields(key), field('days', 'Expires in days', { type: 'number', min: '0', hint: '0: never; empty: as it is' })], 'Save')));
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
    mayChange() ? panel(el('h2', null, 'New key'), limitForm({ id: 'new-key' }, async (values, node) => {
      const answer = await post('keys/create', limitsOf(values));
      made.replaceChildren(el('div', { class: 'admin-notice' },
        el('strong', null, `The key of ${plain(answer.key.label)}, shown this once:`), el('code', { class: 'admin-secret' }, answer.text),
        action('Copy', () => navigator.clipboard.writeText(answer.text), { always: true })));
      node.reset();
      await show();
    }, [...keyFields(), field('days', 'Expires in days', { type: 'number', min: '0', hint: '0 or empty: never' })], 'Create key')) : '',
    made, edit,
    panel(el('div', { class: 'admin-form' }, search, order), result),
  );
  await show();
}
