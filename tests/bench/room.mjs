// The control room with a year behind it: 100,000 rows of usage by the hour and as many by the day, 5,000 keys, 20,000 lines of
// audit log, 5,000 jobs. Every address it asks, and every page in Chromium, should take less than 200 ms at the median.
import { execFileSync } from 'node:child_process';
import path from 'node:path';

import { launch } from '../browser/browser.mjs';
import { routes } from '../integration/room.mjs';
import { atEnd, get, median, startSluice } from './tools.mjs';

const limitMs = 200;
const password = 'correct horse battery';

const seed = `
PRAGMA temp_store = MEMORY;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 4999)
INSERT INTO api_key (id, secret_sha256, label, owner, state, rate_per_hour, expires_unix_s, addresses, created_unix_s)
SELECT printf('%08x', i), printf('%064d', i), 'label of key ' || i, 'owner ' || i % 97, CASE i % 10 WHEN 0 THEN 'disabled' WHEN 1 THEN 'revoked' ELSE 'active' END, 1000, 0, '', unixepoch() - i * 6000 FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
INSERT OR IGNORE INTO usage_hour
SELECT (unixepoch() / 3600 - i % 720) * 3600, printf('%08x', i * 7919 % 5000), '/api/v1/' || CASE i % 3 WHEN 0 THEN 'info' ELSE 'stream' END, CASE i % 4 WHEN 0 THEN 'direct' ELSE 'youtube' END,
  CASE i % 5 WHEN 0 THEN 'audio-m4a' WHEN 1 THEN 'best' ELSE 144 * (i % 5) || 'p-mp4' END, CASE i % 11 WHEN 0 THEN 'quota_exceeded' WHEN 5 THEN 'upstream_failed' ELSE 'ok' END,
  1 + i % 50, i * 1000, i % 7, i % 3, i % 5, i % 7, i % 11, 1, 1, 0, 0 FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
INSERT OR IGNORE INTO usage_day
SELECT (unixepoch() / 86400 - i % 365) * 86400, printf('%08x', i * 7919 % 5000), '/api/v1/' || CASE i % 3 WHEN 0 THEN 'info' ELSE 'stream' END, CASE i % 4 WHEN 0 THEN 'direct' ELSE 'youtube' END,
  CASE i % 5 WHEN 0 THEN 'audio-m4a' WHEN 1 THEN 'best' ELSE 144 * (i % 5) || 'p-mp4' END, CASE i % 11 WHEN 0 THEN 'quota_exceeded' WHEN 5 THEN 'upstream_failed' ELSE 'ok' END,
  1 + i % 50, i * 1000, i % 7, i % 3, i % 5, i % 7, i % 11, 1, 1, 0, 0 FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 19999)
INSERT INTO audit SELECT (unixepoch() - i * 300) * 1000000, 'admin', CASE i % 5 WHEN 0 THEN 'key-update' ELSE 'login' END, printf('%08x', i), '{"rate_per_hour":1}', '{"rate_per_hour":2}' FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 4999)
INSERT INTO job (id, kind, state, owner, input, result, error, message, done_bytes, total_bytes, attempts, max_attempts, run_unix_ms, lease, lease_unix_ms, created_unix_ms, updated_unix_ms)
SELECT printf('%032x', i), 'prepare', CASE i % 9 WHEN 0 THEN 'failed' ELSE 'done' END, 'a:x', '{}', '', '', '', 1, 1, 1, 5, 0, '', 0, (unixepoch() - i * 60) * 1000, unixepoch() * 1000 FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
INSERT OR IGNORE INTO client_health SELECT unixepoch() / 60 - i / 8, 'client' || i % 4, CASE i % 2 WHEN 0 THEN 'normal' ELSE 'kids' END, CASE i % 3 WHEN 0 THEN 'bot_check' ELSE 'ok' END, 1 - i % 3, 5, 900, unixepoch() - i * 7, 'why' FROM n;
`;

// What the pages ask, the heaviest of it; routes that stand here without a query are asked as they are.
const queries = {
  keys: ['limit=50', 'limit=50&offset=4900', 'limit=50&order=label&offset=2500', 'limit=50&search=key%204321', 'limit=50&search=nothing%20like%20it'],
  usage: ['hour', 'day', 'key', 'route', 'site', 'choice', 'error'].flatMap((by) => [`by=${by}&hours=24`, `by=${by}&hours=720`, `by=${by}&hours=720&key=00000007`]),
  audit: ['limit=100', 'limit=100&action=key-update', 'limit=100&action=user-update', 'limit=100&name=nobody'],
  jobs: ['limit=200', 'limit=200&state=failed', 'limit=200&state=running'],
};
const untimed = ['events']; // goes on for ever

async function benchRoutes(table, sluice, cookie) {
  const slow = [];
  for (const { route, method } of routes.filter((one) => one.method === 'GET' && !untimed.includes(one.route))) {
    let worst = { ms: 0 };
    for (const query of queries[route] ?? ['']) {
      const times = [];
      for (let i = 0; i < 15; i++) {
        const began = performance.now();
        const answer = await get(`${sluice.base}/api/v1/admin/${route}?${query}`, { cookie });
        times.push(performance.now() - began);
        if (answer.status !== 200) throw new Error(`${method} ${route}?${query} answers ${answer.status}: ${answer.body}`);
      }
      if (median(times) > worst.ms) worst = { ms: median(times), query };
    }
    table.push([`control room, ${route}${worst.query ? `?${worst.query}` : ''}, ms`, worst.ms.toFixed(1), `limit ${limitMs}`, (worst.ms / limitMs).toFixed(3)]);
    if (worst.ms > limitMs) slow.push(route);
  }
  return slow;
}

// From the click until the page with its data is there.
async function benchPages(table, sluice) {
  const slow = [];
  const browser = await launch();
  atEnd(() => browser.close());
  const page = await browser.newPage();
  await page.goto(`${sluice.base}/admin/`);
  await page.getByLabel('Password').fill(password);
  await page.keyboard.press('Enter');
  const tabs = page.locator('.admin-tabs a');
  await tabs.first().waitFor();
  const names = await tabs.allTextContents();
  const times = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < 7; round++) {
    for (const name of names) {
      const began = performance.now();
      await page.getByRole('link', { name, exact: true }).click();
      await page.getByRole('heading', { level: 1 }).filter({ hasText: name }).waitFor();
      times[name].push(performance.now() - began);
    }
  }
  for (const name of names) {
    const ms = median(times[name]);
    table.push([`control room, the page "${name}" in Chromium, ms`, ms.toFixed(0), `limit ${limitMs}`, (ms / limitMs).toFixed(2)]);
    if (ms > limitMs) slow.push(name);
  }
  return slow;
}

export async function benchRoom(table) {
  const sluice = await startSluice({ SLUICE_ADMIN_PASSWORD: password, SLUICE_LOG_LEVEL: 'warn' });
  execFileSync('sqlite3', ['-cmd', '.timeout 5000', path.join(sluice.dataDir, 'sluice.db')], { input: `BEGIN;${seed}COMMIT;` });
  const answer = await fetch(`${sluice.base}/api/v1/admin/login`, { method: 'POST', body: new URLSearchParams({ name: 'admin', password }) });
  const cookie = answer.headers.get('set-cookie').split(';')[0];
  const slow = [...await benchRoutes(table, sluice, cookie), ...await benchPages(table, sluice)];
  if (slow.length) table.push([`control room, over ${limitMs} ms`, slow.join(', '), '', '']);
}
