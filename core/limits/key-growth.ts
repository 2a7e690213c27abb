/**
 * More accounts for a key that limits nothing: when its open calls have become a crowd, so that every write to its account pays for
 * kilobytes of them (ADR 0036), or where its scopes ask for more than there are (ADR 0031).
 */
import type { EpochMs } from '../clock.ts';
import { GatewayError } from '../errors.ts';
import { type Account, parseAccount } from './account.ts';
import type { AccountStore } from './account-store.ts';
import { hasLimits, type LimitPlan } from './schedule.ts';
import type { Grant } from './settle.ts';
import { growScope } from './shard-setup.ts';
import { keyShardsFor } from './shards.ts';
import type { SliceMemory } from './slice-memory.ts';

export interface GrowthEngine {
  readonly store: AccountStore;
  readonly slices: SliceMemory;
  /** Keys for which a call of this process makes accounts; its other calls go on with those that there are. */
  readonly growing: Set<string>;
  /** By key, when the last call began that saw a crowd and grew it. */
  readonly grownAt: Map<string, EpochMs>;
}

interface Settled {
  readonly scopeKey: string;
  readonly plan: LimitPlan;
  /** The account that held. */
  readonly key: string;
  /** With the account as the call saw it, if it looked. */
  readonly grant: Grant;
}

const MAX_GROWN = 10_000;
/** Most calls end within so long (ADR 0017). What was open before stays where it is until then, and is no reason to grow again. */
const GROWTH_MS = 10_000;

/** Nobody waits for it, and what fails here another call tries again. */
export async function growCrowded(engine: GrowthEngine, settled: Settled): Promise<void> {
  const { scopeKey, plan, key, grant } = settled;
  const { account: seen, request } = grant;
  if (seen === undefined || key !== scopeKey || hasLimits(plan)) return;
  if (keyShardsFor(seen) <= seen.shards) return;
  const { grownAt } = engine;
  const { nowMs } = request.at;
  if (nowMs < (grownAt.get(key) ?? 0) + GROWTH_MS) return;
  if (grownAt.size >= MAX_GROWN) grownAt.clear();
  grownAt.set(key, nowMs);
  await growFrom(engine, { key, plan }, seen).catch(() => undefined);
}

/** Many processes see a crowd at the same time, and one is enough to make what it needs. */
async function growFrom(engine: GrowthEngine, scope: PlannedScope, seen: Account): Promise<void> {
  const first = await accountAt(engine.store, scope.key);
  engine.slices.learn(scope, scope.key, first);
  const isAsSeen = first.shards === seen.shards && !hasLimits(first.plan);
  if (isAsSeen) await grow(engine, scope, { first, count: keyShardsFor(seen) });
}

interface PlannedScope {
  readonly key: string;
  readonly plan: LimitPlan;
}

export async function grow(
  { store, slices, growing }: GrowthEngine,
  scope: PlannedScope,
  size: { readonly first: Account; readonly count: number },
): Promise<void> {
  const { key } = scope;
  if (growing.has(key)) return;
  growing.add(key);
  try {
    await growScope(store, key, size);
    slices.learn(scope, key, await accountAt(store, key));
  } finally {
    growing.delete(key);
  }
}

export async function accountAt(store: AccountStore, key: string): Promise<Account> {
  const item = await store.read(key);
  if (item === undefined) throw noAccount(key);
  return parseAccount(item);
}

export function noAccount(key: string): GatewayError {
  const message = 'The limits of this key are not ready yet.';
  return new GatewayError('limiter_unavailable', message, { cause: `no account ${key}` });
}
