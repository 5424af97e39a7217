// Changes of a scene, over the revision that was read; each can be undone while no other change came after it.

import { pathOf } from '../api.js';
import { act } from '../journal.js';
import { remembered } from '../session.js';
import { t } from '../i18n.js';

const who = () => remembered('who') ?? 'console';

/** The changes of the scene `name`. `current` is the scene that was read, null if there is none; `isKnown` says that it has a history. */
export function commandsOf(name, current, isKnown) {
  const path = pathOf('scenes', name);
  const headers = current && current.revision > 0 ? { 'if-match': current.etag } : isKnown ? {} : { 'if-none-match': '*' };
  const undo = ({ revision }) => ({ method: 'POST', path: `${path}/undo`, query: { who: who() }, headers: { 'if-match': `"${revision}"` } });
  const run = (title, request, query) => act(title, { headers, ...request, query: { who: who(), ...query } }, undo);
  return {
    save: (body, why, strict) => run(t('saved', { name }), { method: 'PUT', path, body }, { why, strict: strict || null }),
    remove: (why) => run(t('deleted', { name }), { method: 'DELETE', path }, { why }),
    undo: (why) => run(t('change_undone', { name }), { method: 'POST', path: `${path}/undo` }, { why }),
  };
}
