// What was done in this tab: every action with its curl command, its outcome, and the request that undoes it.
// The server keeps its own trail of documents; this one lets go when the tab closes.

import { ask, curl } from './api.js';

const NAME = 'qianmian.journal';
const MOST = 50;
const listeners = new Set();

/** Entries, latest first: `{id, at, title, curl, outcome, undo, undone}`. */
export function entries() {
  try {
    return JSON.parse(sessionStorage.getItem(NAME)) ?? [];
  } catch {
    return [];
  }
}

function write(list) {
  sessionStorage.setItem(NAME, JSON.stringify(list.slice(0, MOST)));
  for (const listener of listeners) listener();
}

/** Calls `listener` after every change, until `signal` aborts. */
export function watch(listener, signal) {
  listeners.add(listener);
  signal?.addEventListener('abort', () => listeners.delete(listener));
}

/** Empties it, with the session. */
export const forget = () => write([]);

/** Sends a request that changes something and notes it. `undo` is the request that takes it back, or a function of the answer that
 *  makes it. Rethrows a refusal, which is noted, too. */
export async function act(title, request, undo) {
  const entry = { id: crypto.randomUUID?.() ?? String(performance.now()), at: new Date().toISOString(), title, curl: curl(request) };
  try {
    const answer = await ask(request);
    const back = typeof undo === 'function' ? undo(answer) : undo;
    write([{ ...entry, outcome: 'done', undo: back ?? null }, ...entries()]);
    return answer;
  } catch (error) {
    write([{ ...entry, outcome: error.message }, ...entries()]);
    throw error;
  }
}

/** Undoes the entry `id`. */
export async function undo(id, title) {
  const entry = entries().find((entry) => entry.id === id);
  if (!entry?.undo) return;
  await act(title, entry.undo);
  write(entries().map((entry) => (entry.id === id ? { ...entry, undo: null, undone: true } : entry)));
}
