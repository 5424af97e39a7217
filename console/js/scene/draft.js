// The draft of a scene: a text that is read as JSON, and checked by the server while it is typed.

import { el, fill } from '../dom.js';
import { t } from '../i18n.js';
import { ask } from '../api.js';
import { explain } from '../shell.js';

/** A pause of typing after which the draft is checked. */
const CHECK_AFTER_MS = 500;

/** The draft of the scene at `path`: `text` and `warnings` are elements; `parsed()` returns the scene, or null; `check()` asks for warnings;
 *  `set(scene)` replaces it. `save` is called by Ctrl+S. */
export function draftOf(path, scene, save, signal) {
  const text = el('textarea', { id: 'draft', rows: 18, spellcheck: 'false', 'aria-label': t('edit'), value: shown(scene) });
  const warnings = el('div', { id: 'warnings', 'aria-live': 'polite' });
  const parsed = () => {
    try {
      return JSON.parse(text.value);
    } catch (error) {
      fill(warnings, el('p', { class: 'bad' }, t('not_json', { reason: error.message })));
      return null;
    }
  };
  const check = async () => {
    const draft = parsed();
    if (!draft) return;
    try {
      fill(warnings, listed((await ask({ method: 'POST', path: `${path}/preview`, body: { scene: draft } }, signal)).warnings));
    } catch (error) {
      if (error.name !== 'AbortError') fill(warnings, el('p', { class: 'bad' }, explain(error)));
    }
  };
  let waiting;
  text.addEventListener('input', () => { clearTimeout(waiting); waiting = setTimeout(check, CHECK_AFTER_MS); });
  text.addEventListener('keydown', (event) => { if ((event.ctrlKey || event.metaKey) && event.key === 's') { event.preventDefault(); save(); } });
  const set = (draft) => { text.value = shown(draft); text.focus(); check(); };
  return { text, warnings, parsed, check, set };
}

const shown = (scene) => JSON.stringify(scene, null, 2);

const listed = (warnings) => (warnings.length === 0 ? el('p', { class: 'good' }, t('no_warnings')) : el('ul', { class: 'warnings' },
  warnings.map((warning) => el('li', { 'data-warning': warning.code }, el('b', {}, warning.field), ' ', warning.detail))));
