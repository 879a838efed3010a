// The control room in a real browser, second part: client data edited, parts of extraction tried, a second factor, and
// hostile texts in every place that shows texts of the outside.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { forkOrigin } from '../origin/origin.mjs';
import { startStack, until } from '../integration/harness.mjs';
import { password, signIn as session, totp } from '../integration/room.mjs';
import { around, diff } from '../../www/js/admin/diff.js';
import { judge, launch, look, sizes, withPage } from './browser.mjs';

const watch = (id) => `https://www.youtube.com/watch?v=${id}`;
let browser;
let origin;
let stack;

before(async () => {
  [browser, origin] = await Promise.all([launch(), forkOrigin()]);
  stack = await startStack({ origin, env: { SLUICE_ADMIN_PASSWORD: password, SLUICE_PREPARE: '0', SLUICE_POT_PROVIDER_URL: origin.proxyUrl } });
});
after(async () => {
  await browser?.close();
  await stack?.stop();
  await origin?.stop();
});

async function signIn(page, base = stack.base) {
  await page.goto(`${base}/admin/`);
  await page.getByLabel('Password').fill(password);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Dashboard' }).waitFor();
}
const open = async (page, tab) => {
  await page.getByRole('link', { name: tab, exact: true }).click();
  await page.getByRole('heading', { level: 1 }).filter({ hasText: tab }).waitFor();
};
const tabsOf = (page) => page.locator('.admin-tabs a').allTextContents();

test('what differs between two texts: both can be made of it again, and what is the same is left out', () => {
  let seed = 1;
  const random = (n) => (seed = (seed * 48271) % 0x7fffffff) % n;
  const text = () => Array.from({ length: random(9) }, () => 'abc'[random(3)]).join('\n');
  for (let i = 0; i < 2000; i++) {
    const [before_, after_] = [text(), text()];
    const rows = diff(before_, after_);
    assert.equal(rows.filter(([kind]) => kind !== '+').map(([, line]) => line).join('\n'), before_);
    assert.equal(rows.filter(([kind]) => kind !== '-').map(([, line]) => line).join('\n'), after_);
    if (before_ === after_) assert.ok(rows.every(([kind]) => kind === ' '));
  }
  const long = Array.from({ length: 100 }, (_, i) => `line ${i}`);
  const shown = around(diff(long.join('\n'), [...long.slice(0, 50), 'new', ...long.slice(51)].join('\n')), 2);
  assert.deepEqual(shown, [null, [' ', 'line 48'], [' ', 'line 49'], ['-', 'line 50'], ['+', 'new'], [' ', 'line 51'], [' ', 'line 52'], null]);
});

describe('extraction', () => {
  let next = 0;
  const engineNow = async () => (await stack.info(watch(`sluiceV${String(next++).padStart(4, '0')}`))).json().engine;

  test('client data: a mistake changes nothing, a good file holds at once, and there is a way back', () =>
    withPage(browser, stack.base, { refused: 2, cookies: 1 }, async (page) => {
      await signIn(page);
      await open(page, 'Extraction');
      await page.getByText('In force: the built-in ones').waitFor();
      const editor = page.getByLabel('Client data (JSON)');
      const builtIn = await editor.inputValue();

      await editor.fill(builtIn.replace('"order": [', '"order": [[,'));
      await page.getByRole('button', { name: 'Check and compare' }).click();
      await page.getByRole('alert').filter({ hasText: /nothing has changed: line \d+, column \d+/ }).waitFor();
      const line = await editor.evaluate((node) => node.value.slice(node.selectionStart, node.selectionEnd));
      assert.match(line, /"order": \[\[,/, 'the line of the mistake is selected');
      assert.equal(await page.getByRole('button', { name: 'Save' }).count(), 0);
      await editor.fill(builtIn.replace('"visitor_ttl_s"', '"visitor_ttl"'));
      await page.getByRole('button', { name: 'Check and compare' }).click();
      await page.getByRole('alert').filter({ hasText: 'visitor_ttl' }).waitFor();
      assert.equal(await engineNow(), 'youtube:visionos');

      const fresh = builtIn.replace(/"order": \[[^\]]*\]/, '"order": ["android"]');
      await editor.fill(fresh);
      await editor.press('Tab'); // out of it, and to the button
      await page.keyboard.press('Enter');
      await page.getByText('1 line added, 1 line removed').waitFor();
      assert.match(await page.locator('.admin-diff ins').textContent(), /"order": \["android"\]/);
      await judge(page, 'admin-client-data-light');
      await editor.press('End');
      await editor.pressSequentially(' '); // what was compared is not what is saved any more
      await page.getByRole('button', { name: 'Save' }).waitFor({ state: 'detached' });
      await page.getByRole('button', { name: 'Check and compare' }).click();
      await page.getByRole('button', { name: 'Save' }).click();
      await page.getByText('Saved. Every process uses it').waitFor();
      assert.equal(await engineNow(), 'youtube:android');

      // Somebody else is faster.
      await editor.fill(`${fresh}\n\n`);
      await page.getByRole('button', { name: 'Check and compare' }).click();
      const other = await session(stack);
      const { sha256 } = (await other.get('clients/data')).json();
      assert.equal((await other.post('clients/save', { built_in: '1', base: sha256 })).status, 200);
      await page.getByRole('button', { name: 'Save' }).click();
      await page.getByRole('alert').filter({ hasText: 'Somebody else has saved meanwhile' }).waitFor();
      assert.equal(await engineNow(), 'youtube:visionos');

      await open(page, 'Cache');
      await open(page, 'Extraction');
      await page.getByRole('row').filter({ hasText: 'admin' }).getByRole('button', { name: 'Restore' }).click();
      await page.getByText('Restored.').waitFor();
      assert.equal(await engineNow(), 'youtube:android');
      await page.getByRole('button', { name: 'Back to the built-in ones' }).click();
      await page.getByText('The built-in ones are in force.').waitFor();
      assert.equal(await engineNow(), 'youtube:visionos');
      await open(page, 'Audit log');
      await page.getByRole('row').filter({ hasText: 'clients-save' }).first().waitFor();
    }));

  test('each part is tried by its button, and a failure is read step by step', () =>
    withPage(browser, stack.base, { refused: 1, cookies: 1 }, async (page) => {
      for (const where of ['*/player', '/youtubei/v1/reel/*']) await origin.script({ match: { path: where }, times: Infinity, action: { type: 'status', status: 500 } });
      assert.equal((await stack.info(watch('sluiceV0990'))).status, 502);
      await origin.reset();
      await signIn(page);
      await open(page, 'Extraction');
      await page.getByLabel('Link to try with').fill(watch('sluiceDemo1'));
      const row = (table, name) => page.getByRole('region', { name: table, exact: true }).getByRole('row').filter({ hasText: name });
      for (const [table, name] of [['Engines', 'native'], ['Client profiles', 'android'], ['Ways out', '127.0.0.1'], ['Clients that need tokens', 'mweb']]) {
        await row(table, name).getByRole('button', { name: 'Test' }).click();
        await row(table, name).getByText('works').waitFor();
      }
      await row('Engines', 'native').locator('summary').first().click();
      assert.match(await row('Engines', 'native').locator('.admin-steps').textContent(), /POST https:\/\/www\.youtube\.com\/youtubei\/v1\/player.*status 200/);
      await row('Engines', 'resolver').getByRole('button', { name: 'Test' }).click();
      await row('Engines', 'resolver').getByText('unsupported_site').waitFor();

      const failure = page.getByRole('region', { name: 'Failures' }).getByRole('row').nth(1);
      await failure.locator('summary').first().click();
      assert.match(await failure.locator('.admin-steps').textContent(), /status 500/);
      await judge(page, 'admin-tested-light');
    }));
});

test('a second factor: the picture, a code, and who has lost it', () =>
  withPage(browser, stack.base, { refused: 4, cookies: 1, viewport: sizes.phone }, async (page) => {
    await signIn(page);
    await open(page, 'Users');
    const panel = page.locator('.admin-panel').filter({ hasText: 'Your second factor' });
    await panel.getByLabel('Your password').fill(password);
    await panel.getByRole('button', { name: 'Set up' }).click();
    await panel.getByRole('img', { name: /^QR code/ }).waitFor();
    const secret = await panel.locator('code').textContent();
    await judge(page, 'admin-totp-phone');
    await panel.getByRole('textbox', { name: 'Code' }).fill('12 34');
    await page.keyboard.press('Enter');
    await panel.getByRole('alert').filter({ hasText: 'current code' }).waitFor();
    const code = totp(secret);
    await panel.getByRole('textbox', { name: 'Code' }).fill(`${code.slice(0, 3)} ${code.slice(3)}`);
    await page.keyboard.press('Enter');
    await panel.getByText('shown this once').waitFor();
    const recovery = await panel.locator('.admin-codes li').allTextContents();
    assert.equal(recovery.length, 10);
    await judge(page, 'admin-recovery-phone');

    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await page.getByText('You are signed out').waitFor();
    assert.ok(!(await page.getByLabel('Code').isVisible()));
    await page.getByLabel('Password').fill(password);
    await page.keyboard.press('Enter');
    await page.getByLabel('Code').waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.name), 'code');
    await judge(page, 'admin-code-phone');
    await page.keyboard.type('000000');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').filter({ hasText: 'current code' }).waitFor();
    await page.getByLabel('Code').fill(recovery[0]);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Users' }).waitFor();
    await panel.getByText('On: signing in').waitFor();
    await panel.getByLabel('Your password').fill(password);
    await panel.getByRole('button', { name: 'Switch off' }).click();
    await panel.getByText('Off: your password alone').waitFor();
  }));

describe('hostile texts', () => {
  const hostile = [
    '<img src=x onerror=pwned=1>',
    '"><svg onload=pwned=1>',
    '</textarea></pre></td></table><iframe src=javascript:pwned=1></iframe>',
    '<script>pwned=1</script>',
    "';pwned=1;//",
    'javascript:pwned=1',
    '${pwned=1}{{pwned=1}}',
    '<a href=javascript:pwned=1>',
    '\u202e<b onclick=pwned=1>\u202c',
    '=cmd|\' /C calc\'!A0',
  ];
  const quote = (text) => `'${text.replaceAll("'", "''")}'`;
  let evil;
  let admin;

  // Whatever an upstream, a client or another administrator may have put there, in every column that is text.
  before(async () => {
    evil = await startStack({ origin, env: { SLUICE_ADMIN_PASSWORD: password, SLUICE_PREPARE: '0' } });
    admin = await session(evil);
    const seconds = Math.floor(Date.now() / 1000);
    const hour = seconds - (seconds % 3600);
    const statements = hostile.flatMap((text, i) => {
      const s = quote(text);
      const trace = quote(JSON.stringify(['call', 'outcome', 'solved', 'note', text].map((step) => ({ step, at_ms: 1, client: text, method: text, host: text, path: text, range: text, error: i % 2 ? text : undefined, headers: { [text]: text }, kind: text, outcome: text, why: text }))));
      const short = quote(text.slice(0, 31)); // as much as is counted by
      const counts = `1, 1, 0, ${Array(8).fill(0).join()}`;
      return [
        `INSERT INTO usage_hour VALUES (${hour}, ${short}, ${short}, ${short}, ${short}, ${short}, ${counts})`,
        `INSERT INTO usage_day VALUES (${hour - (hour % 86400)}, ${short}, ${short}, ${short}, ${short}, ${short}, ${counts})`,
        `INSERT INTO extract_failure VALUES (${seconds}${String(i).padStart(6, '0')}, ${s}, ${s}, ${s}, ${s}, ${trace})`,
        `INSERT INTO client_health VALUES (${Math.floor(seconds / 60)}, ${s}, ${s}, ${s}, -1, 1, 1, ${seconds}, ${s})`,
        `INSERT INTO job (id, kind, state, owner, input, result, error, message, done_bytes, total_bytes, attempts, max_attempts, run_unix_ms, lease, lease_unix_ms, created_unix_ms, updated_unix_ms)
           VALUES ('${String(i).padStart(32, '0')}', ${quote(text.slice(0, 12))}, 'done', 'k:00000000', ${quote(JSON.stringify({ url: text, choice: text, name: text }))}, ${quote(JSON.stringify({ x: text }))}, '', ${s}, 1, 2, 1, 1, 0, '', 0, ${seconds}000, ${seconds}000)`,
        `INSERT INTO audit VALUES (${seconds}${String(500000 + i)}, ${s}, ${s}, ${s}, ${quote(JSON.stringify({ [text]: text }))}, ${quote(JSON.stringify(text))})`,
        `INSERT INTO client_version VALUES (${seconds}${String(i).padStart(6, '0')}, ${s}, ${quote(String(i).padStart(64, '<'))}, ${s})`,
        `INSERT INTO content_cache VALUES (${s}, ${s}, ${s}, 'stored', ${s}, ${s}, ${s}, ${s}, 1, 1, ${seconds}, ${seconds}, ${seconds + 9999})`,
      ];
    });
    await evil.sql(`BEGIN; ${statements.join(';\n')}; COMMIT;`);
    for (const text of hostile) assert.equal((await admin.post('keys/create', { label: text, owner: text })).status, 200);
    for (const text of hostile) await evil.info(watch('sluiceHtml1'), { headers: { 'user-agent': encodeURI(text), referer: encodeURI(text) } });
  });
  after(() => evil?.stop());

  test('are text in what the operator tells everybody', async () => {
    const message = `${hostile[0]}${hostile[1]}`;
    for (const [name, value] of [['maintenance_message', message], ['maintenance', 'on']]) assert.equal((await admin.post('settings', { name, value })).status, 200);
    const file = `/api/v1/stream?${new URLSearchParams({ url: watch('sluiceDemo1'), choice: 'format-140' })}`;
    await until(async () => (await evil.get(file, { method: 'HEAD' })).status === 503, 'the maintenance');
    for (const javaScriptEnabled of [true, false]) {
      await withPage(browser, evil.base, { refused: javaScriptEnabled ? 0 : 1, javaScriptEnabled }, async (page) => {
        if (javaScriptEnabled) await look(page, evil.base, watch('sluiceDemo1'));
        else await page.goto(evil.base + file);
        await page.getByText(message).first().waitFor();
        assert.equal(await page.locator('img[src=x], svg[onload]').count(), 0);
        if (javaScriptEnabled) assert.equal(await page.evaluate(() => window.pwned), undefined);
      });
    }
    assert.equal((await admin.post('settings', { name: 'maintenance', reset: '1' })).status, 200);
  });

  test('are text on every page', () =>
    withPage(browser, evil.base, { refused: 1, cookies: 1 }, async (page) => {
      // What they stand in is an element of ours: no address of theirs, no handler, nothing that runs or loads.
      const innocent = async (where) => {
        assert.equal(await page.evaluate(() => window.pwned), undefined, where);
        assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll('main *')].filter((node) => /^(img|svg|iframe|script|b|object|embed)$/i.test(node.localName) && !node.closest('.admin-chart, svg[class^="admin-"]') || [...node.attributes].some(({ name, value }) => name.startsWith('on') || /^\s*javascript:/i.test(value) && name !== 'value' && name !== 'title' && !name.startsWith('aria'))).map((node) => `${node.localName} ${[...node.attributes].map(({ name, value }) => `${name}=${value}`)}`)), [], where);
      };
      await signIn(page, evil.base);
      const tabs = await tabsOf(page);
      const shown = [];
      for (const tab of tabs) {
        await open(page, tab);
        await page.waitForTimeout(150);
        await page.evaluate(() => { for (const details of document.querySelectorAll('main details')) details.open = true; });
        await innocent(tab);
        const text = await page.locator('main').evaluate((main) => [main.textContent, ...[...main.querySelectorAll('input, textarea')].map(({ value }) => value)].join('\n'));
        if (text.includes('<img src=x onerror=pwned=1>') ) shown.push(tab);
      }
      for (const tab of ['Keys', 'Analytics', 'Extraction', 'Jobs', 'Audit log', 'System']) assert.ok(shown.includes(tab), `${tab} shows them: ${shown}`);

      // What comes only when somebody asks for it.
      await open(page, 'Extraction');
      await page.getByRole('button', { name: 'Look' }).nth(2).click();
      await page.getByRole('alert').filter({ hasText: 'nothing has changed' }).waitFor();
      await innocent('a version that is looked at');
      await page.getByLabel('Client data (JSON)').fill(`{"${hostile[0]}": 1, "version": 1}`);
      await page.getByRole('button', { name: 'Check and compare' }).click();
      await page.getByRole('alert').filter({ hasText: /nothing has changed/ }).waitFor();
      await innocent('a mistake that is quoted');
      await page.getByLabel('Link to try with').fill(watch('sluiceEvil1'));
      const row = page.getByRole('region', { name: 'Engines', exact: true }).getByRole('row').filter({ hasText: 'native' });
      await row.getByRole('button', { name: 'Test' }).click();
      await row.getByText('works').waitFor();
      assert.match(await row.textContent(), /<script>alert\(1\)<\/script>/, 'its title');
      await innocent('a title');
      await open(page, 'Keys');
      await page.getByRole('row').filter({ hasText: hostile[1] }).getByRole('button', { name: 'Usage' }).click();
      await page.getByRole('heading', { name: /^Usage of key/ }).waitFor();
      await innocent('usage of a key');
      for (const text of hostile) {
        await page.evaluate((hash) => { location.hash = hash; }, `keys/${encodeURIComponent(text)}`);
        await page.waitForTimeout(50);
        await innocent('a fragment of an address');
      }
    }));
});
