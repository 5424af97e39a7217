// The frame of every page: navigation by the key's scopes, search, language and colors, the journal of actions, messages.

import { el, fill } from './dom.js';
import { t, language, setLanguage, moment } from './i18n.js';
import { remember, remembered } from './session.js';
import { ask, curl, pathOf } from './api.js';
import { entries, forget, undo, watch } from './journal.js';

const themes = ['auto', 'light', 'dark'];

/** Applies the remembered colors; `auto` is the system's choice. */
export function applyTheme() {
  const theme = remembered('theme') ?? 'auto';
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  document.dispatchEvent(new Event('themechange'));
}

/** The way to a page: `#/person?id=U1`. */
export function link(path, query = {}) {
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value)).toString();
  return `#/${path}${text ? `?${text}` : ''}`;
}

/** Says something for a few seconds; also to screen readers. */
export function say(text, isError = false) {
  const box = document.getElementById('messages');
  const message = el('p', { class: isError ? 'message bad' : 'message' }, text);
  box?.append(message);
  setTimeout(() => message.remove(), isError ? 9000 : 4000);
}

/** What a refusal says to people. */
export function explain(error) {
  if (error.status === 0) return t('unreachable');
  const near = error.nearest ? t('nearest', { name: error.nearest }) : '';
  return [error.field ? `${error.field}: ` : '', error.message, near].join('');
}

/** Runs an action and says how it went; returns its answer, or undefined. */
export async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    if (error.name !== 'AbortError') say(explain(error), true);
    return undefined;
  }
}

/** A button. */
export const button = (label, onclick, properties = {}) => el('button', { type: 'button', onclick, ...properties }, label);

/** A button that shows the curl commands of the calls that a part of a page is made of. */
export function curlButton(...requests) {
  return button('curl', () => showText(t('calls'), requests.map(curl).join('\n\n')), { class: 'quiet', title: t('calls') });
}

/** A dialog with text to copy. */
export function showText(title, text) {
  const copy = () => navigator.clipboard?.writeText(text).then(() => say(t('copied')));
  const close = () => dialog.close();
  const dialog = el('dialog', { 'aria-label': title, onclose: () => dialog.remove() },
    el('div', { class: 'head' }, el('h2', {}, title), el('div', { class: 'tools' }, button(t('copy'), copy), button(t('close'), close))),
    el('pre', { tabindex: '0' }, text), remembered('key') ? el('p', { class: 'note' }, t('key_variable')) : null);
  document.body.append(dialog);
  dialog.showModal();
}

/** Asks before something that people see at once. Resolves to true if it may be done. */
export function confirmed(title, text) {
  return new Promise((resolve) => {
    const answer = (yes) => () => { resolve(yes); dialog.close(); };
    const dialog = el('dialog', { 'aria-label': title, onclose: () => { resolve(false); dialog.remove(); } },
      el('h2', {}, title), el('p', {}, text),
      el('div', { class: 'tools' }, button(t('cancel'), answer(false)), button(title, answer(true), { class: 'primary' })));
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** The journal of this tab as a drawer. */
function journal(signal, again) {
  const list = el('ol', { class: 'journal' });
  const count = el('span', { class: 'count' });
  const undone = (entry) => attempt(() => undo(entry.id, t('undone_action', { title: entry.title }))).then(again);
  const draw = () => {
    const all = entries();
    fill(count, all.length || '');
    fill(list, all.length === 0 ? el('li', {}, t('nothing_done')) : all.map((entry) => el('li', {},
      el('div', { class: 'head' }, el('strong', {}, entry.title), el('span', {}, moment(entry.at))),
      el('p', { class: entry.outcome === 'done' ? 'good' : 'bad' }, entry.outcome === 'done' ? t(entry.undone ? 'undone' : 'done') : entry.outcome),
      el('code', {}, entry.curl),
      entry.undo ? button(t('undo'), () => undone(entry), { 'data-undo': entry.id }) : null)));
  };
  watch(draw, signal);
  draw();
  return el('details', { class: 'drawer', id: 'journal' },
    el('summary', {}, t('journal'), ' ', count), list, el('p', { class: 'note' }, t('journal_note')));
}

/** Finds an item or a person by id. */
async function find(id) {
  if (!id) return;
  try {
    await ask({ path: pathOf('items', id) });
    location.hash = link('item', { id });
  } catch {
    location.hash = link('person', { id });
  }
}

/** Draws the frame and returns the element that pages are drawn in. `pages` are those that the key may open. */
export function frame(app, { key, pages, current, again, leave, signal }) {
  const search = el('input', { type: 'search', id: 'search', placeholder: t('search'), 'aria-label': t('search'), spellcheck: 'false' });
  const onsubmit = (event) => { event.preventDefault(); find(search.value.trim()); };
  const next = themes[(themes.indexOf(remembered('theme') ?? 'auto') + 1) % themes.length];
  const main = el('main', { id: 'main', tabindex: '-1' });
  fill(app,
    el('a', { class: 'skip', href: '#main', onclick: (event) => { event.preventDefault(); main.focus(); } }, t('skip')),
    el('header', {},
      el('a', { class: 'brand', href: '#/' }, el('img', { src: 'icon.svg', alt: '', width: '22', height: '22' }), ' 千面'),
      el('nav', { 'aria-label': t('pages') }, pages.map((page) =>
        el('a', { href: link(page.path), 'aria-current': page === current ? 'page' : null }, t(`page.${page.path || 'home'}`)))),
      key.scopes.includes('read') ? el('form', { role: 'search', onsubmit }, search) : null,
      el('div', { class: 'tools' },
        el('span', { class: 'shop', title: key.scopes.join(' ') }, key.shop),
        button(language() === 'zh' ? 'English' : '中文', () => { setLanguage(language() === 'zh' ? 'en' : 'zh'); again(); },
          { class: 'quiet', id: 'language', lang: language() === 'zh' ? 'en' : 'zh-CN' }),
        button(t(`theme.${remembered('theme') ?? 'auto'}`), () => { remember('theme', next); applyTheme(); again(); },
          { class: 'quiet', id: 'theme', title: t('theme') }),
        key.open ? null : button(t('leave'), () => { forget(); leave(); }, { class: 'quiet', id: 'leave' }))),
    main,
    el('div', { id: 'messages', role: 'status', 'aria-live': 'polite' }),
    el('footer', {}, journal(signal, again)));
  return main;
}

/** Keys that work everywhere: `/` searches, `g` and the first letter of a page's path opens it, `?` says so. */
export function shortcuts(pages) {
  let isGoing = false;
  document.addEventListener('keydown', (event) => {
    const isTyping = event.target.closest?.('input, textarea, select, dialog');
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = isGoing && pages().find((page) => (page.path || 'home')[0] === event.key);
    isGoing = event.key === 'g';
    if (page) location.hash = link(page.path);
    else if (event.key === '?') showText(t('keyboard'), t('keyboard_text'));
    else if (event.key === '/') document.getElementById('search')?.focus();
    else return;
    event.preventDefault();
  });
}
