/* What is left of downloads when the page is loaded anew: which file, where it comes from, and how much of it is
 * safe. IndexedDB can keep the handle of a file; nothing of it leaves the browser. A browser that keeps nothing has
 * downloads that end with the page. */
const STORE = 'downloads';

let opened = null;

const settled = (request) => new Promise((resolve, reject) => {
  request.addEventListener('success', () => resolve(request.result));
  request.addEventListener('error', () => reject(request.error));
});

function database() {
  opened ??= (() => {
    const request = indexedDB.open('sluice', 1);
    request.addEventListener('upgradeneeded', () => request.result.createObjectStore(STORE, { keyPath: 'id' }));
    return settled(request);
  })();
  return opened;
}

async function use(mode, act) {
  try {
    return await settled(act((await database()).transaction(STORE, mode).objectStore(STORE)));
  } catch {
    return null;
  }
}

export const put = ({ id, href, file, label, state, kept, total, etag }) =>
  use('readwrite', (store) => store.put({ id, href, file, label, state, at: kept, total, etag }));
export const drop = (id) => use('readwrite', (store) => store.delete(id));
export const all = async () => await use('readonly', (store) => store.getAll()) ?? [];

/* True: no other tab has this one, and none gets it while this page lives. */
export const hold = (id) => new Promise((resolve) => {
  if (!navigator.locks) {
    resolve(true);
    return;
  }
  navigator.locks.request(`download ${id}`, { ifAvailable: true }, (lock) => {
    resolve(lock !== null);
    return lock === null ? null : new Promise(() => {});
  }).catch(() => resolve(true));
});
