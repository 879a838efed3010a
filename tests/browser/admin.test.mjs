// The control room in a real browser: the whole way of an operator, and how it looks to everybody.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { forkOrigin } from '../origin/origin.mjs';
import { assertProblem, run, startStack, until } from '../integration/harness.mjs';
import { judge, launch, sizes, withPage } from './browser.mjs';

const password = 'correct horse battery';
const link = 'https://www.youtube.com/watch?v=sluiceDemo1';
const hostile = '<img src=x onerror=alert(1)>"=cmd|\u202eevil';
const tabs = ['Dashboard', 'Streams', 'Keys', 'Analytics', 'Extraction', 'Jobs', 'Cache', 'System', 'Audit log', 'Users'];
let browser;
let origin;
let stack;

before(async () => {
  [browser, origin] = await Promise.all([launch(), forkOrigin()]);
  stack = await startStack({ origin, env: { SLUICE_ADMIN_PASSWORD: password } });
});
after(async () => {
  await browser?.close();
  await stack?.stop();
  await origin?.stop();
});

async function signIn(page, secret = password) {
  await page.goto(`${stack.base}/admin/`);
  await page.getByLabel('Password').fill(secret);
  await page.keyboard.press('Enter');
}

const open = async (page, tab) => {
  await page.getByRole('link', { name: tab, exact: true }).click();
  await page.getByRole('heading', { level: 1 }).filter({ hasText: tab }).waitFor();
};
const rowOf = (page, text) => page.getByRole('row').filter({ hasText: text });
const ask = (key) => stack.get(`/api/v1/info?url=${encodeURIComponent(link)}`, { headers: { 'x-api-key': key } });

test('the way of an operator: sign in, a key, its use, its limit, its end, and the record of it all', () =>
  // 401 for nobody, for a wrong password, and twice when the session is over.
  withPage(browser, stack.base, { refused: 3, cookies: 0 }, async (page) => {
    await signIn(page, 'not the password');
    await page.getByRole('alert').filter({ hasText: 'do not belong together' }).waitFor();
    await page.getByLabel('Password').fill(password);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Dashboard' }).waitFor();
    assert.match(await page.locator('.admin-tiles').textContent(), /requests/);

    await open(page, 'Keys');
    await page.locator('#new-key input[name=label]').fill(hostile);
    await page.locator('#new-key input[name=gb_per_day]').fill('10');
    await page.locator('#new-key input[name=streams_max]').fill('5');
    await page.getByText('At most 5 downloads at once; 10.0 GB a day: about 4.4 hours of 1080p; 1,000 requests an hour (17 a minute).').waitFor();
    await page.getByRole('button', { name: 'Create key' }).click();
    const key = await page.locator('code.admin-secret').textContent();
    assert.match(key, /^slc_/);
    // Used with curl, and counted before the eyes of whoever looks.
    await open(page, 'Dashboard');
    const requests = page.locator('.admin-tile').filter({ hasText: 'in the last hour' }).locator('dd');
    const then = Number.parseInt(await requests.textContent(), 10);
    const curl = await run('curl', ['-sS', '-o', '/dev/null', '-w', '%{http_code}', '-H', `X-API-Key: ${key}`, `${stack.base}/api/v1/info?url=${encodeURIComponent(link)}`]);
    assert.equal(curl.stdout.toString(), '200');
    await until(async () => Number.parseInt(await requests.textContent(), 10) > then, 'the dashboard to count it', 30000);

    const id = key.slice(4, 12);
    await open(page, 'Keys');
    await rowOf(page, id).getByRole('button', { name: 'Change' }).click();
    const change = page.locator('form').filter({ hasText: 'Save' });
    assert.equal(await change.getByLabel('GB per day').inputValue(), '10');
    await change.getByLabel('Requests per hour').fill('1');
    await change.getByRole('button', { name: 'Save' }).click();
    await rowOf(page, id).filter({ hasText: '1 requests/h' }).waitFor();
    await until(async () => (await ask(key)).status === 429, 'the limit to be reached', 10000);
    assertProblem(await ask(key), 429, 'quota_exceeded');

    await until(async () => {
      await open(page, 'Keys');
      await rowOf(page, id).getByRole('button', { name: 'Usage' }).click();
      await page.getByRole('heading', { name: `Usage of key ${id}` }).waitFor();
      return /quota exceeded/.test(await page.locator('#main').textContent());
    }, 'the requests to be counted', 30000);

    await open(page, 'Keys');
    assert.ok((await rowOf(page, id).textContent()).includes('<img src=x onerror=alert(1)>'));
    await rowOf(page, id).getByRole('button', { name: 'Disable' }).click();
    await rowOf(page, id).getByRole('button', { name: 'Enable' }).waitFor();
    assertProblem(await ask(key), 403, 'key_disabled');

    await origin.script({ match: { path: '/videoplayback' }, times: Infinity, action: { type: 'drip', rate: 200000 } });
    const slow = stack.stream('https://www.youtube.com/watch?v=sluiceBig01', 'format-137');
    await open(page, 'Streams');
    await rowOf(page, 'format-137').getByRole('button', { name: 'End' }).click({ timeout: 20000 });
    assert.equal((await slow).complete, false);
    await origin.reset();

    await open(page, 'Cache');
    await page.locator('[name=link]').fill(link);
    await page.getByRole('button', { name: 'Forget this link' }).click();
    await page.getByText('It is forgotten').waitFor();
    await page.locator('[name=site]').fill('youtube');
    await page.getByRole('button', { name: 'Forget this site' }).click();
    await page.getByText('It is forgotten').waitFor();

    // A setting for all programs, by the keyboard, and back; then the switch.
    await open(page, 'System');
    const setting = page.locator('#setting-max_streams_per_client');
    await setting.getByRole('spinbutton').fill('3');
    await page.keyboard.press('Enter');
    await setting.getByText('changed here').waitFor();
    assert.match(await setting.textContent(), /by admin/);
    await setting.getByRole('button', { name: /^Back to 0/ }).click();
    await setting.getByText(/^(as delivered|from the environment)$/).waitFor();
    await page.getByLabel('Message').fill('New disks, back at 18:00');
    await page.getByRole('button', { name: 'Begin maintenance' }).click();
    await page.getByText('new downloads are refused').waitFor();
    await until(async () => (await stack.stream(link, '360p')).status === 503, 'streams to be refused', 5000);
    assert.equal((await stack.stream(link, '360p')).json().detail, 'New disks, back at 18:00');
    await open(page, 'Dashboard');
    await page.getByRole('status').filter({ hasText: 'New disks, back at 18:00' }).waitFor();
    await page.getByRole('link', { name: 'Switch it off' }).click();
    await page.getByRole('button', { name: 'End maintenance' }).click();
    await page.getByRole('button', { name: 'Begin maintenance' }).waitFor();

    await open(page, 'Audit log');
    for (const action of ['key-create', 'key-update', 'key-state', 'stream-stop', 'cache-purge', 'setting', 'login']) await rowOf(page, action).first().waitFor();

    await page.getByLabel('What').selectOption('setting');
    await rowOf(page, 'max_streams_per_client').first().waitFor();

    await open(page, 'Users');
    await page.getByLabel('Old password').fill(password);
    await page.getByLabel('New password').fill('another good one');
    await page.getByRole('button', { name: 'Change password' }).click();
    await page.getByText('Your password is changed').waitFor();
    await page.getByLabel('Old password').fill('another good one');
    await page.getByLabel('New password').fill(password);
    await page.getByRole('button', { name: 'Change password' }).click();
    await page.waitForFunction(() => document.querySelector('[name=old]').value === '');
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await page.getByText('You are signed out').waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  }));

test('a viewer looks, and is offered no change that works', () =>
  withPage(browser, stack.base, { refused: 1, cookies: 1 }, async (page) => {
    await signIn(page);
    await open(page, 'Users');
    await page.getByLabel('Name').fill('guest');
    await page.locator('form').filter({ hasText: 'Add user' }).getByLabel('Password').fill('only looking around');
    await page.getByRole('button', { name: 'Add user' }).click();
    await rowOf(page, 'guest').waitFor();
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await page.getByText('You are signed out').waitFor();
    await page.getByLabel('Name').fill('guest');
    await page.getByLabel('Password').fill('only looking around');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Users' }).waitFor(); // where the one before was
    await open(page, 'Keys');
    assert.equal(await page.locator('#new-key').count(), 0);
    for (const button of await page.getByRole('button', { name: /^(Disable|Enable|Change|Revoke)$/ }).all()) assert.ok(await button.isDisabled());
    await page.reload(); // the session is still there
    await page.getByRole('heading', { name: 'Keys' }).waitFor();
  }));

test('5,000 keys: found, sorted, turned over, and in a file without formulas', () =>
  withPage(browser, stack.base, { refused: 1, cookies: 1 }, async (page) => {
    await stack.sql(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
      INSERT INTO api_key (id, secret_sha256, label, owner, state, rate_per_hour, expires_unix_s, addresses, created_unix_s, bytes_per_day, streams_max, sites)
      SELECT printf('b%07x', i), printf('%064x', i), CASE i WHEN 4321 THEN '=cmd|calc' ELSE printf('bulk %05d', i) END, 'owner ' || (i % 7), 'active', 1000, 0, '', i, 0, 0, '' FROM n`);
    await signIn(page);
    await open(page, 'Keys');
    const said = page.getByRole('status').filter({ hasText: ' of ' });
    await said.filter({ hasText: /^1 to 50 of 5,00\d$/ }).waitFor();
    await page.getByLabel('Search').fill('bulk 04');
    await said.filter({ hasText: '1 to 50 of 999' }).waitFor(); // one has another label
    await page.getByLabel('Order').selectOption('label');
    await rowOf(page, 'bulk 04000').waitFor();
    await page.getByRole('button', { name: 'Next' }).click();
    await said.filter({ hasText: '51 to 100 of 999' }).waitFor();
    await rowOf(page, 'bulk 04050').waitFor();
    await page.getByLabel('Search').fill('owner 3');
    await said.filter({ hasText: '1 to 50 of 714' }).waitFor();
    await page.getByLabel('Search').fill('=cmd|calc');
    await said.filter({ hasText: '1 to 1 of 1' }).waitFor();
    await page.getByLabel('Search').fill('');
    await said.filter({ hasText: /of 5,00\d/ }).waitFor();
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Export as CSV' }).click();
    const lines = readFileSync(await (await download).path(), 'utf8').split('\r\n');
    assert.ok(lines.length > 5000, `${lines.length} lines`);
    assert.equal(lines[0], '"id","label","owner","state","rate_per_hour","bytes_per_day","streams_max","sites","addresses","created_at","expires_at"');
    assert.ok(lines.some((line) => line.includes('"\'=cmd|calc"')));
    assert.ok(!lines.some((line) => /(^|,)"[=+@-]/.test(line)));
    await stack.sql("DELETE FROM api_key WHERE id LIKE 'b0%'");
  }));

test('with the keyboard alone, and where events do not get through', () =>
  withPage(browser, stack.base, { refused: 3, cookies: 1 }, async (page) => {
    await page.route('**/api/v1/admin/events', (route) => route.fulfill({ status: 502, body: '' }));
    await page.goto(`${stack.base}/admin/`);
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await page.keyboard.type(password); // the password has the focus
    await page.keyboard.press('Enter');
    const polled = page.waitForResponse((answer) => answer.url().endsWith('/dashboard'), { timeout: 10000 });
    await page.getByRole('heading', { name: 'Dashboard' }).waitFor();
    await polled;
    const press = async (key, wanted) => {
      for (let i = 0; i < 60; i++) {
        await page.keyboard.press(key);
        const text = await page.evaluate(() => document.activeElement?.getAttribute('name') ?? document.activeElement?.textContent ?? '');
        if (text === wanted) {
          const shown = await page.evaluate(() => { const style = getComputedStyle(document.activeElement); return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2; });
          assert.ok(shown, `the focus on ${wanted} is seen`);
          return;
        }
      }
      assert.fail(`${wanted} is not reached by ${key}`);
    };
    await press('Tab', 'Keys');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'New key' }).waitFor();
    await press('Tab', 'label');
    await page.keyboard.type('by hand');
    await page.keyboard.press('Enter');
    await page.locator('code.admin-secret').waitFor();
    const made = rowOf(page, 'by hand');
    await made.waitFor();
    await press('Tab', 'Disable'); // of the newest key, which is the first
    await page.keyboard.press('Space');
    await made.getByText('disabled').waitFor();
    await press('Shift+Tab', 'Dashboard');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Dashboard' }).waitFor();
    await press('Tab', '7 days');
    await page.keyboard.press('Space');
    await page.locator('[aria-pressed=true]').filter({ hasText: '7 days' }).waitFor();
  }));

for (const [look, options] of [['light', {}], ['dark', { colorScheme: 'dark' }], ['phone', { viewport: sizes.phone }]]) {
  test(`every page in ${look}: accessible, and not wider than the screen`, () =>
    withPage(browser, stack.base, { refused: 2, cookies: 1, ...options }, async (page) => {
      await page.goto(`${stack.base}/admin/`);
      await page.getByRole('heading', { name: 'Sign in' }).waitFor();
      await judge(page, `admin-login-${look}`);
      await signIn(page);
      await page.getByRole('heading', { name: 'Dashboard' }).waitFor();
      for (const tab of tabs) {
        await open(page, tab);
        await page.waitForTimeout(200); // charts are drawn
        await judge(page, `admin-${tab.toLowerCase().replace(' ', '-')}-${look}`);
      }
      await open(page, 'System');
      await page.getByRole('button', { name: 'Examine' }).click();
      await page.getByRole('region', { name: 'Findings' }).waitFor({ timeout: 60000 });
      await judge(page, `admin-examined-${look}`);
    }));
}
