/* The queue of jobs. */
import { get, post } from './ask.js';
import { action, count, el, panel, plain, state, table, tiles, time } from './parts.js';

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
