/* What the server says by itself. Where its events do not get through (a web server that collects answers, a proxy), it
 * is asked every 30 seconds instead. */
import { get } from './ask.js';

const PATIENCE_MS = 8000; // events come every two seconds
const POLL_MS = 30000;
const POLL_SOON_MS = 1000;

/* Calls `show` with every state, until what it gives back is called; `fail` with a refusal, and then no more. */
export function follow(show, fail) {
  const events = new EventSource('../api/v1/admin/events');
  let heard = 0;
  let timer = 0;
  let over = false;
  const end = () => {
    over = true;
    events.close();
    clearTimeout(timer);
  };
  const shown = (state) => {
    if (!over && !document.hidden) show(state);
  };
  events.addEventListener('dashboard', (event) => {
    heard = Date.now();
    shown(JSON.parse(event.data));
  });
  const look = async () => {
    const silent = Date.now() - heard > PATIENCE_MS;
    if (silent && !document.hidden) {
      try {
        shown(await get('dashboard'));
      } catch (error) {
        if (over) return;
        end();
        return void fail(error);
      }
    }
    if (!over) timer = setTimeout(look, silent ? POLL_MS : PATIENCE_MS);
  };
  timer = setTimeout(look, PATIENCE_MS);
  events.addEventListener('error', () => {
    if (over || heard || events.readyState === EventSource.CONNECTING) return;
    clearTimeout(timer); // they will not come
    timer = setTimeout(look, POLL_SOON_MS);
  });
  return end;
}
