/**
 * Changes of keys, and what they bring to accounts. A call asks its key's account alone, in the write that counts it, so
 * a change is in force once that account has been written, and is answered only then.
 */
import type { StoredKey } from '../../core/catalog/key-items.ts';
import type { KeyRecord, PolicySnapshot } from '../../core/catalog/snapshot.ts';
import type { Clock } from '../../core/clock.ts';
import type { KeyStatus } from '../../core/limits/account.ts';
import { calendarDay } from '../../core/limits/periods.ts';
import { momentOf } from '../../core/limits/reserve.ts';
import { teamOf } from '../../core/routing/select-routes.ts';
import { statusInForce } from '../../core/tenancy/key-status.ts';
import { type Scope, teamKey } from '../../core/tenancy/scopes.ts';
import { planOfKey } from '../../core/tenancy/scopes-of.ts';
import { hashKey, newVirtualKey } from '../../core/tenancy/virtual-key.ts';
import type { CatalogWriter } from './catalog-writer.ts';
import { type KeyStore, MAX_NEW } from './key-store.ts';
import type { AdminRequest } from './route.ts';

/** Who asked, from where and why: what a request of the admin API knows. */
export type KeyAsker = Pick<
  AdminRequest<unknown, unknown, unknown>,
  'principal' | 'sourceIp' | 'requestId' | 'reason'
>;

/** A change as the audit log has it, told before it is made: what cannot be told is not done. */
export interface KeyChange {
  readonly operation: string;
  /** Path, such as `keys/vk_0123456789ab` or `tenants/acme/teams/search`. */
  readonly object: string;
  readonly target: { readonly tenantId: string; readonly teamId?: string };
  readonly before?: unknown;
  readonly after?: unknown;
}

export interface Audit {
  record(asker: KeyAsker, change: KeyChange): Promise<void>;
}

export interface KeyPorts {
  readonly keys: KeyStore;
  readonly accounts: Pick<CatalogWriter, 'setUpAccount' | 'setStatus'>;
  readonly clock: Clock;
}

const MAX_ATTEMPTS = 8;
const PARALLEL = 16;
const PAGE = 500;

/** Makes the key of the record. The account comes first: a key that can be found must have one that says what it may. */
export async function makeKey(
  ports: KeyPorts,
  { record, keyHash, policy }: { record: KeyRecord; keyHash: string; policy: PolicySnapshot },
): Promise<KeyStatus | undefined> {
  const nowMs = ports.clock.nowMs();
  const limits = planOfKey({ key: record, team: teamOf(policy, record), policy });
  await ports.accounts.setUpAccount(
    { kind: 'key', keyId: record.keyId },
    { limits, policyVersion: policy.version },
    momentOf(nowMs, calendarDay(nowMs, policy.timeZone)),
  );
  if (!(await ports.keys.store({ record, keyHash, revision: 0 })))
    throw new Error(`the id ${record.keyId} is taken`);
  return bringInForce(ports, record.keyId);
}

export interface Declared {
  readonly keyId: string;
  readonly keyHash?: string | undefined;
  /** The record from what is stored, where something is. */
  readonly record: (known: KeyRecord | undefined) => KeyRecord;
}

/**
 * Stores keys that the policy declares, whose accounts are there. They are born suspended where their team is. Most are
 * new, and those take one transaction together; where one of them is not, each is looked at by itself.
 */
export async function declareKeys(ports: KeyPorts, declared: readonly Declared[]): Promise<void> {
  for (let from = 0; from < declared.length; from += MAX_NEW) {
    const some = declared.slice(from, from + MAX_NEW);
    const fresh = some.map(({ record, keyHash }) => ({
      record: record(undefined),
      ...(keyHash === undefined ? {} : { keyHash }),
      revision: 0,
    }));
    if (await ports.keys.storeNew(fresh)) await stopSuspended(ports, fresh);
    else await Promise.all(some.map((each) => declareKey(ports, each)));
  }
}

/** Their accounts were made active. Asked after they are stored: whoever suspends a team from now on finds them. */
async function stopSuspended(ports: KeyPorts, fresh: readonly StoredKey[]): Promise<void> {
  const teams = new Map(
    fresh.map(({ record }) => [teamKey(record.tenantId, record.teamId), record]),
  );
  const isStopped = new Map(
    await Promise.all(
      [...teams].map(async ([team, record]) => {
        const { tenant, team: own } = await ports.keys.suspensions(record);
        return [team, tenant || own] as const;
      }),
    ),
  );
  const stopped = fresh.filter(({ record }) =>
    isStopped.get(teamKey(record.tenantId, record.teamId)),
  );
  await Promise.all(stopped.map(({ record }) => bringInForce(ports, record.keyId)));
}

async function declareKey(ports: KeyPorts, { keyId, keyHash, record }: Declared): Promise<void> {
  for (let tries = 0; tries < MAX_ATTEMPTS; tries += 1) {
    const known = await ports.keys.find(keyId);
    const key: StoredKey = {
      record: record(known?.record),
      ...(keyHash === undefined ? {} : { keyHash }),
      revision: known?.revision ?? 0,
    };
    if (!(await ports.keys.store(key))) continue;
    await bringInForce(ports, keyId);
    return;
  }
  throw new Error(`the key ${keyId} kept changing`);
}

/**
 * Writes the status that a key has by itself, its team and its tenant to its account, until nothing of them changed
 * meanwhile: of several that change it at once the last to look has seen the others.
 */
async function bringInForce(ports: KeyPorts, keyId: string): Promise<KeyStatus | undefined> {
  let written: KeyStatus | undefined;
  for (let tries = 0; tries < MAX_ATTEMPTS; tries += 1) {
    const status = await statusOf(ports, keyId);
    if (status === undefined || status === written) return status;
    await ports.accounts.setStatus({ kind: 'key', keyId }, status);
    written = status;
  }
  throw new Error(`the status of ${keyId} kept changing`);
}

async function statusOf(
  { keys }: Pick<KeyPorts, 'keys'>,
  keyId: string,
): Promise<KeyStatus | undefined> {
  const found = await keys.find(keyId);
  return found === undefined
    ? undefined
    : statusInForce(found.record, await keys.suspensions(found.record));
}

/** Undefined when there is no such key. What is not changed is not written. */
async function changeKey(
  { keys }: Pick<KeyPorts, 'keys'>,
  keyId: string,
  change: (key: StoredKey) => StoredKey,
): Promise<StoredKey | undefined> {
  for (let tries = 0; tries < MAX_ATTEMPTS; tries += 1) {
    const found = await keys.find(keyId);
    if (found === undefined) return undefined;
    const changed = change(found);
    if (changed === found) return found;
    const dropped = [found.keyHash, found.previousHash].filter(
      (hash) => hash !== undefined && hash !== changed.keyHash && hash !== changed.previousHash,
    );
    if (
      await keys.store(
        changed,
        dropped.filter((hash) => hash !== undefined),
      )
    )
      return changed;
  }
  throw new Error(`the key ${keyId} kept changing`);
}

/** In force before it is answered. A revoked key stays revoked. */
export async function setKeyStatus(
  ports: KeyPorts,
  keyId: string,
  status: KeyStatus,
): Promise<KeyStatus | undefined> {
  await changeKey(ports, keyId, (key) =>
    key.record.status === 'revoked' ? key : { ...key, record: { ...key.record, status } },
  );
  return bringInForce(ports, keyId);
}

export interface Rotated {
  readonly key: string;
  readonly previousSecretUntilMs: number;
}

/**
 * A new secret for a key that stays the same in every account and every bill. The one before works until the overlap is
 * over. Undefined where one before that still does: its end was promised.
 */
export async function rotateKey(
  ports: KeyPorts,
  keyId: string,
  overlapMs: number,
): Promise<Rotated | undefined> {
  const key = newVirtualKey();
  const nowMs = ports.clock.nowMs();
  const previousSecretUntilMs = nowMs + overlapMs;
  const changed = await changeKey(ports, keyId, (found) => {
    const { record, keyHash, revision } = found;
    if (keyHash === undefined || (record.previousSecretUntilMs ?? 0) > nowMs) return found;
    return {
      record: { ...record, previousSecretUntilMs },
      keyHash: hashKey(key),
      previousHash: keyHash,
      revision,
    };
  });
  return changed?.keyHash === hashKey(key) ? { key, previousSecretUntilMs } : undefined;
}

/**
 * Suspends a team or a whole tenant, or ends that. What has limits of its own is stopped first and started last; then
 * every key. Answers how many keys were written when all of them are.
 */
export async function setSuspended(
  ports: KeyPorts,
  target: { readonly tenantId: string; readonly teamId?: string },
  is: boolean,
): Promise<number> {
  const { tenantId, teamId } = target;
  const scope: Scope =
    teamId === undefined ? { kind: 'tenant', tenantId } : { kind: 'team', tenantId, teamId };
  await ports.keys.setSuspended(target, is);
  // A scope without limits has no account, and needs none: its keys say no.
  if (is) await ports.accounts.setStatus(scope, 'suspended');
  const written = new Set<string>();
  await bringAllInForce(ports, target, written);
  // The list may not have shown keys that were made a moment before; those made after see the suspension themselves.
  await bringAllInForce(ports, target, written);
  if (!is) await ports.accounts.setStatus(scope, 'active');
  return written.size;
}

async function bringAllInForce(
  ports: KeyPorts,
  filter: { readonly tenantId: string; readonly teamId?: string },
  written: Set<string>,
): Promise<void> {
  let after: string | undefined;
  do {
    const page = await ports.keys.list(filter, { limit: PAGE, after });
    const rest = page.records.map(({ keyId }) => keyId).filter((keyId) => !written.has(keyId));
    const worker = async () => {
      for (let keyId = rest.pop(); keyId !== undefined; keyId = rest.pop()) {
        await bringInForce(ports, keyId);
        written.add(keyId);
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, worker));
    after = page.next;
  } while (after !== undefined);
}
