// Where to begin without an id: best sellers, and people who are likely to buy them.

import { el } from './dom.js';
import { percent, t } from './i18n.js';
import { ask } from './api.js';
import { card, cards } from './cards.js';
import { link } from './shell.js';

const bestSellers = (count, signal) => ask({ path: '/recommend', query: { count } }, signal);

/** Best sellers as cards. */
export async function something(signal) {
  const { items } = await bestSellers(12, signal);
  return [el('p', {}, t('begin_item')), cards(t('best_sellers'), items, (item) => card({ ...item, reasons: [] }))];
}

/** People who are likely to buy the best sellers. */
export async function somebody(signal) {
  const { items } = await bestSellers(5, signal);
  if (items.length === 0) return el('p', {}, t('nothing'));
  const request = { method: 'POST', path: '/audience', body: { item_ids: items.map((item) => item.item_id), count: 24 } };
  const { users } = await ask(request, signal);
  return [el('p', {}, t('begin_person')), el('ol', { class: 'people' }, users.map((user) => el('li', {},
    el('a', { href: link('person', { id: user.user_id }) }, user.user_id), ' ', el('small', {}, percent(user.probability ?? NaN)))))];
}
