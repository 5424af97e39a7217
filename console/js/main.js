// The console: which page the address names, whether the key may open it, and drawing it.

import { el, fill } from './dom.js';
import { language, setLanguage, t } from './i18n.js';
import { ask } from './api.js';
import { remember, remembered } from './session.js';
import { applyTheme, explain, frame, shortcuts } from './shell.js';
import { login } from './pages/login.js';

// A page is loaded when it is first opened. `needs` are the scopes without which it shows nothing.
// Audiences, segments and campaigns become entries of this table.
const pages = [
  { path: '', needs: ['admin'], load: () => import('./pages/home.js') },
  { path: 'person', needs: ['read'], load: () => import('./pages/person.js') },
  { path: 'item', needs: ['read'], load: () => import('./pages/item.js') },
  { path: 'rooms', needs: ['read'], load: () => import('./pages/rooms.js') },
  { path: 'scenes', needs: ['write'], load: () => import('./pages/scenes.js') },
];

const app = document.getElementById('app');
let key = null;
let shown = new AbortController();

const allowed = () => pages.filter((page) => page.needs.every((scope) => key?.scopes.includes(scope)));

/** The address as a page's path, the rest of the path, and the parameters. */
function route() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  const [name, ...rest] = path.split('/');
  return { name, rest: rest.map(decodeURIComponent), query: new URLSearchParams(query) };
}

/** Draws the page that the address names. */
async function show() {
  shown.abort();
  shown = new AbortController();
  const { signal } = shown;
  const { name, rest, query } = route();
  const pages = allowed();
  const page = pages.find((page) => page.path === name) ?? pages[0];
  const main = frame(app, { key, pages, current: page, again: show, leave, signal });
  if (!page) return void fill(main, el('h1', {}, t('no_page')), el('p', {}, t('no_page_text', { scopes: key.scopes.join(', ') })));
  document.title = `${t(`page.${page.path || 'home'}`)} · 千面`;
  try {
    const { draw } = await page.load();
    if (!signal.aborted) await draw(main, { key, query, rest, signal, again: show });
  } catch (error) {
    if (error.name === 'AbortError') return;
    if (error.status === 401) return void leave();
    main.append(el('p', { class: 'bad', role: 'alert' }, explain(error)));
  }
}

/** Forgets the key and asks for one. */
function leave() {
  remember('key', null);
  key = null;
  start();
}

/** Asks what the key allows; without a key that is known, asks for one. */
async function start() {
  shown.abort();
  try {
    key = await ask({ path: '/key' });
    await show();
  } catch (error) {
    const isAsked = remembered('key') !== null || error.status !== 401;
    if (error.status === 401 || error.status === 403) remember('key', null);
    login(app, isAsked ? explain(error) : null, start);
  }
}

setLanguage(language());
applyTheme();
shortcuts(() => (key ? allowed() : []));
addEventListener('hashchange', () => { if (key) show().then(() => document.getElementById('main')?.focus()); });
start();
