/* What a text is, by the very C code the server reads links with (src/site/link.c as WebAssembly): page and server
 * cannot disagree. Where there is no WebAssembly the server alone decides. */
let wasm = null;

/* Same numbers as enum link_kind. Kinds that are not named here are links as well. */
export const BAD = 0;
export const VIDEO = 1;
export const DIRECT = 2;
export const OTHER = 3;

async function load() {
  try {
    const response = await fetch('link.wasm', { signal: AbortSignal.timeout(2000) });
    wasm = (await WebAssembly.instantiate(await response.arrayBuffer())).instance.exports;
  } catch {
    // then nothing is said while one types
  }
}

export const ready = load();

/* Words to search for: links have no spaces in them, and something that parts a host from a path or a domain.
 * The server says the same (src/serve/page_list.c). */
export const isWords = (text) => text.trim() !== '' && !text.includes('://') && (/\s/.test(text.trim()) || !/[./:]/.test(text));

/* { kind, url }, or null where only the server can say: names that are not ASCII are its business. */
export function check(text) {
  if (wasm === null || /[^\x20-\x7e\s]/.test(text))
    return null;
  const bytes = new TextEncoder().encode(text);
  const room = wasm.link_text_max();
  if (bytes.length > room)
    return { kind: BAD, url: '' };
  new Uint8Array(wasm.memory.buffer, wasm.link_text(), room).set(bytes);
  const kind = wasm.link_check(bytes.length);
  const answer = new Uint8Array(wasm.memory.buffer, wasm.link_url());
  return { kind, url: new TextDecoder().decode(answer.subarray(0, answer.indexOf(0))) };
}
