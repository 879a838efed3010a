/* The second factor of who is signed in: a picture for the authenticator, a code of it, and codes for a bad day. */
import { copyText } from '../dom.js';
import { qrPicture } from '../qr.js';
import { post, session } from './ask.js';
import { action, el, field, form, panel, submit } from './parts.js';

const passwordField = () => field('password', 'Your password', { type: 'password', required: true, autocomplete: 'current-password' });

function showCodes(place, codes) {
  const said = el('span', { role: 'status' });
  place.replaceChildren(
    el('p', { class: 'admin-notice' }, 'The second factor is on. These recovery codes are shown this once: keep them where you will find them without your authenticator. Each works once.'),
    el('ul', { class: 'admin-codes' }, ...codes.map((code) => el('li', null, code))),
    el('div', { class: 'admin-row' },
      action('Copy the codes', async () => { said.textContent = await copyText(codes.join('\n')) ? 'Copied.' : 'Could not be copied.'; }, { always: true }),
      action('Done', () => show(place), { always: true }), said),
  );
}

function showSecret(place, { secret, uri }) {
  const picture = qrPicture(uri, 'QR code of the secret, for the authenticator');
  picture.setAttribute('class', 'admin-qr');
  place.replaceChildren(
    el('p', null, 'Let your authenticator look at this, or type the secret. Then enter the code it shows.'),
    picture,
    el('code', { class: 'admin-secret' }, secret),
    form({ class: 'admin-form' }, async ({ code }) => {
      const { recovery_codes: codes } = await post('totp/confirm', { code: code.replaceAll(' ', '') });
      session.secondFactor = true;
      showCodes(place, codes);
    },
    field('code', 'Code', { required: true, inputmode: 'numeric', maxlength: '7', autocomplete: 'one-time-code' }), submit('Confirm')),
  );
  place.querySelector('[name=code]').focus();
}

function show(place) {
  place.replaceChildren(session.secondFactor
    ? el('div', null, el('p', null, 'On: signing in also takes a code of your authenticator, or a recovery code.'),
      form({ class: 'admin-form' }, async (values) => {
        await post('totp/off', values);
        session.secondFactor = false;
        show(place);
      }, passwordField(), submit('Switch off')))
    : el('div', null, el('p', null, 'Off: your password alone lets in whoever knows it. An authenticator (an app, a password manager, a token) adds a code that changes every 30 seconds.'),
      form({ class: 'admin-form' }, async (values) => showSecret(place, await post('totp/begin', values)), passwordField(), submit('Set up'))));
}

export function secondFactor() {
  const place = el('div');
  show(place);
  return panel(el('h2', null, 'Your second factor'), place);
}
