/* What went wrong, in words, and what one can do about it. */
import { button, el, plain } from './dom.js';
import { has, inEnglish, t } from './i18n.js';

/* What an operator says in their own words, which only maintenance has; "": nothing. */
export const saidBy = (problem) => (problem.code === 'maintenance' && problem.detail && problem.detail !== inEnglish(`error.${problem.code}.text`) ? plain(problem.detail) : '');

/* Our words for a code; for one this page is too old to know, the server's. */
export function wordsFor(problem) {
  const known = has(`error.${problem.code}.text`);
  return {
    title: known ? t(`error.${problem.code}.title`) : problem.title || t('problem.title'),
    text: saidBy(problem) || (known ? t(`error.${problem.code}.text`) : problem.detail || t('problem.text')),
    next: has(`next.${problem.code}`) ? t(`next.${problem.code}`) : '',
  };
}

/* "You are number 3 in the queue.", where the server says so. */
export const queueWords = (problem) => (problem.queue_position > 0 ? t('problem.queue', { n: problem.queue_position }) : '');

export const unreachable = { code: 'unreachable', retryable: true };

/* Waits out retry_after_s in the open, so that pressing it can help. A place in a queue is waited for without
 * being asked to. */
function retryButton(problem, again) {
  const isQueue = problem.code === 'busy';
  let left = Math.ceil(Math.min(problem.retry_after_s ?? (isQueue ? 5 : 0), 3600));
  const node = button('btn btn-primary problem-retry', '', again);
  const tick = () => {
    node.disabled = left > 0 && !isQueue;
    node.textContent = left > 0 ? t(isQueue ? 'problem.again_in' : 'problem.retry_in', { n: left }) : t('problem.retry');
    if (left-- > 0)
      setTimeout(() => node.isConnected && tick(), 1000);
    else if (isQueue)
      again();
  };
  tick();
  return node;
}

/* Above a result that is there all the same. */
export const notice = (problem) => {
  const { title, text } = wordsFor(problem);
  return el('p', { class: 'notice', role: 'status' }, el('strong', null, title), ' ', el('span', { dir: 'auto' }, text));
};

export function problemCard(problem, again) {
  const words = wordsFor(problem);
  const place = queueWords(problem);
  return el('div', { class: 'problem', role: 'alert' },
    el('h2', { class: 'problem-title' }, words.title),
    el('p', null, words.text),
    place ? el('p', { class: 'problem-place' }, place) : null,
    words.next ? el('p', { class: 'problem-next' }, words.next) : null,
    problem.retryable ? retryButton(problem, again) : null);
}
