/** What must hold when books are closed, and when everything is over. */
import type { UsageEvent } from '../../core/usage/event.ts';
import { isPassedOver, scopeOf } from './account-names.ts';
import type { AccountTruth } from './account-truth.ts';
import { billedEntries, type CallRecord, hasFailedToClose, isRunaway } from './call-record.ts';
import { scopeTruths } from './scope-truth.ts';
import { monthOf, priceAtReserve, trueCost } from './true-money.ts';

/** I3: a call whose books are closed holds nothing, unless something on the way to closing them failed. */
export function closedComplaints(call: CallRecord, accounts: readonly AccountTruth[]): string[] {
  const holding = accounts.filter(({ holds }) => holds.has(call.holdId));
  return holding.length === 0 || hasFailedToClose(call)
    ? []
    : [`I3 still held after closing: ${call.holdId} in ${holding.map(({ key }) => key).join(' ')}`];
}

/** Everything that must hold between calls, the accounts of their scopes, and the ledger. */
export function booksComplaints(
  calls: Iterable<CallRecord>,
  accounts: Iterable<AccountTruth>,
  ledger: ReadonlyMap<string, UsageEvent>,
): string[] {
  const scopes = scopeTruths(accounts);
  const callsOf = new Map<string, CallRecord[]>();
  const complaints: string[] = [];
  for (const call of calls) {
    const own = [...new Set([...call.accounts].map(scopeOf))];
    const truths = own.flatMap((scope) => scopes.get(scope) ?? []);
    complaints.push(...finalComplaints(call, truths, ledger));
    for (const scope of own) {
      const known = callsOf.get(scope);
      if (known === undefined) callsOf.set(scope, [call]);
      else known.push(call);
    }
  }
  for (const scope of scopes.values())
    complaints.push(...ledgerComplaints(scope, callsOf.get(scope.key) ?? [], ledger));
  return complaints;
}

/** I4 and the bound of the hold, when everything is over: whoever was sent to a provider has a row, and only one. */
function finalComplaints(
  call: CallRecord,
  accounts: readonly AccountTruth[],
  ledger: ReadonlyMap<string, UsageEvent>,
): string[] {
  const complaints = closedComplaints(call, accounts);
  const billed = billedEntries(call);
  const rows = new Set(call.events.map((event) => JSON.stringify(event))).size;
  if (rows > 1) complaints.push(`I4 ${rows} different rows: ${call.holdId}`);
  if (call.providerEntries.length > 0 && !ledger.has(call.requestId))
    complaints.push(`I4 sent, and no row: ${call.holdId}`);
  if (billed.length > 1) complaints.push(`I1 billed by ${billed.length} providers: ${call.holdId}`);
  if (!isRunaway(call)) complaints.push(...boundComplaints(call, accounts));
  return complaints;
}

/** What a provider generates for a call that died is within the call's hold. */
function boundComplaints(call: CallRecord, accounts: readonly AccountTruth[]): string[] {
  return billedEntries(call).flatMap((entry) => {
    const price = priceAtReserve(call, entry.model);
    const cost = price === undefined ? 0 : trueCost(price, entry.generated());
    const short = accounts.flatMap(({ key, holds }) => {
      const held = holds.get(call.holdId)?.demand.nanoUsd ?? cost;
      return held < cost ? [`I1 costs ${cost}, holds ${held} in ${key}: ${call.holdId}`] : [];
    });
    return short;
  });
}

/**
 * I2: a scope's settled sum of a month is the sum of its ledger rows. Left out are calls that it still
 * holds, and what the reaper posted and booked at the hold, which the ledger must know nothing better of.
 */
function ledgerComplaints(
  account: AccountTruth,
  calls: readonly CallRecord[],
  ledger: ReadonlyMap<string, UsageEvent>,
): string[] {
  const rows = new Map<string, number>();
  const complaints: string[] = [];
  for (const call of calls) {
    const { requestId, holdId } = call;
    // It was never asked, and the process died before it could be told.
    const isUnchecked = [...call.unchecked].some((each) => scopeOf(each) === account.key);
    const isLost = isUnchecked && hasFailedToClose(call);
    if (isLost && !account.settled.has(holdId)) continue;
    const row = ledger.get(requestId);
    if (row !== undefined && row.outcome !== 'expired' && account.posted.has(holdId))
      complaints.push(`I2 never corrected: ${holdId} in ${account.key}`);
    if (row === undefined || row.outcome === 'expired' || isPassedOver(account.key, row)) continue;
    const isOpen = account.holds.has(holdId) || account.posted.has(holdId);
    if (isOpen && !account.settled.has(holdId)) continue;
    const period = `M${row.period.replace('-', '')}`;
    rows.set(period, (rows.get(period) ?? 0) + row.cost_nano_usd);
  }
  const periods = [...account.sums.keys()].filter((name) => name.startsWith('M'));
  const sums = [...new Set([...periods, ...rows.keys()])].flatMap((period) => {
    const settled = (account.sums.get(period)?.nanoUsd ?? 0) - notInLedger(account, period);
    const inLedger = rows.get(period) ?? 0;
    return settled === inLedger
      ? []
      : [`I2 settled ${settled}, ledger has ${inLedger} in ${period} of ${account.key}`];
  });
  return complaints.concat(sums);
}

/** What was posted at the hold, and what nobody owes. */
function notInLedger({ posted, sums }: AccountTruth, period: string): number {
  let sum = sums.get(period.replace('M', 'U'))?.nanoUsd ?? 0;
  for (const { day, demand } of posted.values())
    if (period === `M${monthOf(day)}`) sum += demand.nanoUsd;
  return sum;
}
