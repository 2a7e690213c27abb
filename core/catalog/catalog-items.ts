/**
 * The catalog table: keys of its items and what is in them. A policy version is immutable; one small
 * pointer names the version in force, so that applying a policy is one conditional write at its end and
 * looking for a newer one is one small read. A version is stored compressed and in parts, since an item
 * holds 400 KB: its head with the first part of the snapshot, the other parts, and the tree it was made
 * of. A copy of the latest head stands at a fixed key beside the pointer, so that a cold start reads
 * both at once.
 */
import * as z from 'zod/mini';
import { compositeKey } from '../ids.ts';

export const CURRENT_POLICY = 'policy-current';
export const LATEST_POLICY = 'policy-latest';
export const CLOSED_MONTHS = 'closed-months';

export function policyVersionKey(version: number): string {
  return compositeKey('policy', String(version));
}

/** A part of the version's snapshot from the second on, or of its tree from the first on. */
export function policyPartKey(version: number, of: 'snapshot' | 'tree', index: number): string {
  return compositeKey('policy', String(version), of, String(index));
}

export function keyRecordKey(keyHash: string): string {
  return compositeKey('key', keyHash);
}

/** Where a key's hash is found by its public id, for revoking and listing. */
export function keyIdKey(keyId: string): string {
  return compositeKey('key-id', keyId);
}

/** An item with a JSON document: a key record. */
export const documentItemSchema = z.object({ pk: z.string(), document: z.string() });

const bytes = z.instanceof(Uint8Array);

/** The head of a version, at its own key or as the copy of the latest. */
export const policyHeadSchema = z.object({
  pk: z.string(),
  version: z.int(),
  /** The first part of the compressed snapshot. */
  snapshot: bytes,
  snapshotParts: z.int(),
  treeParts: z.int(),
});
export type PolicyHead = z.infer<typeof policyHeadSchema>;

export const policyPartSchema = z.object({ pk: z.string(), part: bytes });

/** The pointer, and how far the version has been brought to accounts and keys. */
export const currentPolicyItemSchema = z.object({
  pk: z.literal(CURRENT_POLICY),
  version: z.int(),
  /** In force before it: what serves where this one cannot be read. */
  previous: z.optional(z.int()),
  /** Versions that may still be in force in accounts; none when the rollout is done. 0 stands for anything. */
  pending: z._default(z.array(z.int()), []),
  /** Steps of the rollout that are taken. */
  done: z._default(z.int(), 0),
});
export type CurrentPolicy = z.infer<typeof currentPolicyItemSchema>;

/** How far the months of the ledger are closed. */
export const closedMonthsItemSchema = z.object({
  pk: z.literal(CLOSED_MONTHS),
  closedThrough: z.string(),
});
