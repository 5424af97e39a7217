// A show with two assistants: what one does, the other one sees.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call, open } from './support.mjs';

/** The tests; `of` returns the shop when it runs. */
export function roomTests(of) {
  const until = (page, wanted) => page.waitForFunction((wanted) => [...document.querySelectorAll('.row-item')].map((row) => row.dataset.number).join() === wanted, wanted);

  test('a room is made, filled, ordered and explained by one and seen by the other', async () => {
    const shop = of();
    const { items } = await call(shop, 'GET', '/recommend?count=5');
    const [first, second] = items.map((item) => item.item_id);
    const one = await open(shop, 'rooms');
    await one.locator('#room-id').fill('evening');
    await one.locator('#room-title').fill('晚场');
    await one.getByRole('button', { name: 'New room' }).click();
    await one.locator('#items').fill(items.map((item) => item.item_id).join(', '));
    await one.locator('#add-form button').click();
    await until(one, '1,2,3,4,5');
    const two = await open(shop, 'rooms/evening');
    await until(two, '1,2,3,4,5');
    for (const page of [one, two]) await page.locator('#connection', { hasText: 'live stream' }).waitFor();

    await one.locator('#numbers').fill('4,2');
    await one.locator('#order-form button').click();
    await until(two, '4,2,1,3,5');
    await two.locator('[data-number="5"]').dragTo(two.locator('[data-number="4"]'));
    await until(one, '5,4,2,1,3');
    await until(two, '5,4,2,1,3');
    // By keyboard.
    await two.locator(`[data-up="${second}"]`).focus();
    await two.keyboard.press('Enter');
    await until(one, '5,2,4,1,3');

    assert.equal(await one.locator(`[data-explain="${first}"]`).isDisabled(), true);
    await one.locator('[data-state="live"]').click();
    await two.locator('#room-state[data-value="live"]').waitFor();
    await two.locator(`[data-explain="${first}"]`).click();
    await one.locator(`.row-item.explained[data-item="${first}"]`).waitFor();
    await one.locator(`[data-push="${second}"]`).click();
    await two.locator(`.row-item[data-item="${second}"]`).getByText(/card until/).waitFor();
    assert.equal((await call(shop, 'GET', '/rooms/evening')).push.item_id, second);

    await two.locator(`[data-remove="${second}"]`).click();
    await until(one, '5,4,1,3');
    await two.locator('#journal summary').click();
    await two.locator('[data-undo]').first().click();
    await until(one, '5,2,4,1,3');
    const { revisions } = await call(shop, 'GET', '/rooms/evening/history');
    assert.deepEqual([revisions[0].command, revisions[0].who], ['undo', 'wang']);
    assert.deepEqual([one.faults, two.faults], [[], []]);
    await one.context().close();
    await two.context().close();
  });

  test('an order over a list that another one changed is refused and says what changed', async () => {
    const shop = of();
    const { items } = await call(shop, 'GET', '/recommend?count=3');
    await call(shop, 'PUT', '/rooms/morning', { title: '早场' });
    await call(shop, 'POST', '/rooms/morning/products', { mode: 'add', products: items.map(({ item_id }) => ({ item_id })) });
    const page = await open(shop, 'rooms/morning');
    await until(page, '1,2,3');
    // While the order is on its way, somebody else takes a product off.
    await page.route(/products\/order/, async (route) => {
      await call(shop, 'DELETE', `/rooms/morning/products/${items[2].item_id}`);
      await route.continue();
    });
    await page.locator(`[data-up="${items[1].item_id}"]`).click();
    assert.match(await page.locator('#room-problem .bad').innerText(), new RegExp(items[2].item_id));
    await until(page, '1,2');
    await page.unroute(/products\/order/);
    await page.locator(`[data-up="${items[1].item_id}"]`).click();
    await until(page, '2,1');
    await page.context().close();
  });

  test('a room is followed by its list while the stream is away, and a deletion is seen', async () => {
    const shop = of();
    const { items } = await call(shop, 'GET', '/recommend?count=2');
    await call(shop, 'PUT', '/rooms/noon', { title: '午场' });
    await call(shop, 'POST', '/rooms/noon/products', { products: items.map(({ item_id }) => ({ item_id })) });
    const page = await open(shop, 'rooms');
    await page.route(/noon\/stream/, (route) => route.fulfill({ status: 503, contentType: 'application/problem+json', body: '{"code":"not_ready"}' }));
    await page.goto(`${shop.api}/console/#/rooms/noon`);
    await page.locator('#connection', { hasText: 'refreshed by list' }).waitFor();
    await call(shop, 'POST', '/rooms/noon/products/order', { numbers: '2' });
    await until(page, '2,1');
    await page.unroute(/noon\/stream/);
    await page.locator('#connection', { hasText: 'live stream' }).waitFor();
    await call(shop, 'DELETE', '/rooms/noon');
    await page.locator('#room-undo').click();
    await until(page, '2,1');
    await page.context().close();
  });

  test('a flash sale is started and ended from its row', async () => {
    const shop = of();
    await call(shop, 'PUT', '/rooms/sale', { title: '秒杀场', state: 'live' });
    await call(shop, 'POST', '/rooms/sale/products', { products: [{ item_id: shop.item }] });
    const page = await open(shop, 'rooms/sale');
    await page.locator(`[data-sale="${shop.item}"]`).click();
    await page.getByRole('dialog').getByLabel('Quantity').fill('7');
    await page.getByRole('dialog').getByRole('button', { name: 'Start' }).click();
    await page.getByText(/7 of 7 left/).waitFor();
    assert.equal((await call(shop, 'GET', '/rooms/sale/products')).products[0].flash_sale.quantity, 7);
    await page.getByRole('button', { name: 'End sale' }).click();
    await page.locator(`[data-sale="${shop.item}"]`).waitFor();
    await page.context().close();
  });

  test('the hash of a page is that of the server', async () => {
    const shop = of();
    const page = await open(shop, 'rooms');
    const { items } = await call(shop, 'GET', '/recommend?count=4');
    await call(shop, 'PUT', '/rooms/hashed', { title: 'h' });
    await call(shop, 'POST', '/rooms/hashed/products', { mode: 'add', products: [...items.map(({ item_id }) => ({ item_id })), { item_id: 'unknown', visibility: 'hidden' }] });
    const list = await call(shop, 'GET', '/rooms/hashed/products');
    const hash = (state) => page.evaluate(async (state) => (await import('./js/room/state.js')).hashOf(state), state);
    assert.equal(await hash(list), list.hash);
    assert.notEqual(await hash({ ...list, products: list.products.toReversed() }), list.hash);
    await page.context().close();
  });

  test('changes of a room are applied in order, with new products at the end', async () => {
    const shop = of();
    const page = await open(shop, 'rooms');
    const after = await page.evaluate(async () => {
      const { begin, changed } = await import('./js/room/state.js');
      const product = (item_id, number) => ({ item_id, number });
      let state = begin({ revision: 1, hash: 'x', room: { state: 'planned' }, products: [product('a', 1), product('b', 2)] });
      state = changed(state, { revision: 2, products: [product('c', 3)], removed: ['a'] });
      const added = state.products.map((one) => one.item_id).join();
      state = changed(state, { revision: 3, room: { state: 'live' }, order: ['c', 'b'] });
      return [added, state.products.map((one) => one.item_id).join(), state.room.state, state.revision];
    });
    assert.deepEqual(after, ['b,c', 'c,b', 'live', 3]);
    await page.context().close();
  });
}
