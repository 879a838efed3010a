/* Downloads that the page writes to the disk itself, where the browser lets it (File System Access API): they
 * show how far they are, can be paused, and go on after a lost connection, a server that is restarted, a laptop
 * that was closed or a page that was loaded anew. Elsewhere the links stay plain ones, and the browser downloads.
 *
 * One item goes through these states:
 *
 *   queued → running → done
 *              ├ waiting   the connection was lost or the server asked for patience; goes on by itself
 *              ├ paused    by the person, or by a browser that wants to be asked again; keeps its place
 *              └ failed    nothing that waiting would heal; can be tried again */
import { plain, say } from './dom.js';
import { t } from './i18n.js';
import * as kept from './kept.js';
import { wordsFor } from './problem.js';
import { diskProblem, keep, transfer } from './transfer.js';
import * as tray from './tray.js';

const AT_ONCE = 2; // more would only share the same line
const BACK_OFF_MS = [1000, 2000, 4000, 8000, 15000, 30000];
const PATIENCE = 6; // answers in a row that say "the source failed" before it is believed
const DIALOG_MS = 100; // nobody closes a dialog faster: there was none

export const canSave = 'showSaveFilePicker' in window && window.isSecureContext;
const items = [];

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
  add({ href, file, label });
  say(t('say.started', { name: file.name }));
  return true;
}

/* A folder for many files; null: there is no such dialog here; undefined: the person thought better of it. */
export async function pickFolder() {
  if (!canSave || !('showDirectoryPicker' in window))
    return null;
  const asked = performance.now();
  try {
    return await self.showDirectoryPicker({ id: 'sluice', startIn: 'downloads', mode: 'readwrite' });
  } catch (error) {
    return error.name === 'AbortError' && performance.now() - asked > DIALOG_MS ? undefined : null;
  }
}

/* The same into a folder, under a name nothing there has. */
export async function saveInto(folder, { href, title, container, label }) {
  for (let n = 1; ; n++) {
    const name = fileName(n === 1 ? title : `${title} (${n})`, container);
    const isTaken = await folder.getFileHandle(name).then(() => true, (error) => error.name !== 'NotFoundError');
    if (!isTaken) {
      add({ href, file: await folder.getFileHandle(name, { create: true }), label });
      return;
    }
  }
}

function add(beginning) {
  const item = { id: crypto.randomUUID(), state: 'queued', at: 0, kept: 0, total: null, etag: null, writer: null,
    controller: null, ended: null, tries: 0, speed: 0, ...beginning };
  item.row = tray.addRow(item, { pause, resume, remove });
  items.push(item);
  tray.show(item);
  kept.hold(item.id);
  kept.put(item);
  next();
  return item;
}

/* What an earlier load of this page left unfinished. Where the browser wants to be asked again before the page
 * may write, that takes a click. */
export async function takeUp() {
  if (!canSave)
    return;
  for (const entry of await kept.all()) {
    if (!await kept.hold(entry.id))
      continue; // another tab has it
    const isAllowed = await entry.file.queryPermission?.({ mode: 'readwrite' }).catch(() => 'denied') ?? 'granted';
    const goesOn = isAllowed === 'granted' && entry.state !== 'paused' && entry.state !== 'failed';
    add({ ...entry, kept: entry.at, state: goesOn ? 'queued' : 'paused' });
  }
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
  tray.show(item);
}

function next() {
  for (const item of items) {
    if (items.filter(isActive).length >= AT_ONCE)
      return;
    if (item.state === 'queued')
      run(item);
  }
}

/* Once the last write is through, what there is of the file is safe on the disk. */
const keepAfterwards = (item) => {
  item.ended = Promise.resolve(item.ended).then(() => keep(item)).catch(() => { item.writer = null; })
    .then(() => items.includes(item) && (tray.show(item), kept.put(item)));
};

function pause(item) {
  item.controller?.abort();
  become(item, 'paused');
  keepAfterwards(item);
  next();
}

async function resume(item) {
  const permission = await item.file.requestPermission?.({ mode: 'readwrite' }).catch(() => 'granted') ?? 'granted';
  if (permission !== 'granted')
    return;
  item.tries = 0;
  become(item, 'queued');
  next();
}

async function remove(item) {
  items.splice(items.indexOf(item), 1);
  item.controller?.abort();
  clearTimeout(item.timer);
  item.state = 'removed';
  tray.removeRow(item);
  kept.drop(item.id);
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
  tray.show(item);
  keepAfterwards(item);
}

/* Whether to wait it out. Being busy, unreachable or worked on passes; a source that keeps failing does not. */
function isPatient(item, problem) {
  return ['unreachable', 'busy', 'maintenance'].includes(problem.code) || (problem.retryable === true && item.tries < PATIENCE);
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
    if (problem?.code.startsWith('disk')) { // this writer is done for
      item.writer = null;
      item.at = 0;
      item.kept = 0;
    }
    if (item.controller !== controller || item.state !== 'running')
      return; // paused or removed meanwhile
    if (problem === null) {
      become(item, 'done');
      kept.drop(item.id);
      say(t('say.saved', { name: item.file.name }));
    } else if (isPatient(item, problem)) {
      wait(item, problem);
    } else {
      become(item, 'failed', problem);
      say(t('say.failed', { name: item.file.name, why: wordsFor(problem).text }));
    }
    next();
  })();
}

if (canSave) {
  setInterval(() => items.filter(isActive).forEach(tray.show), 250);
  // the network is back, or the laptop was opened: no need to wait for the clock
  window.addEventListener('online', () => items.filter((item) => item.state === 'waiting' && item.why.code === 'unreachable').forEach(run));
  // who looks elsewhere may be about to close the page
  document.addEventListener('visibilitychange', () => items.forEach((item) => { item.isKeepingDue = document.hidden; }));
  window.addEventListener('beforeunload', (event) => {
    if (items.some((item) => isActive(item) || item.state === 'queued'))
      event.preventDefault();
  });
}
