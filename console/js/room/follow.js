// Following a room: by its stream of changes, and by its list, read again and again, while the stream is away.
// An `EventSource` sends no key, so the stream is read by `fetch`.

import { ask, pathOf, send } from '../api.js';
import { begin, changed, hashOf } from './state.js';

const RETRY_MS = 2000;

/** Calls `show(state)` with every state of the room, null once it is gone, and `connected(how)` with `stream`, `list` or `away`.
 *  Returns a function that reads the list at once, where the stream is away. */
export function follow(id, { show, connected, signal }) {
  const pause = { end: () => {} };
  const wait = () => new Promise((done) => {
    pause.end = done;
    setTimeout(done, RETRY_MS);
  });
  keepUp(pathOf('rooms', id), { show, connected, signal, wait });
  return () => pause.end();
}

async function keepUp(path, { show, connected, signal, wait }) {
  const known = { state: null, last: null };
  while (!signal.aborted) {
    try {
      const response = await send({ path: `${path}/stream`, headers: known.last ? { 'last-event-id': known.last } : {} }, signal);
      if (response.ok) {
        connected('stream');
        await read(response.body, known, show);
      } else if ((await response.json()).code === 'unknown_room') return void show(null);
      if (known.state === null && response.ok) return;
      const list = await ask({ path: `${path}/products` }, signal);
      const isNew = known.state === null || list.hash !== hashOf(known.state) || list.revision !== known.state.revision;
      known.state = begin(list);
      connected('list');
      if (isNew) show(known.state);
    } catch (error) {
      if (signal.aborted) return;
      if (error.code === 'unknown_room') return void show(null);
      connected('away');
    }
    await wait();
  }
}

/** Applies frames until the stream ends, or the state is not the server's; then it begins with a snapshot. */
async function read(body, known, show) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const frames = (rest + value).split('\n\n');
    rest = frames.pop();
    for (const frame of frames) {
      if (!apply(frame, known, show)) {
        known.last = null;
        return void reader.cancel();
      }
      if (known.state === null) return void reader.cancel();
    }
  }
}

/** Applies one frame; false if the state is not that of the server. */
function apply(frame, known, show) {
  const fields = Object.fromEntries(frame.split('\n').filter((line) => /^\w+:/.test(line)).map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]));
  if (!fields.data) return true;
  const data = JSON.parse(fields.data);
  if (fields.id) known.last = fields.id;
  if (fields.event === 'snapshot') known.state = begin(data);
  else if (fields.event === 'change') {
    if (known.state === null) return false;
    known.state = changed(known.state, data);
  } else if (fields.event === 'deleted') known.state = null;
  else if (fields.event === 'hash') return known.state !== null && data.hash === hashOf(known.state);
  else return true;
  show(known.state);
  return true;
}
