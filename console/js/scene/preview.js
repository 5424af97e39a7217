// A draft of a scene beside what is served: for named people item by item, for a sample in figures.

import { el, facts, field, fill, section, table } from '../dom.js';
import { number, percent, t } from '../i18n.js';
import { ask, pathOf } from '../api.js';
import { named } from '../cards.js';
import { attempt } from '../shell.js';
import { cardOf } from '../titles.js';

/** The panel of the scene `name`. `draft` returns the scene as it stands in the editor, or null. */
export function previewPanel(name, draft, page) {
  const people = el('input', { name: 'people', id: 'preview-people', spellcheck: 'false' });
  const sample = el('input', { name: 'sample', type: 'number', min: 0, max: 10000, value: 300 });
  const body = el('div', { id: 'preview' });
  const onsubmit = (event) => {
    event.preventDefault();
    const scene = draft();
    if (!scene) return;
    const userIds = people.value.split(/[\s,，]+/).filter(Boolean);
    const count = Number(sample.value);
    const request = { method: 'POST', path: pathOf('scenes', name, 'preview'), body: { scene, user_ids: userIds, ...(count > 0 && { sample: count }) } };
    attempt(async () => {
      const answer = await ask(request, page.signal);
      const canName = page.key.scopes.includes('read');
      fill(body, answer.sample ? figures(answer.sample) : null, await Promise.all(answer.people.map((person) => beside(person, canName))));
    });
  };
  return section(t('preview'), null,
    el('form', { class: 'row', onsubmit, id: 'preview-form' }, field(t('for_people'), people), field(t('sample'), sample), el('button', {}, t('show'))), body);
}

function figures(sample) {
  const unmet = (totals) => Object.entries(totals.unmet).map(([rule, count]) => `${rule} ${count}`).join(', ') || '–';
  const rows = [[t('different_items'), 'items'], [t('short_slates'), 'short'], [t('empty_slates'), 'empty']];
  return [
    facts([[t('compared'), number(sample.users)], [t('changed'), percent(sample.changed)], [t('overlap'), percent(sample.overlap)]]),
    table(t('preview'), [
      { head: t('figure'), cell: ([label]) => label },
      { head: t('active'), number: true, cell: ([, name]) => (name ? number(sample.active[name]) : unmet(sample.active)) },
      { head: t('draft'), number: true, cell: ([, name]) => (name ? number(sample.draft[name]) : unmet(sample.draft)) }], [...rows, [t('unmet_rules'), null]]),
  ];
}

async function beside({ user_id: id, active, draft }, canName) {
  const card = (itemId) => (canName ? cardOf(itemId) : { item_id: itemId });
  const length = Math.max(active.item_ids.length, draft.item_ids.length);
  const rows = await Promise.all(Array.from({ length }, async (_, n) => ({
    was: active.item_ids[n] && (await card(active.item_ids[n])), is: draft.item_ids[n] && (await card(draft.item_ids[n])) })));
  return el('div', {}, el('h3', {}, id), table(id, [
    { head: '#', number: true, cell: (_, n) => n + 1 },
    { head: t('active'), cell: (row) => (row.was ? named(row.was) : '') },
    { head: t('draft'), cell: (row) => (row.is ? [named(row.is), active.item_ids.includes(row.is.item_id) ? null : el('span', { class: 'chip accent' }, t('moved_in'))] : '') }], rows),
    draft.unmet.length > 0 ? el('p', { class: 'bad' }, `${t('unmet_rules')}: ${draft.unmet.join(', ')}`) : null);
}
