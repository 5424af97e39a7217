// Cards of items by id, asked for once.

import { ask, pathOf } from './api.js';

const known = new Map();

/** The item's card; the bare id where it cannot be had. */
export function cardOf(id) {
  if (!known.has(id)) known.set(id, ask({ path: pathOf('items', id) }).catch(() => ({ item_id: id })));
  return known.get(id);
}
