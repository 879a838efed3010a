/* The client data of the site: what is in force, an editor, what is wrong with what stands in it and what it would change, and
 * the way back. Nothing is saved that has not been checked and compared. */
import { get, mayChange, post } from './ask.js';
import { around, diff } from './diff.js';
import { action, el, panel, plain, size, table, time } from './parts.js';

/* No line ends pass the edge of the server: base64url. */
const coded = (text) => btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join('')).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');

const changes = (rows) => el('div', { class: 'admin-diff', role: 'region', tabindex: '0', 'aria-label': 'What changes' },
  ...around(rows).map((row) => (row ? el(row[0] === '+' ? 'ins' : row[0] === '-' ? 'del' : 'span', null, `${row[0]} ${plain(row[1])}`) : el('span', null, '…'))));

/* The line that a message names, to where it can be seen. */
function pointAt(editor, message) {
  const place = /^line (\d+), column (\d+)/.exec(message);
  if (!place) return;
  const lines = editor.value.split('\n');
  const line = Math.min(Number(place[1]), lines.length);
  const start = lines.slice(0, line - 1).reduce((sum, text) => sum + text.length + 1, 0);
  editor.focus();
  editor.setSelectionRange(start, start + lines[line - 1].length);
  editor.scrollTop = (editor.scrollHeight / lines.length) * Math.max(0, line - 5);
}

const inForce = (data) => el('p', null, data.source === 'built_in'
  ? 'In force: the built-in ones, as this version of Sluice brings them.'
  : data.editable ? 'In force: those saved here, in ' : 'In force: the operator’s own, in ', data.source === 'built_in' ? '' : el('code', null, plain(data.file)),
data.editable ? '' : ' (setting clients_file). They are edited there; a change is read at the next extraction.');

export async function clientData(place, notice) {
  const data = await get('clients/data');
  const able = data.editable && mayChange();
  const editor = el('textarea', { class: 'admin-editor', spellcheck: 'false', autocomplete: 'off', autocapitalize: 'off', wrap: 'off', 'aria-label': 'Client data (JSON)', readonly: able ? null : '' });
  const outcome = el('div', { class: 'admin-outcome', 'aria-live': 'polite' });
  editor.value = data.text;
  editor.addEventListener('input', () => outcome.replaceChildren());

  const save = async (values, said) => {
    try {
      await post('clients/save', { base: data.sha256, ...values });
    } catch (error) {
      if (error.code !== 'precondition_failed') throw error;
      throw new Error('Somebody else has saved meanwhile. Copy what you have written, and load the page again.', { cause: error });
    }
    await clientData(place, said);
  };
  const check = async () => {
    const text = editor.value;
    const { ok, error } = await post('clients/check', { text: coded(text) });
    if (!ok) {
      outcome.replaceChildren(el('p', { class: 'admin-notice', role: 'alert' }, 'Not saved, and nothing has changed: ', plain(error)));
      pointAt(editor, error);
    } else if (text === data.text) {
      outcome.replaceChildren(el('p', { class: 'admin-notice' }, 'That is what is in force.'));
    } else {
      const rows = diff(data.text, text);
      const of = (kind) => {
        const n = rows.filter(([one]) => one === kind).length;
        return `${n} ${n === 1 ? 'line' : 'lines'}`;
      };
      outcome.replaceChildren(
        el('p', null, `It is fine. Compared with what is in force: ${of('+')} added, ${of('-')} removed.`), changes(rows),
        action('Save', () => save({ text: coded(text) }, 'Saved. Every process uses it at its next extraction.')));
    }
  };
  const look = async (id) => {
    editor.value = (await get('clients/data', { version: id })).text;
    await check();
    editor.focus();
  };

  place.replaceChildren(panel(
    el('h2', null, 'Client data'),
    notice ? el('p', { class: 'admin-notice', role: 'status' }, notice) : '',
    inForce(data),
    data.error ? el('p', { class: 'admin-notice', role: 'alert' }, 'This file cannot be used, the one before is in force: ', plain(data.error)) : '',
    editor,
    able ? el('div', { class: 'admin-row' },
      action('Check and compare', check),
      data.source === 'file' ? action('Compare with the built-in ones', () => outcome.replaceChildren(changes(diff(data.built_in, editor.value)))) : '',
      data.source === 'file' ? action('Back to the built-in ones', () => save({ built_in: 1 }, 'The built-in ones are in force.'), { danger: true }) : '') : '',
    outcome,
    el('h3', null, 'Earlier versions'),
    table('Earlier versions', [
      { name: 'Replaced', cell: (v) => time(v.at) },
      { name: 'By', cell: (v) => plain(v.name) },
      { name: 'Size', number: true, cell: (v) => size(v.bytes) },
      { name: 'SHA-256', cell: (v) => el('code', null, v.sha256.slice(0, 12)) },
      { hidden: 'Actions', cell: (v) => el('div', { class: 'admin-row' }, action('Look', () => look(v.id)), action('Restore', () => save({ version: v.id }, 'Restored. Every process uses it at its next extraction.'))) },
    ], data.versions, 'Nothing has been replaced yet. The last 20 are kept.'),
  ));
}
