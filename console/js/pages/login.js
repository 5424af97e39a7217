// Logging in: by a key of the shop, which stays in this tab.

import { el, fill } from '../dom.js';
import { language, setLanguage, t } from '../i18n.js';
import { remember, remembered } from '../session.js';

/** Asks for a key; `problem` says what was wrong with the last one. `start` tries it. */
export function login(app, problem, start) {
  const key = el('input', { type: 'password', name: 'key', autocomplete: 'off', required: true, spellcheck: 'false' });
  const who = el('input', { name: 'who', autocomplete: 'username', value: remembered('who') ?? '' });
  const onsubmit = (event) => {
    event.preventDefault();
    remember('key', key.value.trim());
    remember('who', who.value.trim() || null);
    start();
  };
  const other = language() === 'zh' ? 'en' : 'zh';
  const turn = () => { setLanguage(other); login(app, null, start); };
  document.title = `${t('login')} · 千面`;
  fill(app, el('main', { class: 'login' }, el('form', { onsubmit },
    el('h1', {}, el('img', { src: 'icon.svg', alt: '', width: '32', height: '32' }), ' 千面 ', el('small', {}, t('console'))),
    el('label', { class: 'field' }, el('span', {}, t('key')), key),
    el('label', { class: 'field' }, el('span', {}, t('who')), who),
    problem ? el('p', { class: 'bad', role: 'alert' }, problem) : null,
    el('button', { class: 'primary' }, t('login')),
    el('p', { class: 'note' }, t('login_note')),
    el('button', { type: 'button', class: 'quiet', onclick: turn, lang: other === 'en' ? 'en' : 'zh-CN' }, other === 'en' ? 'English' : '中文'))));
  key.focus();
}
