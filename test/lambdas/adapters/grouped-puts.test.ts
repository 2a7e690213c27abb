import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createGroupedPuts, type StreamRecord } from '../../../lambdas/adapters/grouped-puts.ts';

/** A stream whose puts end when the test says so. */
function slowStream() {
  const puts: (PromiseWithResolvers<readonly (string | undefined)[]> & {
    readonly names: readonly string[];
  })[] = [];
  const put = createGroupedPuts((records) => {
    const names = records.map(({ PartitionKey }) => PartitionKey);
    const pending = { ...Promise.withResolvers<readonly (string | undefined)[]>(), names };
    puts.push(pending);
    return pending.promise;
  });
  return { puts, put, names: () => puts.map(({ names }) => names) };
}

const named = (PartitionKey: string, Data = 'e30K'): StreamRecord => ({ PartitionKey, Data });

describe('records', () => {
  it('go at once where no put is under way, and together with those that came meanwhile', async () => {
    const { puts, put, names } = slowStream();
    const all = ['a', 'b', 'c'].map((name) => put(named(name)));
    expect(names()).toEqual([['a']]);
    puts[0]?.resolve([undefined]);
    expect(await all[0]).toBeUndefined();
    await nextTurn();
    expect(names()).toEqual([['a'], ['b', 'c']]);
    puts[1]?.resolve([undefined, undefined]);
    await Promise.all(all);
    await nextTurn();
    void put(named('d'));
    expect(names()).toEqual([['a'], ['b', 'c'], ['d']]);
  });

  it('do not wait for a put that takes long', async () => {
    const { puts, put, names } = slowStream();
    const slow = put(named('slow'));
    const next = put(named('next'));
    await expect.poll(names).toEqual([['slow'], ['next']]);
    puts[1]?.resolve([undefined]);
    expect(await next).toBeUndefined();
    puts[0]?.resolve([undefined]);
    await slow;
    await sleep(50);
    expect(puts).toHaveLength(2);
  });

  it('do not wait for a put that takes long where more came than go together', async () => {
    const { puts, put } = slowStream();
    void put(named('slow'));
    for (let index = 0; index < 251; index += 1) void put(named(`r${index}`));
    await expect.poll(() => puts.map(({ names }) => names.length)).toEqual([1, 250, 1]);
  });

  it('are told of each on its own', async () => {
    const { puts, put } = slowStream();
    const [first, second, third] = ['a', 'b', 'c'].map((name) => put(named(name)));
    puts[0]?.resolve([undefined]);
    expect(await first).toBeUndefined();
    await nextTurn();
    puts[1]?.resolve(['ProvisionedThroughputExceededException', undefined]);
    expect(await second).toBe('ProvisionedThroughputExceededException');
    expect(await third).toBeUndefined();
  });

  it('are all told where their put fails, and the next ones go all the same', async () => {
    const { puts, put, names } = slowStream();
    const [first, second, third] = ['a', 'b', 'c'].map((name) => put(named(name)));
    puts[0]?.reject(new Error('down'));
    await expect(first).rejects.toThrow('down');
    await nextTurn();
    puts[1]?.reject(new Error('still down'));
    await expect(second).rejects.toThrow('still down');
    await expect(third).rejects.toThrow('still down');
    await nextTurn();
    void put(named('d'));
    expect(names()).toEqual([['a'], ['b', 'c'], ['d']]);
  });

  it.each([
    ['250 at most', 601, 4, [1, 250, 250, 100]],
    ['2.5 MB at most', 4, 1_200_000, [1, 2, 1]],
    ['one of any size', 2, 3_000_000, [1, 1]],
  ])('go in groups of %s', async (_what, count, characters, sizes) => {
    const groups: number[] = [];
    const put = createGroupedPuts(async (records) => {
      groups.push(records.length);
      return records.map(() => undefined);
    });
    const data = 'x'.repeat(characters);
    await Promise.all(
      Array.from({ length: count }, (_each, index) => put(named(`r${index}`, data))),
    );
    expect(groups).toEqual(sizes);
  });
});
