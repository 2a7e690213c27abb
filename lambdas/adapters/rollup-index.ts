/**
 * Beside the windows in the rollups table: which scopes were active in a five-minute window, so that the regular look finds
 * those that nobody touches any more; and which features of a team have a sum of their own on a day.
 */
import {
  type AttributeValue,
  ConditionalCheckFailedException,
  type DynamoDBClient,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import type { EpochMs } from '../../core/clock.ts';
import { TABLE_KEY, TABLE_SORT, TABLE_TTL } from '../../core/names.ts';
import { MAX_FEATURES } from '../../core/rollups/subjects.ts';
import { overSdk } from './dynamo-sdk.ts';
import { queryItems } from './query-items.ts';
import type { RollupsOptions } from './rollups.ts';

export interface RollupIndex {
  markActive(startMs: EpochMs, target: string): Promise<void>;
  activeIn(startMs: EpochMs): Promise<readonly string[]>;
  /** Gives the feature a sum of its own unless {@link MAX_FEATURES} others have one; and all that have. */
  admitFeature(team: string, day: number, feature: string): Promise<ReadonlySet<string>>;
}

const ACTIVE_KEPT_SECONDS = 3_600;
const DAY_SECONDS = 86_400;
/** As long as hours are: a record that comes again must find the same names. */
const NAMES_KEPT_DAYS = 41;

export function createRollupIndex({ client, tableName }: RollupsOptions): RollupIndex {
  const activeKey = (startMs: EpochMs) => `active/${Math.floor(startMs / 1000)}`;
  return {
    async markActive(startMs, target) {
      await client.send(
        new UpdateItemCommand({
          TableName: tableName,
          Key: key(activeKey(startMs), target),
          UpdateExpression: 'SET #ttl = :ttl',
          ExpressionAttributeNames: { '#ttl': TABLE_TTL },
          ExpressionAttributeValues: {
            ':ttl': { N: String(Math.floor(startMs / 1000) + ACTIVE_KEPT_SECONDS) },
          },
        }),
      );
    },
    async activeIn(startMs) {
      const items = await queryItems(overSdk(client), { tableName, partition: activeKey(startMs) });
      return items.map((item) => String(item[TABLE_SORT]));
    },
    admitFeature: (team, day, feature) => admit(client, { tableName, team, day, feature }),
  };
}

async function admit(
  client: DynamoDBClient,
  {
    tableName,
    team,
    day,
    feature,
  }: { readonly tableName: string; team: string; day: number; feature: string },
): Promise<ReadonlySet<string>> {
  const command = new UpdateItemCommand({
    TableName: tableName,
    Key: key(`features/${team}`, String(day)),
    UpdateExpression: 'SET #ttl = :ttl ADD #names :one',
    ConditionExpression:
      'attribute_not_exists(#names) OR size(#names) < :most OR contains(#names, :name)',
    ExpressionAttributeNames: { '#names': NAMES, '#ttl': TABLE_TTL },
    ExpressionAttributeValues: {
      ':one': { SS: [feature] },
      ':name': { S: feature },
      ':most': { N: String(MAX_FEATURES) },
      ':ttl': { N: String((day + NAMES_KEPT_DAYS) * DAY_SECONDS) },
    },
    ReturnValues: 'ALL_NEW',
    ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
  });
  try {
    const { Attributes } = await client.send(command);
    return new Set(Attributes?.[NAMES]?.SS);
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return new Set(error.Item?.[NAMES]?.SS);
    throw error;
  }
}

const NAMES = 'names';

function key(partition: string, sort: string): Record<string, AttributeValue> {
  return { [TABLE_KEY]: { S: partition }, [TABLE_SORT]: { S: sort } };
}
