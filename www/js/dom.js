/* Elements, and texts of the outside in them: always through textContent and checked attributes, never as markup. */
import { t } from './i18n.js';

/* el('a', { class: 'x', href: '…' }, 'text', child, null): attributes and children that are null are left out. */
export function el(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value !== null && value !== undefined)
      node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== ''));
  return node;
}

/* Marks that turn the direction of the text after them are of use only to deceive here: each text of the
 * outside stands in an element of its own. */
export const plain = (text) => String(text ?? '').replace(/[\u202a-\u202e\u2066-\u2069]/g, '');

/* An address of this server, or null: whatever an answer says, the page leads nowhere else. */
export function ownAddress(path) {
  if (typeof path !== 'string' || path === '')
    return null;
  const url = new URL(path, document.baseURI);
  return url.origin === location.origin ? url.href : null;
}

/* A link that looks `url` up in this page: app.js follows it without loading the page anew, which would end the
 * downloads. */
export function lookLink(url, attributes, ...children) {
  const here = new URL(document.baseURI);
  here.search = new URLSearchParams({ url });
  here.hash = '';
  return el('a', { href: here.href, 'data-look': url, ...attributes }, ...children);
}

/* For those who listen. */
export function say(text) {
  document.getElementById('status').textContent = text;
}

/* Without JavaScript's own "button" default of submitting. */
export const button = (kind, text, act, more) => {
  const node = el('button', { class: kind, type: 'button', ...more }, text);
  node.addEventListener('click', act);
  return node;
};

/* The clipboard is there only on https and localhost; the old way works everywhere else. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = el('textarea', { class: 'visually-hidden', 'aria-hidden': 'true' });
    area.value = text;
    document.body.append(area);
    const focused = document.activeElement;
    area.select();
    const copied = document.execCommand('copy');
    area.remove();
    focused?.focus();
    return copied;
  }
}

/* `what` is said to those who do not see the icon. */
export function copyButton(text, title, what, kind = 'choice-copy') {
  const node = button(kind, null, async () => {
    const copied = await copyText(text);
    say(t(copied ? 'say.copied' : 'say.not_copied'));
    node.classList.toggle('copied', copied);
    setTimeout(() => node.classList.remove('copied'), 2000);
  }, { title, 'aria-label': what });
  return node;
}
