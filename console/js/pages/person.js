// A person: the slate that they would see now and why, what they bought and did, how they may be reached.

import { el, facts, field, fill, section, select, table } from '../dom.js';
import { day, moment, money, number, t, term } from '../i18n.js';
import { ask, pathOf } from '../api.js';
import { act } from '../journal.js';
import { attempt, button, curlButton, explain, link } from '../shell.js';
import { card, cards, evidence, named } from '../cards.js';
import { cardOf } from '../titles.js';
import { somebody } from '../examples.js';
import { whyNot } from '../why.js';

const FIELDS = ['title', 'price', 'image_url', 'category', 'brand', 'stock'];

/** Draws the page of the person `id`, or some people to begin with. */
export async function draw(main, page) {
  const id = page.query.get('id');
  if (!id) return void fill(main, el('h1', {}, t('page.person')), await somebody(page.signal));
  const slate = el('div', {});
  const profile = el('div', {});
  const identities = el('div', {});
  fill(main, el('h1', {}, id), slate, profile, identities);
  await Promise.all([drawSlate(slate, id, page), drawProfile(profile, id, page), page.key.scopes.includes('write') ? drawIdentities(identities, id, page) : null]);
}

/** Names of scenes to choose from; `home` is always one. */
async function sceneNames({ key, signal }) {
  if (!key.scopes.includes('write')) return ['home'];
  const { scenes } = await ask({ path: '/scenes' }, signal).catch(() => ({ scenes: [] }));
  return [...new Set(['home', ...scenes.map((scene) => scene.name).filter((name) => name !== 'shop')])];
}

async function drawSlate(root, id, page) {
  const chosen = { scene: page.query.get('scene') ?? 'home', personalize: 'true' };
  const body = el('div', {});
  const names = await sceneNames(page);
  if (!names.includes(chosen.scene)) names.push(chosen.scene);
  const refresh = () => attempt(async () => {
    const request = { method: 'POST', path: '/recommend', body: { user: { id }, scene: chosen.scene, personalize: chosen.personalize === 'true', explain: true, fields: FIELDS } };
    const answer = await ask(request, page.signal);
    fill(body, slateFacts(answer), answer.items.length === 0 ? el('p', {}, t('nothing')) : cards(t('slate'), answer.items), ask_why(id, chosen.scene, request));
  });
  fill(root, section(t('slate'), [
    field(t('scene'), select(names.map((name) => [name, name]), chosen.scene, (scene) => { chosen.scene = scene; refresh(); }, { id: 'scene' })),
    field(t('personal'), select([['true', t('yes')], ['false', t('no')]], 'true', (value) => { chosen.personalize = value; refresh(); })),
    button(t('reload'), refresh, { id: 'reload' })], body));
  await refresh();
}

/** What acted on a slate: person or fallback, rules, scenes that filled it up. */
function slateFacts(answer) {
  const slots = Object.entries(Object.groupBy(answer.items, (item) => item.slot ?? 'ranked')).map(([slot, items]) => `${term('slot', slot)} ${items.length}`);
  return [
    facts([
      [t('personalized'), t(answer.personalized ? 'yes' : 'no')],
      answer.fallback && [t('fallback'), term('fallback', answer.fallback)],
      answer.degraded.length > 0 && [t('degraded'), el('span', { class: 'bad' }, answer.degraded.join(', '))],
      [t('slots'), slots.join(' · ')],
      answer.filled_by && [t('filled_by'), answer.filled_by.map((fill) => fill.scene ?? fill.name ?? fill).join(', ')],
      [t('model'), answer.model.version], [t('took'), `${number(answer.took_us / 1000, 2)} ms`]]),
    answer.unmet ? el('ul', { class: 'bad unmet' }, answer.unmet.map((rule) =>
      el('li', {}, t('unmet', { ...rule, because: term('because', rule.because) })))) : null,
  ];
}

/** The form that asks why an item is here, or is not. */
function ask_why(userId, scene, request) {
  const item = el('input', { name: 'item', required: true, spellcheck: 'false', id: 'why-item' });
  const answer = el('div', { 'aria-live': 'polite', id: 'why-answer' });
  const onsubmit = (event) => {
    event.preventDefault();
    attempt(async () => {
      const { verdict, text, found } = await whyNot(userId, item.value.trim(), scene);
      fill(answer, el('p', { 'data-verdict': verdict }, text), found ? [found.reasons?.length ? cards(t('why'), [found], (one) => card({ ...one, rank: null })) : evidence(found.evidence)] : null);
    });
  };
  return [el('form', { class: 'row', onsubmit }, field(t('why_item'), item), el('button', {}, t('why')), curlButton(request)), answer];
}

async function drawProfile(root, id, page) {
  const request = { path: pathOf('users', id), query: { count: 50 } };
  let user;
  try {
    user = await ask(request, page.signal);
  } catch (error) {
    if (error.code !== 'unknown_user') throw error;
    const { consents } = await ask({ path: pathOf('users', id, 'consent') }, page.signal);
    return void fill(root, consent(id, consents, page), section(t('profile'), curlButton(request), el('p', {}, explain(error))));
  }
  const { activity, rfm } = user;
  fill(root,
    consent(id, user.consents, page),
    section(t('profile'), curlButton(request), facts([
      [t('lifecycle'), term('lifecycle', user.lifecycle)], [t('rfm'), `${rfm.recency} · ${rfm.frequency} · ${rfm.monetary}`],
      [t('baskets'), number(activity.baskets)], [t('spend'), money(activity.spend)], [t('channel'), activity.channel],
      [t('first_at'), day(activity.first_at)], [t('last_at'), day(activity.last_at)], [t('items_bought'), number(user.items_bought)]])),
    user.live?.length ? section(t('live_marks'), null, table(t('live_marks'), [
      { head: t('item'), cell: named },
      { head: t('mark'), cell: (mark) => term('mark', mark.mark) },
      { head: t('interest'), number: true, cell: (mark) => (mark.interest === undefined ? '' : number(mark.interest, 2)) },
      { head: t('when'), cell: (mark) => (mark.at ? moment(mark.at) : '') }], user.live, (mark) => ({ 'data-mark': mark.item_id }))) : null,
    section(t('history'), null, table(t('history'), [
      { head: t('item'), cell: named },
      { head: t('times'), number: true, cell: (item) => item.times },
      { head: t('last_at'), cell: (item) => day(item.last_at) },
      { head: t('gap'), number: true, cell: (item) => (item.mean_gap_days ? number(item.mean_gap_days, 0) : '') },
      { head: t('price'), number: true, cell: (item) => money(item.price) }], user.history)));
}

/** What the person allows, with buttons that decide. */
function consent(id, consents, { key, again }) {
  const path = pathOf('users', id, 'consent');
  const decide = (purpose, allowed) => attempt(async () => {
    const current = consents[purpose];
    const before = current.origin === 'live' && current.user_id === id ? current.allowed : null;
    const title = t(allowed ? 'allowed_action' : 'refused_action', { purpose: t(`purpose.${purpose}`), id });
    await act(title, { method: 'PUT', path, body: { [purpose]: allowed } }, { method: 'PUT', path, body: { [purpose]: before } });
    again();
  });
  const line = (purpose) => {
    const { allowed, origin, decided_at: at } = consents[purpose];
    const state = el('span', { class: allowed ? 'good' : 'bad', id: `consent-${purpose}` }, t(allowed ? 'allowed' : 'refused_by_person'));
    const turn = key.scopes.includes('write') ? button(t(allowed ? 'set_refused' : 'set_allowed'), () => decide(purpose, !allowed), { 'data-consent': purpose }) : null;
    return [t(`purpose.${purpose}`), [state, ` · ${term('origin', origin)}${at ? ` ${moment(at)}` : ''} `, turn]];
  };
  return section(t('consent'), curlButton({ path }), facts([line('personalization'), line('contact')]));
}

async function drawIdentities(root, id, page) {
  const request = { path: pathOf('identities', id) };
  const person = await ask(request, page.signal).catch((error) => (error.status === 503 ? null : Promise.reject(error)));
  if (!person) return;
  const undoMerge = (merge_id) => attempt(async () => {
    await act(t('merge_undone', { id }), { method: 'POST', path: '/identities/undo', body: { merge_id, source: 'console' } });
    page.again();
  });
  const merges = person.members.filter((member) => member.merge_id);
  fill(root, section(t('identities'), curlButton(request),
    facts([[t('user_ids'), person.members.map((member) => [el('a', { href: link('person', { id: member.user_id }) }, member.user_id), ' '])]]),
    merges.map((member) => el('p', {}, t('merged_with', { id: member.user_id }), ' ', button(t('undo_merge'), () => undoMerge(member.merge_id)))),
    person.identities.length === 0 ? el('p', {}, t('no_identities')) : table(t('identities'), [
      { head: t('type'), cell: (identity) => identity.type },
      { head: t('value'), cell: (identity) => el('code', {}, identity.value) }], person.identities),
    person.audit.length === 0 ? null : table(t('audit'), [
      { head: t('when'), cell: (entry) => moment(entry.at) },
      { head: t('action'), cell: (entry) => entry.action },
      { head: t('source_system'), cell: (entry) => entry.source ?? '' }], person.audit)));
}
