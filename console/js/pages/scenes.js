// Scenes and rules: the list, and one scene with its draft, warnings, preview and history.

import { el, field, fill, section, table } from '../dom.js';
import { moment, t, term } from '../i18n.js';
import { ask, pathOf } from '../api.js';
import { button, confirmed, curlButton, explain, link, say } from '../shell.js';
import { commandsOf } from '../scene/commands.js';
import { draftOf } from '../scene/draft.js';
import { previewPanel } from '../scene/preview.js';

const PRESETS = ['home', 'product', 'cart', 'checkout', 'order_done', 'buy_again', 'new_arrivals', 'trending', 'category', 'brand', 'guess_you_like', 'festival'];

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
  const commands = commandsOf(name, current, past !== null);
  const why = el('input', { name: 'why', id: 'why' });
  const strict = el('input', { type: 'checkbox', name: 'strict' });
  const problem = el('div', { id: 'problem', role: 'alert' });

  const run = async (command) => {
    fill(problem);
    try {
      await command();
      say(t('done'));
      page.again();
    } catch (error) {
      const revision = /\d+/.exec(error.problem?.detail ?? '')?.[0] ?? '?';
      fill(problem, error.status === 412 ? [el('p', { class: 'bad' }, t('conflict', { revision })), button(t('reload_scene'), page.again)] : el('p', { class: 'bad' }, explain(error)));
    }
  };
  const save = () => {
    const body = draft.parsed();
    if (body) run(() => commands.save(body, why.value, strict.checked));
  };
  const remove = async () => {
    if (await confirmed(t('delete'), t('delete_text'))) run(() => commands.remove(why.value));
  };
  const draft = draftOf(path, current?.scene ?? { preset: 'home' }, save, page.signal);
  const presets = el('select', { 'aria-label': t('preset'), id: 'preset', onchange: () => draft.set({ ...draft.parsed(), preset: presets.value }) },
    el('option', { value: '' }, t('use_preset')), PRESETS.map((preset) => el('option', { value: preset }, preset)));

  fill(main, el('p', { class: 'path' }, el('a', { href: link('scenes') }, t('page.scenes')), ' / '), el('h1', {}, name, ' ', el('small', {}, stateOf(current))),
    el('div', { class: 'columns' },
      section(t('edit'), [presets, curlButton({ path })], draft.text,
        el('div', { class: 'row' }, field(t('why_change'), why), field(t('strict'), strict), button(t('save'), save, { class: 'primary', id: 'save' }),
          past ? button(t('undo_change'), () => run(() => commands.undo(why.value)), { id: 'undo' }) : null,
          current?.origin === 'edited' ? button(t('delete'), remove, { id: 'delete' }) : null), problem),
      section(t('warnings'), null, draft.warnings)),
    previewPanel(name, draft.parsed, page), past ? history(past.revisions, draft.set, path) : null);
  await draft.check();
}

function stateOf(scene) {
  if (!scene) return t('new_scene');
  const change = scene.origin === 'edited' ? ` · ${t('revision')} ${scene.revision} · ${scene.who} · ${moment(scene.at)}` : '';
  return term('origin', scene.origin) + change;
}

function history(revisions, load, path) {
  return section(t('revisions'), curlButton({ path: `${path}/history` }), table(t('revisions'), [
    { head: t('revision'), number: true, cell: (revision) => revision.revision },
    { head: t('changed_by'), cell: (revision) => revision.who },
    { head: t('when'), cell: (revision) => moment(revision.at) },
    { head: t('reason'), cell: (revision) => [revision.why ?? '', revision.restores === undefined ? '' : ` ${t('restores', { revision: revision.restores })}`] },
    { head: t('load'), cell: (revision) => (revision.scene ? button(t('load'), () => load(revision.scene), { 'data-revision': revision.revision }) : t('deleted_here')) }], revisions));
}
