/** Settle at one scope: the write, or the lease's, and what follows where the call was posted or took more than it held. */
import type { Clock } from '../clock.ts';
import { type AccountStore, readShards } from './account-store.ts';
import type { Moment } from './denial.ts';
import type { LeasedPart } from './leases.ts';
import type { Pause } from './patient-store.ts';
import { correctAccount, postedKey } from './posted.ts';
import { type Demand, holdOf, momentOf } from './reserve.ts';
import type { Rides } from './rides.ts';
import type { LimitPlan } from './schedule.ts';
import { type Actual, type Grant, isOfFreeKey, planSettle } from './settle.ts';
import { scopeKeyOf } from './shards.ts';
import type { SliceMemory } from './slice-memory.ts';
import { planRepay } from './slices.ts';

interface Engine {
  readonly closingStore: AccountStore;
  readonly clock: Clock;
  readonly pause: Pause;
  readonly slices: Pick<SliceMemory, 'count'>;
  readonly rides: Rides | undefined;
}

interface Granted {
  readonly key: string;
  readonly plan: LimitPlan;
  readonly grant: Grant;
  readonly part?: LeasedPart;
  readonly holdId: string;
}

export async function settleScope(engine: Engine, granted: Granted, actual: Actual): Promise<void> {
  const { key, grant, part } = granted;
  const at = closingMoment(grant, engine.clock);
  await (part === undefined ? settleHold(engine, granted, actual) : part.settle(actual));
  if (tookMore(actual, grant.request.demand)) await repay(engine, key, at);
}

/** A hold that the reaper has posted meanwhile is corrected to what was really used. */
async function settleHold(engine: Engine, granted: Granted, actual: Actual): Promise<void> {
  const { closingStore: store, clock, pause } = engine;
  const { key, grant, holdId } = granted;
  if (await hasRidden(engine, granted, actual)) return;
  const { kind } = await store.write(key, planSettle(grant, actual, closingMoment(grant, clock)));
  const { request, plan } = grant;
  if (kind === 'applied' || clock.nowMs() < request.expiresAtSeconds * 1000) return;
  const posted = postedKey(key, { id: holdId, hold: holdOf(request, plan) });
  await correctAccount({ store, pause, account: key, key: posted, actual });
}

/** Written by the reserve of another call of the key. */
async function hasRidden(
  { rides, slices, clock }: Engine,
  { key: account, plan, grant }: Granted,
  actual: Actual,
): Promise<boolean> {
  if (rides === undefined || !isOfFreeKey(grant)) return false;
  const accounts = slices.count({ key: scopeKeyOf(account), plan });
  const settlement = planSettle(grant, actual, closingMoment(grant, clock));
  return rides.wait({ account, accounts, settlement });
}

/** The period is the reserve's, whatever month it is now. */
export function closingMoment({ request }: Pick<Grant, 'request'>, clock: Clock): Moment {
  const { day, month } = request.at;
  return momentOf(clock.nowMs(), { day, month });
}

function tookMore(actual: Actual, held: Demand): boolean {
  return (
    actual.nanoUsd > held.nanoUsd ||
    actual.inputTokens + actual.outputTokens > held.inputTokens + held.outputTokens
  );
}

/** The other shards pay. What a scope in full traffic leaves unpaid, the next such call tries again. */
async function repay({ closingStore }: Engine, key: string, at: Moment): Promise<void> {
  for (let tries = 0; tries < MAX_REPAYS; tries += 1) {
    const shards = await readShards(closingStore, scopeKeyOf(key), 1);
    const writes = planRepay(shards, key, at);
    if (writes.length === 0 || (await closingStore.writeTogether(writes))) return;
  }
}

const MAX_REPAYS = 4;
