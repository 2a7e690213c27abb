/** DynamoDB through the request path's own client. */
import { asRecord, asText } from '../../core/dialects/json-record.ts';
import { ATTEMPT_MS } from '../../core/limits/patient-store.ts';
import { fromAttributes } from './attribute-values.ts';
import type { Aws, AwsClient } from './aws-client.ts';
import { AwsFault } from './aws-fault.ts';
import { DynamoFault, type DynamoOutcome, type DynamoPort } from './dynamo-port.ts';

export interface LeanDynamo {
  /** One attempt a call: the engine repeats by itself, because it must know of every copy (ADR 0009). */
  readonly accounts: DynamoPort;
  /** Reads that may be repeated by anybody; over the same connections. */
  readonly catalog: DynamoPort;
}

export function createLeanDynamo(aws: Aws): LeanDynamo {
  const over = (attempts: number) =>
    overAws(aws.client('dynamodb', { attempts, attemptMs: ATTEMPT_MS }));
  return { accounts: over(1), catalog: over(2) };
}

/** Of the service `dynamodb`. */
export function overAws(client: AwsClient): DynamoPort {
  const call = async (operation: string, input: object | string) => {
    try {
      return await client.call(operation, input);
    } catch (fault) {
      throw new DynamoFault(outcomeOf(fault), fault);
    }
  };
  return {
    getItem: async (input) => fromAttributes((await call('GetItem', input))['Item']),
    updateItem: async (input) => fromAttributes((await call('UpdateItem', input))['Attributes']),
    async transactWrite(updates) {
      const items = updates.map((update) => `{"Update":${update}}`).join();
      await call('TransactWriteItems', `{"TransactItems":[${items}]}`);
    },
    async query(input) {
      const { Items, LastEvaluatedKey } = await call('Query', input);
      const items = Array.isArray(Items) ? Items.map((item) => fromAttributes(item) ?? {}) : [];
      return { items, next: fromAttributes(LastEvaluatedKey) };
    },
  };
}

function outcomeOf(fault: unknown): DynamoOutcome {
  if (!(fault instanceof AwsFault)) return { kind: 'in-doubt' };
  if (fault.kind === 'unsent') return { kind: 'not-applied' };
  if (fault.kind !== 'refused') return { kind: 'in-doubt' };
  switch (fault.code) {
    case 'ConditionalCheckFailedException':
      return { kind: 'condition-failed', item: fromAttributes(fault.answer['Item']) };
    case 'TransactionCanceledException':
      return { kind: 'cancelled', reasons: reasonsOf(fault.answer['CancellationReasons']) };
    case 'TransactionConflictException':
      return { kind: 'conflict' };
    // Another send of the same transaction is still at work.
    case 'TransactionInProgressException':
      return { kind: 'in-doubt' };
    default:
      return { kind: 'not-applied' };
  }
}

function reasonsOf(reasons: unknown): readonly string[] {
  if (!Array.isArray(reasons)) return [];
  return reasons.map((reason) => asText(asRecord(reason)?.['Code']) ?? 'None');
}
