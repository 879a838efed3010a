/* The page: one box, then what the link leads to, then the file. Every address is relative to the page's own, so
 * that it works in any folder. */
import { ask, linksIn, serverState } from './api.js';
import { batchCard, MOST } from './batch.js';
import { resultCard, skeleton, titleOf } from './card.js';
import { button, el, plain, say } from './dom.js';
import * as downloads from './downloads.js';
import { foundCard } from './found.js';
import { historyPart, remember } from './history.js';
import { choose, language, languages, onLanguage, plural, start, t, translate } from './i18n.js';
import * as link from './link.js';
import { notice, problemCard } from './problem.js';

const form = document.getElementById('ask');
const input = document.getElementById('url');
const pasteButton = document.getElementById('paste');
const hint = document.getElementById('hint');
const outcome = document.getElementById('outcome');
const welcome = [...outcome.childNodes];

// ------------------------------------------------------------------------------------------------------------
// What is shown

let draw = () => {}; // what is shown, once more: after a change of language
let running = null; // { key, controller } while an answer is awaited

function show(makeNode, focus = null) {
  draw = () => {
    outcome.replaceChildren(...[makeNode()].flat());
    translate(outcome);
  };
  draw();
  if (focus !== null)
    outcome.querySelector(focus)?.focus({ preventScroll: true });
}

const showProblem = (problem, again) => {
  show(() => problemCard(problem, again));
  say('');
};

/* Until the answer is there. Who tries again goes on seeing why. */
function showWaiting(again) {
  showHint();
  if (again)
    return;
  say(t('say.looking'));
  show(skeleton);
}

/* Null: another link took its place. */
async function answerOf(key, route, fields) {
  running?.controller.abort();
  const mine = { key, controller: new AbortController() };
  running = mine;
  try {
    return await ask(route, fields, mine.controller.signal);
  } catch {
    return null;
  } finally {
    if (running === mine)
      running = null;
  }
}

const listOf = (url) => (/[?&]list=[\w-]/.test(url) ? url : null);

async function look(url, again = false) {
  if (running?.key === url)
    return;
  if (link.isWords(url)) {
    lookFor(url, again);
    return;
  }
  showWaiting(again);
  await link.ready;
  if (link.check(url)?.kind === link.OTHER) {
    lookList(url, again);
    return;
  }
  const [answer, { pause, uploads }] = await Promise.all([answerOf(url, 'info', { url }), serverState()]);
  if (answer?.problem) {
    showProblem(answer.problem, () => look(url, true));
  } else if (answer) {
    const info = answer.body;
    remember(info.url ?? url, titleOf(info));
    document.title = `${titleOf(info)} · Sluice`;
    say(t('say.found', { title: titleOf(info) }));
    const toList = () => (listOf(url) ? button('link-button', t('card.list'), () => lookList(url)) : null);
    show(() => [pause ? notice(pause) : null, resultCard(info, toList(), uploads)].filter(Boolean), '.result-title');
  }
}

/* A link to the site but to no single video: a playlist, if anything. */
async function lookList(url, again = false) {
  showWaiting(again);
  const answer = await answerOf(url, 'list', { url });
  if (answer?.problem) {
    showProblem(answer.problem, () => lookList(url, true));
  } else if (answer) {
    const { body } = answer;
    const title = plain(body.title) || t('batch.playlist');
    document.title = `${title} · Sluice`;
    say(t('say.found', { title }));
    show(() => batchCard({ title, entries: body.items ?? [], next: body.next ?? null,
      more: (cursor) => ask('list', { url, cursor }), lookAtOnce: false }), '.result-title');
  }
}

/* No link at all: what is found by these words. */
async function lookFor(words, again = false) {
  if (running?.key === words)
    return;
  showWaiting(again);
  const answer = await answerOf(words, 'search', { q: words });
  if (answer?.problem) {
    showProblem(answer.problem, () => lookFor(words, true));
  } else if (answer) {
    const found = { items: [], next: null, ...answer.body };
    document.title = `${words} · Sluice`;
    say(found.items.length > 0 ? t('search.title', { words }) : t('search.none'));
    show(() => foundCard(words, found, (cursor) => ask('search', { q: words, cursor })), '.result-title');
  }
}

function lookMany(urls) {
  running?.controller.abort();
  showHint();
  const title = () => plural('batch.title', urls.length);
  document.title = `${title()} · Sluice`;
  say(title());
  show(() => batchCard({ title: title(), entries: urls.map((url) => ({ url })), lookAtOnce: true }), '.result-title');
}

function clear() {
  running?.controller.abort();
  showHint();
  say('');
  document.title = 'Sluice';
  show(() => [...welcome, historyPart()].filter(Boolean));
}

// ------------------------------------------------------------------------------------------------------------
// What is asked

/* Says `text` below the box: what is wrong with it, or (kind 'good') what it is; else what the box is for. */
function showHint(text = null, kind = 'wrong') {
  hint.textContent = text ?? t('ask.hint');
  hint.classList.toggle('ask-hint-wrong', text !== null && kind === 'wrong');
  hint.classList.toggle('ask-hint-good', text !== null && kind === 'good');
  if (text !== null && kind === 'wrong')
    input.setAttribute('aria-invalid', 'true');
  else
    input.removeAttribute('aria-invalid');
}

/* Why a text is neither a link nor words to search for; null when it may be one. The server decides what a link is: here the same code does. */
function objection(text) {
  if (text === '')
    return t('hint.empty');
  return !link.isWords(text) && link.check(text)?.kind === link.BAD ? t('hint.bad') : null;
}

function whileTyping() {
  const urls = linksIn(input.value);
  if (urls.length > 1) {
    showHint(plural('batch.title', urls.length), 'good');
    return;
  }
  const text = urls[0] ?? input.value.trim();
  if (link.isWords(text)) {
    if (/^(h|ht|htt|https?|w{1,3})$/i.test(text)) // a link begins like that
      showHint();
    else
      showHint(t('hint.search'), 'good');
    return;
  }
  const read = text === '' ? null : link.check(text);
  switch (read?.kind) {
    case link.VIDEO: return showHint(t('hint.video'), 'good');
    case link.OTHER: return showHint(t('hint.list'), 'good');
    case link.DIRECT: return showHint(t('hint.direct', { host: new URL(read.url).hostname }), 'good');
    default: return showHint();
  }
}

function goTo(urls) {
  const here = new URL(location.href);
  if (here.searchParams.getAll('url').join('\n') !== urls.join('\n')) {
    here.search = new URLSearchParams(urls.map((url) => ['url', url]));
    history.pushState(null, '', here);
  }
  if (urls.length > 1)
    lookMany(urls);
  else
    look(urls[0]);
}

function go(text) {
  const urls = linksIn(text).slice(0, MOST);
  input.value = urls.length > 0 ? urls.join(' ') : text.trim();
  const wrong = urls.length > 1 ? null : objection(input.value);
  if (wrong !== null) {
    showHint(wrong);
    say(wrong);
    input.focus();
    return;
  }
  goTo(urls.length > 0 ? urls : [input.value]);
}

/* ?url=… of this page. Someone who types it by hand does not escape the link: then all that follows is it. What an
 * app shares has the link in its text as often as in its url (sluice.webmanifest). */
function goFromAddress() {
  const raw = location.search.match(/[?&]url=(https?:\/\/.*)$/i);
  const fields = new URLSearchParams(location.search);
  const given = raw ? [raw[1]] : fields.getAll('url').filter(Boolean).slice(0, MOST);
  const shared = [fields.get('text'), fields.get('title')].flatMap((text) => linksIn(text ?? '')).slice(0, 1);
  const urls = given.length > 0 ? given : shared;
  input.value = urls.join(' ');
  if (urls.length > 1)
    lookMany(urls);
  else if (urls.length === 1)
    look(linksIn(urls[0])[0] ?? urls[0]);
  else
    clear();
}

// ------------------------------------------------------------------------------------------------------------
// Hands

const isField = (node) => node instanceof Element && node.closest('input:not([type=checkbox]), textarea, select, [contenteditable]') !== null;

function listen() {
  form.noValidate = true; // our own hint says it better
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    go(input.value);
  });
  input.addEventListener('input', whileTyping);

  /* Paste and go: links pasted into the empty or wholly selected box, or anywhere else on the page. */
  document.addEventListener('paste', (event) => {
    const text = (event.clipboardData?.getData('text/plain') ?? '').trim();
    const replaces = event.target === input && input.selectionStart === 0 && input.selectionEnd === input.value.length;
    const isLinks = /^https?:\/\/\S+$/i.test(text) || linksIn(text).length > 1;
    if (isLinks && (replaces || !isField(event.target))) {
      event.preventDefault();
      go(text);
    }
  });

  document.addEventListener('keydown', (event) => {
    if (event.key === '/' && !event.ctrlKey && !event.metaKey && !event.altKey && !isField(event.target)) {
      event.preventDefault();
      input.focus();
      input.select();
    }
  });

  document.addEventListener('click', (event) => {
    const url = event.target.closest?.('[data-look]')?.dataset.look;
    if (url !== undefined && event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      go(url);
      window.scrollTo({ top: 0 });
    }
  });

  document.addEventListener('dragover', (event) => event.preventDefault());
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    const text = event.dataTransfer.getData('text/uri-list').replace(/^#.*$/gm, '') || event.dataTransfer.getData('text/plain');
    if (text)
      go(text);
  });

  if (navigator.clipboard?.readText) {
    pasteButton.hidden = false;
    pasteButton.addEventListener('click', async () => {
      try {
        go(await navigator.clipboard.readText());
      } catch {
        input.focus(); // not allowed: the keyboard still can
      }
    });
  }
  window.addEventListener('popstate', goFromAddress);
}

/* The switch in the page's foot; each language by its own name. */
function addLanguages() {
  const select = document.getElementById('language');
  select.append(...Object.entries(languages).map(([tag, name]) => el('option', { value: tag, lang: tag }, name)));
  select.value = language;
  select.closest('[hidden]').hidden = false;
  select.addEventListener('change', () => choose(select.value));
  onLanguage(() => {
    select.value = language;
    showHint();
    draw();
  });
}

/* To be dragged into the bookmarks: looks up the page one is on. */
function addBookmarklet() {
  const anchor = document.getElementById('bookmarklet');
  const page = new URL('./', document.baseURI).href;
  anchor.href = `javascript:location.href=${JSON.stringify(page)}+'?url='+encodeURIComponent(location.href)`;
  anchor.addEventListener('click', (event) => event.preventDefault()); // it is of use elsewhere
}

/* All of it at once: a key that is pressed before the language is there must not be lost. */
function run() {
  listen();
  addLanguages();
  addBookmarklet();
  goFromAddress();
  start();
  downloads.takeUp();
  // The browser's own autofocus comes only after the page was drawn: a key pressed before would be lost.
  if (document.activeElement === document.body)
    input.focus({ preventScroll: true });
  navigator.serviceWorker?.register('sw.js').catch(() => {}); // without it the page is not there offline, no more
}

run();
