// A storefront's page on another origin: a slate with pictures and its events, with a public key and a user token.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createServer } from 'node:http';
import { call, userToken } from './support.mjs';

const PAGE = `<!doctype html><meta charset="utf-8"><title>A storefront</title><ul id="slate"></ul><script>
async function ask(method, path, body) {
  const headers = { authorization: 'Bearer ' + shop.key, 'content-type': 'application/json' };
  if (shop.token) headers['x-user-token'] = shop.token;
  const answer = await fetch(shop.api + path, { method, headers, keepalive: method === 'POST', body: body && JSON.stringify(body) });
  return { status: answer.status, ...(await answer.json()) };
}
async function show() {
  const slate = await ask('POST', '/recommend', { count: 8 });
  for (const item of slate.items) {
    const picture = Object.assign(new Image(), { src: item.image_url, alt: item.title });
    const line = document.createElement('li');
    line.append(picture, item.title + ' ' + item.price);
    document.getElementById('slate').append(line);
    await picture.decode();
  }
  return slate;
}
function makeEvent(id, type, item) { return { event_id: id, type, occurred_at: new Date().toISOString(), item_id: item }; }
function beacon(events) {
  const query = new URLSearchParams({ key: shop.key, user_token: shop.token });
  return navigator.sendBeacon(shop.api + '/events?' + query, JSON.stringify({ events }));
}
</script>`;

/** The tests; `of` returns the shop when it runs. */
export function storefrontTests(of) {
  let other;
  const serve = async (port) => {
    const server = createServer((_, answer) => answer.writeHead(200, { 'content-type': 'text/html' }).end(PAGE));
    await new Promise((done) => server.listen(port, '127.0.0.1', done));
    // A test that fails must not keep the process, or the port of the next one.
    return server.unref();
  };
  const visit = async (shop, address, user) => {
    const page = await (await shop.browser.newContext()).newPage();
    const token = user && userToken(user, shop.storefront.secret);
    await page.addInitScript((shop) => { globalThis.shop = shop; }, { api: shop.api, key: shop.storefront.key, token });
    await page.goto(address);
    return page;
  };

  test('a page of another origin shows a slate with pictures and sends events by fetch and beacon', async () => {
    const shop = of();
    other ??= await serve(shop.otherPort);
    const page = await visit(shop, shop.other, shop.user);
    const slate = await page.evaluate(() => globalThis.show());
    assert.equal(slate.personalized, true);
    const drawn = await page.locator('#slate img').evaluateAll((all) => all.map((picture) => picture.naturalWidth));
    assert.equal(drawn.length, 8);
    assert.ok(drawn.every((width) => width > 0), `${drawn}`);

    const [viewed, liked] = [slate.items[6].item_id, slate.items[7].item_id];
    const run = `storefront-${process.pid}`;
    const sent = await page.evaluate(([run, item]) => globalThis.ask('POST', '/events', { events: [globalThis.makeEvent(run, 'view', item)] }), [run, viewed]);
    assert.deepEqual([sent.status, sent.accepted], [200, 1]);
    assert.equal(await page.evaluate(([run, item]) => globalThis.beacon([globalThis.makeEvent(run + '-b', 'favorite', item)]), [run, liked]), true);
    const marked = async () => (await call(shop, 'GET', `/users/${shop.user}`)).live.map((mark) => mark.item_id);
    for (let n = 0; !(await marked()).includes(liked); n += 1) {
      assert.ok(n < 100, 'the beacon did not arrive');
      await new Promise((done) => setTimeout(done, 50));
    }
    assert.ok((await marked()).includes(viewed));
    await page.context().close();
  });

  test('nobody else\'s data can be had with a storefront key and a user token', async () => {
    const shop = of();
    other ??= await serve(shop.otherPort);
    const page = await visit(shop, shop.other, shop.user);
    const others = (await call(shop, 'POST', '/audience', { item_ids: [shop.item], count: 5 })).users.map((user) => user.user_id);
    const foreign = others.find((id) => id !== shop.user);
    const { paths } = await (await fetch(`${shop.api}/openapi.json`)).json();
    const open = ['get /healthz', 'get /readyz'];
    // A test of the server lists the calls that let storefronts in; what they answer of others is asked below.
    const isShared = (operation) => operation.security?.some(({ key }) => key?.includes('storefront'));
    let refused = 0;
    for (const [template, operations] of Object.entries(paths)) {
      for (const [method, operation] of Object.entries(operations)) {
        if (open.includes(`${method} ${template}`) || isShared(operation)) continue;
        const path = template.replaceAll(/\{[^}]+\}/g, foreign);
        const answer = await page.evaluate(([method, path]) => globalThis.ask(method, path, method === 'GET' ? undefined : {}), [method.toUpperCase(), path]);
        assert.deepEqual([answer.status, answer.code], [403, 'missing_scope'], `${method} ${path}`);
        refused += 1;
      }
    }
    assert.ok(refused > 20, `${refused}`);
    const as = (method, path, body) => page.evaluate(([method, path, body]) => globalThis.ask(method, path, body), [method, path, body]);
    assert.equal((await as('GET', `/recommend?user_id=${foreign}`)).code, 'foreign_user');
    assert.equal((await as('POST', '/recommend', { user: { id: foreign } })).code, 'foreign_user');
    assert.equal((await as('POST', '/bundle', { cart: [shop.item], personalize: true, user: { id: foreign } })).code, 'foreign_user');
    const event = { event_id: 'foreign', type: 'view', occurred_at: new Date().toISOString(), item_id: shop.item, user_id: foreign };
    assert.equal((await as('POST', '/events', { events: [event] })).results[0].status, 'rejected');
    const mine = await as('GET', '/recommend');
    assert.ok(!others.filter((id) => id !== shop.user).some((id) => JSON.stringify(mine).includes(id)));
    await page.context().close();
  });

  test('a page of an origin that is not configured gets no answer', async () => {
    const shop = of();
    const server = await serve(0);
    const page = await visit(shop, `http://127.0.0.1:${server.address().port}`, shop.user);
    const outcome = await page.evaluate(() => globalThis.ask('GET', '/recommend').then(() => 'answered', (error) => error.name));
    assert.equal(outcome, 'TypeError');
    await page.context().close();
    server.close();
  });
}
