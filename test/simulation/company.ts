/** Who calls in a simulation, and what changes on the way: keys, policies, prices, limits, revocations. */
import type { KeyRecord, PolicySnapshot, Team } from '../../core/catalog/snapshot.ts';
import type { EpochMs } from '../../core/clock.ts';
import type { Limits } from '../../core/limits/dimensions.ts';
import { hashKey, keyIdOf, newVirtualKey } from '../../core/tenancy/virtual-key.ts';
import { limitedAccounts } from './account-names.ts';
import type { FakeDynamo } from './fake-dynamo.ts';
import { changed, firstPolicy, nextPolicy, someLimits } from './policies.ts';
import type { Random } from './random.ts';
import type { Scheduler } from './scheduler.ts';

export interface IssuedKey {
  readonly secret: string;
  readonly hash: string;
}

export interface Company {
  readonly issued: readonly IssuedKey[];
  /** Both as they are in force now; environments remember older ones. */
  policy(): PolicySnapshot;
  keys(): ReadonlyMap<string, KeyRecord>;
  /** When limits last changed. */
  changedAtMs(): EpochMs;
}

export interface CompanyOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly dynamo: FakeDynamo;
  readonly operations: number;
  readonly callers: number;
  readonly isOver: () => boolean;
}

const CALLERS_PER_TEAM = 8;
const LONGEST_CALM_MS = 12_000;

export function createCompany(options: CompanyOptions): Company {
  const { random, dynamo, scheduler, callers, operations } = options;
  const teams = Math.max(2, Math.round(callers / CALLERS_PER_TEAM));
  const size = { teams, callsPerTeam: operations / teams };
  const first = firstPolicy(random, size);
  const keys = new Map<string, KeyRecord>();
  const issued = Array.from({ length: 2 * teams }, () => {
    const secret = newVirtualKey(random.text);
    const hash = hashKey(secret);
    const limits = someLimits(random, { ...size, teams: 0.5 });
    keys.set(hash, keyRecord(keyIdOf(hash), random.pick(Object.values(first.teams)), limits));
    return { secret, hash };
  });
  const firstKeys = [...keys];
  let policy = first;
  let changedAtMs = scheduler.nowMs();

  function applyToAccounts(): void {
    changedAtMs = scheduler.nowMs();
    for (const [account, limits] of limitedAccounts(policy))
      dynamo.setLimits(account, limits, policy.version);
    for (const key of keys.values())
      dynamo.setLimits(`key/${key.keyId}`, key.limits, policy.version);
  }
  function change(): void {
    if (options.isOver()) return;
    policy = nextPolicy(random, first, policy);
    const [hash, key] = random.pick(firstKeys);
    keys.set(hash, { ...key, limits: changed(random, key.limits) });
    applyToAccounts();
    dynamo.setStatus(`key/${key.keyId}`, random.chance(0.1) ? 'revoked' : 'active');
    scheduler.after(random.between(1, LONGEST_CALM_MS), change);
  }

  applyToAccounts();
  scheduler.after(random.between(1, LONGEST_CALM_MS), change);
  return { issued, policy: () => policy, keys: () => keys, changedAtMs: () => changedAtMs };
}

function keyRecord(keyId: string, { tenantId, id: teamId }: Team, limits: Limits): KeyRecord {
  return {
    keyId,
    tenantId,
    teamId,
    projectId: 'web',
    owner: 'ann',
    pinnedTags: {},
    features: [],
    limits,
    createdAtMs: 0,
  };
}
