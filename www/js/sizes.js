/* Exact sizes of joined files, where the look-up did not know them yet. Making one known costs the server
 * questions to the source, so whoever asks says which are worth it. The server answers at once and makes what is missing behind its answer: then it is asked again. */
import { ask } from './api.js';

const AT_ONCE = 2;
const WAITS_MS = [250, 500, 1000, 2000, 4000, 8000]; // then "about" it stays
const DWELL_MS = 200; // a pointer that only passes by asks for nothing

export const canBeExact = (choice) => choice.size_exact === false && choice.resumable === true;

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/* Returns what asks for the size of a choice. `show(choice)` is called when it has become exact; `isShown()`
 * says whether anybody still looks. */
export function sizeAsker(show, isShown) {
  const asked = new Set();
  const queue = [];
  let running = 0;

  async function settle(choice) {
    const data = new URL(choice.stream_url, document.baseURI).searchParams.get('data');
    for (const ms of WAITS_MS) {
      const { body } = await ask('size', { data });
      if (body?.size_exact) {
        Object.assign(choice, { size_bytes: body.size_bytes, size_exact: true });
        show(choice);
      }
      if (!body?.pending)
        return;
      await pause(ms);
      if (!isShown())
        return;
    }
  }

  async function work() {
    running++;
    while (queue.length > 0 && isShown())
      await settle(queue.shift());
    running--;
  }

  return (choice) => {
    if (!canBeExact(choice) || asked.has(choice.id))
      return;
    asked.add(choice.id);
    queue.push(choice);
    if (running < AT_ONCE)
      work();
  };
}

/* Asks when a person points at the row, with whatever they have. */
export function askWhenPointed(row, act) {
  let timer;
  row.addEventListener('pointerenter', () => { timer = setTimeout(act, DWELL_MS); });
  row.addEventListener('pointerleave', () => clearTimeout(timer));
  row.addEventListener('focusin', act);
}
