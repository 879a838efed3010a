// Signing in to the control room, for its tests; and the codes of an authenticator.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';

import { root } from './harness.mjs';

export const password = 'correct horse battery';
export const target = (route) => `/api/v1/admin/${route}`;

// Every route of the control room as the table of routes has it: { route, method }. A new one cannot be forgotten.
export const routes = [...readFileSync(path.join(root, 'src/serve/routes.c'), 'utf8').matchAll(/^ {4}\{"\/api\/v1\/admin\/([^"]+)",\s+HTTP_(GET|POST),/gm)]
  .map(([, route, method]) => ({ route, method }));
// Changes of what is one's own: viewers may, too. `login` is for those who have no session yet.
export const own = ['logout', 'password', 'totp/begin', 'totp/confirm', 'totp/off'];

export function post(to, route, fields = {}, headers = {}) {
  return to.get(target(route), {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams(fields).toString(),
  });
}

// A signed-in user: get(route) and post(route, fields), and what they are made of.
export async function signIn(to, name = 'admin', secret = password, code) {
  const answer = await post(to, 'login', { name, password: secret, ...(code && { code }) });
  assert.equal(answer.status, 200, answer.text());
  const cookie = answer.headers['set-cookie'][0].split(';')[0];
  const { csrf_token: token } = answer.json();
  return {
    answer,
    cookie,
    token,
    get: (route) => to.get(target(route), { headers: { cookie } }),
    post: (route, fields, headers) => post(to, route, fields, { cookie, 'x-csrf-token': token, ...headers }),
  };
}

// RFC 6238 as an authenticator does it; `steps` from now.
export function totp(secret, steps = 0) {
  const bits = [...secret].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const message = Buffer.alloc(8);
  message.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000) + steps));
  const mac = createHmac('sha1', key).update(message).digest();
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1000000).padStart(6, '0');
}
