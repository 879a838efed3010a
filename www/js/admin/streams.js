/* What is being sent at this moment. */
import { get, post } from './ask.js';
import { action, count, el, panel, percent, plain, since, size, state, table } from './parts.js';

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
        { name: 'For', number: true, cell: (s) => el('span', { title: s.started_at }, since(s.started_at)) },
        { hidden: 'Actions', cell: (s) => action('End', async () => { await post('streams/stop', { request: s.request }); await streams(place); }, { danger: true }) },
      ], list, 'Nothing is being streamed. A download shows up here as soon as it waits for a place.'),
    ),
  );
  return 3;
}
