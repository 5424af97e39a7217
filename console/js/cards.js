// Items as cards: picture, title, price, and why they are here.

import { el } from './dom.js';
import { day, money, number, t, term } from './i18n.js';
import { link } from './shell.js';

const SAFE_PICTURE = /^(https?:|data:image\/)/;

/** The picture of an item, or the first letter of its title on a tone of its own. */
export function picture(item) {
  const title = item.title ?? item.item_id;
  if (SAFE_PICTURE.test(item.image_url ?? '')) return el('img', { class: 'picture', src: item.image_url, alt: '', loading: 'lazy' });
  const tone = [...(item.category ?? title)].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % 6;
  return el('span', { class: `picture tone${tone}`, 'aria-hidden': 'true' }, [...title].at(-1) && [...(item.category?.split('/').at(-1) ?? title)][0]);
}

/** A reason as a sentence. */
export function reason(reason) {
  const values = { ...reason, title: reason.title ?? reason.item_id, last: reason.last_at ? day(reason.last_at) : '', lift: number(reason.lift, 1) };
  const text = t(`reason.${reason.code}`, values);
  return reason.is_due ? `${text} · ${t('is_due')}` : text;
}

/** The score of every source that proposed an item, as bars. */
export function evidence(scores) {
  const rows = Object.entries(scores).filter(([, score]) => score !== 0).sort((a, b) => b[1] - a[1]);
  return el('dl', { class: 'evidence' }, rows.map(([source, score]) => el('div', {},
    el('dt', {}, term('source', source)),
    el('dd', {}, el('meter', { min: '0', max: '1', value: Math.max(0, Math.min(1, score)), 'aria-label': term('source', source) }), number(score, 2)))));
}

/** One item of a slate. `more` are further lines. */
export function card(item, ...more) {
  const acted = item.slot && item.slot !== 'ranked' ? el('span', { class: 'chip accent' }, term('slot', item.slot)) : null;
  return el('li', { class: 'card', 'data-item': item.item_id },
    el('a', { href: link('item', { id: item.item_id }), class: 'face' },
      picture(item), item.rank ? el('span', { class: 'rank' }, item.rank) : null,
      el('span', { class: 'title' }, item.title ?? item.item_id)),
    el('p', { class: 'line' }, el('b', {}, money(item.price)), el('span', {}, item.brand ?? '')),
    item.source ? el('p', { class: 'line' }, el('span', { class: 'chip' }, term('source', item.source)), acted) : null,
    (item.reasons ?? []).map((each) => el('p', { class: 'why' }, reason(each))),
    item.evidence ? el('details', {}, el('summary', {}, t('evidence')), evidence(item.evidence)) : null,
    more);
}

/** A list of cards. */
export const cards = (label, items, make = card) => el('ol', { class: 'cards', 'aria-label': label }, items.map((item) => make(item)));

/** An item in a table: small picture, title, id. */
export const named = (item) => el('a', { class: 'named', href: link('item', { id: item.item_id }) },
  picture(item), el('span', {}, item.title ?? item.item_id, el('small', {}, item.item_id)));
