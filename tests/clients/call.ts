// Calls a server by the generated TypeScript client; the request is typed by the other generator's types, which are to agree.

import { recommendInContext, sendEvents, similar } from './client';
import { client } from './client/client.gen';
import type { components } from './types';

declare const process: { argv: string[]; exitCode?: number };
declare const console: { log(...values: unknown[]): void };

async function main(baseUrl: string): Promise<void> {
  client.setConfig({ baseUrl });
  const request: components['schemas']['RecommendRequest'] = { user: { id: 'somebody' }, count: 3 };
  const slate = await recommendInContext({ body: request });
  const items = slate.data?.items ?? [];
  const first = items[0];
  if (items.length !== 3 || first === undefined) throw new Error(`a slate of 3, not ${JSON.stringify(slate)}`);
  const like = await similar({ body: { item_ids: [first.item_id], count: 2 } });
  if (like.data === undefined) throw new Error(JSON.stringify(like.error));
  const event = { event_id: `client-${Date.now()}`, type: 'view' as const, occurred_at: new Date().toISOString(), user_id: 'somebody', item_id: first.item_id };
  const sent = await sendEvents({ body: { events: [event] } });
  if (sent.data?.accepted !== 1) throw new Error(JSON.stringify(sent));
  const refused = await similar({ body: { item_ids: [] } });
  if (refused.error === undefined) throw new Error('an empty list is refused');
  console.log(`the TypeScript client: ${items.map((item) => item.title ?? item.item_id).join(', ')}`);
}

main(process.argv[2] ?? 'http://127.0.0.1:8080').catch((error: unknown) => {
  console.log(error);
  process.exitCode = 1;
});
