// What the browser tests share: a shop trained for them, a server with keys, pages of another origin, a browser.

import { execFileSync, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request as forward } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(fileURLToPath(import.meta.url), '../../..');
const require = createRequire(join(root, 'var/browser/'));
const { chromium } = require('playwright-core');
export const axe = require.resolve('axe-core/axe.min.js');

const programs = process.env.QIANMIAN_BIN ?? join(root, 'target/release');
const SERVER = process.env.QIANMIAN_SERVER ?? join(programs, 'qianmian-server');
const TRAINER = process.env.QIANMIAN_TRAINER ?? join(programs, 'qianmian-trainer');
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];

const run = (program, ...args) => execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });

/** A port that is free now. */
const freePort = () => new Promise((done) => {
  const server = createServer().listen(0, '127.0.0.1', () => { const { port } = server.address(); server.close(() => done(port)); });
});

/** A key with `scopes`, its configuration entry, and the secret of its user tokens, if it has one. */
function newKey(scopes) {
  const text = run(SERVER, 'new-key', '--shop', 'default', '--scopes', scopes);
  return { key: /qm_[0-9a-f]{64}/.exec(text)[0], entry: text.slice(text.indexOf('[[keys]]')), secret: /qt_[0-9a-f]{64}/.exec(text)?.[0] };
}

/** Starts everything; `close` ends it. */
export async function start() {
  const folder = mkdtempSync(join(tmpdir(), 'qianmian-browser-'));
  const store = join(folder, 'store');
  run(TRAINER, 'demo-data', '--out', join(folder, 'demo'), '--users', '1000', '--items', '500', '--days', '180', '--pictures');
  // Two versions, so that one can be activated beside the other. The first one is made without a rehearsal, in a second.
  const config = readFileSync(join(folder, 'demo/shop.toml'), 'utf8');
  writeFileSync(join(folder, 'demo/quick.toml'), `${config}\n[training]\nrehearse = false\n`);
  for (const name of ['quick', 'shop']) run(TRAINER, 'train', '--store', store, '--shop', 'default', '--config', join(folder, `demo/${name}.toml`));

  const [port, otherPort, subPort] = [await freePort(), await freePort(), await freePort()];
  const other = `http://127.0.0.1:${otherPort}`;
  const [operator, reader, storefront] = [newKey('read,events,write,admin'), newKey('read'), newKey('storefront')];
  const settings = join(folder, 'server.toml');
  writeFileSync(settings, `cors.origins = ["${other}"]\nlimits.queue_seconds = 5\n[live]\nfolder = "${join(folder, 'live')}"\n${operator.entry}\n${reader.entry}\n${storefront.entry}\n`);
  const server = spawn(SERVER, ['run', '--config', settings, '--store', store, '--listen', `127.0.0.1:${port}`], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  server.stderr.on('data', (text) => { log += text; });
  const api = `http://127.0.0.1:${port}`;
  for (let n = 0; !(await fetch(`${api}/readyz`).then((answer) => answer.ok, () => false)); n += 1) {
    if (n > 200 || server.exitCode !== null) throw new Error(`the server is not ready:\n${log}`);
    await new Promise((done) => setTimeout(done, 50));
  }
  const sub = `http://127.0.0.1:${subPort}/shops/tea`;
  const proxy = createServer((asked, answer) => {
    const path = asked.url.replace(/^\/shops\/tea/, '');
    const on = forward({ host: '127.0.0.1', port, path, method: asked.method, headers: asked.headers }, (got) => {
      answer.writeHead(got.statusCode, got.headers);
      got.pipe(answer);
    });
    asked.pipe(on);
  }).listen(subPort, '127.0.0.1').unref();
  const profile = join(folder, 'profile');
  // A fresh profile; `context` gives each test its own session besides.
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS, headless: true, downloadsPath: profile });
  const close = async () => {
    await browser.close();
    proxy.close();
    server.kill('SIGTERM');
    await new Promise((done) => server.once('exit', done));
    rmSync(folder, { recursive: true, force: true });
  };
  const shop = { api, sub, other, otherPort, operator, reader, storefront, browser, close };
  return Object.assign(shop, await example(shop));
}

/** A best seller, and a person who allows personal answers and is likely to buy it. */
async function example(shop) {
  const item = (await call(shop, 'GET', '/recommend?count=1')).items[0].item_id;
  const { users } = await call(shop, 'POST', '/audience', { item_ids: [item], count: 50 });
  for (const { user_id: user } of users) {
    const { consents } = await call(shop, 'GET', `/users/${user}/consent`);
    if (consents.personalization.allowed) return { user, item };
  }
  throw new Error('nobody in the shop allows personal answers');
}

/** Calls the API beside the browser. */
export async function call(shop, method, path, body, key = shop.operator.key) {
  const headers = { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }) };
  const answer = await fetch(shop.api + path, { method, headers, body: body && JSON.stringify(body) });
  return { status: answer.status, ...(await answer.json()) };
}

/** A page of the console, logged in with `key`, at `#/` + `place`. Faults of scripts and of the policy end the test. */
export async function open(shop, place = '', { key = shop.operator.key, width = 1280, height = 900, dark = false, at = shop.api, language = 'en' } = {}) {
  const context = await shop.browser.newContext({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light' });
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  page.faults = [];
  page.on('pageerror', (error) => page.faults.push(error.stack));
  page.on('console', (message) => { if (/Content Security|Trusted/.test(message.text())) page.faults.push(message.text()); });
  await page.addInitScript(([key, language]) => {
    if (sessionStorage.getItem('qianmian.key') === null && key) sessionStorage.setItem('qianmian.key', key);
    sessionStorage.setItem('qianmian.who', 'wang');
    if (localStorage.getItem('qianmian.language') === null) localStorage.setItem('qianmian.language', language);
  }, [key, language]);
  await page.goto(`${at}/console/#/${place}`);
  return page;
}

/** A user token, as the shop's server signs it. */
export function userToken(userId, secret) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: userId, exp: Math.floor(Date.now() / 1000) + 900 })}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}
