/* The control room: signing in, the tabs, and the page that is shown. */
import { post, resume, session, signIn } from './ask.js';
import * as pages from './pages.js';
import { action, el, field, form, submit } from './parts.js';

const tabs = [['dashboard', 'Dashboard'], ['streams', 'Streams'], ['keys', 'Keys'], ['analytics', 'Analytics'], ['extraction', 'Extraction'], ['jobs', 'Jobs'], ['cache', 'Cache'], ['system', 'System'], ['audit', 'Audit log'], ['users', 'Users']];
const main = document.getElementById('main');
const who = document.getElementById('who');
let turn = 0; // of what is shown; whatever belongs to an earlier one is over
let leave = () => {}; // it, at once

/* Something else is shown from now on. */
function take() {
  leave();
  leave = () => {};
  return ++turn;
}

function showLogin(notice) {
  take();
  who.replaceChildren();
  document.title = 'Sign in – Sluice';
  const second = el('div', { hidden: '' }, field('code', 'Code', { hint: 'from your authenticator, or a recovery code', autocomplete: 'one-time-code', maxlength: '14' }));
  main.replaceChildren(el('section', { class: 'admin-panel admin-login' }, el('h1', null, 'Sign in'),
    notice ? el('p', { class: 'admin-notice' }, notice) : '',
    form({}, async ({ name, password, code }) => {
      try {
        await signIn(name, password, code);
      } catch (error) {
        const asked = error.code === 'code_required' && second.hidden;
        if (error.code === 'code_required') {
          second.hidden = false;
          second.querySelector('input').select();
        }
        if (!asked) throw error;
        return;
      }
      enter();
    },
    field('name', 'Name', { value: 'admin', required: true, autocomplete: 'username' }),
    field('password', 'Password', { type: 'password', required: true, autocomplete: 'current-password' }), second,
    submit('Sign in'))));
  main.querySelector('[name=password]').focus();
}

async function show() {
  const [name, argument] = location.hash.slice(1).split('/');
  const [route, title] = tabs.find(([known]) => known === name) ?? tabs[0];
  const mine = take();
  const place = el('div');
  document.title = `${title} – Sluice`;
  main.replaceChildren(
    el('nav', { 'aria-label': 'Control room' }, el('ul', { class: 'admin-tabs' }, ...tabs.map(([known, text]) => el('li', null, el('a', { href: `#${known}`, 'aria-current': known === route ? 'page' : null }, text))))),
    place,
  );
  // Where there is no room for all tabs.
  const tab = main.querySelector('[aria-current]');
  tab.closest('ul').scrollTo({ left: tab.offsetLeft - 48, behavior: 'instant' });
  const fail = (error) => {
    if (mine !== turn) return;
    if (error.status === 401) showLogin('Your session is over. Sign in again.');
    else place.replaceChildren(el('p', { class: 'admin-notice', role: 'alert' }, error.message, ' ', action('Try again', () => look(), { always: true })));
  };
  const look = async (again) => {
    if (mine !== turn) return;
    try {
      // What somebody is using is not taken away from them.
      if (again && (document.hidden || place.contains(document.activeElement))) return void setTimeout(look, 3000, true);
      const seconds = await pages[route](place, argument, { fail, whenLeft: (end) => { if (mine === turn) leave = end; else end(); } });
      if (seconds) setTimeout(look, seconds * 1000, true);
    } catch (error) {
      fail(error);
    }
  };
  await look();
}

function enter() {
  const signOut = async () => {
    leave();
    await post('logout');
    showLogin('You are signed out.');
  };
  who.replaceChildren(el('span', null, session.name), action('Sign out', signOut, { always: true }));
  show();
}

addEventListener('hashchange', () => session.token && show());
try {
  await resume();
  enter();
} catch (error) {
  showLogin(error.status === 401 ? '' : error.message);
}
