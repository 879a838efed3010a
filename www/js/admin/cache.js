/* What is remembered, and forgetting it. */
import { get, post } from './ask.js';
import { action, count, el, field, form, panel, size, submit, tiles } from './parts.js';

export async function cache(place) {
  const { descriptions: d, plans } = await get('cache');
  const purge = async (values) => {
    await post('cache/purge', values);
    await cache(place);
    place.prepend(el('p', { class: 'admin-notice', role: 'status' }, 'It is forgotten.'));
  };
  place.replaceChildren(
    el('h1', null, 'Cache'),
    tiles([['descriptions', count(d.count), `${size(d.bytes)} of at most ${size(d.max_bytes)}`], ['plans', plans.max_bytes ? 'kept' : 'not kept', `at most ${size(plans.max_bytes)}`]]),
    panel(el('h2', null, 'Forget'), form({ class: 'admin-form' }, ({ link }) => purge({ link }),
      field('link', 'Link', { type: 'url', required: true, hint: 'its description is asked for anew' }), submit('Forget this link')),
    action('Forget everything', () => purge({}), { danger: true, confirm: 'Forget all descriptions and plans? The next requests will be slower; nothing is lost.' })),
  );
}
