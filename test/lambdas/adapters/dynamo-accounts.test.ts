import {
  DynamoDBClient,
  TransactionCanceledException,
  TransactionConflictException,
} from '@aws-sdk/client-dynamodb';
import { describe, expect, it } from 'vitest';
import type { AccountWrite } from '../../../core/limits/account-write.ts';
import { createDynamoAccounts } from '../../../lambdas/adapters/dynamo-accounts.ts';

const WRITE: AccountWrite = {
  conditions: [{ kind: 'equals', path: ['st'], value: 'active' }],
  set: [[['st'], 'revoked']],
  add: [],
  remove: [],
};

/** A table that answers with these faults in turn, and then with success. No local engine has such conflicts. */
function tableWith(faults: readonly Error[]) {
  const client = new DynamoDBClient({
    endpoint: 'http://127.0.0.1:9',
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const sent: string[] = [];
  client.middlewareStack.add(
    (_next, { commandName = '' }) =>
      async () => {
        const fault = faults[sent.length];
        sent.push(commandName);
        if (fault !== undefined) throw fault;
        return { output: { $metadata: {}, Attributes: { st: { S: 'revoked' } } }, response: {} };
      },
    { step: 'initialize', priority: 'high' },
  );
  return { sent, store: createDynamoAccounts({ client, tableName: 'accounts' }) };
}

function conflict(): Error {
  return new TransactionConflictException({ message: 'conflict', $metadata: {} });
}

function cancelled(...codes: string[]): Error {
  return new TransactionCanceledException({
    message: 'cancelled',
    $metadata: {},
    CancellationReasons: codes.map((Code) => ({ Code })),
  });
}

describe('a write to an item that a transaction is at', () => {
  it('comes again until the transaction is over', async () => {
    const { store, sent } = tableWith([conflict(), conflict()]);
    expect(await store.write('a', WRITE)).toMatchObject({ kind: 'applied' });
    expect(sent).toHaveLength(3);
  });

  it('is out of reach when the conflicts do not end', async () => {
    const { store } = tableWith(Array.from({ length: 20 }, conflict));
    await expect(store.write('a', WRITE)).rejects.toMatchObject({ code: 'limiter_unavailable' });
  });
});

describe('a transaction', () => {
  const both = [
    { key: 'a', write: WRITE },
    { key: 'b', write: WRITE },
  ];

  it.each([
    [['ConditionalCheckFailed', 'None']],
    [['None', 'TransactionConflict']],
    [['ConditionalCheckFailed', 'TransactionConflict']],
  ])('that is cancelled for %s was refused', async (codes) => {
    const { store } = tableWith([cancelled(...codes)]);
    expect(await store.writeTogether(both)).toBe(false);
  });

  it.each([
    [['ThrottlingError', 'None']],
    [['ConditionalCheckFailed', 'ProvisionedThroughputExceeded']],
    [[]],
  ])('that is cancelled for %s is a fault, not a refusal', async (codes) => {
    const { store } = tableWith([cancelled(...codes)]);
    await expect(store.writeTogether(both)).rejects.toMatchObject({ code: 'limiter_unavailable' });
  });
});
