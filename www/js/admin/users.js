/* Who may sign in, and one's own password. */
import { get, mayChange, post, session } from './ask.js';
import { action, el, field, form, panel, state, submit, table, time } from './parts.js';
import { secondFactor } from './second.js';

export async function users(place) {
  const { users: list } = await get('users');
  const update = async (user, values) => { await post('users/update', { name: user.name, role: user.role, active: user.active ? 1 : 0, ...values }); await users(place); };
  const said = el('p', { class: 'admin-notice', hidden: '' });
  place.replaceChildren(
    el('h1', null, 'Users'),
    panel(table('Users', [
      { name: 'Name', cell: (u) => u.name },
      { name: 'Role', cell: (u) => u.role },
      { name: 'State', cell: (u) => state(u.active ? 'active' : 'disabled') },
      { name: 'Second factor', cell: (u) => (u.second_factor ? state('ok', 'on') : state('off', 'off')) },
      { name: 'Password of', cell: (u) => time(u.password_changed_at) },
      { hidden: 'Actions', cell: (u) => (u.name === session.name ? 'you' : el('div', { class: 'admin-row' },
        action(u.active ? 'Disable' : 'Enable', () => update(u, { active: u.active ? 0 : 1 })),
        action(u.role === 'admin' ? 'Make viewer' : 'Make admin', () => update(u, { role: u.role === 'admin' ? 'viewer' : 'admin' })))) },
    ], list, '')),
    mayChange() ? panel(el('h2', null, 'New user'), form({ class: 'admin-form' }, async (values) => { await post('users/create', values); await users(place); },
      field('name', 'Name', { required: true, hint: 'a-z, 0-9, . - _' }),
      field('password', 'Password', { type: 'password', required: true, minlength: '10', hint: 'at least 10 characters', autocomplete: 'new-password' }),
      field('role', 'Role', { value: 'viewer', options: [['viewer', 'viewer: only looks'], ['admin', 'admin: may change everything']] }),
      submit('Add user'))) : '',
    panel(el('h2', null, 'Your password'), form({ class: 'admin-form' }, async (values, node) => {
      await post('password', values);
      node.reset();
      said.textContent = 'Your password is changed; your other sessions are over.';
      said.hidden = false;
    },
    field('old', 'Old password', { type: 'password', required: true, autocomplete: 'current-password' }),
    field('new', 'New password', { type: 'password', required: true, minlength: '10', autocomplete: 'new-password' }),
    submit('Change password')), said,
    action('Sign out everywhere', async () => { await post('logout', { everywhere: 1 }); location.reload(); }, { always: true })),
    secondFactor(),
  );
}
