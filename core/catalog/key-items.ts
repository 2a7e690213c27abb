/**
 * How keys lie in the catalog table. The item of the key's id is the key: its record, the hash of its secret and a
 * number that grows with every change, so that of two changes at once one is refused. Each secret that works has an
 * item of its own with a copy of the record, so that a call finds it by one read.
 */
import * as z from 'zod/mini';
import { compositeKey } from '../ids.ts';
import { TABLE_KEY, TABLE_LIST } from '../names.ts';
import { keyIdKey, keyRecordKey } from './catalog-items.ts';
import { type KeyRecord, keyRecordSchema } from './snapshot.ts';

export interface StoredKey {
  readonly record: KeyRecord;
  /** Absent where tokens stand for the key. */
  readonly keyHash?: string;
  /** The secret before, while it works. */
  readonly previousHash?: string;
  readonly revision: number;
}

/**
 * Partition of the index that lists all keys, or an owner's, in the order of tenant, team, project and id. A key without
 * a secret has one item and is in the list of all.
 */
export function keysList(owner: string | undefined): string {
  return owner === undefined ? 'keys' : compositeKey('keys', owner);
}

const keyItemSchema = z.object({
  document: z.string(),
  hash: z.optional(z.string()),
  previous: z.optional(z.string()),
  revision: z.optional(z.int()),
});

export type KeyItem = Readonly<Record<string, string | number>>;

/** Throws a ZodError when the item is no key: that is corruption, not a refusal. */
export function parseKeyItem(item: unknown): StoredKey {
  const { document, hash, previous, revision = 0 } = keyItemSchema.parse(item);
  return {
    record: keyRecordSchema.parse(JSON.parse(document)),
    ...(hash === undefined ? {} : { keyHash: hash }),
    ...(previous === undefined ? {} : { previousHash: previous }),
    revision,
  };
}

/** The key's own item first. */
export function keyItems({ record, keyHash, previousHash, revision }: StoredKey): KeyItem[] {
  const document = JSON.stringify(record);
  const { tenantId, teamId, projectId, keyId, previousSecretUntilMs } = record;
  const sort = { [TABLE_LIST.sort]: compositeKey(tenantId, teamId, projectId, keyId) };
  const own: KeyItem = {
    [TABLE_KEY]: keyIdKey(keyId),
    document,
    revision,
    [TABLE_LIST.partition]: keysList(undefined),
    ...sort,
    ...(keyHash === undefined ? {} : { hash: keyHash }),
    ...(previousHash === undefined ? {} : { previous: previousHash }),
  };
  const ofOwner = { [TABLE_LIST.partition]: keysList(record.owner), ...sort };
  const current =
    keyHash === undefined ? [] : [{ [TABLE_KEY]: keyRecordKey(keyHash), document, ...ofOwner }];
  if (previousHash === undefined || previousSecretUntilMs === undefined) return [own, ...current];
  const endsAtMs = Math.min(previousSecretUntilMs, record.expiresAtMs ?? previousSecretUntilMs);
  const ending = JSON.stringify({ ...record, expiresAtMs: endsAtMs });
  return [own, ...current, { [TABLE_KEY]: keyRecordKey(previousHash), document: ending }];
}

/** Beginning of the sort key of all keys of a tenant, a team or a project. */
export function listPrefix(...parts: readonly string[]): string {
  return parts.length === 0 ? '' : `${compositeKey(...parts)}/`;
}

/** Says that a tenant, or one team of it, is suspended. */
export function suspensionKey(tenantId: string, teamId?: string): string {
  return teamId === undefined
    ? compositeKey('suspended', tenantId)
    : compositeKey('suspended', tenantId, teamId);
}
