/**
 * What was delivered to which channel, how many messages a channel had in a window, and what is held back: beside the
 * windows in the rollups table.
 *
 *   claim:  none, or claimed and dead for 30 s -> claimed     two deliveries of one event at once: one is refused
 *   finish: claimed -> told, for good, or -> none after a failure
 */
import { createHash } from 'node:crypto';
import {
  type AttributeValue,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  type DynamoDBClient,
  PutItemCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { type Alert, alertSchema } from '../../core/alerts/alert.ts';
import { STORM_WINDOW_MS } from '../../core/alerts/channels.ts';
import type { Clock } from '../../core/clock.ts';
import { compositeKey } from '../../core/ids.ts';
import { TABLE_KEY, TABLE_SORT, TABLE_TTL } from '../../core/names.ts';
import { overSdk } from './dynamo-sdk.ts';
import { queryItems } from './query-items.ts';

/** `again`: an earlier delivery failed or died. */
type Claim = 'first' | 'again' | 'told' | 'busy';

export interface HeldAlert {
  readonly channel: string;
  readonly alert: Alert;
}

export interface AlertDeliveries {
  claim(channel: string, id: string): Promise<Claim>;
  finish(channel: string, id: string, outcome: 'told' | 'failed'): Promise<void>;
  /** Adds one and gives the messages of the running window, by kind. */
  count(channel: string, kind: string): Promise<ReadonlyMap<string, number>>;
  hold(held: HeldAlert): Promise<void>;
  held(): Promise<readonly HeldAlert[]>;
  release(held: HeldAlert): Promise<void>;
}

/** Longer than the function may run. */
const CLAIM_SECONDS = 30;
/** A budget's threshold is told once a month. */
const TOLD_SECONDS = 40 * 86_400;
const COUNTED_SECONDS = 3_600;
const HELD_SECONDS = 14 * 86_400;
const HELD = 'held-alert';
const KIND = 'kind-';

interface Table {
  readonly client: Pick<DynamoDBClient, 'send'>;
  readonly tableName: string;
  readonly clock: Clock;
}

export function createAlertDeliveries(table: Table): AlertDeliveries {
  const { client, tableName, clock } = table;
  const nowSeconds = () => Math.floor(clock.nowMs() / 1000);
  return {
    claim: (channel, id) => claim(table, key(`alert/${channel}`, hash(id))),
    async finish(channel, id, outcome) {
      await client.send(
        new UpdateItemCommand({
          TableName: tableName,
          Key: key(`alert/${channel}`, hash(id)),
          UpdateExpression: 'SET #claimed = :claimed, #told = :told',
          ExpressionAttributeNames: { '#claimed': 'claimed', '#told': 'told' },
          ExpressionAttributeValues: {
            ':claimed': number(outcome === 'told' ? nowSeconds() : 0),
            ':told': number(outcome === 'told' ? 1 : 0),
          },
        }),
      );
    },
    count: (channel, kind) => count(table, channel, kind),
    async hold({ channel, alert }) {
      await client.send(
        new PutItemCommand({
          TableName: tableName,
          Item: {
            ...heldKey({ channel, alert }),
            channel: { S: channel },
            document: { S: JSON.stringify(alert) },
            [TABLE_TTL]: number(nowSeconds() + HELD_SECONDS),
          },
        }),
      );
    },
    async held() {
      const items = await queryItems(overSdk(client), { tableName, partition: HELD });
      return items.map(({ channel, document }) => ({
        channel: String(channel),
        alert: alertSchema.parse(JSON.parse(String(document))),
      }));
    },
    async release(held) {
      await client.send(new DeleteItemCommand({ TableName: tableName, Key: heldKey(held) }));
    },
  };
}

async function claim(
  { client, tableName, clock }: Table,
  Key: Record<string, AttributeValue>,
): Promise<Claim> {
  const nowSeconds = Math.floor(clock.nowMs() / 1000);
  const command = new UpdateItemCommand({
    TableName: tableName,
    Key,
    UpdateExpression: 'SET #claimed = :now, #told = :no, #ttl = :ttl',
    ConditionExpression: 'attribute_not_exists(#claimed) OR (#told = :no AND #claimed <= :dead)',
    ExpressionAttributeNames: { '#claimed': 'claimed', '#told': 'told', '#ttl': TABLE_TTL },
    ExpressionAttributeValues: {
      ':now': number(nowSeconds),
      ':no': number(0),
      ':dead': number(nowSeconds - CLAIM_SECONDS),
      ':ttl': number(nowSeconds + TOLD_SECONDS),
    },
    ReturnValues: 'ALL_OLD',
    ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
  });
  try {
    const { Attributes } = await client.send(command);
    // The old item of one that did not exist is absent, or empty.
    return Attributes?.['claimed'] === undefined ? 'first' : 'again';
  } catch (error) {
    if (!(error instanceof ConditionalCheckFailedException)) throw error;
    return error.Item?.['told']?.N === '1' ? 'told' : 'busy';
  }
}

async function count(
  { client, tableName, clock }: Table,
  channel: string,
  kind: string,
): Promise<ReadonlyMap<string, number>> {
  const window = Math.floor(clock.nowMs() / STORM_WINDOW_MS);
  const { Attributes = {} } = await client.send(
    new UpdateItemCommand({
      TableName: tableName,
      Key: key(`alerts-in/${channel}`, String(window)),
      UpdateExpression: 'SET #ttl = :ttl ADD #kind :one',
      ExpressionAttributeNames: { '#ttl': TABLE_TTL, '#kind': `${KIND}${kind}` },
      ExpressionAttributeValues: {
        ':one': number(1),
        ':ttl': number(Math.floor(clock.nowMs() / 1000) + COUNTED_SECONDS),
      },
      ReturnValues: 'ALL_NEW',
    }),
  );
  return new Map(
    Object.entries(Attributes).flatMap(([name, { N }]): [string, number][] =>
      name.startsWith(KIND) ? [[name.slice(KIND.length), Number(N)]] : [],
    ),
  );
}

function heldKey({ channel, alert }: HeldAlert): Record<string, AttributeValue> {
  return key(HELD, compositeKey(channel, hash(alert.deduplicationId)));
}

function key(partition: string, sort: string): Record<string, AttributeValue> {
  return { [TABLE_KEY]: { S: partition }, [TABLE_SORT]: { S: sort } };
}

/** Ids have names of callers in them, and a sort key has an end. */
function hash(id: string): string {
  return createHash('sha256').update(id).digest('base64url');
}

function number(value: number): AttributeValue {
  return { N: String(value) };
}
