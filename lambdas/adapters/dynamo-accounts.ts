/**
 * The accounts table: renders a conditional write of core/limits as one UpdateItem. Both outcomes carry
 * the item, so a refusal costs no second read. The port must make one attempt a call: who repeats a write
 * has to know of its copies (core/limits/patient-store.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AccountItem } from '../../core/limits/account.ts';
import { type AccountStore, StoreFault, writeResult } from '../../core/limits/account-store.ts';
import type { AccountWrite, Condition, Path } from '../../core/limits/account-write.ts';
import type { Pause } from '../../core/limits/patient-store.ts';
import { TABLE_KEY } from '../../core/names.ts';
import { type Attributes, type Plain, toAttribute } from './attribute-values.ts';
import {
  DynamoFault,
  type DynamoOutcome,
  type DynamoPort,
  type Update,
  type UpdateInput,
} from './dynamo-port.ts';

export function createDynamoAccounts({
  dynamo,
  tableName,
}: {
  dynamo: DynamoPort;
  tableName: string;
}): AccountStore {
  const read = (key: string) => readItem(dynamo, tableName, key);
  return {
    async write(key, write) {
      try {
        const update = renderWrite(tableName, key, write);
        const item = await outsideTransactions(() => dynamo.updateItem(update));
        return { kind: 'applied', item: item ?? {} };
      } catch (fault) {
        const outcome = outcomeOf(fault);
        if (outcome.kind !== 'condition-failed') throw outOfReach(fault);
        const known = outcome.item ?? (write.itemUnread === 'always' ? undefined : await read(key));
        return writeResult(write, known, undefined);
      }
    },
    async writeTogether(writes) {
      const updates = writes.map(({ key, write }) => renderUpdate(tableName, key, write));
      try {
        await dynamo.transactWrite(updates);
        return true;
      } catch (fault) {
        if (isRefusal(outcomeOf(fault))) return false;
        throw outOfReach(fault);
      }
    },
    read,
  };
}

function outcomeOf(fault: unknown): DynamoOutcome {
  return fault instanceof DynamoFault ? fault.outcome : { kind: 'in-doubt' };
}

/** Nothing was written, and the fault is not the table's: exactly these reasons, and no others among them. */
function isRefusal(outcome: DynamoOutcome): boolean {
  if (outcome.kind !== 'cancelled') return false;
  const { reasons } = outcome;
  const isNo = (reason: string) =>
    reason === 'ConditionalCheckFailed' || reason === 'TransactionConflict';
  return reasons.some(isNo) && reasons.every((reason) => reason === 'None' || isNo(reason));
}

const CONFLICT_ATTEMPTS = 8;
const CONFLICT_PAUSE_MS = 20;

/** An item that a transaction is at takes no other write. It was refused for certain, so no copy is on its way. */
async function outsideTransactions<T>(write: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await write();
    } catch (fault) {
      if (outcomeOf(fault).kind !== 'conflict' || attempt === CONFLICT_ATTEMPTS) throw fault;
      await sleep(Math.random() * CONFLICT_PAUSE_MS);
    }
  }
}

/** Strongly consistent. */
async function readItem(
  dynamo: DynamoPort,
  tableName: string,
  key: string,
): Promise<AccountItem | undefined> {
  try {
    const address = { TableName: tableName, Key: { [TABLE_KEY]: { S: key } } };
    return await dynamo.getItem({ ...address, ConsistentRead: true });
  } catch (fault) {
    throw outOfReach(fault);
  }
}

function outOfReach(fault: unknown): StoreFault {
  return new StoreFault(fault, { isDoubtful: outcomeOf(fault).kind === 'in-doubt' });
}

/** The pauses of core/limits/patient-store.ts in real time. */
export const pauseRandomly: Pause = (longestMs) => sleep(longestMs * (0.5 + Math.random() / 2));

/** Both outcomes bring the item back, where it is read. */
function renderWrite(tableName: string, key: string, write: AccountWrite): UpdateInput {
  const update = renderUpdate(tableName, key, write);
  if (write.itemUnread === 'always') return update;
  const refused = { ...update, ReturnValuesOnConditionCheckFailure: 'ALL_OLD' } as const;
  return write.itemUnread === undefined ? { ...refused, ReturnValues: 'ALL_NEW' } : refused;
}

function renderUpdate(tableName: string, key: string, write: AccountWrite): Update {
  const placeholders = new Map<string, string>();
  const names: Record<string, string> = {};
  const name = (attribute: string) => {
    const known = placeholders.get(attribute);
    if (known !== undefined) return known;
    const placeholder = `#${placeholders.size}`;
    placeholders.set(attribute, placeholder);
    names[placeholder] = attribute;
    return placeholder;
  };
  let count = 0;
  const values: Attributes = {};
  const value = (plain: Plain) => {
    const placeholder = `:${count++}`;
    values[placeholder] = toAttribute(plain);
    return placeholder;
  };
  const path = ([attribute, entry]: Path) =>
    entry === undefined ? name(attribute) : `${name(attribute)}.${name(entry)}`;
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
    ExpressionAttributeNames: names,
    ...(count === 0 ? {} : { ExpressionAttributeValues: values }),
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
