/**
 * The catalog table: keys of its items and what is in them. A policy version is immutable; one small
 * pointer names the version in force, so that applying a policy is one conditional write at its end and
 * looking for a newer one is one small read. A copy of the latest version stands at a fixed key beside
 * the pointer, so that a cold start reads both at once.
 */
import * as z from 'zod/mini';
import { compositeKey } from '../ids.ts';

export const CURRENT_POLICY = 'policy-current';
export const LATEST_POLICY = 'policy-latest';
export const CLOSED_MONTHS = 'closed-months';

export function policyVersionKey(version: number): string {
  return compositeKey('policy', String(version));
}

export function keyRecordKey(keyHash: string): string {
  return compositeKey('key', keyHash);
}

/** Where a key's hash is found by its public id, for revoking and listing. */
export function keyIdKey(keyId: string): string {
  return compositeKey('key-id', keyId);
}

/** An item with a JSON document: a policy snapshot (with its source text) or a key record. */
export const documentItemSchema = z.object({
  pk: z.string(),
  document: z.string(),
  source: z.optional(z.string()),
});

/** The copy of the latest version; its number tells whether it is the one that the pointer names. */
export const latestPolicyItemSchema = z.object({
  pk: z.literal(LATEST_POLICY),
  version: z.int(),
  document: z.string(),
});

/** The pointer. */
export const currentPolicyItemSchema = z.object({
  pk: z.literal(CURRENT_POLICY),
  version: z.int(),
});

/** How far the months of the ledger are closed. */
export const closedMonthsItemSchema = z.object({
  pk: z.literal(CLOSED_MONTHS),
  closedThrough: z.string(),
});
