// An item: its state on sale, what is like it, what goes with it, and who would buy it.

import { el, facts, field, fill, section, table } from '../dom.js';
import { money, number, percent, t, term } from '../i18n.js';
import { ask, pathOf } from '../api.js';
import { act } from '../journal.js';
import { attempt, button, curlButton } from '../shell.js';
import { card, cards, named, picture } from '../cards.js';
import { something } from '../examples.js';
import { drawAudience } from '../audience.js';

/** Draws the page of the item `id`, or best sellers to begin with. */
export async function draw(main, page) {
  const id = page.query.get('id');
  if (!id) return void fill(main, el('h1', {}, t('page.item')), await something(page.signal));
  const [state, similar, bundle, audience] = [0, 1, 2, 3].map(() => el('div', {}));
  const item = await ask({ path: pathOf('items', id) }, page.signal);
  fill(main, el('h1', {}, item.title ?? id), state, similar, bundle, audience);
  fill(state, describe(item, page));
  await Promise.all([drawSimilar(similar, id, page.signal), drawBundles(bundle, id, page.signal), drawAudience(audience, id, page.signal)]);
}

/** What answers show of the item, and buttons that change it at once. */
function describe(item, page) {
  const mayWrite = page.key.scopes.includes('write') && page.key.live;
  const isShown = item.on_sale && item.stock !== 0;
  return section(t('state'), curlButton({ path: pathOf('items', item.item_id) }),
    el('div', { class: 'sheet' }, picture(item), facts([
      [t('item_id'), item.item_id], [t('price'), money(item.price)], [t('stock'), item.stock ?? t('unknown')],
      [t('on_sale'), el('span', { class: isShown ? 'good' : 'bad', id: 'on-sale' }, t(isShown ? 'shown' : 'not_shown'))],
      [t('category'), item.category], [t('brand'), item.brand]])),
    mayWrite ? changes(item, page) : null);
}

function changes(item, { again }) {
  const id = item.item_id;
  const send = (title, change, back) => attempt(async () => {
    const request = (fields) => ({ method: 'POST', path: '/items', body: { items: [{ item_id: id, ...fields }] } });
    const { results } = await act(title, request(change), (answer) => (answer.results[0].status === 'accepted' && back ? request(back) : null));
    if (results[0].status !== 'accepted') throw new Error(results[0].reason ?? results[0].status);
    again();
  });
  const input = (name, value, properties) => el('input', { name, value: value ?? '', required: true, inputmode: 'decimal', ...properties });
  const price = input('price', item.price);
  const stock = input('stock', item.stock, { inputmode: 'numeric' });
  const form = (label, node, run) => el('form', { class: 'row', onsubmit: (event) => { event.preventDefault(); run(); } }, field(label, node), el('button', {}, t('set')));
  const turn = item.on_sale
    ? button(t('take_off'), () => send(t('taken_off', { id }), { on_sale: false }, { on_sale: true }), { id: 'take-off' })
    : button(t('put_back'), () => send(t('was_put_back', { id }), { on_sale: true }, { on_sale: false }), { id: 'put-back' });
  return el('div', { class: 'row' }, turn,
    form(t('price'), price, () => send(t('price_set', { id, price: price.value }), { price: Number(price.value) }, item.price === undefined ? null : { price: item.price })),
    form(t('stock'), stock, () => send(t('stock_set', { id, stock: stock.value }), { stock: Number(stock.value) }, item.stock === undefined ? null : { stock: item.stock })),
    button(t('reset'), () => send(t('was_reset', { id }), { reset: true }, { on_sale: item.on_sale, ...(item.price !== undefined && { price: item.price }), ...(item.stock !== undefined && { stock: item.stock }) }), { title: t('reset_text') }));
}

async function drawSimilar(root, id, signal) {
  const request = { method: 'POST', path: '/similar', body: { item_ids: [id], count: 12 } };
  const answer = await ask(request, signal);
  fill(root, section(t('similar'), curlButton(request),
    answer.items.length === 0 ? el('p', {}, term('empty', answer.empty_reason ?? 'nothing')) : cards(t('similar'), answer.items, card)));
}

async function drawBundles(root, id, signal) {
  const request = { method: 'POST', path: '/bundle', body: { cart: [id], count: 8, mode: 'relaxed' } };
  const { complements, bundles, empty_reason: none, bundles_empty_reason: noBundles } = await ask(request, signal);
  const figures = [
    { head: t('baskets'), number: true, cell: (row) => number(row.baskets) },
    { head: t('support'), number: true, cell: (row) => percent(row.support, 2) },
    { head: t('confidence'), number: true, cell: (row) => percent(row.confidence) },
    { head: t('lift'), number: true, cell: (row) => number(row.lift, 1) },
  ];
  fill(root,
    section(t('complements'), curlButton(request), complements.length === 0 ? el('p', {}, term('empty', none ?? 'nothing')) : table(t('complements'), [
      { head: t('item'), cell: named }, { head: t('price'), number: true, cell: (row) => money(row.price) }, ...figures], complements)),
    section(t('bundles'), null, bundles.length === 0 ? el('p', {}, term('empty', noBundles ?? 'nothing')) : table(t('bundles'), [
      { head: t('items'), cell: (row) => el('div', { class: 'stack' }, row.items.map(named)) },
      { head: t('evidence_kind'), cell: (row) => term('bundle', row.evidence) }, ...figures,
      { head: t('price'), number: true, cell: (row) => money(row.price) }, { head: t('margin'), number: true, cell: (row) => money(row.margin) },
      { head: t('stock'), number: true, cell: (row) => row.stock ?? '–' }], bundles)));
}
