/** Incidents in the rollups table: one partition, sorted by target, so that one query finds those of a target or all. */
import {
  ConditionalCheckFailedException,
  type DynamoDBClient,
  PutItemCommand,
} from '@aws-sdk/client-dynamodb';
import * as z from 'zod/mini';
import type { IncidentStore, StoredIncident } from '../../core/alerts/incident-store.ts';
import { incidentSchema } from '../../core/alerts/incidents.ts';
import type { Clock } from '../../core/clock.ts';
import { compositeKey } from '../../core/ids.ts';
import { TABLE_KEY, TABLE_SORT, TABLE_TTL } from '../../core/names.ts';
import { type Plain, toAttribute } from './attribute-values.ts';
import { overSdk } from './dynamo-sdk.ts';
import { queryItems } from './query-items.ts';

const PARTITION = 'incident';
const CLOSED_KEPT_SECONDS = 40 * 86_400;

const itemSchema = z.object({
  [TABLE_SORT]: z.string(),
  document: z.string(),
  version: z.number(),
  told: z.number(),
  claimed: z.number(),
});

export function createDynamoIncidents({
  client,
  tableName,
  clock,
}: {
  readonly client: DynamoDBClient;
  readonly tableName: string;
  readonly clock: Clock;
}): IncidentStore {
  const find = async (prefix: string) => {
    const items = await queryItems(overSdk(client), { tableName, partition: PARTITION, prefix });
    return new Map(items.map(storedOf));
  };
  return {
    // The encoded target and a slash begin the keys of no other target.
    ofTarget: (target) => find(`${compositeKey(target)}/`),
    async unfinished() {
      const all = await find('');
      return new Map(
        [...all].filter(
          ([, { incident, toldTransitions }]) =>
            incident.isOpen || toldTransitions < incident.transitions,
        ),
      );
    },
    async write(key, stored) {
      try {
        await client.send(putCommand(tableName, key, { stored, nowMs: clock.nowMs() }));
        return true;
      } catch (error) {
        if (error instanceof ConditionalCheckFailedException) return false;
        throw error;
      }
    },
  };
}

function storedOf(item: Readonly<Record<string, unknown>>): [string, StoredIncident] {
  const { sk, document, version, told, claimed } = itemSchema.parse(item);
  const incident = incidentSchema.parse(JSON.parse(document));
  return [sk, { incident, version, toldTransitions: told, claimedAtSeconds: claimed }];
}

function putCommand(
  tableName: string,
  key: string,
  { stored, nowMs }: { readonly stored: StoredIncident; readonly nowMs: number },
): PutItemCommand {
  const { incident, version, toldTransitions, claimedAtSeconds } = stored;
  const item: Record<string, Plain> = {
    [TABLE_KEY]: PARTITION,
    [TABLE_SORT]: key,
    document: JSON.stringify(incident),
    version: version + 1,
    told: toldTransitions,
    claimed: claimedAtSeconds,
    ...(incident.isOpen ? {} : { [TABLE_TTL]: Math.floor(nowMs / 1000) + CLOSED_KEPT_SECONDS }),
  };
  const isAsRead = version === 0 ? 'attribute_not_exists(#key)' : '#version = :version';
  return new PutItemCommand({
    TableName: tableName,
    Item: Object.fromEntries(
      Object.entries(item).map(([name, plain]) => [name, toAttribute(plain)]),
    ),
    ConditionExpression: isAsRead,
    ExpressionAttributeNames: version === 0 ? { '#key': TABLE_KEY } : { '#version': 'version' },
    ...(version === 0 ? {} : { ExpressionAttributeValues: { ':version': { N: String(version) } } }),
  });
}
