// What the browser remembers. The key and the name of who acts live as long as the tab; language and colors stay.

const names = { key: 'qianmian.key', who: 'qianmian.who', language: 'qianmian.language', theme: 'qianmian.theme' };
const storage = (name) => (name === 'key' || name === 'who' ? sessionStorage : localStorage);

/** The remembered value, or null. */
export const remembered = (name) => storage(name).getItem(names[name]);

/** Remembers `value`; null forgets. */
export function remember(name, value) {
  if (value === null) storage(name).removeItem(names[name]);
  else storage(name).setItem(names[name], value);
}
