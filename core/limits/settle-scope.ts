/** Settle at one scope: the write, or the lease's, and what follows where the call was posted or took more than it held. */
import type { Clock } from '../clock.ts';
import { type AccountStore, readShards } from './account-store.ts';
import type { Moment } from './denial.ts';
import type { LeasedPart } from './leases.ts';
import type { Pause } from './patient-store.ts';
import { correctAccount, postedKey } from './posted.ts';
import { type Demand, holdOf, momentOf } from './reserve.ts';
import { type Actual, type Grant, planSettle } from './settle.ts';
import { scopeKeyOf } from './shards.ts';
import { planRepay } from './slices.ts';

interface Engine {
  readonly closingStore: AccountStore;
  readonly clock: Clock;
  readonly pause: Pause;
}

interface Granted {
  readonly key: string;
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
async function settleHold(
  { closingStore: store, clock, pause }: Engine,
  { key, grant, holdId }: Granted,
  actual: Actual,
): Promise<void> {
  const { kind } = await store.write(key, planSettle(grant, actual, closingMoment(grant, clock)));
  const { request, plan } = grant;
  if (kind === 'applied' || clock.nowMs() < request.expiresAtSeconds * 1000) return;
  const posted = postedKey(key, { id: holdId, hold: holdOf(request, plan) });
  await correctAccount({ store, pause, account: key, key: posted, actual });
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
