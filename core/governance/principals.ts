/**
 * Principals as stored: who governs, with the hashes of their keys. Decides who a key is at a moment and what becomes
 * of a record that is made, rotated or revoked; the secret itself is in one answer and nowhere else.
 */
import * as z from 'zod/mini';
import type { EpochMs } from '../clock.ts';
import type { Decider } from './overrides.ts';
import { type Principal, ROLES, type Target } from './principal.ts';

export const principalRecordSchema = z.object({
  id: z.string(),
  name: z.string(),
  role: z.enum(ROLES),
  tenantId: z.optional(z.string()),
  teamId: z.optional(z.string()),
  createdBy: z.string(),
  /** Who has issued any of the keys before, its holder apart. */
  issuers: z.optional(z.array(z.string())),
  createdAtMs: z.int(),
  /** After it none of the keys opens anything. */
  expiresAtMs: z.optional(z.int()),
  revokedAtMs: z.optional(z.int()),
  /** The newest first; an older one has an end. */
  keys: z.array(
    z.object({
      hash: z.string(),
      /** Who has seen the secret: its holder alone where this is the holder. */
      issuedBy: z.string(),
      createdAtMs: z.int(),
      expiresAtMs: z.optional(z.int()),
    }),
  ),
});
export type PrincipalRecord = Readonly<z.infer<typeof principalRecordSchema>>;

/** Who the key with this hash is; undefined when the record, or the key of it, is over. */
export function principalOf(
  record: PrincipalRecord | undefined,
  keyHash: string,
  nowMs: EpochMs,
): Decider | undefined {
  const key = record?.keys.find(({ hash }) => hash === keyHash);
  if (record === undefined || key === undefined || statusOf(record, nowMs) !== 'active')
    return undefined;
  if (nowMs >= (key.expiresAtMs ?? Infinity)) return undefined;
  return deciderOf(record);
}

function statusOf(
  { revokedAtMs, expiresAtMs = Infinity }: PrincipalRecord,
  nowMs: EpochMs,
): 'active' | 'revoked' | 'expired' {
  if (revokedAtMs !== undefined) return 'revoked';
  return nowMs >= expiresAtMs ? 'expired' : 'active';
}

/** The key before the new one ends after the overlap, and any older one at once. */
export function rotated(
  record: PrincipalRecord,
  { hash, issuedBy, nowMs, overlapMs }: Rotation,
): PrincipalRecord {
  const [last] = record.keys;
  const endMs = Math.min(nowMs + overlapMs, last?.expiresAtMs ?? Infinity);
  const kept = last === undefined || endMs <= nowMs ? [] : [{ ...last, expiresAtMs: endMs }];
  const keys = [{ hash, issuedBy, createdAtMs: nowMs }, ...kept];
  return { ...record, issuers: issuersOf(record), keys };
}

interface Rotation {
  readonly hash: string;
  readonly issuedBy: string;
  readonly nowMs: EpochMs;
  readonly overlapMs: number;
}

/**
 * As a second person sees somebody. Whoever has issued a key could act as its holder, and could have replaced it as its
 * holder: that a key was replaced proves nothing (ADR 0033).
 */
export function deciderOf(record: PrincipalRecord): Decider {
  return { ...personOf(record), keyIssuers: issuersOf(record) };
}

function issuersOf({ id, createdBy, issuers = [], keys }: PrincipalRecord): string[] {
  const all = new Set([createdBy, ...issuers, ...keys.map(({ issuedBy }) => issuedBy)]);
  return [...all].filter((each) => each !== id);
}

function personOf({ id, name, role, tenantId, teamId }: PrincipalRecord): Principal {
  return { id, name, role, ...targetOf({ tenantId, teamId }) };
}

export function targetOf({
  tenantId,
  teamId,
}: {
  readonly tenantId?: string | undefined;
  readonly teamId?: string | undefined;
}): Target {
  return {
    ...(tenantId === undefined ? {} : { tenantId }),
    ...(teamId === undefined ? {} : { teamId }),
  };
}

/** As the API shows it: nothing of its keys but how many open. */
export function shownPrincipal(record: PrincipalRecord, nowMs: EpochMs) {
  const { keys, revokedAtMs, ...shown } = record;
  return {
    ...shown,
    status: statusOf(record, nowMs),
    ...(revokedAtMs === undefined ? {} : { revokedAtMs }),
    openKeys: keys.filter(({ expiresAtMs = Infinity }) => nowMs < expiresAtMs).length,
  };
}
