/**
 * The accounts table: renders a conditional write of core/limits as one UpdateItem. Both outcomes carry
 * the item, so a refusal costs no second read. The client must make one attempt a send: who repeats a write
 * has to know of its copies (core/limits/patient-store.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ConditionalCheckFailedException,
  type DynamoDBClient,
  DynamoDBServiceException,
  GetItemCommand,
  TransactionCanceledException,
  TransactionConflictException,
  TransactionInProgressException,
  TransactWriteItemsCommand,
  type Update,
  UpdateItemCommand,
  type UpdateItemCommandInput,
} from '@aws-sdk/client-dynamodb';
import type { AccountItem } from '../../core/limits/account.ts';
import { type AccountStore, StoreFault } from '../../core/limits/account-store.ts';
import type { AccountWrite, Condition, Path } from '../../core/limits/account-write.ts';
import type { Pause } from '../../core/limits/patient-store.ts';
import { TABLE_KEY } from '../../core/names.ts';
import { fromAttributes, type Plain, toAttribute } from './attribute-values.ts';

export function createDynamoAccounts({
  client,
  tableName,
}: {
  client: DynamoDBClient;
  tableName: string;
}): AccountStore {
  return {
    async write(key, write) {
      try {
        const result = await outsideTransactions(() =>
          client.send(new UpdateItemCommand(renderWrite(tableName, key, write))),
        );
        return { kind: 'applied', item: fromAttributes(result.Attributes) ?? {} };
      } catch (error) {
        if (!(error instanceof ConditionalCheckFailedException)) throw unavailable(error);
        const item = fromAttributes(error.Item) ?? (await readItem(client, tableName, key));
        return item === undefined ? { kind: 'refused' } : { kind: 'refused', item };
      }
    },
    async writeTogether(writes) {
      const items = writes.map(({ key, write }) => ({
        Update: renderUpdate(tableName, key, write),
      }));
      try {
        await client.send(new TransactWriteItemsCommand({ TransactItems: items }));
        return true;
      } catch (error) {
        if (isRefusal(error)) return false;
        throw unavailable(error);
      }
    },
    read: (key) => readItem(client, tableName, key),
  };
}

/** Nothing was written, and the fault is not the table's: exactly these reasons, and no others among them. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof TransactionCanceledException)) return false;
  const codes = (error.CancellationReasons ?? []).map(({ Code }) => Code ?? 'None');
  const isNo = (code: string) =>
    code === 'ConditionalCheckFailed' || code === 'TransactionConflict';
  return codes.some(isNo) && codes.every((code) => code === 'None' || isNo(code));
}

const CONFLICT_ATTEMPTS = 8;
const CONFLICT_PAUSE_MS = 20;

/** An item that a transaction is at takes no other write. It was refused for certain, so no copy is on its way. */
async function outsideTransactions<T>(write: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await write();
    } catch (error) {
      if (!(error instanceof TransactionConflictException) || attempt === CONFLICT_ATTEMPTS)
        throw error;
      await sleep(Math.random() * CONFLICT_PAUSE_MS);
    }
  }
}

/** Strongly consistent. */
async function readItem(
  client: DynamoDBClient,
  tableName: string,
  key: string,
): Promise<AccountItem | undefined> {
  try {
    const { Item } = await client.send(
      new GetItemCommand({
        TableName: tableName,
        Key: { [TABLE_KEY]: { S: key } },
        ConsistentRead: true,
      }),
    );
    return fromAttributes(Item);
  } catch (error) {
    throw unavailable(error);
  }
}

function unavailable(cause: unknown): StoreFault {
  return new StoreFault(cause, { isDoubtful: !wasNeverApplied(cause) });
}

/** True for answers of the table itself that say no, throttling among them, and for connections that were never made. */
function wasNeverApplied(cause: unknown): boolean {
  if (cause instanceof TransactionInProgressException) return false;
  if (cause instanceof DynamoDBServiceException) return cause.$fault === 'client';
  return cause instanceof Error && 'code' in cause && NEVER_CONNECTED.has(String(cause.code));
}

const NEVER_CONNECTED = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/** The pauses of core/limits/patient-store.ts in real time. */
export const pauseRandomly: Pause = (longestMs) => sleep(longestMs * (0.5 + Math.random() / 2));

/** Both outcomes bring the item back. */
function renderWrite(tableName: string, key: string, write: AccountWrite): UpdateItemCommandInput {
  return {
    ...renderUpdate(tableName, key, write),
    ReturnValues: 'ALL_NEW',
    ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
  };
}

function renderUpdate(tableName: string, key: string, write: AccountWrite): Update {
  const names = new Map<string, string>();
  const values = new Map<string, Plain>();
  const name = (attribute: string) => {
    if (!names.has(attribute)) names.set(attribute, `#${names.size}`);
    return names.get(attribute) ?? '';
  };
  const value = (plain: Plain) => {
    const placeholder = `:${values.size}`;
    values.set(placeholder, plain);
    return placeholder;
  };
  const path = (parts: Path) => parts.map(name).join('.');
  const test = (condition: Condition): string =>
    renderCondition(condition, { path, value, test: (each) => test(each) });

  const clauses = [
    clause(
      'SET',
      write.set.map(([target, plain]) => `${path(target)} = ${value(plain)}`),
    ),
    clause(
      'ADD',
      write.add.map(([attribute, amount]) => `${name(attribute)} ${value(amount)}`),
    ),
    clause('REMOVE', write.remove.map(path)),
  ];
  const condition = write.conditions.map(test).join(' AND ');
  return {
    TableName: tableName,
    Key: { [TABLE_KEY]: { S: key } },
    ConditionExpression: condition,
    UpdateExpression: clauses.filter((text) => text !== '').join(' '),
    ExpressionAttributeNames: Object.fromEntries(
      [...names].map(([attribute, placeholder]) => [placeholder, attribute]),
    ),
    ...(values.size === 0
      ? {}
      : {
          ExpressionAttributeValues: Object.fromEntries(
            [...values].map(([placeholder, plain]) => [placeholder, toAttribute(plain)]),
          ),
        }),
  };
}

interface Render {
  readonly path: (path: Path) => string;
  readonly value: (plain: Plain) => string;
  readonly test: (condition: Condition) => string;
}

function renderCondition(condition: Condition, { path, value, test }: Render): string {
  switch (condition.kind) {
    case 'equals':
      return `${path(condition.path)} = ${value(condition.value)}`;
    case 'at-most': {
      const target = path(condition.path);
      return `(attribute_not_exists(${target}) OR ${target} <= ${value(condition.value)})`;
    }
    case 'absent':
      return `attribute_not_exists(${path(condition.path)})`;
    case 'present':
      return `attribute_exists(${path(condition.path)})`;
    case 'fewer-than':
      return `size(${path(condition.path)}) < ${value(condition.value)}`;
    case 'any': {
      const alternatives = condition.of.map((all) => {
        const tests = all.map(test);
        return tests.length > 1 ? `(${tests.join(' AND ')})` : (tests[0] ?? '');
      });
      // No alternative at all is a condition that no existing item meets.
      if (alternatives.length === 0) return `attribute_not_exists(${path([TABLE_KEY])})`;
      // DynamoDB refuses redundant parentheses, so one alternative stands as it is.
      return alternatives.length > 1 ? `(${alternatives.join(' OR ')})` : (alternatives[0] ?? '');
    }
  }
}

function clause(keyword: string, parts: readonly string[]): string {
  return parts.length === 0 ? '' : `${keyword} ${parts.join(', ')}`;
}
