/** What all accounts of a scope say together: a scope has several where its limits ask for more than one partition takes. */
import { scopeOf } from './account-names.ts';
import type { AccountTruth } from './account-truth.ts';
import { type Amount, NOTHING, plus } from './true-money.ts';

/** By scope. */
export function scopeTruths(accounts: Iterable<AccountTruth>): ReadonlyMap<string, AccountTruth> {
  const scopes = new Map<string, AccountTruth>();
  for (const account of accounts) {
    const scope = scopeOf(account.key);
    const known = scopes.get(scope);
    const key = { ...account, key: scope };
    scopes.set(scope, known === undefined ? key : together(known, account));
  }
  return scopes;
}

function together(a: AccountTruth, b: AccountTruth): AccountTruth {
  return {
    key: a.key,
    holds: new Map([...a.holds, ...b.holds]),
    posted: new Map([...a.posted, ...b.posted]),
    voided: new Set([...a.voided, ...b.voided]),
    settled: new Set([...a.settled, ...b.settled]),
    sums: addSums(a.sums, b.sums),
    parts: new Map([...a.parts, ...b.parts]),
    leaseWrites: new Map([...a.leaseWrites, ...b.leaseWrites]),
  };
}

function addSums(
  a: ReadonlyMap<string, Amount>,
  b: ReadonlyMap<string, Amount>,
): Map<string, Amount> {
  const sums = new Map(a);
  for (const [name, amount] of b) sums.set(name, plus(sums.get(name) ?? NOTHING, amount));
  return sums;
}
