import type { BatchGetItemCommand } from '@aws-sdk/client-dynamodb';
import { expect, it } from 'vitest';
import { createBatchedReads } from '../../../lambdas/adapters/batched-reads.ts';

/** A table that gives at most so many items of a batch and leaves the others out. */
function tableOf(keys: readonly string[], most = 100) {
  const batches: string[][] = [];
  const send = async ({ input }: BatchGetItemCommand) => {
    const asked = (input.RequestItems?.['accounts']?.Keys ?? []).map(({ pk }) => pk?.S ?? '');
    batches.push(asked);
    const item = (key: string) => ({ pk: { S: key }, n: { N: '1' } });
    return {
      Responses: {
        accounts: asked
          .slice(0, most)
          .filter((key) => keys.includes(key))
          .map(item),
      },
      UnprocessedKeys: { accounts: { Keys: asked.slice(most).map((S) => ({ pk: { S } })) } },
    };
  };
  const reader = createBatchedReads({
    client: { send: async (command: never) => send(command) },
    tableName: 'accounts',
    pause: async () => {},
  });
  return { batches, reader };
}

const KEYS = Array.from({ length: 250 }, (_, index) => `key/${index}`);

it('reads what is asked for at once in batches of a hundred, each key once', async () => {
  const { batches, reader } = tableOf(KEYS);
  const items = await Promise.all([...KEYS, 'key/7'].map((key) => reader.read(key)));
  expect(items.map((item) => item?.['pk'])).toEqual([...KEYS, 'key/7']);
  expect(batches.map(({ length }) => length)).toEqual([100, 100, 50]);
});

it('knows nothing of what is not there', async () => {
  const { reader } = tableOf(['key/1']);
  expect(await Promise.all(['key/1', 'key/2'].map((key) => reader.read(key)))).toEqual([
    { pk: 'key/1', n: 1 },
    undefined,
  ]);
});

it('asks again for what the table leaves out, and says so when that does not end', async () => {
  const slow = tableOf(KEYS, 40);
  const items = await Promise.all(KEYS.map((key) => slow.reader.read(key)));
  expect(items.every((item) => item !== undefined)).toBe(true);
  await expect(tableOf(KEYS, 0).reader.read('key/1')).rejects.toThrow('cannot be checked');
});

it('reads anew what is asked for later', async () => {
  const { batches, reader } = tableOf(KEYS);
  await reader.read('key/1');
  await reader.read('key/1');
  expect(batches).toEqual([['key/1'], ['key/1']]);
});
