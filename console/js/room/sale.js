// The terms of a flash sale, asked for in a dialog.

import { el, field } from '../dom.js';
import { t } from '../i18n.js';
import { button } from '../shell.js';

/** Asks for the terms of a flash sale of `product`, and calls `start` with them. */
export function saleForm(product, start) {
  const input = (name, value, properties = {}) => el('input', { name, value, type: 'number', min: 1, step: 1, ...properties });
  const quantity = input('quantity', 10, { required: true });
  const minutes = input('minutes', 5, { required: true, max: 10080 });
  const person = input('per_person', 1);
  const price = input('price', product.price ?? '', { min: 0, step: 'any' });
  const onsubmit = (event) => {
    event.preventDefault();
    dialog.close();
    start({ closes_at: new Date(Date.now() + Number(minutes.value) * 60_000).toISOString(), quantity: Number(quantity.value),
      ...(person.value && { per_person: Number(person.value) }), ...(price.value && { price: Number(price.value) }) });
  };
  const title = t('sale_of', { title: product.title ?? product.item_id });
  const dialog = el('dialog', { 'aria-label': title, onclose: () => dialog.remove() }, el('h2', {}, title), el('form', { class: 'row', onsubmit },
    field(t('quantity'), quantity), field(t('minutes'), minutes), field(t('per_person'), person), field(t('price'), price),
    button(t('cancel'), () => dialog.close()), el('button', { class: 'primary' }, t('start'))));
  document.body.append(dialog);
  dialog.showModal();
}
