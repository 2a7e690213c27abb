/** Who calls in a simulation, and what changes on the way: keys, policies, prices, limits, revocations. */
import type { KeyRecord, PolicySnapshot, Team } from '../../core/catalog/snapshot.ts';
import type { EpochMs } from '../../core/clock.ts';
import type { LimitPlan } from '../../core/limits/schedule.ts';
import { hashKey, keyIdOf, newVirtualKey } from '../../core/tenancy/virtual-key.ts';
import { limitedAccounts } from './account-names.ts';
import { createApprovals } from './approvals.ts';
import type { FakeDynamo } from './fake-dynamo.ts';
import { changed, firstPolicy, HOT_SHARE, nextPolicy, somePlan } from './policies.ts';
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
  /** Undefined for the one in force. */
  replacedAtMs(policy: PolicySnapshot): EpochMs | undefined;
  policyOf(version: number): PolicySnapshot;
  /** When limits last changed. */
  changedAtMs(): EpochMs;
}

export interface CompanyOptions {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly dynamo: FakeDynamo;
  readonly operations: number;
  readonly callers: number;
  /** All calls are of one team, whose limits ask for several accounts. */
  readonly isHot?: boolean;
  readonly callersPerTeam: number;
  readonly scale: number;
  /** Share of the keys that limit nothing, beside those that happen to. */
  readonly freeKeys: number;
  readonly isOver: () => boolean;
  /** A scope has these limits under that version of the policy. */
  readonly onSetup: (scope: string, version: number, limits: LimitPlan) => void;
}

const LONGEST_CALM_MS = 12_000;

export function createCompany(options: CompanyOptions): Company {
  const { random, dynamo, scheduler, callers, operations, scale, callersPerTeam, freeKeys } =
    options;
  const teams = Math.max(2, Math.round(callers / callersPerTeam));
  const size = {
    teams,
    callsPerTeam: operations / teams,
    startMs: scheduler.nowMs(),
    isHot: options.isHot === true,
    scale,
  };
  const first = firstPolicy(random, size);
  const keys = new Map<string, KeyRecord>();
  const issued = Array.from({ length: 2 * teams }, () => {
    const secret = newVirtualKey(random.text);
    const hash = hashKey(secret);
    const isFree = freeKeys > 0 && random.chance(freeKeys);
    const limits = isFree ? {} : somePlan(random, { ...size, teams: 0.5 });
    const [hot] = Object.values(first.teams);
    const isHot = hot !== undefined && random.chance(options.isHot === true ? 1 : HOT_SHARE);
    const team = isHot ? hot : random.pick(Object.values(first.teams));
    keys.set(hash, keyRecord(keyIdOf(hash), team, limits));
    return { secret, hash };
  });
  const firstKeys = [...keys];
  const approvals = createApprovals(random);
  /** Without what overrides add to it. */
  let plain = first;
  let policy = first;
  const policies = new Map([[first.version, first]]);
  const replacedAtMs = new Map<PolicySnapshot, EpochMs>();
  let changedAtMs = scheduler.nowMs();

  function setUp(scope: string, limits: LimitPlan): void {
    dynamo.setLimits(scope, { limits, policyVersion: policy.version }, policy.timeZone);
    options.onSetup(scope, policy.version, limits);
  }
  function applyToAccounts(): void {
    changedAtMs = scheduler.nowMs();
    for (const [account, limits] of limitedAccounts(policy)) setUp(account, limits);
    for (const key of keys.values()) setUp(`key/${key.keyId}`, key.limits);
  }
  /** A version that somebody approved an override for differs in nothing else. */
  function nextPlain(): PolicySnapshot {
    if (random.chance(0.6)) return nextPolicy(random, first, plain);
    approvals.approve(plain, scheduler.nowMs());
    return { ...plain, version: plain.version + 1 };
  }
  function change(): void {
    if (options.isOver()) return;
    replacedAtMs.set(policy, scheduler.nowMs());
    plain = nextPlain();
    policy = approvals.workedInto(plain, scheduler.nowMs());
    policies.set(policy.version, policy);
    const [hash, key] = random.pick(firstKeys);
    keys.set(hash, { ...key, limits: changed(random, key.limits) });
    applyToAccounts();
    dynamo.setStatus(`key/${key.keyId}`, random.chance(0.1) ? 'revoked' : 'active');
    scheduler.after(random.between(1, LONGEST_CALM_MS), change);
  }

  applyToAccounts();
  scheduler.after(random.between(1, LONGEST_CALM_MS), change);
  return {
    issued,
    policy: () => policy,
    keys: () => keys,
    changedAtMs: () => changedAtMs,
    replacedAtMs: (each) => replacedAtMs.get(each),
    policyOf(version) {
      const found = policies.get(version);
      if (found === undefined) throw new Error(`no policy ${version}`);
      return found;
    },
  };
}

function keyRecord(keyId: string, { tenantId, id: teamId }: Team, limits: LimitPlan): KeyRecord {
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
