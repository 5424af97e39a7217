// Why an item is, or is not, in the slate of a person: the same question asked again with the rest taken away.

import { t, term } from './i18n.js';
import { ask, pathOf } from './api.js';

/** Longest slate that can be asked for. */
const LONGEST = 200;

/** Returns `{verdict, text, found}`: a stable name, a sentence, and the item as ranking saw it, if it did. */
export async function whyNot(userId, itemId, scene) {
  const slate = (more) => ask({ method: 'POST', path: '/recommend', body: { user: { id: userId }, scene, explain: true, ...more } });
  const among = async (more) => (await slate(more)).items.find((item) => item.item_id === itemId);
  const verdict = (verdict, values, found) => ({ verdict, text: t(`why.${verdict}`, { item: itemId, scene, ...values }), found });

  const here = await among({});
  if (here) return verdict('shown', { rank: here.rank, slot: term('slot', here.slot), source: term('source', here.source) }, here);
  let item;
  try {
    item = await ask({ path: pathOf('items', itemId) });
  } catch (error) {
    if (error.code === 'unknown_item') return verdict('unknown');
    throw error;
  }
  if (item.stock === 0) return verdict('sold_out');
  if (!item.on_sale) return verdict('off_sale');
  const behind = await among({ count: LONGEST });
  if (behind) return verdict('behind', { rank: behind.rank, source: term('source', behind.source) }, behind);
  const alone = await slate({ allow_item_ids: [itemId] });
  if (alone.items[0]) return verdict(alone.personalized ? 'far_behind' : 'not_personal', {}, alone.items[0]);
  // A scene that is not set up has no rules of its own; those of the shop hold everywhere.
  const elsewhere = await ask({ method: 'POST', path: '/recommend', body: { allow_item_ids: [itemId], scene } });
  return verdict(elsewhere.items[0] ? 'rejected' : 'ruled_out');
}
