/* The bytes of one download: from the server into the file.
 *
 * Bytes of two versions of a file are never joined: it goes on only with If-Range and the strong ETag of its
 * beginning. Whatever answers otherwise has it start over.
 *
 * What is written becomes the file's only when the writer is closed, which copies what was there before. So it is
 * closed in between, each time half as much again has come: what a page that dies loses is a third at most. */
import * as kept from './kept.js';
import { unreachable } from './problem.js';

const STALL_MS = 30000; // without one byte, the connection counts as lost
const KEEP_BYTES = 16e6; // less is not worth a copy

const failure = (problem) => Object.assign(new Error(problem.code), { problem });

export const diskProblem = (error) => ({ code: error.name === 'QuotaExceededError' ? 'disk_full' : 'disk', retryable: false });

/* Resolves with what `promise` does, or throws "unreachable" when that is an error of the network. */
const fromNetwork = (promise) => promise.catch(() => { throw failure(unreachable); });

async function problemOf(response) {
  const body = await response.json().catch(() => null);
  if (typeof body?.code === 'string')
    return body;
  // a web server whose programs are being restarted answers for itself
  return response.status >= 500 ? unreachable : { code: 'nonsense', retryable: false };
}

/* Where the answer begins: at item.at, or at 0 when it is the whole file. Throws what the server said instead. */
async function begin(item, response) {
  if (response.status === 206) {
    const [, from, to, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '') ?? [];
    if (Number(from) !== item.at || Number(total) !== item.total || Number(to) !== item.total - 1)
      throw failure({ code: 'source_changed', retryable: false });
    return;
  }
  if (response.status !== 200)
    throw failure(await problemOf(response));
  const length = response.headers.get('Content-Length');
  const etag = response.headers.get('ETag');
  item.total = length === null ? null : Number(length);
  item.etag = etag?.startsWith('"') && response.headers.get('Accept-Ranges') === 'bytes' ? etag : null;
  if (item.at > 0)
    await item.writer.truncate(0);
  item.at = 0;
  item.kept = 0;
}

/* Opens the file where it was left. One that is not what was kept of it is written anew. */
async function open(item) {
  if (item.writer !== null)
    return;
  if (item.at > 0 && (await item.file.getFile()).size !== item.at)
    item.at = 0;
  item.writer = await item.file.createWritable({ keepExistingData: item.at > 0 });
}

/* Makes all that was written the file's own, and notes how much that is. */
export async function keep(item) {
  if (item.writer === null)
    return;
  const writer = item.writer;
  item.writer = null;
  await writer.close();
  item.kept = item.at;
  item.isKeepingDue = false;
  await kept.put(item);
}

const isTimeToKeep = (item) => item.at > item.kept && (item.isKeepingDue || item.at - item.kept >= Math.max(KEEP_BYTES, item.kept / 2));

/* Fetches what is missing into the file. Resolves with null when it is complete, with a problem when it broke
 * off; throws a problem or an error of the disk. */
export async function transfer(item, controller) {
  const { signal } = controller;
  await open(item);
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
        if (isTimeToKeep(item)) {
          await keep(item);
          await open(item);
        }
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
