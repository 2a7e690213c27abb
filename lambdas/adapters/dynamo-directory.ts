/**
 * Keys and policy for the request path, kept in memory for at most 30 s. The last good policy serves on
 * while the table is out of reach or a newer version cannot be read; identity never does.
 */
import {
  CURRENT_POLICY,
  currentPolicyItemSchema,
  documentItemSchema,
  keyIdKey,
  keyRecordKey,
  LATEST_POLICY,
  latestPolicyItemSchema,
  policyVersionKey,
} from '../../core/catalog/catalog-items.ts';
import {
  type KeyRecord,
  keyRecordSchema,
  type PolicySnapshot,
  policySnapshotSchema,
} from '../../core/catalog/snapshot.ts';
import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import { TABLE_KEY } from '../../core/names.ts';
import type { Report } from '../../core/report.ts';
import type { Directory, KeyDirectory } from '../../core/tenancy/authenticate.ts';
import type { DynamoPort } from './dynamo-port.ts';

const MAX_AGE_MS = 30_000;
/** Bounds the memory that a caller with many wrong keys can take: 10,000 records of about 1 KB. */
const MAX_KEYS = 10_000;

interface Cached<T> {
  readonly value: T;
  readonly readAtMs: number;
}

export interface DirectoryOptions {
  readonly dynamo: DynamoPort;
  readonly tableName: string;
  readonly clock: Clock;
  readonly report: Report;
}

export function createDynamoDirectory({
  dynamo,
  tableName,
  clock,
  report,
}: DirectoryOptions): Directory & KeyDirectory {
  const keys = new Map<string, Cached<KeyRecord | undefined>>();
  let policy: Cached<PolicySnapshot> | undefined;
  let refresh: Promise<PolicySnapshot> | undefined;

  const isFresh = (cached: Cached<unknown> | undefined) =>
    cached !== undefined && clock.nowMs() - cached.readAtMs < MAX_AGE_MS;
  const read = async (key: string) => {
    try {
      const address = { TableName: tableName, Key: { [TABLE_KEY]: { S: key } } };
      return await dynamo.getItem({ ...address, ConsistentRead: true });
    } catch (cause) {
      throw new GatewayError('limiter_unavailable', 'Keys and policy cannot be read right now.', {
        cause,
      });
    }
  };

  async function findRecord(key: string): Promise<KeyRecord | undefined> {
    const cached = keys.get(key);
    if (cached !== undefined && isFresh(cached)) return cached.value;
    const item = await read(key);
    const value =
      item === undefined
        ? undefined
        : keyRecordSchema.parse(JSON.parse(documentItemSchema.parse(item).document));
    if (keys.size >= MAX_KEYS) keys.clear();
    keys.set(key, { value, readAtMs: clock.nowMs() });
    return value;
  }

  async function readPolicy(): Promise<PolicySnapshot> {
    // Only a cold start wants the document at once; a refresh usually finds the version unchanged.
    const [pointer, latest] = await Promise.all([
      read(CURRENT_POLICY),
      policy === undefined ? read(LATEST_POLICY) : undefined,
    ]);
    if (pointer === undefined)
      throw new GatewayError('limiter_unavailable', 'No policy has been applied yet.');
    const { version } = currentPolicyItemSchema.parse(pointer);
    if (policy?.value.version === version) return policy.value;
    const copy = latestPolicyItemSchema.safeParse(latest);
    const { document } =
      copy.data?.version === version
        ? copy.data
        : documentItemSchema.parse(await read(policyVersionKey(version)));
    return policySnapshotSchema.parse(JSON.parse(document));
  }

  async function refreshPolicy(): Promise<PolicySnapshot> {
    try {
      const value = await readPolicy();
      policy = { value, readAtMs: clock.nowMs() };
      return value;
    } catch (fault) {
      if (policy === undefined) throw fault;
      report('policy not refreshed', fault);
      policy = { value: policy.value, readAtMs: clock.nowMs() };
      return policy.value;
    } finally {
      refresh = undefined;
    }
  }

  return {
    findKey: (keyHash) => findRecord(keyRecordKey(keyHash)),
    findKeyById: (keyId) => findRecord(keyIdKey(keyId)),
    async policy() {
      if (policy !== undefined && isFresh(policy)) return policy.value;
      refresh ??= refreshPolicy();
      return refresh;
    },
  };
}
