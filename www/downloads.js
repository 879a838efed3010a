/* Downloads that the page writes to the disk itself, where the browser lets it (File System Access API): they
 * show how far they are, can be paused, and go on after a lost connection, a server that is restarted or a laptop
 * that was closed. Elsewhere the links stay plain ones, and the browser downloads.
 *
 * One item goes through these states:
 *
 *   queued → running → done
 *              ├ waiting   the connection was lost or the server asked for patience; goes on by itself
 *              ├ paused    by the person; keeps its place
 *              └ failed    nothing that waiting would heal; can be tried again
 *
 * Bytes of two versions of a file are never joined: it goes on only with If-Range and the strong ETag of its
 * beginning. Whatever answers otherwise has it start over. */
import { canSave, el, humanDuration, humanSize, nextStep, plain, say } from './app.js';

const AT_ONCE = 2; // more would only share the same line
const STALL_MS = 30000; // without one byte, the connection counts as lost
const BACK_OFF_MS = [1000, 2000, 4000, 8000, 15000, 30000];
const PATIENCE = 6; // answers in a row that say "the source failed" before it is believed
const DIALOG_MS = 100; // nobody closes a dialog faster: there was none

const items = [];
const list = el('ul', { class: 'downloads-list' });
const tray = el('section', { class: 'downloads', 'aria-labelledby': 'downloads-title', hidden: '' },
  el('h2', { class: 'downloads-title', id: 'downloads-title' }, 'Downloads'), list);
document.querySelector('.page').append(tray);

/* A name every file system takes; what is left of the title where it is long. */
export function fileName(title, container) {
  const name = [...plain(title).replace(/[\p{Cc}\p{Cf}\\/:*?"<>|]+/gu, ' ').replace(/\s+/g, ' ').replace(/^[. ]+/, '')]
    .slice(0, 100).join('').replace(/[. ]+$/, '');
  return `${name || 'download'}.${container}`;
}

/* Asks where to put the file and starts. False: there is no dialog here, and the link has to do it. */
export async function save({ href, title, container, label }) {
  const asked = performance.now();
  let file;
  try {
    file = await self.showSaveFilePicker({ id: 'sluice', startIn: 'downloads', suggestedName: fileName(title, container) });
  } catch (error) {
    return error.name === 'AbortError' && performance.now() - asked > DIALOG_MS; // the person thought better of it
  }
  const item = { href, file, label, state: 'queued', at: 0, total: null, etag: null, writer: null, controller: null, tries: 0, speed: 0 };
  item.row = rowOf(item);
  items.push(item);
  list.append(item.row.node);
  show(item);
  tray.hidden = false;
  say(`Download started: ${file.name}`);
  next();
  return true;
}

// ------------------------------------------------------------------------------------------------------------
// The queue

const isActive = (item) => item.state === 'running' || item.state === 'waiting';

function become(item, state, why = null) {
  clearTimeout(item.timer);
  item.state = state;
  item.why = why;
  item.speed = 0;
  item.mark = null;
  show(item);
}

function next() {
  for (const item of items) {
    if (items.filter(isActive).length >= AT_ONCE)
      return;
    if (item.state === 'queued')
      run(item);
  }
}

function pause(item) {
  item.controller?.abort();
  become(item, 'paused');
  next();
}

function resume(item) {
  item.tries = 0;
  become(item, 'queued');
  next();
}

async function remove(item) {
  items.splice(items.indexOf(item), 1);
  item.controller?.abort();
  clearTimeout(item.timer);
  item.state = 'removed';
  item.row.node.remove();
  tray.hidden = items.length === 0;
  next();
  await item.ended; // its last write
  await item.writer?.abort().catch(() => {});
}

/* Waits as long as the server asks, else longer each time, and tries again by itself. */
function wait(item, problem) {
  const back = BACK_OFF_MS[Math.min(item.tries++, BACK_OFF_MS.length - 1)];
  const ms = problem.retry_after_s > 0 ? Math.min(problem.retry_after_s, 3600) * 1000 : back;
  become(item, 'waiting', problem);
  item.until = performance.now() + ms;
  item.timer = setTimeout(() => run(item), ms);
  show(item);
}

/* Whether to wait it out. Being busy or unreachable passes; a source that keeps failing does not. */
function isPatient(item, problem) {
  return problem.code === 'unreachable' || problem.code === 'busy' || (problem.retryable === true && item.tries < PATIENCE);
}

function run(item) {
  const controller = new AbortController();
  const before = item.ended; // an earlier run may still be writing its last piece
  item.controller = controller;
  become(item, 'running');
  item.ended = (async () => {
    await before;
    const problem = await transfer(item, controller).catch((error) => error.problem ?? diskProblem(error));
    controller.abort(); // whatever of the answer was not read
    if (problem?.code === 'disk') { // this writer is done for
      item.writer = null;
      item.at = 0;
    }
    if (item.controller !== controller || item.state !== 'running')
      return; // paused or removed meanwhile
    if (problem === null) {
      become(item, 'done');
      say(`Saved: ${item.file.name}`);
    } else if (isPatient(item, problem)) {
      wait(item, problem);
    } else {
      become(item, 'failed', problem);
      say(`Failed: ${item.file.name}. ${problem.detail}`);
    }
    next();
  })();
}

// ------------------------------------------------------------------------------------------------------------
// Bytes

const unreachable = { code: 'unreachable', title: 'No answer', detail: 'The connection was lost.', retryable: true };

function diskProblem(error) {
  const full = error.name === 'QuotaExceededError';
  return { code: 'disk', title: 'Not written', retryable: false,
    detail: full ? 'There is not enough room on the disk.' : 'The file could not be written.' };
}

/* Resolves with what `promise` does, or throws `problem` when that is an error of the network. */
const fromNetwork = (promise) => promise.catch(() => { throw Object.assign(new Error('network'), { problem: unreachable }); });

async function problemOf(response) {
  const body = await response.json().catch(() => null);
  if (typeof body?.code === 'string')
    return body;
  // a web server whose programs are being restarted answers for itself
  return response.status >= 500 ? { ...unreachable, detail: 'The server does not answer.' }
    : { code: 'internal', title: 'Not possible', detail: `The server refused (${response.status}).`, retryable: false };
}

/* Where the answer begins: at item.at, or at 0 when it is the whole file. Throws what the server said instead. */
async function begin(item, response) {
  if (response.status === 206) {
    const [, from, to, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '') ?? [];
    if (Number(from) !== item.at || Number(total) !== item.total || Number(to) !== item.total - 1)
      throw Object.assign(new Error('range'), { problem: { code: 'source_changed', detail: 'The server sent another part than was asked for.', retryable: false } });
    return;
  }
  if (response.status !== 200)
    throw Object.assign(new Error('refused'), { problem: await problemOf(response) });
  const length = response.headers.get('Content-Length');
  const etag = response.headers.get('ETag');
  item.total = length === null ? null : Number(length);
  item.etag = etag?.startsWith('"') && response.headers.get('Accept-Ranges') === 'bytes' ? etag : null;
  if (item.at > 0)
    await item.writer.truncate(0);
  item.at = 0;
}

/* Fetches what is missing into the file. Resolves with null when it is complete, with a problem when it broke
 * off; throws a problem or an error of the disk. */
async function transfer(item, controller) {
  const { signal } = controller;
  item.writer ??= await item.file.createWritable();
  if (item.at === 0 || item.at !== item.total) {
    const goesOn = item.at > 0 && item.etag !== null;
    const headers = goesOn ? { Range: `bytes=${item.at}-`, 'If-Range': item.etag } : {};
    let stalled = setTimeout(() => controller.abort(), STALL_MS * 4); // a plan may have to be made first
    try {
      const response = await fromNetwork(fetch(item.href, { headers, signal, credentials: 'omit', cache: 'no-store' }));
      await begin(item, response);
      const reader = response.body.getReader();
      for (;;) {
        clearTimeout(stalled);
        stalled = setTimeout(() => controller.abort(), STALL_MS);
        const { done, value } = await fromNetwork(reader.read());
        if (done)
          break;
        clearTimeout(stalled); // a slow disk is not a lost connection
        await item.writer.write({ type: 'write', position: item.at, data: value });
        item.at += value.length;
        item.tries = 0;
      }
    } finally {
      clearTimeout(stalled);
    }
  }
  if (item.total !== null && item.at !== item.total)
    return unreachable;
  await item.writer.close();
  item.writer = null;
  item.total = item.at;
  return null;
}

// ------------------------------------------------------------------------------------------------------------
// What one sees

function rowOf(item) {
  const about = `: ${item.file.name}`;
  const button = (text, act) => {
    const node = el('button', { class: 'btn btn-sm downloads-button', type: 'button' }, text, el('span', { class: 'visually-hidden' }, about));
    node.addEventListener('click', act);
    return node;
  };
  const row = {
    bar: el('progress', { class: 'downloads-bar', 'aria-label': `Progress${about}` }),
    facts: el('p', { class: 'downloads-facts' }),
    step: el('p', { class: 'downloads-step' }),
    pause: button('Pause', () => { pause(item); row.resume.focus(); }),
    resume: button('Resume', () => { resume(item); row.pause.focus(); }),
    retry: button('Try again', () => { resume(item); row.pause.focus(); }),
    remove: button('Cancel', () => { remove(item); document.getElementById('url').focus(); }),
  };
  row.node = el('li', { class: 'downloads-item' },
    el('p', { class: 'downloads-name' }, el('span', { class: 'tag' }, item.label), el('bdi', null, item.file.name)), row.bar,
    el('div', { class: 'downloads-actions' }, row.pause, row.resume, row.retry, row.remove), row.facts, row.step);
  return row;
}

/* Bytes a second, smoothed over about three seconds. */
function measure(item, now) {
  if (item.mark && now - item.mark.now >= 500) {
    const recent = (item.at - item.mark.at) * 1000 / (now - item.mark.now);
    item.speed = item.speed === 0 ? recent : item.speed + (recent - item.speed) * 0.2;
  }
  if (!item.mark || now - item.mark.now >= 500)
    item.mark = { now, at: item.at };
}

function factsOf(item, now) {
  const far = item.total === null ? humanSize(item.at) : `${humanSize(item.at)} of ${humanSize(item.total)}`;
  switch (item.state) {
    case 'queued': return item.at > 0 ? `${far} · next in line` : 'Next in line';
    case 'paused': return `${far} · paused`;
    case 'waiting': return `${item.why.detail} Trying again in ${Math.max(1, Math.ceil((item.until - now) / 1000))} s.`;
    case 'failed': return item.why.detail;
    case 'done': return `${humanSize(item.total)} · saved`;
  }
  if (item.speed <= 0)
    return item.at > 0 ? far : 'Starting …';
  const left = item.total === null ? '' : ` · ${humanDuration((item.total - item.at) / item.speed)} left`;
  return `${far} · ${humanSize(item.speed)}/s${left}`;
}

function show(item) {
  const now = performance.now();
  const { row, state } = item;
  const setText = (node, text) => node.textContent !== text && (node.textContent = text);
  if (state === 'running')
    measure(item, now);
  row.node.dataset.state = state;
  setText(row.facts, factsOf(item, now));
  const isStuck = state === 'failed' || (state === 'waiting' && item.why.code !== 'unreachable');
  setText(row.step, isStuck ? nextStep[item.why.code] ?? '' : '');
  if (item.total > 0) {
    row.bar.max = item.total;
    row.bar.value = item.at;
  } else if (state !== 'running') {
    row.bar.value = 0;
  }
  row.pause.hidden = !(isActive(item) || state === 'queued');
  row.resume.hidden = state !== 'paused';
  row.retry.hidden = state !== 'failed';
  row.bar.hidden = state === 'done';
  setText(row.remove.firstChild, state === 'done' || state === 'failed' ? 'Remove' : 'Cancel');
}

if (canSave) {
  setInterval(() => items.filter(isActive).forEach(show), 250);
  // the network is back, or the laptop was opened: no need to wait for the clock
  window.addEventListener('online', () => items.filter((item) => item.state === 'waiting' && item.why.code === 'unreachable').forEach(run));
  window.addEventListener('beforeunload', (event) => {
    if (items.some((item) => isActive(item) || item.state === 'queued' || item.state === 'paused'))
      event.preventDefault();
  });
}
