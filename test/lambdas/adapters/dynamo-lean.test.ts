import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../core/clock.ts';
import type { AccountStore } from '../../../core/limits/account-store.ts';
import type { AccountWrite } from '../../../core/limits/account-write.ts';
import { ATTEMPT_MS } from '../../../core/limits/patient-store.ts';
import { type Aws, createAws } from '../../../lambdas/adapters/aws-client.ts';
import { createDynamoAccounts } from '../../../lambdas/adapters/dynamo-accounts.ts';
import { createLeanDynamo, type LeanDynamo } from '../../../lambdas/adapters/dynamo-lean.ts';
import { queryItems } from '../../../lambdas/adapters/query-items.ts';
import { type AwsStub, refuse, startAwsStub } from '../../support/aws-stub.ts';

const WRITE: AccountWrite = {
  conditions: [{ kind: 'equals', path: ['st'], value: 'active' }],
  set: [[['st'], 'revoked']],
  add: [],
  remove: [],
};
const BOTH = [
  { key: 'a', write: WRITE },
  { key: 'b', write: WRITE },
];
const ADDRESS = { TableName: 'catalog', Key: { pk: { S: 'k' } } };

let stub: AwsStub;
let aws: Aws;
let dynamo: LeanDynamo;
let store: AccountStore;

beforeEach(async () => {
  stub = await startAwsStub((response) => response.end('{}'));
  const role = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' };
  const env = { AWS_ENDPOINT_URL: stub.url, AWS_REGION: 'us-east-1', ...role };
  aws = createAws({ clock: systemClock, env });
  dynamo = createLeanDynamo(aws);
  store = createDynamoAccounts({ dynamo: dynamo.accounts, tableName: 'accounts' });
});
afterEach(() => {
  aws.close();
  stub.close();
});

describe('a write of an account', () => {
  it('that a condition refuses brings the item back', async () => {
    stub.answer = (response) =>
      refuse(response, 'ConditionalCheckFailedException', { Item: { st: { S: 'revoked' } } });
    expect(await store.write('a', WRITE)).toEqual({ kind: 'refused', item: { st: 'revoked' } });
    expect(stub.seen).toHaveLength(1);
  });

  it('comes again while a transaction is at the item', async () => {
    stub.answer = (response, _call, index) =>
      index < 2
        ? refuse(response, 'TransactionConflictException')
        : void response.end('{"Attributes":{"n":{"N":"1"}}}');
    expect(await store.write('a', WRITE)).toEqual({ kind: 'applied', item: { n: 1 } });
  });

  it.each([
    ['ThrottlingException', 400, false],
    ['ProvisionedThroughputExceededException', 400, false],
    ['ValidationException', 400, false],
    ['ExpiredTokenException', 400, false],
    ['TransactionInProgressException', 400, true],
    ['InternalServerError', 500, true],
  ])(
    'that ends in %s is sent once, and in doubt only where it may be applied',
    async (code, status, isDoubtful) => {
      stub.answer = (response) => refuse(response, code, { status });
      await expect(store.write('a', WRITE)).rejects.toMatchObject({
        code: 'limiter_unavailable',
        isDoubtful,
      });
      expect(stub.seen).toHaveLength(1);
    },
  );

  it.each([
    ['is not answered', () => undefined],
    ['is cut off', (response) => void response.socket?.resetAndDestroy()],
    ['gets something that is not JSON', (response) => void response.end('<html>')],
  ] satisfies [string, AwsStub['answer']][])(
    'that %s is sent once, ends in time, and is in doubt',
    async (_what, answer) => {
      stub.answer = answer;
      const startMs = performance.now();
      await expect(store.write('a', WRITE)).rejects.toMatchObject({ isDoubtful: true });
      expect(performance.now() - startMs).toBeLessThan(2 * ATTEMPT_MS);
      expect(stub.seen).toHaveLength(1);
    },
  );

  it('that reaches nobody was certainly not applied', async () => {
    stub.close();
    await expect(store.write('a', WRITE)).rejects.toMatchObject({ isDoubtful: false });
  });
});

describe('a transaction', () => {
  const cancelled = (...codes: string[]) => {
    const CancellationReasons = codes.map((Code) => ({ Code }));
    stub.answer = (response) =>
      refuse(response, 'TransactionCanceledException', { CancellationReasons });
  };

  it.each([[['ConditionalCheckFailed', 'None']], [['None', 'TransactionConflict']]])(
    'that is cancelled for %s was refused',
    async (codes) => {
      cancelled(...codes);
      expect(await store.writeTogether(BOTH)).toBe(false);
    },
  );

  it.each([[['ThrottlingError', 'None']], [['ConditionalCheckFailed', 'Else']], [[]]])(
    'that is cancelled for %s is a fault, not a refusal',
    async (codes) => {
      cancelled(...codes);
      await expect(store.writeTogether(BOTH)).rejects.toMatchObject({ isDoubtful: false });
    },
  );
});

describe('a query', () => {
  const ask = () =>
    queryItems(dynamo.catalog, { tableName: 'rollups', partition: '5m', between: ['a', 'b'] });

  it('goes on where a page ended, until there is no more', async () => {
    const last = { pk: { S: '5m' }, sk: { S: 'a/1' } };
    stub.answer = (response, _call, index) =>
      response.end(
        JSON.stringify(
          index === 0
            ? { Items: [{ ...last, rq: { N: '7' } }], LastEvaluatedKey: last }
            : { Items: [{ sk: { S: 'b/1' } }] },
        ),
      );
    expect(await ask()).toEqual([{ pk: '5m', sk: 'a/1', rq: 7 }, { sk: 'b/1' }]);
    const [first, second] = stub.seen.map(({ body }) => JSON.parse(body));
    expect(first).not.toHaveProperty('ExclusiveStartKey');
    expect(second).toEqual({ ...first, ExclusiveStartKey: last });
  });

  it('finds nothing where there is nothing, and fails where the table does', async () => {
    expect(await ask()).toEqual([]);
    stub.answer = (response) => refuse(response, 'ThrottlingException');
    await expect(ask()).rejects.toMatchObject({ name: 'DynamoFault' });
  });
});

describe('a read of the catalog', () => {
  it('is tried a second time, and no third', async () => {
    stub.answer = (response, _call, index) =>
      index === 0
        ? refuse(response, 'InternalServerError', { status: 500 })
        : void response.end('{"Item":{"n":{"N":"7"},"l":{"L":[{"BOOL":true}]},"m":{"M":{}}}}');
    expect(await dynamo.catalog.getItem(ADDRESS)).toEqual({ n: 7, l: [true], m: {} });
    stub.answer = (response) => refuse(response, 'InternalServerError', { status: 500 });
    await expect(dynamo.catalog.getItem(ADDRESS)).rejects.toMatchObject({ name: 'DynamoFault' });
    expect(stub.seen).toHaveLength(4);
  });

  it('finds nothing where there is no item', async () => {
    expect(await dynamo.catalog.getItem(ADDRESS)).toBeUndefined();
  });
});
