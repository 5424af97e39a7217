// Home: what the server is doing. The served model and its quality, and the figures of /metrics every two seconds.

import { el, facts, fill, section, table } from '../dom.js';
import { moment, number, percent, t, term } from '../i18n.js';
import { ask, pathOf, send } from '../api.js';
import { act } from '../journal.js';
import { attempt, button, confirmed, curlButton } from '../shell.js';
import { parse, quantile, rate, samples, sum } from '../metrics.js';
import { chart } from '../chart.js';

const EVERY_MS = 2000;
const MODELS = { path: '/models' };
const METRICS = { path: '/metrics' };
const ANSWERS = { route: /^\/(recommend|similar|bundle|audience)$/ };

/** Draws the page. */
export async function draw(main, { key, signal, again }) {
  const models = el('div', {});
  const charts = el('div', { class: 'charts' });
  const state = el('div', {});
  fill(main, el('h1', {}, t('page.home'), ' ', el('small', {}, t('shop_of', { shop: key.shop }))), models,
    section(t('traffic'), curlButton(METRICS), charts), state);
  const load = async () => fill(models, model(await ask(MODELS, signal), again));
  await load();
  follow(charts, state, signal, load);
}

function model(answer, again) {
  const serving = answer.serving;
  const rows = answer.available.toReversed();
  const activate = (version) => attempt(async () => {
    if (!(await confirmed(t('activate'), t('activate_text', { version })))) return;
    const undo = serving && { method: 'POST', path: pathOf('models', serving.version, 'activate') };
    await act(t('activated', { version }), { method: 'POST', path: pathOf('models', version, 'activate') }, undo);
    again();
  });
  const roll = () => attempt(async () => {
    if (!(await confirmed(t('roll_back'), t('roll_back_text', { version: answer.previous?.version ?? '' })))) return;
    const undo = { method: 'POST', path: pathOf('models', serving.version, 'activate') };
    await act(t('rolled_back'), { method: 'POST', path: '/models/rollback' }, undo);
    again();
  });
  const state = (version) => (version === serving?.version ? t('served') : version === answer.latest?.version ? t('latest') : '');
  return [
    section(t('model'), [curlButton(MODELS), answer.previous ? button(t('roll_back'), roll, { id: 'rollback' }) : null],
      serving ? facts([[t('version'), serving.version], [t('trained_at'), moment(serving.trained_at)], [t('opened_at'), moment(serving.opened_at)],
        [t('data'), `${moment(serving.data_from)} – ${moment(serving.data_until)}`],
        [t('counts.users'), number(serving.counts.users)], [t('counts.items'), number(serving.counts.items)],
        [t('counts.baskets'), number(serving.counts.baskets)], [t('pinned'), t(answer.pinned ? 'yes' : 'no')]])
        : el('p', { class: 'bad' }, t('no_model')),
      answer.last_error ? el('p', { class: 'bad', role: 'alert' }, t('last_error', { ...answer.last_error, at: moment(answer.last_error.at) })) : null),
    serving ? quality(serving.metrics) : null,
    rows.length > 1 ? section(t('versions'), null, table(t('versions'), [
      { head: t('version'), cell: (version) => version },
      { head: t('state'), cell: state },
      { head: t('activate'), cell: (version) => (version === serving?.version ? '' : button(t('activate'), () => activate(version), { 'data-version': version })) },
    ], rows)) : null,
  ];
}

/** What was measured of the model before it was published, and what the gate said. */
function quality(metrics) {
  const rehearsal = metrics.rehearsal;
  const ndcg = rehearsal?.recommend_ndcg_10;
  const ranked = ndcg?.ranker_held_out ?? ndcg?.blend_held_out;
  const gate = metrics.publish?.at(-1);
  if (!rehearsal && !gate) return null;
  return section(t('quality'), null, facts([
    ndcg && [t('ndcg'), `${number(ranked, 4)} (${t('best_sellers')} ${number(ndcg.popularity_held_out, 4)})`],
    rehearsal?.audience_recall_ndcg_100 !== undefined && [t('audience_ndcg'), number(rehearsal.audience_recall_ndcg_100, 4)],
    rehearsal?.users !== undefined && [t('rehearsed'), number(rehearsal.users)],
    gate && [t('gate'), el('span', { class: gate.outcome === 'passed' ? 'good' : 'bad' }, term('gate', gate.outcome))],
    gate && [t('gate_notes'), [...gate.objections, ...gate.notes].join('; ') || '–'],
  ]));
}

/** Reads /metrics again and again. */
function follow(charts, state, signal, reload) {
  const seconds = (value) => (value >= 1 ? `${number(value, 1)} s` : `${number(value * 1000, value < 0.01 ? 2 : 0)} ms`);
  const drawn = [
    chart(t('requests'), [{ label: '2xx', color: '--accent' }, { label: '4xx', color: '--warn' }, { label: '5xx', color: '--bad' }], (value) => number(value, 1), signal),
    chart(t('latency'), [{ label: 'p50', color: '--accent' }, { label: 'p99', color: '--warn' }], seconds, signal),
    chart(t('events'), [{ label: t('accepted'), color: '--accent' }, { label: t('refused'), color: '--bad' }], (value) => number(value, 1), signal),
    chart(t('in_flight'), [{ label: t('requests_now'), color: '--accent' }, { label: t('connections'), color: '--warn' }], (value) => number(value), signal),
  ];
  fill(charts, drawn.map(({ node }) => node));
  let before = null;
  let at = 0;
  let version = null;
  const read = async () => {
    if (document.hidden) return;
    const response = await send(METRICS, signal);
    if (!response.ok) return;
    const now = performance.now();
    const after = parse(await response.text());
    if (before) push(drawn, before, after, (now - at) / 1000);
    // A gap longer than two readings is not one rate.
    [before, at] = [after, now];
    fill(state, health(after));
    const swaps = sum(after, 'qianmian_model_swaps_total');
    if (version !== null && version !== swaps) await reload();
    version = swaps;
  };
  const tick = () => read().catch(() => {}).finally(() => { if (!signal.aborted) setTimeout(tick, EVERY_MS); });
  tick();
}

function push([requests, latency, events, load], before, after, seconds) {
  const at = Date.now() / 1000;
  const answered = (status) => rate(before, after, seconds, 'qianmian_http_requests_total', { status });
  const outcome = (name) => rate(before, after, seconds, 'qianmian_events_total', { outcome: name });
  const time = (share) => quantile(before, after, 'qianmian_http_request_seconds', ANSWERS, share);
  requests.push(at, [answered('2xx'), answered('4xx'), answered('5xx')]);
  latency.push(at, [time(0.5), time(0.99)]);
  events.push(at, [outcome('accepted'), outcome(/rejected|conflict/)]);
  load.push(at, [sum(after, 'qianmian_http_in_flight') ?? 0, sum(after, 'qianmian_connections') ?? 0]);
}

/** The state of live parts, the swaps, and what was served from where. */
function health(metrics) {
  const value = (name, wanted) => sum(metrics, `qianmian_${name}`, wanted);
  const flag = (isGood, text) => el('span', { class: isGood ? 'good' : 'bad' }, text);
  const writable = value('live_writable');
  const lag = value('drain_lag_events');
  const open = value('live_breaker_open');
  const restarts = value('worker_restarts_total');
  const failures = value('drain_failures_total');
  const count = (name, wanted) => number(value(name, wanted) ?? 0);
  const served = samples(metrics, 'qianmian_served_items_total').filter(({ value }) => value > 0).sort((a, b) => b.value - a.value);
  const total = served.reduce((sum, { value }) => sum + value, 0);
  return [
    section(t('live_and_drain'), null, facts([
      [t('live_store'), writable === undefined ? t('none') : flag(writable === 1, t(writable === 1 ? 'writable' : 'not_writable'))],
      open !== undefined && [t('redis'), flag(open === 0, t(open === 0 ? 'answers' : 'silent'))],
      value('live_spooled_events') !== undefined && [t('spooled'), count('live_spooled_events')],
      [t('drain_lag'), lag === undefined ? t('none') : Number.isNaN(lag) ? flag(false, t('unknown')) : `${number(lag)} · ${number(value('drain_lag_seconds') ?? 0, 1)} s`],
      failures !== undefined && [t('drain_failures'), flag(failures === 0, number(failures))],
      [t('restarts'), flag(!restarts, number(restarts ?? 0))],
      [t('panics'), flag(!value('panics_total'), count('panics_total'))]])),
    section(t('swaps'), null, facts(['loaded', 'activated', 'rolled_back', 'refused'].map((outcome) =>
      [t(`swap.${outcome}`), count('model_swaps_total', { outcome })]))),
    served.length === 0 ? null : section(t('served_from'), null, el('dl', { class: 'evidence wide' }, served.map(({ labels, value }) => el('div', {},
      el('dt', {}, term('source', labels.source)),
      el('dd', {}, el('meter', { min: '0', max: '1', value: value / total, 'aria-label': term('source', labels.source) }), percent(value / total)))))),
  ];
}
