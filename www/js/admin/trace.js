/* The record of one extraction, step by step, for people. */
import { count, el, plain, size, state } from './parts.js';

function callOf(s) {
  const headers = Object.entries(s.headers ?? {});
  return [
    el('div', null, `${plain(s.client)} `, el('code', null, `${plain(s.method)} https://${plain(s.host)}${plain(s.path)}`), s.range ? ` bytes ${plain(s.range)}` : ''),
    el('div', null, s.error ? `failed after ${count(s.took_ms)} ms: ${plain(s.error)}` : `status ${count(s.status)}, ${size(s.bytes ?? 0)}, ${count(s.took_ms)} ms`),
    headers.length ? el('details', null, el('summary', null, 'sent with'), el('pre', null, headers.map(([name, value]) => `${plain(name)}: ${plain(value)}`).join('\n'))) : '',
  ];
}

function whatOf(s) {
  const why = s.why ? `: ${plain(s.why)}` : '';
  if (s.step === 'call') return callOf(s);
  if (s.step === 'outcome') return [el('div', null, state(s.outcome === 'ok' ? 'ok' : 'failed', plain(s.outcome)), ` ${plain(s.client)}, ${plain(s.kind)} video: ${count(s.formats)} formats, ${count(s.took_ms)} ms${why}`)];
  if (s.step === 'solved') return [`${plain(s.client)}: ${count(s.signatures)} signatures and ${count(s.n)} n solved, ${count(s.unsolved_formats)} formats lost${why}`];
  if (s.step === 'left_out') return [`${count(s.steps)} more steps`];
  return [`${plain(s.client)}${why}`];
}

export const steps = (trace) => el('ol', { class: 'admin-steps' },
  ...(trace ?? []).map((s) => el('li', null, el('span', null, s.at_ms === undefined ? '' : `${count(s.at_ms)} ms`), el('div', null, ...whatOf(s)))));
