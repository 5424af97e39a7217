// What a console knows of a room: a snapshot with every change of the stream applied, held against the server's hash.

/** The state of a snapshot: `{revision, hash, room, products}`. */
export const begin = ({ revision, hash, room, products }) => ({ revision, hash, room, products });

/** The state after a change. New products go to the end, unless the change has the whole order. */
export function changed(state, { revision, room, products = [], removed = [], order }) {
  const byId = new Map(state.products.map((product) => [product.item_id, product]));
  for (const product of products) byId.set(product.item_id, { ...product, notes: byId.get(product.item_id)?.notes });
  for (const id of removed) byId.delete(id);
  const list = order ? order.map((id) => byId.get(id)).filter(Boolean) : [...byId.values()];
  return { revision, hash: null, room: room ?? state.room, products: list };
}

/** The hash of a state, as docs/rooms.md defines it. */
export function hashOf({ revision, products }) {
  const line = (p) => [p.number, p.item_id, p.visibility, +p.buyable, +p.explained, p.price ?? '-', p.stock ?? '-'].join('\t') + '\n';
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(revision + '\n' + products.map(line).join(''))) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, '0');
}
