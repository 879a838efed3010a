/* What is remembered, and forgetting it. */
import { get, post } from './ask.js';
import { action, count, el, field, form, panel, plain, share, size, state, submit, table, tiles } from './parts.js';

const tierNames = { files: 'whole files on disk', slices: 'pieces of sources on disk', telegram: 'Telegram', s3: 'S3', source: 'the source itself' };

/* Each tier of the setting's order, whether it is on, and what it keeps. */
function rowsOf({ order, tiers: known, contents, slices, files_max_bytes: most }) {
  return plain(order).split(',').map((name) => name.trim()).filter(Boolean).map((name) => {
    if (name === 'slices') return { name, on: slices.on, count: slices.count, bytes: slices.bytes, most: slices.max_bytes };
    const tier = known.find((t) => t.name === name);
    const of = (what) => contents.filter((c) => c.tier === name && c.state === 'stored').reduce((sum, c) => sum + c[what], 0);
    return { name, on: name === 'source' || Boolean(tier?.used), most: name === 'files' ? most : 0, count: of('count'), bytes: of('bytes'), hits: of('hits') };
  });
}

export async function cache(place) {
  const [c, day] = await Promise.all([get('cache'), get('usage', { by: 'hour', hours: 24 })]);
  const d = c.descriptions;
  const sum = (of) => day.rows.reduce((all, row) => all + row[of], 0);
  const stored = c.contents.filter((one) => one.state === 'stored');
  const purge = async (values) => {
    const { contents, slices } = await post('cache/purge', values);
    const left = [contents ? `${count(contents)} kept ${contents === 1 ? 'file leaves' : 'files leave'} within minutes` : '', slices ? `${count(slices)} pieces are gone` : ''].filter(Boolean).join('; ');
    await cache(place);
    place.querySelector('h1').after(el('p', { class: 'admin-notice', role: 'status' }, `It is forgotten${left ? `: ${left}` : ''}.`));
  };
  place.replaceChildren(
    el('h1', null, 'Cache'),
    tiles([
      ['descriptions', count(d.count), `what links lead to: ${size(d.bytes)} of at most ${size(d.max_bytes)}`],
      ['from memory', share(sum('cached'), sum('requests')), 'of the requests of 24 hours'],
      ['kept files', count(stored.reduce((n, one) => n + one.count, 0)), `${size(stored.reduce((n, one) => n + one.bytes, 0))}, given out ${count(stored.reduce((n, one) => n + one.hits, 0))} times`],
      ['plans', c.plans.max_bytes ? 'kept' : 'not kept', `headers of merged files, so that they start at once: at most ${size(c.plans.max_bytes)}`],
    ]),
    panel(el('h2', null, 'Where a file is looked for'), el('p', null, 'In this order; what is off is passed over. Which are on, and what they may take, are ', el('a', { href: '#system' }, 'settings'), '.'),
      table('Tiers', [
        { name: 'Tier', cell: (t) => el('span', null, el('code', null, t.name), tierNames[t.name] ? ` ${tierNames[t.name]}` : '') },
        { name: 'State', cell: (t) => state(t.on ? 'ok' : 'off', t.on ? 'on' : 'off') },
        { name: 'Files, or pieces', number: true, cell: (t) => (t.name === 'source' ? '–' : count(t.count)) },
        { name: 'Bytes', number: true, cell: (t) => (t.name === 'source' ? '–' : t.most ? `${size(t.bytes)} of ${size(t.most)}` : size(t.bytes)) },
        { name: 'Given out', number: true, cell: (t) => (t.hits === undefined || t.name === 'source' ? '–' : count(t.hits)) },
      ], rowsOf(c), 'The setting tiers names none.')),
    panel(el('h2', null, 'Forget'),
      el('p', null, 'Nothing is lost by that: the next requests ask the source again, and take longer.'),
      form({ class: 'admin-form' }, ({ link }) => purge({ link }), field('link', 'Link', { type: 'url', required: true, hint: 'what is known of this video or file' }), submit('Forget this link')),
      form({ class: 'admin-form' }, ({ site }) => purge({ site }), field('site', 'Site', { required: true, hint: 'youtube, or the host that links lead to' }), submit('Forget this site')),
      action('Forget everything', () => purge({}), { danger: true, confirm: 'Forget all descriptions, plans and kept files? The next requests will be slower; nothing is lost.' })),
  );
}
