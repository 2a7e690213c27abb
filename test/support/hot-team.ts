import { counterValue } from '../../core/limits/account.ts';
import type { AccountStore } from '../../core/limits/account-store.ts';
import { createAccounts } from '../../core/limits/accounts.ts';
import type { Limits } from '../../core/limits/dimensions.ts';
import { calendarDay } from '../../core/limits/periods.ts';
import { momentOf } from '../../core/limits/reserve.ts';
import type { Scope } from '../../core/tenancy/scopes.ts';
import type { MemoryStore } from './memory-store.ts';

export const TEAM: Scope = { kind: 'team', tenantId: 'acme', teamId: 'search' };
const MONTH = 202611;
export const NOW = Date.UTC(2026, 10, 20, 12);
export const AT = momentOf(NOW, calendarDay(NOW, 'UTC'));
export const clock = { nowMs: () => NOW };

/** Limits of a team that has seven shards. */
export function hot(nanoUsdPerMonth: number): Limits {
  return { requestsPerSecond: 140, nanoUsdPerMonth, tokensPerMinute: 1_000_000 };
}

/** What the team's shards are together. */
export function totals(memory: MemoryStore) {
  const accounts = memory.shardsOf(TEAM).map(({ account }) => account);
  const sum = (values: readonly number[]) => values.reduce((all, each) => all + each, 0);
  return {
    shards: accounts.length,
    slices: sum(accounts.map(({ plan }) => plan.nanoUsdPerMonth ?? 0)),
    committed: sum(accounts.map((account) => counterValue(account, 'nanoUsdPerMonth', MONTH))),
    smallest: Math.min(...accounts.map(({ plan }) => plan.nanoUsdPerMonth ?? 0)),
  };
}

/** A call of the team, from an environment that has seen nothing yet. */
export async function reserve(
  store: AccountStore,
  {
    id,
    nanoUsd,
    limits,
    policyVersion,
  }: { id: number; nanoUsd: number; limits: Limits; policyVersion: number },
) {
  return createAccounts({ store, clock }).reserve({
    requestId: `req_${id.toString(36).padStart(8, '0')}`,
    alias: 'm',
    demand: { nanoUsd, inputTokens: 1, outputTokens: 0 },
    scopes: [{ scope: TEAM, limits, policyVersion }],
    timeZone: 'UTC',
    holdSeconds: 900,
  });
}
