/**
 * One scope under steady load in virtual time, over a table without faults: what the busiest of its accounts takes in its
 * busiest second, in writes and in write units. An item grows with its open calls, so their length decides as much as their number.
 */
import type { AccountStore } from '../../core/limits/account-store.ts';
import { type Accounts, createAccounts } from '../../core/limits/accounts.ts';
import type { LimitPlan } from '../../core/limits/schedule.ts';
import { keyShardCount, scopeKeyOf } from '../../core/limits/shards.ts';
import { accountKey, type Scope } from '../../core/tenancy/scopes.ts';
import { itemSize, writeUnits } from '../support/item-size.ts';
import { type Arrival, createFakeDynamo } from './fake-dynamo.ts';
import { createProcess } from './process.ts';
import { createRandom } from './random.ts';
import { createScheduler, type Scheduler } from './scheduler.ts';

export interface HotScopeOptions {
  readonly limit: number;
  readonly requestsPerSecond: number;
  readonly callSeconds: number;
  /** Of the callers; so many that none of them is hot itself, unless fewer are given. */
  readonly keys?: number;
}

export interface HotScopeReport {
  readonly accounts: number;
  readonly admitted: number;
  readonly refused: number;
  readonly writesPerCall: number;
  readonly readsPerCall: number;
  readonly unitsPerCall: number;
  readonly busiestWrites: number;
  readonly busiestUnits: number;
  /** Accounts of each key, and the write units that the busiest of all keys' accounts takes. */
  readonly keyAccounts: number;
  readonly busiestKeyUnits: number;
}

const TEAM: Scope = { kind: 'team', tenantId: 'acme', teamId: 'search' };
const TEAM_KEY = 'team/acme/search';
const ENVIRONMENTS = 100;
const MANY_KEYS = 1_000;
/** Counted after as many calls are open as there will be. */
const COUNTED_SECONDS = 3;
const START_MS = Date.UTC(2026, 10, 20, 12);
const NO_FAULTS = {
  throttles: 0,
  timeouts: 0,
  crashes: 0,
  lostEvents: 0,
  runaways: 0,
  clockSkewMs: 0,
};

export async function runHotScope(options: HotScopeOptions): Promise<HotScopeReport> {
  const random = createRandom(1);
  const scheduler = createScheduler(random, START_MS);
  const load = createLoad((key) => scopeKeyOf(key) === TEAM_KEY);
  const keyLoad = createLoad((key) => key.startsWith('key/'));
  const dynamo = createFakeDynamo({
    scheduler,
    random,
    faults: NO_FAULTS,
    onArrival: (arrival) => {
      load.count(scheduler.nowMs(), arrival);
      keyLoad.count(scheduler.nowMs(), arrival);
    },
  });
  const limits = { requestsPerSecond: options.limit, nanoUsdPerMonth: 1_000_000_000_000_000 };
  dynamo.setLimits(TEAM_KEY, { limits, policyVersion: 1 }, 'UTC');
  const keys = options.keys ?? MANY_KEYS;
  const keyPlan = { accounts: keyShardCount([limits]) };
  for (let index = 0; index < keys; index += 1)
    dynamo.setLimits(accountKey(keyOf(index)), { limits: keyPlan, policyVersion: 1 }, 'UTC');
  const environments = Array.from({ length: ENVIRONMENTS }, () =>
    createAccounts({ store: load.countReads(dynamo.storeFor(createProcess())), clock: scheduler }),
  );
  const untilMs = START_MS + 1_000 * (Math.ceil(options.callSeconds) + 1 + COUNTED_SECONDS);
  const made = offer(options, { scheduler, environments, limits, keyPlan, keys, untilMs });
  await scheduler.run();
  const { writes, units, reads } = load.total();
  const calls = made.admitted + made.refused;
  return {
    accounts: dynamo.shardsOf(TEAM_KEY).length,
    ...made,
    writesPerCall: writes / calls,
    readsPerCall: reads / calls,
    unitsPerCall: units / calls,
    ...load.busiest(untilMs / 1_000 - COUNTED_SECONDS, untilMs / 1_000),
    keyAccounts: dynamo.shardsOf(accountKey(keyOf(0))).length,
    busiestKeyUnits: keyLoad.busiest(untilMs / 1_000 - COUNTED_SECONDS, untilMs / 1_000)
      .busiestUnits,
  };
}

interface Offered {
  readonly scheduler: Scheduler;
  readonly environments: readonly Accounts[];
  readonly limits: { readonly requestsPerSecond: number };
  readonly keyPlan: LimitPlan;
  readonly keys: number;
  readonly untilMs: number;
}

function keyOf(index: number): Scope {
  return { kind: 'key', keyId: `vk_${index.toString(16).padStart(12, '0')}` };
}

/** Calls at even distances, each held for the call's length and settled. */
function offer(
  { requestsPerSecond, callSeconds }: HotScopeOptions,
  { scheduler, environments, limits, keyPlan, keys, untilMs }: Offered,
) {
  const made = { admitted: 0, refused: 0 };
  let sequence = 0;
  const call = async (accounts: Accounts | undefined) => {
    sequence += 1;
    const outcome = await accounts?.reserve({
      requestId: `req_${sequence.toString(36).padStart(8, '0')}bbbbbbbbbbbbbb`,
      alias: 'm',
      demand: { nanoUsd: 123_456, inputTokens: 1_234, outputTokens: 400 },
      scopes: [
        { scope: keyOf(sequence % keys), limits: keyPlan },
        { scope: TEAM, limits, policyVersion: 1 },
      ],
      timeZone: 'UTC',
      holdSeconds: 900,
    });
    if (outcome?.kind !== 'reserved') {
      made.refused += 1;
      return;
    }
    made.admitted += 1;
    await scheduler.sleep(callSeconds * 1_000);
    await accounts?.settle(outcome, { nanoUsd: 100_000, inputTokens: 1_000, outputTokens: 120 });
  };
  const next = () => {
    if (scheduler.nowMs() >= untilMs) return;
    const due = (requestsPerSecond * (scheduler.nowMs() + TICK_MS - START_MS)) / 1_000;
    while (sequence < due) void call(environments[sequence % environments.length]);
    scheduler.after(TICK_MS, next);
  };
  scheduler.after(0, next);
  return made;
}

const TICK_MS = 10;

/** Of some accounts: writes and write units by account and second. A refused write costs as much as one that is applied. */
function createLoad(isCounted: (key: string) => boolean) {
  const writes = new Map<string, number>();
  const units = new Map<string, number>();
  const total = { writes: 0, units: 0, reads: 0 };
  return {
    total: () => total,
    countReads: (store: AccountStore): AccountStore => ({
      ...store,
      read(key) {
        if (isCounted(key)) total.reads += 1;
        return store.read(key);
      },
    }),
    count(nowMs: number, { key, before = {}, after = before, legs }: Arrival): void {
      if (!isCounted(key)) return;
      const slot = `${Math.floor(nowMs / 1_000)} ${key}`;
      const bytes = Math.max(itemSize(before, key), itemSize(after, key));
      const billed = writeUnits(bytes, legs !== undefined);
      total.writes += 1;
      total.units += billed;
      writes.set(slot, (writes.get(slot) ?? 0) + 1);
      units.set(slot, (units.get(slot) ?? 0) + billed);
    },
    busiest(fromSecond: number, toSecond: number) {
      const most = (counts: ReadonlyMap<string, number>) =>
        Math.max(
          ...[...counts].map(([slot, count]) => {
            const second = Number(slot.slice(0, slot.indexOf(' ')));
            return second >= fromSecond && second < toSecond ? count : 0;
          }),
        );
      return { busiestWrites: most(writes), busiestUnits: most(units) };
    },
  };
}
