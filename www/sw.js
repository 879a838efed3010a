/* The page's own files, and nothing else, for when the server or the network is away: then there is still the page,
 * which says so, and downloads that wait. What the server says now always comes first, so a new version of the
 * page is there at once. Links, answers and media never pass through here. */
const CACHE = 'shell';
const shell = ['./', 'app.js', 'sluice.css', 'vendor/bootstrap.min.css', 'vendor/icons.css', 'favicon.svg', 'link.wasm', 'sluice.webmanifest'];
const folder = new URL('./', self.location).href;

/* The name it is kept under; null: none of ours. ?url=… leads to the same page. */
function nameOf(request) {
  if (request.method !== 'GET' || !request.url.startsWith(folder))
    return null;
  const name = request.url.slice(folder.length).replace(/[?#].*$/s, '') || './';
  return shell.includes(name) || /^locales\/[a-z]+\.json$/.test(name) ? name : null;
}

self.addEventListener('install', (event) => {
  const fill = async () => {
    const cache = await caches.open(CACHE);
    await Promise.all(shell.map((name) => cache.add(name)));
    await self.skipWaiting();
  };
  event.waitUntil(fill());
});

self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));

async function answer(event, name) {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(event.request);
    if (response.ok && !response.redirected)
      event.waitUntil(cache.put(name, response.clone()));
    return response;
  } catch (error) {
    const kept = await cache.match(name);
    if (kept)
      return kept;
    throw error;
  }
}

self.addEventListener('fetch', (event) => {
  const name = nameOf(event.request);
  if (name !== null)
    event.respondWith(answer(event, name));
});
