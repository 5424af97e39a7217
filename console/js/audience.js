// The audience of an item: who would buy it, how likely, why; with a holdout, and as a CSV file.

import { el, facts, field, fill, section, table } from './dom.js';
import { number, percent, t, term } from './i18n.js';
import { ask } from './api.js';
import { reason } from './cards.js';
import { csv, save } from './csv.js';
import { attempt, button, curlButton, link } from './shell.js';

/** Rows that the page draws; the file has all. */
const DRAWN = 100;
const HEAD = ['user_id', 'rank', 'probability', 'segment', 'channel', 'group', 'bought', 'reasons'];

/** Draws the audience of `id` with its settings. */
export async function drawAudience(root, id, signal) {
  const input = (name, value, properties) => el('input', { name, value, ...properties });
  const settings = {
    count: input('count', 100, { type: 'number', min: 1, max: 100000 }),
    share: input('share', 0, { type: 'number', min: 0, max: 50, step: 1 }),
    seed: input('seed', '', { placeholder: t('campaign') }),
    fresh: el('input', { type: 'checkbox', name: 'fresh' }),
  };
  const body = el('div', {});
  let users = [];
  const request = () => {
    const share = Number(settings.share.value) / 100;
    return { method: 'POST', path: '/audience', body: { item_ids: [id], count: Number(settings.count.value), exclude_buyers: settings.fresh.checked,
      ...(share > 0 && { holdout: { share, seed: settings.seed.value || id } }) } };
  };
  const refresh = () => attempt(async () => {
    const answer = await ask(request(), signal);
    users = answer.users;
    fill(body, totals(answer), users.length === 0 ? el('p', {}, term('empty', answer.empty_reason ?? 'nothing')) : people(users.slice(0, DRAWN)),
      users.length > DRAWN ? el('p', { class: 'note' }, t('more_in_file', { drawn: DRAWN, all: number(users.length) })) : null);
  });
  const download = () => save(`audience-${id}.csv`, csv(HEAD, users.map((user) => [user.user_id, user.rank, user.probability, user.segment, user.channel,
    user.group ?? '', user.bought, user.reasons.map((each) => each.code).join(' ')])));
  const onsubmit = (event) => { event.preventDefault(); refresh(); };
  fill(root, section(t('audience'), [button('CSV', download, { id: 'csv' }), curlButton(request())],
    el('form', { class: 'row', onsubmit, id: 'audience-form' }, field(t('count'), settings.count), field(t('holdout_percent'), settings.share), field(t('seed'), settings.seed),
      field(t('only_new'), settings.fresh), el('button', {}, t('show'))), body));
  await refresh();
}

function totals(answer) {
  const expected = answer.expected_conversions.map(({ first, conversions }) => [t('expected_of', { first: number(first) }), number(conversions, 1)]);
  const within = answer.within?.kind === 'days' ? t('within_days', { days: number(answer.within.days) }) : answer.within && t('within_basket');
  return facts([...expected, within && [t('within'), within],
    answer.excluded?.no_contact_consent > 0 && [t('no_contact'), number(answer.excluded.no_contact_consent)]]);
}

function people(users) {
  return table(t('audience'), [
    { head: '#', number: true, cell: (user) => user.rank },
    { head: t('person'), cell: (user) => el('a', { href: link('person', { id: user.user_id }) }, user.user_id) },
    { head: t('probability'), number: true, cell: (user) => percent(user.probability ?? NaN) },
    { head: t('segment'), cell: (user) => term('segment', user.segment) },
    { head: t('channel'), cell: (user) => user.channel ?? '–' },
    { head: t('bought'), number: true, cell: (user) => user.bought },
    ...(users[0].group ? [{ head: t('group'), cell: (user) => term('group', user.group) }] : []),
    { head: t('reasons'), cell: (user) => user.reasons.map(reason).join('; ') },
  ], users);
}
