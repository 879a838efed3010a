/* The queue of jobs. */
import { get, post } from './ask.js';
import { action, count, el, nameOfCode, panel, percent, plain, size, state, table, tiles, time } from './parts.js';

const explained = { queued: 'wait for a worker', running: 'a worker has them', waiting: 'failed, and are tried again', done: 'kept for whoever asks', failed: 'tried often enough', cancelled: 'by whoever made them, or here' };

function progressOf(j) {
  const { done_bytes: done = 0, total_bytes: total = 0 } = j.progress ?? {};
  if (j.state === 'running' && total)
    return el('span', null, el('progress', { max: '1', value: String(done / total), 'aria-label': 'progress' }), ` ${percent(done, total)} of ${size(total)}`);
  const said = j.error?.code ?? j.error ?? '';
  return said ? nameOfCode(said) : plain(j.progress?.message ?? j.message) || (done ? size(done) : '–');
}

export async function jobs(place) {
  const kept = jobs.kept ??= { state: '' };
  const { jobs: list, states } = await get('jobs', { limit: 200, state: kept.state || null });
  const act = (job, what) => async () => { await post('jobs/act', { id: job.id, act: what }); await jobs(place); };
  const only = (name) => {
    const node = el('button', { type: 'button', class: 'admin-small', 'aria-pressed': String(kept.state === name) }, name || 'all');
    node.addEventListener('click', () => { kept.state = name; jobs(place); });
    return node;
  };
  place.replaceChildren(
    el('h1', null, 'Jobs'),
    tiles(Object.entries(states).map(([name, n]) => [name, count(n), explained[name]])),
    panel(el('div', { class: 'admin-pick', role: 'group', 'aria-label': 'Only jobs that are' }, only(''), ...Object.keys(states).map(only)),
      table('Jobs', [
        { name: 'State', cell: (j) => state(j.state) },
        { name: 'Kind', cell: (j) => plain(j.kind) },
        { name: 'Made', cell: (j) => time(j.created_at) },
        { name: 'Attempts', number: true, cell: (j) => count(j.attempts) },
        { name: 'How it goes', cell: progressOf },
        { hidden: 'Actions', cell: (j) => (['queued', 'waiting', 'running'].includes(j.state) ? action('Cancel', act(j, 'cancel'), { danger: true }) : ['failed', 'cancelled'].includes(j.state) ? action('Retry', act(j, 'retry')) : '') },
      ], list, kept.state ? `No job is ${kept.state}.` : 'There are no jobs. Programs queue them with POST /api/v1/jobs.')),
  );
  return 3;
}
