/**
 * Accounts without limits that were looked at this minute. Of such an account a call needs to know only that its hold was taken: there is
 * no room to tell of, and what is stale in it may wait a minute to be swept. The account of a busy key comes back as kilobytes
 * of other calls' holds.
 */
import type { Account } from './account.ts';

export interface LookedAt {
  has(key: string, minute: number): boolean;
  /** An account with marks is looked at until they are swept: it may be large by them. */
  note(key: string, minute: number, account: Pick<Account, 'voided'>): void;
}

const MAX_ACCOUNTS = 10_000;

export function createLookedAt(): LookedAt {
  const minutes = new Map<string, number>();
  return {
    has: (key, minute) => minutes.get(key) === minute,
    note(key, minute, { voided }) {
      if (minutes.size >= MAX_ACCOUNTS) minutes.clear();
      if (voided.size === 0) minutes.set(key, minute);
    },
  };
}
