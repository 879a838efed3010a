/* Several links at once, or a playlist: a list with check boxes and one rule for the quality.
 *
 * Pasted links are looked up at once, a few at a time, and say title and size. A playlist names its videos itself;
 * of those only what is downloaded is looked up, since it may hold hundreds. */
import { ask, streamOf } from './api.js';
import { formatsOf, groupOf, nameOf, sizeText, titleOf } from './card.js';
import { button, el, lookLink, ownAddress, plain, say } from './dom.js';
import * as downloads from './downloads.js';
import { authorLink, thumbOf } from './found.js';
import { plural, t } from './i18n.js';
import { wordsFor } from './problem.js';

const AT_ONCE = 3; // look-ups
export const MOST = 100; // links pasted at once
const rules = ['best', '1080', '720', '480', 'audio', 'mp3'];

/* What the rule means for one video; null where it has nothing of that kind. Never more than asked for. */
export function pick(info, rule) {
  const formats = formatsOf(info);
  const choices = (info.choices ?? []).filter((choice) => ownAddress(choice.stream_url) !== null);
  if (rule === 'audio')
    return choices.find(({ id }) => id === 'audio-m4a') ?? choices.find(({ kind }) => kind === 'audio') ?? null;
  if (rule === 'mp3')
    return choices.find(({ id }) => id === 'audio-mp3-320') ?? null;
  const most = rule === 'best' ? Infinity : Number(rule);
  const whole = choices.filter((choice) => groupOf(choice, formats) === 'both' && (choice.height ?? 0) <= most);
  const rank = (choice) => (choice.height ?? 0) * 2 + (choice.container === 'mp4' ? 1 : 0);
  whole.sort((a, b) => rank(b) - rank(a));
  return whole[0] ?? null;
}

/* What the server calls it, for links that were not looked up. */
const serverRule = (rule) => ({ best: 'best', audio: 'audio-m4a', mp3: 'audio-mp3-320' })[rule] ?? `<=${rule}p`;

/* The list. `entries`: [{ url, title?, duration_s? }]; `more(cursor)` fetches the next page of a playlist, or null. */
export function batchCard({ title, entries, next = null, more = null, lookAtOnce }) {
  let rule = 'best';
  const rows = [];
  const list = el('ul', { class: 'choices batch-list' });
  const summary = el('p', { class: 'more-hint', role: 'status' });
  const go = button('btn btn-primary', '', () => downloadAll());
  const all = el('input', { type: 'checkbox', id: 'batch-all', class: 'batch-box' });
  all.checked = true;
  const select = el('select', { class: 'form-select batch-rule', id: 'batch-rule' },
    ...rules.map((name) => el('option', { value: name }, /^\d/.test(name) ? t('batch.rule_up_to', { height: `${name}p` }) : t(`batch.rule_${name}`))));

  const chosen = () => rows.filter(({ box }) => box.checked && !box.disabled);

  function update() {
    const picked = chosen().map((row) => (row.info ? pick(row.info, rule) : null));
    const known = picked.filter((choice) => choice?.size_bytes > 0);
    const n = chosen().length;
    go.textContent = plural('batch.download', n);
    go.disabled = n === 0;
    const together = { size_bytes: known.reduce((sum, choice) => sum + choice.size_bytes, 0), size_exact: known.every((choice) => choice.size_exact !== false) };
    summary.textContent = known.length > 0 && known.length === picked.length ? t('batch.together', { size: sizeText(together) }) : '';
    const free = rows.filter(({ box }) => !box.disabled);
    all.checked = n > 0 && n === free.length;
    all.indeterminate = n > 0 && n < free.length;
  }

  function show(row) {
    const choice = row.info ? pick(row.info, rule) : null;
    row.box.disabled = row.problem !== null || (row.info !== null && choice === null);
    row.title.textContent = row.info ? titleOf(row.info) : plain(row.entry.title) || row.entry.url;
    const words = row.problem ? wordsFor(row.problem).text : null;
    row.facts.textContent = words ?? (row.info ? (choice ? [nameOf(choice), choice.container.toUpperCase()].join(' · ') : t('batch.none')) : '');
    row.facts.classList.toggle('batch-wrong', words !== null);
    row.size.textContent = choice ? sizeText(choice) ?? '' : '';
    row.name.textContent = t('batch.look', { title: row.title.textContent });
    row.link.href = choice ? ownAddress(choice.stream_url) : streamOf(row.entry.url, serverRule(rule));
    row.link.hidden = row.box.disabled;
  }

  function add(entry) {
    const id = `batch-${rows.length}`;
    const row = { entry, info: null, problem: null,
      box: el('input', { type: 'checkbox', class: 'batch-box', id }), title: el('bdi', null), facts: el('span', { class: 'choice-facts' }),
      size: el('span', { class: 'batch-size' }), name: el('span', { class: 'visually-hidden' }),
      link: el('a', { class: 'batch-link', download: '', title: t('best.both') }) };
    row.thumb = lookLink(entry.url, { class: 'thumb batch-thumb' }, row.name, ...thumbOf(entry));
    row.box.checked = true;
    row.box.addEventListener('change', update);
    row.link.append(el('span', { class: 'visually-hidden' }, t('best.both')));
    row.node = el('li', { class: 'choice batch-row' }, row.box, row.thumb,
      el('div', { class: 'batch-name' }, el('label', { for: id }, row.title, row.facts), authorLink(entry, 'found-author')), row.size, row.link);
    rows.push(row);
    list.append(row.node);
    show(row);
    return row;
  }

  async function lookUp(row) {
    const answer = await ask('info', { url: row.entry.url });
    row.info = answer.body ?? null;
    row.problem = answer.problem ?? null;
    if (row.info && row.thumb.children.length === 1)
      row.thumb.append(...thumbOf(row.info).filter(Boolean));
    show(row);
    update();
  }

  async function lookUpAll(waiting) {
    const queue = [...waiting];
    const work = async () => {
      do
        await lookUp(queue.shift());
      while (queue.length > 0 && list.isConnected); // else another link took the list's place
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, queue.length) }, work));
  }

  /* One dialog for the folder; where there is none, the browser downloads one link after the other. */
  async function downloadAll() {
    const todo = chosen();
    const folder = await downloads.pickFolder();
    if (folder === undefined)
      return; // the person thought better of it
    say(plural('batch.download', todo.length));
    for (const row of todo) {
      if (folder !== null && row.info === null)
        await lookUp(row);
      const choice = row.info ? pick(row.info, rule) : null;
      if (folder !== null && choice !== null)
        await downloads.saveInto(folder, { href: row.link.href, title: titleOf(row.info), label: nameOf(choice), container: choice.container });
      else if (folder === null)
        row.link.click();
    }
  }

  const nextButton = button('btn more-button', t('batch.more'), async () => {
    nextButton.disabled = true;
    const answer = await more(next);
    nextButton.disabled = false;
    if (answer.problem) {
      say(wordsFor(answer.problem).text);
      return;
    }
    answer.body.items.forEach(add);
    next = answer.body.next ?? null;
    nextButton.hidden = next === null;
    update();
  });
  nextButton.hidden = next === null || more === null;

  select.addEventListener('change', () => {
    rule = select.value;
    rows.forEach(show);
    update();
  });
  all.addEventListener('change', () => {
    rows.forEach(({ box }) => { box.checked = all.checked; });
    update();
  });
  entries.forEach(add);
  update();
  if (lookAtOnce)
    lookUpAll(rows);
  return el('article', { class: 'result batch' },
    el('header', { class: 'batch-head' },
      el('h2', { class: 'result-title', dir: 'auto', tabindex: '-1' }, title),
      el('div', { class: 'more-row' }, el('label', { for: 'batch-rule' }, t('batch.quality')), select, go), summary),
    el('div', { class: 'batch-all' }, all, el('label', { for: 'batch-all' }, t('batch.all'))),
    list, nextButton);
}
