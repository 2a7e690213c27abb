/**
 * The accounts table: a conditional write of core/limits is one UpdateItem. Both outcomes carry
 * the item, so a refusal costs no second read. The port must make one attempt a call: who repeats a write
 * has to know of its copies (core/limits/patient-store.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AccountItem } from '../../core/limits/account.ts';
import { type AccountStore, StoreFault, writeResult } from '../../core/limits/account-store.ts';
import type { Pause } from '../../core/limits/patient-store.ts';
import { TABLE_KEY } from '../../core/names.ts';
import { updateItemText, updateText } from './account-update.ts';
import { DynamoFault, type DynamoOutcome, type DynamoPort } from './dynamo-port.ts';

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
        const update = updateItemText(tableName, key, write);
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
      const updates = writes.map(({ key, write }) => updateText(tableName, key, write));
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
