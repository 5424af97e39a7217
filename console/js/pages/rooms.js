// Livestream rooms: the list, and one room as an assistant keeps it open during the show.

import { el, facts, field, fill, section, table } from '../dom.js';
import { moment, t, term } from '../i18n.js';
import { ask, pathOf } from '../api.js';
import { attempt, button, confirmed, curlButton, explain, link, say } from '../shell.js';
import { commandsOf } from '../room/commands.js';
import { follow } from '../room/follow.js';
import { rows } from '../room/rows.js';
import { saleForm } from '../room/sale.js';

const LIST = { path: '/rooms' };
const NEXT = { planned: ['live'], live: ['paused', 'ended'], paused: ['live', 'ended'], ended: ['planned'] };

/** Draws the list, or the room that the address names. */
export async function draw(main, page) {
  if (page.rest[0]) return drawRoom(main, page.rest[0], page);
  const { rooms } = await ask(LIST, page.signal);
  const [id, title] = ['id', 'title'].map((name) => el('input', { name, required: true, maxlength: 256, id: `room-${name}` }));
  const make = (event) => {
    event.preventDefault();
    attempt(async () => {
      await commandsOf(id.value.trim(), () => 0).put(t('room_made', { title: title.value }), { title: title.value });
      location.hash = link(`rooms/${encodeURIComponent(id.value.trim())}`);
    });
  };
  const mayWrite = page.key.scopes.includes('write') && page.key.live;
  fill(main, el('h1', {}, t('page.rooms')), section(t('all_rooms'), [curlButton(LIST),
    mayWrite ? el('form', { class: 'row', onsubmit: make }, field(t('room_id'), id), field(t('title'), title), el('button', {}, t('new_room'))) : null],
    rooms.length === 0 ? el('p', {}, t('no_rooms')) : table(t('page.rooms'), [
      { head: t('title'), cell: (room) => el('a', { href: link(`rooms/${encodeURIComponent(room.room_id)}`) }, room.title) },
      { head: t('room_id'), cell: (room) => room.room_id },
      { head: t('state'), cell: (room) => term('room', room.state) },
      { head: t('anchor'), cell: (room) => room.anchor ?? '' },
      { head: t('products'), number: true, cell: (room) => room.products },
      { head: t('starts_at'), cell: (room) => (room.starts_at ? moment(room.starts_at) : '') }], rooms)));
  return undefined;
}

function drawRoom(main, id, page) {
  let state = null;
  const mayWrite = page.key.scopes.includes('write') && page.key.live;
  const commands = commandsOf(id, () => state.revision);
  const connection = el('span', { class: 'chip', id: 'connection', role: 'status' });
  const head = el('div', {});
  const list = el('div', {});
  const past = el('div', {});
  const problem = el('div', { role: 'alert', id: 'room-problem' });

  // The stream shows what a command did; a refusal says why it did nothing.
  const run = async (command) => {
    fill(problem);
    try {
      await command();
      refresh();
    } catch (error) {
      const { difference } = error.problem ?? {};
      const what = difference ? ['added', 'removed', 'changed'].flatMap((kind) => difference[kind]).concat(difference.room ?? [], difference.reordered ? [t('order')] : []).join(', ') : '';
      fill(problem, el('p', { class: 'bad' }, error.status === 412 ? t('room_conflict', { what }) : explain(error)));
    }
  };
  const titleOf = (itemId) => state.products.find((product) => product.item_id === itemId)?.title ?? itemId;
  const does = mayWrite ? {
    move: (itemId, to) => run(() => commands.move(t('moved', { title: titleOf(itemId), to }), itemId, to)),
    edit: (itemId, patch) => run(() => commands.edit(t('edited', { title: titleOf(itemId) }), itemId, patch)),
    explain: (itemId) => run(() => commands.explain(itemId ? t('explaining', { title: titleOf(itemId) }) : t('stop_explaining'), itemId)),
    push: (itemId) => run(() => commands.push(t('pushed', { title: titleOf(itemId) }), itemId, true)),
    remove: (itemId) => run(() => commands.remove(t('removed', { title: titleOf(itemId) }), itemId)),
    endSale: (itemId) => run(() => commands.endSale(t('sale_ended', { title: titleOf(itemId) }), itemId)),
    sale: (product) => saleForm(product, (terms) => run(() => commands.sale(t('sale_started', { title: titleOf(product.item_id) }), product.item_id, terms))),
  } : null;

  // A row that is being dragged must stay where it is.
  let waiting = null;
  list.addEventListener('dragstart', () => { waiting = state; });
  list.addEventListener('dragend', () => { const next = waiting; waiting = null; show(next); });
  const show = (next) => {
    if (waiting) return void (waiting = next);
    state = next;
    if (!state) return void fill(list, el('p', { class: 'bad' }, t('room_gone')), mayWrite ? button(t('undo_change'), () => run(() => commands.undo(t('room_undone'))).then(page.again), { id: 'room-undo' }) : null);
    const active = document.activeElement?.getAttribute('data-up');
    fill(head, about(state, mayWrite, (name) => run(() => commands.put(t('state_set', { state: term('room', name) }), roomBody(state.room, name)))));
    fill(list, state.products.length === 0 ? el('p', {}, t('no_products')) : rows(state, does));
    if (active) list.querySelector(`[data-up="${CSS.escape(active)}"]`)?.focus();
  };
  const connected = (how) => { fill(connection, t(`connection.${how}`)); connection.className = how === 'away' ? 'chip bad' : how === 'stream' ? 'chip accent' : 'chip'; };

  fill(main, el('p', { class: 'path' }, el('a', { href: link('rooms') }, t('page.rooms')), ' / '), el('h1', {}, id, ' ', connection), problem, head,
    section(t('products'), [curlButton({ path: `${pathOf('rooms', id)}/products` }, { path: `${pathOf('rooms', id)}/stream` })], mayWrite ? tools(commands, run) : null, list),
    mayWrite ? section(t('revisions'), [
      button(t('undo_change'), () => run(() => commands.undo(t('room_undone'))), { id: 'undo' }),
      button(t('show'), () => attempt(() => drawPast(past, id, page.signal))),
      button(t('delete'), async () => { if (await confirmed(t('delete'), t('delete_text'))) run(() => commands.drop(t('room_deleted', { id }))); })], past) : null);
  connected('away');
  const refresh = follow(id, { show, connected, signal: page.signal });
}

/** A room as it is written: its texts, with another state. */
const roomBody = ({ title, anchor, merchant_id, channel, starts_at, ends_at }, state) => ({ title, anchor, merchant_id, channel, starts_at, ends_at, state });

function about({ room, revision, products }, mayWrite, become) {
  const explained = products.find((product) => product.explained);
  return section(room.title, mayWrite ? NEXT[room.state].map((name) => button(t(`become.${name}`), () => become(name), { 'data-state': name })) : null, facts([
    [t('state'), el('span', { id: 'room-state', 'data-value': room.state, class: room.state === 'live' ? 'good' : '' }, term('room', room.state))],
    room.anchor && [t('anchor'), room.anchor], room.channel && [t('channel'), room.channel],
    [t('explained_now'), explained ? `${explained.number} · ${explained.title ?? explained.item_id}` : '–'],
    [t('products'), products.length], [t('revision'), el('span', { id: 'room-revision' }, revision)]]));
}

function tools(commands, run) {
  const numbers = el('input', { name: 'numbers', placeholder: '1,4,7,40', id: 'numbers', required: true });
  const items = el('input', { name: 'items', id: 'items', required: true, spellcheck: 'false' });
  const order = (event) => { event.preventDefault(); run(() => commands.numbers(t('ordered', { numbers: numbers.value }), numbers.value)); };
  const add = (event) => {
    event.preventDefault();
    const ids = items.value.split(/[\s,，]+/).filter(Boolean);
    run(async () => {
      const answer = await commands.add(t('added', { count: ids.length }), ids);
      const failed = answer.results.filter((result) => ['rejected', 'room_full'].includes(result.status));
      say(failed.length > 0 ? `${t('added', { count: answer.accepted })} · ${failed[0].reason ?? failed[0].status}` : t('added', { count: answer.accepted }), failed.length > 0);
      items.value = '';
    });
  };
  return el('div', { class: 'row' },
    el('form', { class: 'row', onsubmit: add, id: 'add-form' }, field(t('add_items'), items), el('button', {}, t('add'))),
    el('form', { class: 'row', onsubmit: order, id: 'order-form' }, field(t('by_numbers'), numbers), el('button', {}, t('order'))));
}

async function drawPast(root, id, signal) {
  const { revisions } = await ask({ path: `${pathOf('rooms', id)}/history` }, signal);
  fill(root, table(t('revisions'), [
    { head: t('revision'), number: true, cell: (revision) => revision.revision },
    { head: t('action'), cell: (revision) => revision.command },
    { head: t('changed_by'), cell: (revision) => revision.who },
    { head: t('when'), cell: (revision) => moment(revision.at) },
    { head: t('products'), number: true, cell: (revision) => revision.products ?? '–' }], revisions));
}
