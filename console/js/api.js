// Calls of the server that the console came from, with the key of the session, and the same calls as curl commands.

import { remembered } from './session.js';

/** The server's address: the folder above the console's, so that any sub-path works. */
export const base = new URL('..', document.baseURI);

/** A refusal of the server, by its problem document; `status` 0 says that there was no answer. */
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `HTTP ${status}`);
    Object.assign(this, { status, code: problem.code, field: problem.field, nearest: problem.nearest, problem });
  }
}

/** An address of the API: `path` with the fields of `query` that have a value. */
export function address(path, query = {}) {
  const url = new URL(path.replace(/^\//, ''), base);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== '') url.searchParams.set(name, value);
  }
  return url;
}

/** Sends `{method, path, query, body, headers}` and returns the response, whatever its status. */
export async function send(request, signal) {
  const headers = { ...request.headers };
  const key = remembered('key');
  if (key) headers.authorization = `Bearer ${key}`;
  if (request.body !== undefined) headers['content-type'] = 'application/json';
  const body = request.body === undefined ? undefined : JSON.stringify(request.body);
  try {
    return await fetch(address(request.path, request.query), { method: request.method ?? 'GET', headers, body, signal, cache: 'no-store' });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Refusal(0, { detail: error.message, code: 'unreachable' });
  }
}

/** Sends a request and returns its JSON answer, with the revision of a document as `etag`. Throws a `Refusal`. What a busy server
 *  refused before any work is sent again, `retries` times. */
export async function ask(request, signal, retries = 2) {
  const response = await send(request, signal);
  const text = await response.text();
  const isJson = (response.headers.get('content-type') ?? '').includes('json');
  const body = isJson && text ? JSON.parse(text) : {};
  if (body.code === 'overloaded' && retries > 0) {
    await new Promise((done) => setTimeout(done, 1000 * (Number(response.headers.get('retry-after')) || 1)));
    return ask(request, signal, retries - 1);
  }
  if (!response.ok) throw new Refusal(response.status, body);
  return { ...body, etag: response.headers.get('etag') };
}

/** The path of something by its id. */
export const pathOf = (...parts) => '/' + parts.map(encodeURIComponent).join('/');

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** The request as a curl command. The key stays a variable of the shell. */
export function curl(request) {
  const parts = ['curl -s'];
  if (request.method && request.method !== 'GET') parts.push(`-X ${request.method}`);
  parts.push(quoted(address(request.path, request.query).href));
  if (remembered('key')) parts.push('-H "authorization: Bearer $KEY"');
  for (const [name, value] of Object.entries(request.headers ?? {})) parts.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (request.body !== undefined) {
    parts.push(`-H 'content-type: application/json' -d ${quoted(JSON.stringify(request.body))}`);
  }
  return parts.join(' ');
}
