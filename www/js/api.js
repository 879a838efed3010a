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

/* { body } or { problem } of GET api/v1/`route`; throws only when `signal` was used. */
export async function ask(route, fields, signal) {
  const address = new URL(route, api);
  for (const [name, value] of Object.entries(fields))
    address.searchParams.set(name, value);
  let response;
  try {
    response = await fetch(address, { headers: { Accept: 'application/json' }, credentials: 'omit', signal });
    const body = await response.json();
    if (response.ok && body !== null && typeof body === 'object')
      return { body };
    if (typeof body?.code === 'string')
      return { problem: body };
  } catch (error) {
    if (signal?.aborted)
      throw error;
  }
  return { problem: response ? { code: 'nonsense', retryable: true } : unreachable };
}

/* What whoever runs the server says while it begins no new downloads, for those who look something up; null: it
 * does. An answer that takes its time is not waited for. */
export async function maintenance() {
  try {
    const response = await fetch(new URL('health', document.baseURI), { credentials: 'omit', signal: AbortSignal.timeout(1000) });
    const { maintenance: message } = await response.json();
    return typeof message === 'string' ? { code: 'maintenance', retryable: true, detail: message } : null;
  } catch {
    return null;
  }
}

/* People share "Look at this: https://…": the links in a text. What is one link as a whole is left as it is. */
export function linksIn(text) {
  const trimmed = text.trim();
  if (/^https?:\/\/\S+$/i.test(trimmed))
    return [trimmed];
  const found = [...trimmed.matchAll(/https?:\/\/[^\s<>"]+/gi)].map(([link]) => link.replace(/[).,;!]+$/, ''));
  return [...new Set(found)];
}
