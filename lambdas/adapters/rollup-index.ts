/**
 * Beside the windows in the rollups table: which scopes were active in a five-minute window, so that the regular look finds
 * those that nobody touches any more; and which features of a team have a sum of their own on a day.
 */
import type { EpochMs } from '../../core/clock.ts';
import { TABLE_KEY, TABLE_SORT, TABLE_TTL } from '../../core/names.ts';
import { MAX_FEATURES } from '../../core/rollups/subjects.ts';
import type { Attributes, Item } from './attribute-values.ts';
import { DynamoFault, type UpdateInput } from './dynamo-port.ts';
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

export function createRollupIndex({ dynamo, tableName }: RollupsOptions): RollupIndex {
  const activeKey = (startMs: EpochMs) => `active/${Math.floor(startMs / 1000)}`;
  return {
    async markActive(startMs, target) {
      await dynamo.updateItem({
        TableName: tableName,
        Key: key(activeKey(startMs), target),
        UpdateExpression: 'SET #ttl = :ttl',
        ExpressionAttributeNames: { '#ttl': TABLE_TTL },
        ExpressionAttributeValues: {
          ':ttl': { N: String(Math.floor(startMs / 1000) + ACTIVE_KEPT_SECONDS) },
        },
      });
    },
    async activeIn(startMs) {
      const items = await queryItems(dynamo, { tableName, partition: activeKey(startMs) });
      return items.map((item) => String(item[TABLE_SORT]));
    },
    admitFeature: (team, day, feature) => admit(dynamo, { tableName, team, day, feature }),
  };
}

async function admit(
  dynamo: RollupsOptions['dynamo'],
  {
    tableName,
    team,
    day,
    feature,
  }: { readonly tableName: string; team: string; day: number; feature: string },
): Promise<ReadonlySet<string>> {
  const update: UpdateInput = {
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
  };
  try {
    return namesIn(await dynamo.updateItem(update));
  } catch (fault) {
    const outcome = fault instanceof DynamoFault ? fault.outcome : undefined;
    if (outcome?.kind !== 'condition-failed') throw fault;
    return namesIn(outcome.item);
  }
}

const NAMES = 'names';

function namesIn(item: Item | undefined): ReadonlySet<string> {
  const names = item?.[NAMES];
  return new Set(Array.isArray(names) ? names.map(String) : []);
}

function key(partition: string, sort: string): Attributes {
  return { [TABLE_KEY]: { S: partition }, [TABLE_SORT]: { S: sort } };
}
