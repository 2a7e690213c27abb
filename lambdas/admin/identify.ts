/** Who sends a request to the admin API: the principal of its key, or the root, whose secret the stack has made. */
import { createHash, timingSafeEqual } from 'node:crypto';
import {
  type DynamoDBClient,
  GetItemCommand,
  type TransactWriteItem,
} from '@aws-sdk/client-dynamodb';
import * as z from 'zod/mini';
import type { Clock } from '../../core/clock.ts';
import { type Decider, ROOT_ID } from '../../core/governance/overrides.ts';
import { type PrincipalRecord, principalOf } from '../../core/governance/principals.ts';
import { compositeKey } from '../../core/ids.ts';
import { TABLE_KEY } from '../../core/names.ts';
import { hashKey, isWellFormedAdminKey } from '../../core/tenancy/virtual-key.ts';
import { fromAttributes } from '../adapters/attribute-values.ts';
import type { Register } from '../adapters/register.ts';

/** The root's secret is read at most so often; principals are read each time, so that a revocation holds at once. */
const ROOT_AGE_MS = 60_000;
const BEARER = /^Bearer +(\S{1,256})$/i;
const ROOT: Decider = { id: ROOT_ID, name: ROOT_ID, role: 'platform-admin', keyIssuers: [] };

export interface IdentifyOptions {
  readonly client: DynamoDBClient;
  readonly catalogTable: string;
  readonly principals: Pick<Register<PrincipalRecord>, 'find'>;
  /** Throws where there is none: an empty secret would let everybody in. */
  readonly rootSecret: () => Promise<string>;
  readonly clock: Clock;
}

/** Takes the `authorization` header; undefined is nobody. */
export function createIdentify(
  options: IdentifyOptions,
): (authorization: string | undefined) => Promise<Decider | undefined> {
  const { client, catalogTable, principals, rootSecret, clock } = options;
  let root: { readonly digest: Buffer; readonly readAtMs: number } | undefined;

  async function isRoot(given: string): Promise<boolean> {
    if (root === undefined || clock.nowMs() - root.readAtMs > ROOT_AGE_MS) {
      const secret = await rootSecret();
      if (secret === '') throw new Error('the secret of the root is empty');
      root = { digest: digest(secret), readAtMs: clock.nowMs() };
    }
    return timingSafeEqual(digest(given), root.digest);
  }
  async function holderOf(hash: string): Promise<Decider | undefined> {
    const { Item } = await client.send(
      new GetItemCommand({
        TableName: catalogTable,
        Key: { [TABLE_KEY]: { S: adminKeyKey(hash) } },
        ConsistentRead: true,
      }),
    );
    if (Item === undefined) return undefined;
    const { principalId } = itemSchema.parse(fromAttributes(Item));
    return principalOf(await principals.find(principalId), hash, clock.nowMs());
  }

  return async (authorization) => {
    const given = BEARER.exec(authorization ?? '')?.[1];
    if (given === undefined) return undefined;
    if (isWellFormedAdminKey(given)) return holderOf(hashKey(given));
    return (await isRoot(given)) ? ROOT : undefined;
  };
}

const itemSchema = z.object({ principalId: z.string() });

/** Where a key leads to its principal; made once, in the transaction that makes the key. */
export function adminKeyItem(
  catalogTable: string,
  { hash, principalId }: { hash: string; principalId: string },
): TransactWriteItem {
  return {
    Put: {
      TableName: catalogTable,
      Item: { [TABLE_KEY]: { S: adminKeyKey(hash) }, principalId: { S: principalId } },
      ConditionExpression: `attribute_not_exists(${TABLE_KEY})`,
    },
  };
}

function adminKeyKey(hash: string): string {
  return compositeKey('admin-key', hash);
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
