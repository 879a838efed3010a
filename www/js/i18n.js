/* The page's words in the reader's language.
 *
 * The texts are www/locales/*.json, which the server has built in as well (for browsers without JavaScript, so
 * that both say the same). English is part of the script; another language is one more small file. A text may be
 * missing there for a moment, while somebody translates it: then the English one stands in. */
import english from '../locales/en.json';

/* Each by its own name, for the switch. */
export const languages = {
  ar: 'العربية', de: 'Deutsch', en: 'English', es: 'Español', fr: 'Français', hi: 'हिन्दी', id: 'Bahasa Indonesia',
  ja: '日本語', pt: 'Português', ru: 'Русский', tr: 'Türkçe', zh: '中文',
};
const KEY = 'language';
const PATIENCE_MS = 3000; // then English is better than an empty page

let texts = english;
export let language = 'en';
let plurals = new Intl.PluralRules('en');
const listeners = [];

/* The text called `key`; {name} in it becomes values.name. */
export function t(key, values) {
  const text = texts[key] ?? english[key] ?? key;
  return values ? text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole) : text;
}

/* The same in English, which the server's answers are in. */
export const inEnglish = (key) => english[key];

export const has = (key) => key in english;

/* The same for a number of things: "key.one", "key.few", … by the language's own rules. */
export function plural(key, n, values) {
  const kind = `${key}.${plurals.select(n)}`;
  return t(kind in texts ? kind : `${key}.other`, { n, ...values });
}

/* Calls `act` after each change of language. */
export const onLanguage = (act) => listeners.push(act);

function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/* "pt-BR" is Portuguese. The first of what the reader knows that we know too. */
function wanted() {
  const tags = [remembered(), ...navigator.languages].filter(Boolean);
  return tags.map((tag) => tag.toLowerCase().split('-')[0]).find((tag) => tag in languages) ?? 'en';
}

/* What index.html has says data-t="key" for its text, data-t-label="key" for its aria-label. */
export function translate(root) {
  for (const node of root.querySelectorAll('[data-t]'))
    node.textContent = t(node.dataset.t);
  for (const node of root.querySelectorAll('[data-t-label]'))
    node.setAttribute('aria-label', t(node.dataset.tLabel));
}

async function use(tag) {
  if (tag !== 'en') {
    const response = await fetch(`locales/${tag}.json`, { signal: AbortSignal.timeout(PATIENCE_MS) });
    texts = await response.json();
  } else {
    texts = english;
  }
  language = tag;
  plurals = new Intl.PluralRules(tag);
  document.documentElement.lang = tag;
  document.documentElement.dir = t('lang.dir');
  translate(document);
  for (const act of listeners)
    act();
}

/* From the switch: kept in this browser. */
export async function choose(tag) {
  try {
    localStorage.setItem(KEY, tag);
  } catch {
    // then it lasts as long as the page
  }
  await use(tag).catch(() => {});
}

/* The page is drawn when its words are there: nobody should see English ones jump into their own. */
export async function start() {
  const tag = wanted();
  if (tag === 'en')
    return;
  document.documentElement.classList.add('translating');
  await use(tag).catch(() => {});
  document.documentElement.classList.remove('translating');
}
