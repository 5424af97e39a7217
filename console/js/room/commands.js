// The commands of a room. Each is idempotent, and can be undone while no other command came after it.

import { pathOf } from '../api.js';
import { act } from '../journal.js';
import { remembered } from '../session.js';

const who = () => ({ who: remembered('who') ?? 'console' });

/** The commands of the room `id`; `revision()` is the one on the screen. */
export function commandsOf(id, revision) {
  const path = pathOf('rooms', id);
  const undo = (answer) => (answer.repeated ? null : { method: 'POST', path: `${path}/undo`, query: who(), headers: { 'if-match': `"${answer.revision}"` } });
  const run = (title, method, below, body, headers = {}) => act(title, { method, path: path + below, query: who(), body,
    headers: { 'idempotency-key': `${Date.now()}-${Math.random().toString(36).slice(2)}`, ...headers } }, undo);
  const seen = () => ({ 'if-match': `"${revision()}"` });
  const product = (itemId) => `/products/${encodeURIComponent(itemId)}`;
  return {
    put: (title, room) => run(title, 'PUT', '', room),
    add: (title, ids) => run(title, 'POST', '/products', { mode: 'add', products: ids.map((item_id) => ({ item_id })) }),
    edit: (title, itemId, patch) => run(title, 'PATCH', product(itemId), patch),
    remove: (title, itemId) => run(title, 'DELETE', product(itemId)),
    // An order is of the list that was seen: over another one it would mean something else.
    numbers: (title, numbers) => run(title, 'POST', '/products/order', { numbers }, seen()),
    move: (title, itemId, to) => run(title, 'POST', '/products/order', { move: { item_id: itemId, to } }, seen()),
    explain: (title, itemId) => run(title, 'POST', '/explain', itemId ? { item_id: itemId } : {}),
    push: (title, itemId, replace) => run(title, 'POST', '/push', { item_id: itemId, replace }),
    sale: (title, itemId, terms) => run(title, 'POST', `${product(itemId)}/flash_sale`, terms),
    endSale: (title, itemId) => run(title, 'DELETE', `${product(itemId)}/flash_sale`),
    undo: (title) => act(title, { method: 'POST', path: `${path}/undo`, query: who() }),
    drop: (title) => run(title, 'DELETE', ''),
  };
}
