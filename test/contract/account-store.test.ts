import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { CreateTableCommand, DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AccountWrite, Condition } from '../../core/limits/account-write.ts';
import { createAccounts } from '../../core/limits/accounts.ts';
import { TABLE_KEY } from '../../core/names.ts';
import { toAttribute } from '../../lambdas/adapters/attribute-values.ts';
import { createDynamoAccounts } from '../../lambdas/adapters/dynamo-accounts.ts';
import { dynoxideBinary } from '../support/dynoxide.ts';
import { createMemoryStore } from '../support/memory-store.ts';

const TABLE = 'accounts';
const binary = dynoxideBinary();

/** One meaning of a conditional write: the twin that the simulation trusts and the real engine must agree. */
describe.skipIf(binary === undefined)('account store', () => {
  let client: DynamoDBClient;
  let stop: () => Promise<void>;

  beforeAll(async () => {
    const port = await freePort();
    const child = spawn(binary ?? '', ['--port', String(port)], { stdio: 'ignore' });
    stop = async () => {
      child.kill('SIGTERM');
      await once(child, 'exit');
    };
    client = new DynamoDBClient({
      endpoint: `http://127.0.0.1:${port}`,
      region: 'us-east-1',
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
      maxAttempts: 10,
    });
    await client.send(
      new CreateTableCommand({
        TableName: TABLE,
        BillingMode: 'PAY_PER_REQUEST',
        KeySchema: [{ AttributeName: TABLE_KEY, KeyType: 'HASH' }],
        AttributeDefinitions: [{ AttributeName: TABLE_KEY, AttributeType: 'S' }],
      }),
    );
  });
  afterAll(async () => {
    client.destroy();
    await stop();
  });

  const item = fc.record(
    {
      st: fc.constantFrom('active', 'revoked'),
      uM202611: fc.nat(10),
      h: fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.constant([1, 2, 3, 4, 5]), {
        noNullPrototype: true,
      }),
    },
    { requiredKeys: ['h'] },
  );
  const leaf: fc.Arbitrary<Condition> = fc.oneof(
    fc.record({
      kind: fc.constant('equals' as const),
      path: fc.constant(['st'] as const),
      value: fc.constant('active'),
    }),
    fc.record({
      kind: fc.constant('at-most' as const),
      path: fc.constantFrom(['uM202611'] as const, ['rs1'] as const),
      value: fc.integer({ min: -2, max: 10 }),
    }),
    fc.record({
      kind: fc.constantFrom('absent' as const, 'present' as const),
      path: fc.constantFrom(['h', 'a'] as const, ['st'] as const, ['h', 'z'] as const),
    }),
    fc.record({
      kind: fc.constant('fewer-than' as const),
      path: fc.constant(['h'] as const),
      value: fc.nat(4),
    }),
  );
  const condition: fc.Arbitrary<Condition> = fc.oneof(
    leaf,
    fc.record({
      kind: fc.constant('any' as const),
      of: fc.array(fc.array(leaf, { minLength: 1, maxLength: 2 }), { maxLength: 3 }),
    }),
  );
  const write: fc.Arbitrary<AccountWrite> = fc.record({
    conditions: fc.array(condition, { minLength: 1, maxLength: 4 }),
    set: fc.constantFrom(
      [],
      [
        [
          ['h', 'n'],
          [9, 8, 7, 6, 5],
        ] as const,
      ],
      [[['s'], 5] as const],
    ),
    add: fc.constantFrom([], [['uM202611', 3] as const], [['tM202611', -4] as const]),
    remove: fc.constantFrom([], [['h', 'a'] as const], [['st'] as const]),
  });

  it('means the same in memory and in DynamoDB', async () => {
    const real = createDynamoAccounts({ client, tableName: TABLE });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(item, write, async (stored, change) => {
        if (change.set.length + change.add.length + change.remove.length === 0) return;
        run += 1;
        const key = `item-${run}`;
        const twin = createMemoryStore();
        const plain = { [TABLE_KEY]: key, ...stored };
        twin.items.set(key, plain);
        await client.send(
          new PutItemCommand({
            TableName: TABLE,
            Item: Object.fromEntries(
              Object.entries(plain).map(([name, value]) => [name, toAttribute(value)]),
            ),
          }),
        );
        expect(await real.write(key, change)).toEqual(await twin.write(key, change));
      }),
      { numRuns: 300 },
    );
  });

  it('refuses without an item when there is no account', async () => {
    const real = createDynamoAccounts({ client, tableName: TABLE });
    const change = {
      conditions: [{ kind: 'equals' as const, path: ['st'] as const, value: 'active' }],
      set: [],
      add: [['x', 1] as const],
      remove: [],
    };
    expect(await real.write('nobody', change)).toEqual({ kind: 'refused' });
  });

  it('admits exactly what fits when many reserve at once', async () => {
    const store = createDynamoAccounts({ client, tableName: TABLE });
    const accounts = createAccounts({ store, clock: { nowMs: () => Date.now() } });
    const twin = createMemoryStore();
    const scope = { kind: 'team', tenantId: 'acme', teamId: 'race' } as const;
    const limits = {
      nanoUsdPerMonth: 1_000,
      tokensPerMinute: 1_000_000,
      requestsPerSecond: 100_000,
    };
    twin.setUp(scope, limits);
    for (const [pk, created] of twin.items) {
      await client.send(
        new PutItemCommand({
          TableName: TABLE,
          Item: {
            [TABLE_KEY]: { S: pk },
            st: { S: 'active' },
            h: { M: {} },
            x: { M: {} },
            ...Object.fromEntries(
              ['l', 'lv', 'pv'].map((name) => [name, toAttribute(plainOf(created[name]))]),
            ),
          },
        }),
      );
    }
    const outcomes = await Promise.all(
      Array.from({ length: 300 }, (_, index) =>
        accounts.reserve({
          requestId: `req_${String(index).padStart(8, '0')}`,
          alias: 'm',
          demand: { nanoUsd: 7, inputTokens: 1, outputTokens: 1 },
          scopes: [{ scope, limits }],
          timeZone: 'UTC',
          holdSeconds: 900,
        }),
      ),
    );
    expect(outcomes.filter(({ kind }) => kind === 'reserved').length).toBe(Math.floor(1_000 / 7));
  });
});

function plainOf(value: unknown): string | number | Record<string, number> {
  if (typeof value === 'string' || typeof value === 'number') return value;
  return Object.fromEntries(Object.entries(value ?? {}));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
