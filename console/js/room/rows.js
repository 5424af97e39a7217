// The products of a room as rows: dragged, or moved by keys, into another place; with the buttons of a show.

import { el, select } from '../dom.js';
import { money, moment, t, term } from '../i18n.js';
import { picture } from '../cards.js';
import { button, link } from '../shell.js';

const VISIBILITIES = ['visible', 'visible_not_buyable', 'hidden'];

/** The rows of a state. `does` has the actions: `move`, `explain`, `push`, `edit`, `remove`, `sale`, `endSale`; null: only to look at. */
export function rows({ products, room }, does) {
  return el('ol', { class: 'rows', 'aria-label': t('products') }, products.map((product, n) => row(product, n, products.length, room, does)));
}

function row(product, n, count, room, does) {
  const id = product.item_id;
  const isLive = room.state === 'live';
  const title = product.title ?? id;
  const pushed = room.push?.item_id === id;
  const node = el('li', { class: product.explained ? 'row-item explained' : 'row-item', 'data-item': id, 'data-number': product.number, draggable: does ? 'true' : null },
    el('b', { class: 'number-in-room', title: t('number_in_room') }, product.number), picture(product),
    el('div', { class: 'row-text' }, el('a', { href: link('item', { id }) }, title),
      el('p', {}, el('b', {}, money(product.price)), product.list_price !== undefined && product.list_price !== product.price ? el('s', {}, money(product.list_price)) : null,
        el('span', {}, `${t('stock')} ${product.stock ?? t('unknown')}`),
        product.explained ? el('span', { class: 'chip accent' }, t('explained_now')) : null,
        pushed ? el('span', { class: 'chip accent' }, t('card_shown', { until: moment(room.push.until) })) : null,
        product.buyable ? null : el('span', { class: 'chip' }, t('not_buyable')),
        product.in_catalog ? null : el('span', { class: 'chip' }, t('not_in_catalog')),
        product.flash_sale ? el('span', { class: 'chip accent' }, sale(product.flash_sale)) : null),
      product.notes ? el('p', { class: 'note' }, product.notes) : null),
    does ? el('div', { class: 'tools' },
      button('↑', () => does.move(id, n), { disabled: n === 0, class: 'quiet', 'aria-label': t('move_up', { title }), 'data-up': id }),
      button('↓', () => does.move(id, n + 2), { disabled: n === count - 1, class: 'quiet', 'aria-label': t('move_down', { title }) }),
      select(VISIBILITIES.map((name) => [name, term('visibility', name)]), product.visibility, (visibility) => does.edit(id, { visibility }), { 'aria-label': t('visibility_of', { title }) }),
      button(t(product.explained ? 'stop_explaining' : 'explain'), () => does.explain(product.explained ? null : id), { disabled: !isLive, 'data-explain': id }),
      button(t('push'), () => does.push(id), { disabled: !isLive || !product.buyable, 'data-push': id }),
      product.flash_sale && product.flash_sale.state !== 'over' ? button(t('end_sale'), () => does.endSale(id)) : button(t('sale'), () => does.sale(product), { 'data-sale': id }),
      button(t('remove'), () => does.remove(id), { 'data-remove': id })) : null);
  if (does) drag(node, id, n, does.move);
  return node;
}

const sale = ({ state, left, quantity, closes_at: closes }) => t('sale_state', { state: term('sale', state), left, quantity, closes: moment(closes) });

/** Dragging a row onto another one gives it that one's place. */
function drag(node, id, n, move) {
  node.addEventListener('dragstart', (event) => { event.dataTransfer.setData('text/plain', id); event.dataTransfer.effectAllowed = 'move'; });
  node.addEventListener('dragover', (event) => { event.preventDefault(); node.classList.add('over'); });
  node.addEventListener('dragleave', () => node.classList.remove('over'));
  node.addEventListener('drop', (event) => {
    event.preventDefault();
    node.classList.remove('over');
    const moved = event.dataTransfer.getData('text/plain');
    if (moved && moved !== id) move(moved, n + 1);
  });
}
