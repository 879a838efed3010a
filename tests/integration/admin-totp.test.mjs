// The second factor: taken up, asked for, used once, lost. With the programs as they are shipped: under the sanitizers each
// of the many passwords takes half a second, and the codes have unit tests.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { forkOrigin } from '../origin/origin.mjs';
import { assertProblem, programEnv, root, run, startStack } from './harness.mjs';
import { password, post, signIn, totp } from './room.mjs';

let origin;
let stack;
before(async () => {
  origin = await forkOrigin();
  stack = await startStack({ origin, bin: path.join(root, 'build/cgi-bin'), env: { SLUICE_ADMIN_PASSWORD: password } });
});
after(async () => {
  await stack?.stop();
  await origin?.stop();
});
const login = (fields) => post(stack, 'login', { name: 'admin', password, ...fields });

test('a second factor, from the picture to the last recovery code', async () => {
  const admin = await signIn(stack);
  assert.equal(admin.answer.json().second_factor, false);
  assertProblem(await admin.post('totp/begin', { password: 'not the password' }), 401, 'bad_login');
  const { secret, uri } = (await admin.post('totp/begin', { password })).json();
  assert.match(secret, /^[A-Z2-7]{32}$/);
  assert.equal(uri, `otpauth://totp/Sluice:admin?secret=${secret}&issuer=Sluice`);
  assert.equal((await login()).status, 200, 'not in force before a code has come');
  assertProblem(await admin.post('totp/confirm', { code: '000000' === totp(secret) ? '000001' : '000000' }), 401, 'code_required');
  const elsewhere = await signIn(stack);
  const confirmed = (await admin.post('totp/confirm', { code: totp(secret) })).json();
  assertProblem(await elsewhere.get('session'), 401, 'auth_required');
  assert.equal((await admin.get('users')).json().users[0].second_factor, true);
  assert.equal(new Set(confirmed.recovery_codes).size, 10);
  assert.equal((await admin.get('session')).json().second_factor, true);
  assertProblem(await admin.post('totp/begin', { password }), 400, 'bad_request');

  // Whoever has the password alone learns only that something is missing; without it, not even that.
  assertProblem(await login(), 401, 'code_required');
  assertProblem(await login({ password: 'not the password' }), 401, 'bad_login');
  assertProblem(await login({ password: 'not the password', code: totp(secret, 1) }), 401, 'bad_login');
  const code = totp(secret, 1); // the one that has confirmed is used up; a clock may be fast
  const signedIn = await signIn(stack, 'admin', password, code);
  assert.equal(signedIn.answer.json().second_factor, true);
  assertProblem(await login({ code }), 401, 'code_required');
  assertProblem(await login({ code: totp(secret) }), 401, 'code_required');
  assertProblem(await login({ code: totp(secret, 5) }), 401, 'code_required');
  await signIn(stack, 'admin', password, confirmed.recovery_codes[3]);
  assertProblem(await login({ code: confirmed.recovery_codes[3] }), 401, 'code_required');
  const line = (await signedIn.get('audit?action=login')).json().lines[0];
  assert.deepEqual(line.after, { recovery_codes_left: 9 });

  // Nothing of it can be read from the database but what authenticators need.
  const dump = await stack.sql('SELECT * FROM admin_recovery');
  for (const recovery of confirmed.recovery_codes) assert.ok(!dump.includes(recovery));
  assert.ok(!(await signedIn.get('audit')).text().includes(secret));

  assertProblem(await signedIn.post('totp/off', { password: 'not the password' }), 401, 'bad_login');
  assert.equal((await signedIn.post('totp/off', { password })).status, 200);
  assert.equal((await login()).status, 200);
  const actions = (await signedIn.get('audit')).json().lines.map(({ action }) => action);
  assert.ok(actions.includes('totp-on') && actions.includes('totp-off'));
});

test('codes are guessed no faster than passwords', async () => {
  const admin = await signIn(stack);
  await admin.post('users/create', { name: 'ada', password: 'analytical engine', role: 'viewer' });
  const ada = await signIn(stack, 'ada', 'analytical engine');
  const { secret } = (await ada.post('totp/begin', { password: 'analytical engine' })).json();
  await ada.post('totp/confirm', { code: totp(secret) });
  const answers = [];
  for (let i = 0; i < 7; i++) answers.push((await post(stack, 'login', { name: 'ada', password: 'analytical engine', code: `00000${i}` })).status);
  assert.ok(answers.slice(0, 5).every((status) => status === 401) && answers.slice(5).includes(429), `${answers}`);
  await stack.sql('DELETE FROM login_failure');

  const env = programEnv(stack.scratch, { SLUICE_DATA_DIR: stack.dataDir });
  const off = () => run(path.join(root, 'build/cgi-bin/sluice'), ['admin', 'totp-off', 'ada'], { env });
  assert.equal((await off()).exit, 0);
  assert.equal((await off()).exit, 3, 'there is none any more');
  await signIn(stack, 'ada', 'analytical engine');
});
