// Scenes and rules: the list, and one scene with its draft, warnings, preview and history.

import { el, field, fill, section, table } from '../dom.js';
import { moment, t, term } from '../i18n.js';
import { ask, pathOf } from '../api.js';
import { act } from '../journal.js';
import { attempt, button, confirmed, curlButton, explain, link, say } from '../shell.js';
import { remembered } from '../session.js';
import { previewPanel } from '../preview.js';

const PRESETS = ['home', 'product', 'cart', 'checkout', 'order_done', 'buy_again', 'new_arrivals', 'trending', 'category', 'brand', 'guess_you_like', 'festival'];
/** A pause of typing after which the draft is checked. */
const CHECK_AFTER_MS = 500;

const LIST = { path: '/scenes' };

/** Draws the list, or the scene that the address names. */
export async function draw(main, page) {
  if (page.rest[0]) return drawScene(main, page.rest[0], page);
  const { scenes } = await ask(LIST, page.signal);
  const name = el('input', { name: 'name', required: true, maxlength: 256, spellcheck: 'false', id: 'scene-name' });
  const open = (event) => { event.preventDefault(); location.hash = link(`scenes/${encodeURIComponent(name.value.trim())}`); };
  fill(main, el('h1', {}, t('page.scenes')),
    section(t('all_scenes'), [curlButton(LIST), el('form', { class: 'row', onsubmit: open }, field(t('new_scene'), name), el('button', {}, t('open')))],
      scenes.length === 0 ? el('p', {}, t('no_scenes')) : table(t('page.scenes'), [
        { head: t('scene_name'), cell: (scene) => el('a', { href: link(`scenes/${encodeURIComponent(scene.name)}`) }, scene.name) },
        { head: t('origin'), cell: (scene) => term('origin', scene.origin) },
        { head: t('revision'), number: true, cell: (scene) => scene.revision ?? '–' },
        { head: t('changed_by'), cell: (scene) => scene.who ?? '' },
        { head: t('when'), cell: (scene) => (scene.at ? moment(scene.at) : '') },
        { head: t('reason'), cell: (scene) => scene.why ?? '' }], scenes)));
  return undefined;
}

async function drawScene(main, name, page) {
  const path = pathOf('scenes', name);
  const absent = (error) => (error.status === 404 ? null : Promise.reject(error));
  const current = await ask({ path }, page.signal).catch(absent);
  const past = await ask({ path: `${path}/history` }, page.signal).catch(absent);
  const why = el('input', { name: 'why', id: 'why' });
  const strict = el('input', { type: 'checkbox', name: 'strict' });
  const text = el('textarea', { id: 'draft', rows: 18, spellcheck: 'false', 'aria-label': t('edit'), value: JSON.stringify(current?.scene ?? { preset: 'home' }, null, 2) });
  const warnings = el('div', { id: 'warnings', 'aria-live': 'polite' });
  const problem = el('div', { id: 'problem', role: 'alert' });
  const author = () => ({ who: remembered('who') ?? 'console', why: why.value });
  const over = current && current.revision > 0 ? { 'if-match': current.etag } : past ? {} : { 'if-none-match': '*' };
  const undoRequest = (answer) => ({ method: 'POST', path: `${path}/undo`, query: { who: remembered('who') ?? 'console' }, headers: { 'if-match': `"${answer.revision}"` } });

  const parsed = () => {
    try {
      return JSON.parse(text.value);
    } catch (error) {
      fill(warnings, el('p', { class: 'bad' }, t('not_json', { reason: error.message })));
      return null;
    }
  };
  const change = async (title, request, undo) => {
    fill(problem);
    try {
      await act(title, request, undo);
      say(title);
      page.again();
    } catch (error) {
      const isConflict = error.status === 412;
      const revision = /\d+/.exec(error.problem?.detail ?? '')?.[0] ?? '?';
      fill(problem, el('p', { class: 'bad' }, isConflict ? t('conflict', { revision }) : explain(error)), isConflict ? button(t('reload_scene'), page.again) : null);
    }
  };
  const save = () => {
    const body = parsed();
    if (body) change(t('saved', { name }), { method: 'PUT', path, query: { ...author(), strict: strict.checked || null }, headers: over, body }, undoRequest);
  };
  const remove = async () => {
    if (await confirmed(t('delete'), t('delete_text'))) change(t('deleted', { name }), { method: 'DELETE', path, query: author(), headers: over }, undoRequest);
  };
  const back = () => change(t('change_undone', { name }), { method: 'POST', path: `${path}/undo`, query: author(), headers: over }, undoRequest);

  const preview = previewPanel(name, parsed, page);
  const check = async () => {
    const scene = parsed();
    if (!scene) return;
    try {
      const answer = await ask({ method: 'POST', path: `${path}/preview`, body: { scene } }, page.signal);
      fill(warnings, answer.warnings.length === 0 ? el('p', { class: 'good' }, t('no_warnings')) : el('ul', { class: 'warnings' }, answer.warnings.map((warning) =>
        el('li', { 'data-warning': warning.code }, el('b', {}, warning.field), ' ', warning.detail))));
    } catch (error) {
      if (error.name !== 'AbortError') fill(warnings, el('p', { class: 'bad' }, explain(error)));
    }
  };
  let waiting;
  text.addEventListener('input', () => { clearTimeout(waiting); waiting = setTimeout(check, CHECK_AFTER_MS); });
  text.addEventListener('keydown', (event) => { if ((event.ctrlKey || event.metaKey) && event.key === 's') { event.preventDefault(); save(); } });
  const presets = el('select', { 'aria-label': t('preset'), id: 'preset', onchange: () => { text.value = JSON.stringify({ ...parsed(), preset: presets.value }, null, 2); check(); } },
    el('option', { value: '' }, t('use_preset')), PRESETS.map((preset) => el('option', { value: preset }, preset)));
  const isEdited = current?.origin === 'edited';
  const state = current ? `${term('origin', current.origin)}${isEdited ? ` · ${t('revision')} ${current.revision} · ${current.who} · ${moment(current.at)}` : ''}` : t('new_scene');

  fill(main, el('p', { class: 'path' }, el('a', { href: link('scenes') }, t('page.scenes')), ' / '), el('h1', {}, name, ' ', el('small', {}, state)),
    el('div', { class: 'columns' },
      section(t('edit'), [presets, curlButton({ path })], text,
        el('div', { class: 'row' }, field(t('why_change'), why), field(t('strict'), strict), button(t('save'), save, { class: 'primary', id: 'save' }),
          past ? button(t('undo_change'), back, { id: 'undo' }) : null, isEdited ? button(t('delete'), remove, { id: 'delete' }) : null), problem),
      section(t('warnings'), null, warnings)),
    preview, past ? history(past.revisions, (scene) => { text.value = JSON.stringify(scene, null, 2); text.focus(); check(); }, path) : null);
  await check();
}

function history(revisions, load, path) {
  return section(t('revisions'), curlButton({ path: `${path}/history` }), table(t('revisions'), [
    { head: t('revision'), number: true, cell: (revision) => revision.revision },
    { head: t('changed_by'), cell: (revision) => revision.who },
    { head: t('when'), cell: (revision) => moment(revision.at) },
    { head: t('reason'), cell: (revision) => [revision.why ?? '', revision.restores === undefined ? '' : ` ${t('restores', { revision: revision.restores })}`] },
    { head: t('load'), cell: (revision) => (revision.scene ? button(t('load'), () => load(revision.scene), { 'data-revision': revision.revision }) : t('deleted_here')) }], revisions));
}
