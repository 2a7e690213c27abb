/**
 * How a reserve will probably end, by what this environment has seen of the accounts. A guess that is wrong
 * now and then: no money may depend on it, and no refusal comes of it (ADR 0024).
 */
import type { EpochMs } from '../clock.ts';
import { accountKey } from '../tenancy/scopes.ts';
import type { Account } from './account.ts';
import type { ScopeLimits } from './accounts.ts';
import { type Moment, usedOf } from './denial.ts';
import { DIMENSION_NAMES, DIMENSIONS } from './dimensions.ts';
import { adoptWindows, amountOf, type Demand } from './reserve.ts';
import { limitsAt } from './schedule.ts';

/**
 * `plenty`: every account granted something lately and has room for many such calls, and none has a limit that fails
 * closed (money, tokens of a day or month) on what this call asks for. `poor`: the key's last call was refused.
 */
export type Outlook = 'plenty' | 'unknown' | 'poor';

export interface OutlookMemory {
  of(scopes: readonly ScopeLimits[], demand: Demand, at: Moment): Outlook;
  granted(scopeKey: string, account: Account, nowMs: EpochMs): void;
  /** By the key of the lead's account. */
  refused(leadKey: string, nowMs: EpochMs): void;
}

const LONGEST_MS = 30_000;
const MAX_ACCOUNTS = 10_000;
/** Of what is free, and of what must be free of the limit. */
const SHARE_OF_FREE = 1 / 64;
const FREE_OF_LIMIT = 1 / 5;

export function createOutlookMemory(): OutlookMemory {
  const seen = new Map<string, { readonly account: Account | undefined; readonly atMs: EpochMs }>();
  function remember(key: string, account: Account | undefined, atMs: EpochMs): void {
    if (seen.size >= MAX_ACCOUNTS) seen.clear();
    seen.set(key, { account, atMs });
  }
  return {
    of([lead, ...siblings], demand, at) {
      const recent = ({ scope }: ScopeLimits) => {
        const known = seen.get(accountKey(scope));
        return known !== undefined && at.nowMs < known.atMs + LONGEST_MS ? known : undefined;
      };
      const first = lead && recent(lead);
      if (lead === undefined || first === undefined) return 'unknown';
      if (first.account === undefined) return 'poor';
      const isEvery = [lead, ...siblings].every((scoped) => {
        const account = recent(scoped)?.account;
        return account !== undefined && hasPlenty(account, demand, at);
      });
      return isEvery ? 'plenty' : 'unknown';
    },
    granted: remember,
    refused: (leadKey, nowMs) => remember(leadKey, undefined, nowMs),
  };
}

function hasPlenty(account: Account, demand: Demand, now: Moment): boolean {
  if (account.status !== 'active') return false;
  const at = adoptWindows(account, now);
  const limits = limitsAt(account.plan, at.nowMs);
  return DIMENSION_NAMES.every((dimension) => {
    const limit = limits[dimension];
    const amount = amountOf(dimension, demand);
    if (limit === undefined || amount === 0) return true;
    if (DIMENSIONS[dimension].outage === 'closed') return false;
    const free = limit - usedOf(dimension, account, at);
    return free >= FREE_OF_LIMIT * limit && amount <= SHARE_OF_FREE * free;
  });
}
