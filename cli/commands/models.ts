import * as z from 'zod';
import type { Command } from '../command.ts';
import { allPages } from '../pages.ts';
import { table } from '../table.ts';

const modelSchema = z.looseObject({
  tier: z.string().optional(),
  context_tokens: z.string().optional(),
  deprecated: z.looseObject({ sunset: z.string().optional() }).optional(),
  routes: z
    .array(z.looseObject({ provider: z.string().optional(), model: z.string().optional() }))
    .optional(),
});
const itemSchema = z.object({ id: z.string(), value: modelSchema });
const pageSchema = z.looseObject({ items: z.array(itemSchema), cursor: z.string().optional() });

export const modelsList: Command = {
  name: 'models list',
  about: 'Models by the names that callers use, and where they go.',
  async run({ admin }) {
    const client = admin();
    const items = await allPages(async (cursor) => {
      const { body } = await client.call('GET /models', pageSchema, { query: { cursor } });
      return { items: body.items, next: body.cursor };
    });
    const text = table<z.infer<typeof itemSchema>>(
      [
        { title: 'model', cell: ({ id }) => id },
        { title: 'tier', cell: ({ value }) => value.tier ?? 'shared' },
        { title: 'context', align: 'right', cell: ({ value }) => value.context_tokens ?? '-' },
        {
          title: 'routes',
          cell: ({ value: { routes = [] } }) =>
            routes.map(({ provider, model }) => `${provider}:${model}`).join(' > '),
        },
        { title: 'refused from', cell: ({ value }) => value.deprecated?.sunset ?? '-' },
      ],
      items,
      'The policy has no models.',
    );
    return { json: { items }, text };
  },
};
