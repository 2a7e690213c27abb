/** Keys as the admin API shows them. Nothing that opens anything is in a record, so all of it is. */
import * as z from 'zod';
import { type KeyRecord, keyRecordSchema } from '../../core/catalog/snapshot.ts';
import { type AccountStore, readShards } from '../../core/limits/account-store.ts';
import { accountKey } from '../../core/tenancy/scopes.ts';

export const keyStatusSchema = z.enum(['active', 'suspended', 'revoked']);

export const shownKeySchema = z.object({
  ...keyRecordSchema.shape,
  /** In force: the key's own, its team's and its tenant's together. */
  status: keyStatusSchema,
  /** Minute of its latest call; null where it was never used. */
  lastUsedAtMs: z.number().nullable(),
});
export type ShownKey = z.infer<typeof shownKeySchema>;

const MINUTE_MS = 60_000;

/** From the key's accounts, which know both as of the latest call. A key without an account was never brought in force. */
export async function shownKey(
  accounts: Pick<AccountStore, 'read'>,
  record: KeyRecord,
): Promise<ShownKey> {
  const key = accountKey({ kind: 'key', keyId: record.keyId });
  const shards = await readShards(accounts, key, 1);
  const minutes = shards.flatMap(({ account }) => account.lastUsedMinute ?? []);
  return {
    ...record,
    status: shards[0]?.account.status ?? 'suspended',
    lastUsedAtMs: minutes.length === 0 ? null : Math.max(...minutes) * MINUTE_MS,
  };
}

const PARALLEL_READS = 32;

export async function shownKeys(
  accounts: Pick<AccountStore, 'read'>,
  records: readonly KeyRecord[],
): Promise<ShownKey[]> {
  const shown: ShownKey[] = [];
  for (let from = 0; from < records.length; from += PARALLEL_READS) {
    const some = records.slice(from, from + PARALLEL_READS);
    shown.push(...(await Promise.all(some.map((record) => shownKey(accounts, record)))));
  }
  return shown;
}
