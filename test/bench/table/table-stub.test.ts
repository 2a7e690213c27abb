import { describe, expect, it } from 'vitest';
import { createTableStub } from '../../../bench/table/table-stub.ts';
import { createMemoryAccounts } from '../../../bench/targets/memory-accounts.ts';
import { asRecord, parseRecord } from '../../../core/dialects/json-record.ts';
import type { AccountWrite } from '../../../core/limits/account-write.ts';
import { fromAttributes } from '../../../lambdas/adapters/attribute-values.ts';
import { AwsFault } from '../../../lambdas/adapters/aws-fault.ts';
import { createDynamoAccounts } from '../../../lambdas/adapters/dynamo-accounts.ts';
import { overAws } from '../../../lambdas/adapters/dynamo-lean.ts';

function storeBefore(stub: ReturnType<typeof createTableStub>) {
  const dynamo = overAws({
    async call(operation, input) {
      const wire = typeof input === 'string' ? parseRecord(input) : { ...input };
      const { status, body } = stub.answer(`DynamoDB_20120810.${operation}`, wire ?? {});
      const answer = asRecord(body) ?? {};
      if (status === 200) return answer;
      const code = String(answer['__type']).split('#')[1] ?? '';
      throw new AwsFault('refused', { code, answer, message: code });
    },
  });
  return createDynamoAccounts({ dynamo, tableName: 'accounts' });
}

const MAKE: AccountWrite = {
  conditions: [{ kind: 'absent', path: ['st'] }],
  set: [
    [['st'], 'active'],
    [['h'], {}],
  ],
  add: [],
  remove: [],
};
const HOLD: AccountWrite = {
  conditions: [
    { kind: 'equals', path: ['st'], value: 'active' },
    { kind: 'absent', path: ['h', 'one'] },
    { kind: 'fewer-than', path: ['h'], value: 2 },
    {
      kind: 'any',
      of: [
        [{ kind: 'at-most', path: ['used'], value: 10 }],
        [{ kind: 'present', path: ['h', 'other'] }],
      ],
    },
  ],
  set: [
    [
      ['h', 'one'],
      [7, 8],
    ],
  ],
  add: [['used', 11]],
  remove: [],
};
const CLOSE: AccountWrite = {
  conditions: [{ kind: 'present', path: ['h', 'one'] }],
  set: [],
  add: [['used', -1]],
  remove: [['h', 'one']],
};

describe('the table stub', () => {
  it('means by each write what the accounts in memory mean', async () => {
    const stub = createTableStub({ unitsPerSecond: 1_000 });
    const stubbed = storeBefore(stub);
    const memory = await createMemoryAccounts([]);
    for (const write of [HOLD, MAKE, MAKE, HOLD, HOLD, CLOSE, CLOSE, HOLD]) {
      const { item, ...outcome } = await stubbed.write('team/a/b', write);
      const { item: expected, ...meant } = await memory.write('team/a/b', write);
      expect(outcome).toEqual(meant);
      expect(item === undefined ? undefined : { ...item, pk: undefined }).toEqual(
        expected === undefined ? undefined : { ...expected, pk: undefined },
      );
    }
  });

  it('counts what is held', async () => {
    const stub = createTableStub({ unitsPerSecond: 1_000 });
    const store = storeBefore(stub);
    await store.write('team/a/b', MAKE);
    await store.write('team/a/b', HOLD);
    expect(stub.openHolds()).toBe(1);
    await store.write('team/a/b', CLOSE);
    expect(stub.openHolds()).toBe(0);
    expect(stub.takeCounts()).toMatchObject({ writes: 3, units: 3, throttled: 0 });
    expect(stub.takeCounts()).toMatchObject({ writes: 0 });
  });

  it('writes all of a transaction or nothing', async () => {
    const stub = createTableStub({ unitsPerSecond: 1_000 });
    const store = storeBefore(stub);
    const both = ['a', 'b'].map((key) => ({ key, write: MAKE }));
    expect(await store.writeTogether(both)).toBe(true);
    expect(await store.writeTogether([...both, { key: 'c', write: MAKE }])).toBe(false);
    expect(await store.read('c')).toBeUndefined();
    expect(await store.read('a')).toEqual({ pk: 'a', st: 'active', h: {} });
  });

  it('throttles an item that is written more often than it takes', async () => {
    const stub = createTableStub({ unitsPerSecond: 2 });
    const store = storeBefore(stub);
    const writes = Array.from({ length: 5 }, () => store.write('team/a/b', MAKE));
    const outcomes = await Promise.allSettled(writes);
    expect(outcomes.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(0);
    expect(stub.takeCounts().throttled).toBeGreaterThan(0);
    await expect(store.write('team/another', MAKE)).resolves.toMatchObject({ kind: 'applied' });
  });

  it('bills a unit for each KB of the item', async () => {
    const stub = createTableStub({ unitsPerSecond: 1_000 });
    const Item = { pk: { S: 'big' }, text: { S: 'x'.repeat(3_000) } };
    stub.answer('DynamoDB_20120810.PutItem', { TableName: 'accounts', Item });
    await storeBefore(stub).write('big', MAKE);
    expect(stub.takeCounts()).toMatchObject({
      writes: 1,
      units: 3,
      busiestUnits: { 'accounts big': 3 },
    });
    expect(fromAttributes(Item)).toHaveProperty('pk', 'big');
  });
});
