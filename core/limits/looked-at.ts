/**
 * Accounts without limits that were looked at this minute. Of such an account a call needs to know only that its hold was taken: there is
 * no room to tell of, and what is stale in it may wait a minute to be swept. The account of a busy key comes back as kilobytes
 * of other calls' holds, so that one call of many looks whether it has become a crowd (ADR 0036).
 */
import type { Account } from './account.ts';

export interface LookedAt {
  has(key: string, minute: number): boolean;
  /** An account with marks is looked at until they are swept: it may be large by them. */
  note(key: string, minute: number, account: Pick<Account, 'voided'>): void;
}

const MAX_ACCOUNTS = 10_000;
/** One look in so many calls. */
const CALLS_A_LOOK = 64;

export function createLookedAt(): LookedAt {
  const looks = new Map<string, { readonly minute: number; calls: number }>();
  return {
    has(key, minute) {
      const look = looks.get(key);
      if (look?.minute !== minute) return false;
      look.calls += 1;
      return look.calls < CALLS_A_LOOK;
    },
    note(key, minute, { voided }) {
      if (looks.size >= MAX_ACCOUNTS) looks.clear();
      if (voided.size === 0) looks.set(key, { minute, calls: 0 });
    },
  };
}
