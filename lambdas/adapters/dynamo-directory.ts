/**
 * Keys and policy for the request path, kept in memory. For 30 s they are believed; then a call may begin with them, but only
 * go on once they have been read again (ADR 0037). The last good policy serves on while the table is out of reach or a newer
 * version cannot be read; identity never does.
 */
import {
  CURRENT_POLICY,
  currentPolicyItemSchema,
  documentItemSchema,
  keyIdKey,
  keyRecordKey,
  LATEST_POLICY,
  type PolicyHead,
  policyVersionKey,
} from '../../core/catalog/catalog-items.ts';
import type { KeyRecord, PolicySnapshot } from '../../core/catalog/snapshot.ts';
import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import { TABLE_KEY } from '../../core/names.ts';
import type { Report } from '../../core/report.ts';
import type { Directory, KeyDirectory } from '../../core/tenancy/authenticate.ts';
import type { DynamoPort } from './dynamo-port.ts';
import { loadSchemas, parseHead, type ReadItem, readSnapshot } from './policy-parts.ts';

const MAX_AGE_MS = 30_000;
/** What is older is not recalled: records change within days, so that of such guesses one in a hundred may be wrong. */
const MAX_RECALLED_MS = 3_600_000;
/** Bounds the memory that a caller with many wrong keys can take: 10,000 records and their texts, of about 1 KB together. */
const MAX_KEYS = 10_000;

interface Cached<T> {
  readonly value: T;
  readonly readAtMs: number;
}

interface CachedKey extends Cached<KeyRecord | undefined> {
  /** What the value was parsed from: as long as it stays the same, so does the value. */
  readonly document: string | undefined;
}

export interface DirectoryOptions {
  readonly dynamo: Pick<DynamoPort, 'getItem'>;
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
  /** The one that was read longest ago first. */
  const keys = new Map<string, CachedKey>();
  const readings = new Map<string, Promise<KeyRecord | undefined>>();
  let policy: Cached<PolicySnapshot> | undefined;
  let refresh: Promise<PolicySnapshot> | undefined;

  const isFresh = (cached: Cached<unknown> | undefined, maxAgeMs = MAX_AGE_MS) =>
    cached !== undefined && clock.nowMs() - cached.readAtMs < maxAgeMs;
  const read: ReadItem = async (key) => {
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
    const reading = readings.get(key) ?? readRecord(key).finally(() => readings.delete(key));
    readings.set(key, reading);
    return reading;
  }

  async function readRecord(key: string): Promise<KeyRecord | undefined> {
    const item = await read(key);
    const document = item && documentItemSchema.parse(item).document;
    const known = keys.get(key);
    const isSame = known !== undefined && known.document === document;
    const value = isSame ? known.value : await parseRecord(document);
    keys.delete(key);
    const [oldest] = keys.keys();
    if (keys.size >= MAX_KEYS && oldest !== undefined) keys.delete(oldest);
    keys.set(key, { value, document, readAtMs: clock.nowMs() });
    return value;
  }

  async function refreshPolicy(): Promise<PolicySnapshot> {
    try {
      const value = await readPolicy({ read, report, known: policy?.value });
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
    async policy(maxAgeMs) {
      if (policy !== undefined && isFresh(policy, maxAgeMs)) return policy.value;
      refresh ??= refreshPolicy();
      return refresh;
    },
    recall(keyHash) {
      const record = keys.get(keyRecordKey(keyHash));
      if (record?.value === undefined || policy === undefined) return undefined;
      const ageMs = clock.nowMs() - Math.min(record.readAtMs, policy.readAtMs);
      if (ageMs >= MAX_RECALLED_MS) return undefined;
      return { key: record.value, policy: policy.value, isFresh: ageMs < MAX_AGE_MS };
    },
  };
}

async function parseRecord(document: string | undefined): Promise<KeyRecord | undefined> {
  if (document === undefined) return undefined;
  const { keyRecordSchema } = await loadSchemas();
  return keyRecordSchema.parse(JSON.parse(document));
}

interface Reading {
  readonly read: ReadItem;
  readonly report: Report;
  /** The policy in memory, if there is one. */
  readonly known: PolicySnapshot | undefined;
}

async function readPolicy({ read, report, known }: Reading): Promise<PolicySnapshot> {
  // Only a cold start wants the document at once; a refresh usually finds the version unchanged.
  const [pointer, copy] = await Promise.all([
    read(CURRENT_POLICY),
    known === undefined ? read(LATEST_POLICY) : undefined,
    known === undefined ? loadSchemas() : undefined,
  ]);
  if (pointer === undefined)
    throw new GatewayError('limiter_unavailable', 'No policy has been applied yet.');
  const { version, previous } = currentPolicyItemSchema.parse(pointer);
  if (known?.version === version) return known;
  try {
    return await readVersion(read, version, parseHead(copy));
  } catch (fault) {
    // A cold start that meets a broken version serves the one before it, and looks again in half a minute.
    if (fault instanceof GatewayError || known !== undefined || previous === undefined) throw fault;
    report('policy not refreshed', fault);
    return readVersion(read, previous);
  }
}

async function readVersion(
  read: ReadItem,
  version: number,
  latest?: PolicyHead,
): Promise<PolicySnapshot> {
  const isLatest = latest?.version === version;
  const head = isLatest ? latest : parseHead(await read(policyVersionKey(version)));
  if (head === undefined) throw new Error(`policy version ${version} has no readable head`);
  return readSnapshot(read, head);
}
