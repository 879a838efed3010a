/* Questions to the server, and the links in what people paste. */
import { unreachable } from './problem.js';

const api = new URL('api/v1/', document.baseURI);

/* A download by link and choice, for what has not been looked up. */
export function streamOf(url, choice) {
  const address = new URL('stream', api);
  address.searchParams.set('url', url);
  address.searchParams.set('choice', choice);
  return address.href;
}

/* { body } or { problem }; throws only when a signal was used. */
async function answerTo(address, options = {}) {
  let response;
  try {
    response = await fetch(address, { credentials: 'omit', ...options, headers: { Accept: 'application/json', ...options.headers } });
    const body = await response.json();
    if (response.ok && body !== null && typeof body === 'object')
      return { body };
    if (typeof body?.code === 'string')
      return { problem: body };
  } catch (error) {
    if (options.signal?.aborted)
      throw error;
  }
  return { problem: response ? { code: 'nonsense', retryable: true } : unreachable };
}

/* The same of GET api/v1/`route`. */
export function ask(route, fields, signal) {
  const address = new URL(route, api);
  for (const [name, value] of Object.entries(fields))
    address.searchParams.set(name, value);
  return answerTo(address, { signal });
}

/* What the server says of itself to those who look something up: `pause`, a problem while it begins no new
 * downloads, and `uploads`, where it can send files. An answer that takes its time is not waited for. */
export async function serverState() {
  try {
    const response = await fetch(new URL('health', document.baseURI), { credentials: 'omit', signal: AbortSignal.timeout(1000) });
    const { maintenance, uploads = [] } = await response.json();
    return { pause: typeof maintenance === 'string' ? { code: 'maintenance', retryable: true, detail: maintenance } : null, uploads };
  } catch {
    return { pause: null, uploads: [] };
  }
}

/* Queues work that outlives the page. As ask(). */
export const order = (fields) => answerTo(new URL('jobs', api), { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(fields) });

/* An answer to an address of this server that another answer has told. */
export const askAt = (address) => answerTo(new URL(address, document.baseURI));

/* People share "Look at this: https://…": the links in a text. What is one link as a whole is left as it is. */
export function linksIn(text) {
  const trimmed = text.trim();
  if (/^https?:\/\/\S+$/i.test(trimmed))
    return [trimmed];
  const found = [...trimmed.matchAll(/https?:\/\/[^\s<>"]+/gi)].map(([link]) => link.replace(/[).,;!]+$/, ''));
  return [...new Set(found)];
}
