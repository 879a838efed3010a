/* The file sent to the bucket of the server's settings instead of here: by a job, which goes on when the page is
 * closed. */
import { askAt, order } from './api.js';
import { nameOf } from './card.js';
import { button, copyButton, el } from './dom.js';
import { humanSize } from './human.js';
import { t } from './i18n.js';
import { wordsFor } from './problem.js';

const LOOK_MS = 1000;
const PATIENCE = 30; // answers in a row that say nothing of the job

const pause = () => new Promise((resolve) => { setTimeout(resolve, LOOK_MS); });

/* A job until it is over. { body } of its end, or { problem }; null: nobody looks any more. */
async function follow(job, show, isShown) {
  let lost = 0;
  for (let now = job; ;) {
    show(now);
    if (now.state === 'done')
      return { body: now };
    if (now.state === 'failed' || now.state === 'cancelled')
      return { problem: now.error ?? { code: 'internal' } };
    await pause();
    if (!isShown())
      return null;
    const { body, problem } = await askAt(job.url);
    lost = body ? 0 : lost + 1;
    if (problem && (!problem.retryable || lost > PATIENCE))
      return { problem };
    now = body ?? now;
  }
}

export function uploadPart(info, choice) {
  const said = el('p', { class: 'more-hint', role: 'status' });
  const bar = el('progress', { class: 'downloads-bar', 'aria-label': t('downloads.progress'), hidden: '' });
  const links = el('div', { class: 'more-row' });
  const go = button('btn more-button', t('more.upload'), () => send());

  function show({ state, progress: { done_bytes: done, total_bytes: total } }) {
    bar.hidden = state === 'done';
    if (total > 0)
      Object.assign(bar, { max: total, value: done });
    said.textContent = total > 0 ? t('downloads.of', { done: humanSize(done), total: humanSize(total) }) : t('downloads.starting');
  }

  function stop(problem) {
    bar.hidden = true;
    go.disabled = false;
    const { text, next } = wordsFor(problem);
    said.textContent = [text, next].join(' ');
  }

  async function watch() {
    go.disabled = true;
    const end = await follow(info.upload, show, () => part.isConnected);
    const answer = end?.body ? await askAt(end.body.link_url) : end;
    if (answer?.problem) {
      info.upload = null;
      stop(answer.problem);
    } else if (answer) {
      said.textContent = t('more.uploaded', { name: end.body.result?.filename ?? '' });
      const { url } = answer.body;
      if (/^https?:\/\//.test(url))
        links.replaceChildren(el('a', { class: 'btn more-button', href: url, rel: 'noreferrer' }, t('more.upload_open')), copyButton(url, t('choice.copy'), t('choice.copy'), 'more-copy'));
    }
  }

  async function send() {
    go.disabled = true;
    said.textContent = t('downloads.starting');
    const { body, problem } = await order({ kind: 's3', url: info.url, choice: choice.id });
    if (problem) {
      stop(problem);
      return;
    }
    info.upload = body;
    watch();
  }

  const part = el('div', { class: 'more-part' }, el('h3', { class: 'group-title' }, `S3 · ${nameOf(choice)}`), go, bar, said, links);
  if (info.upload)
    setTimeout(watch); // the card was drawn anew, in another language
  return part;
}
